"""Who may use a port: its credentials and interceptors, from the settings."""

import logging

import grpc

from service.security import (
    AuditInterceptor,
    AuthInterceptor,
    Role,
    TlsFiles,
    Tokens,
    is_loopback,
    server_credentials,
)
from service.settings import Settings

_LOG = logging.getLogger(__name__)


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


def warn_of_plain_tokens(settings: Settings) -> None:
    """Logs a warning if tokens come from other machines without TLS."""
    hosts = [settings.host]
    if settings.admin_port is not None:
        hosts.append(settings.admin_host)
    remote = next((host for host in hosts if not is_loopback(host)), None)
    if settings.tokens is not None and settings.tls_cert is None and remote is not None:
        _LOG.warning(
            "tokens are sent to %s without encryption, anyone on the way can read them; expected "
            "--tls-cert and --tls-key",
            remote,
        )
