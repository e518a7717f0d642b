"""Who may call what: TLS and mutual TLS, bearer tokens with roles, and the audit log.

`credentials` and `tokens` reread their files through `rotation`; `authorisation` has the rules, the
interceptors apply them. Nothing here imports the rest of the service.
"""

from service.security.addresses import is_loopback
from service.security.audit import AuditInterceptor
from service.security.authorisation import (
    Caller,
    PermissionDenied,
    Role,
    Unauthenticated,
    authorise,
    current_caller,
    required_role,
)
from service.security.credentials import CredentialsError, TlsFiles, server_credentials
from service.security.interceptor import AuthInterceptor
from service.security.tokens import Tokens, TokensError

__all__ = [
    "AuditInterceptor",
    "AuthInterceptor",
    "Caller",
    "CredentialsError",
    "PermissionDenied",
    "Role",
    "TlsFiles",
    "Tokens",
    "TokensError",
    "Unauthenticated",
    "authorise",
    "current_caller",
    "is_loopback",
    "required_role",
    "server_credentials",
]
