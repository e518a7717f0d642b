"""Who may use a port: its credentials and interceptors, from the settings."""

import grpc

from service.security import (
    AuditInterceptor,
    AuthInterceptor,
    Role,
    TlsFiles,
    Tokens,
    server_credentials,
)
from service.settings import Settings


def credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """TLS for one port, with client certificates if there is a client CA; None without TLS.

    Raises CredentialsError.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return server_credentials(TlsFiles(settings.tls_cert, settings.tls_key, settings.client_ca))


def interceptors(settings: Settings, least: Role) -> list[grpc.ServerInterceptor]:  # type: ignore[type-arg]
    """What comes before the handlers: the audit log, and tokens of at least this role.

    Raises TokensError.
    """
    audit = AuditInterceptor()
    if settings.tokens is None:
        return [audit]
    return [audit, AuthInterceptor(Tokens(settings.tokens), least)]
