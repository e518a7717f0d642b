"""Roles, and which of them an RPC requires."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from codec.errors import ResiduumError


class Unauthenticated(ResiduumError):
    """The call has no valid token."""


class PermissionDenied(ResiduumError):
    """The caller is known, but its role does not allow the call."""


class Role(StrEnum):
    """What a caller may do: `data` uses models, `admin` also loads and unloads them."""

    DATA = "data"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a token."""

    name: str
    role: Role


# Not in this table: any other RPC, which requires `data`, and the health service.
ADMINISTRATIVE: Mapping[str, Role] = {
    "/residuum.v1.ModelService/LoadModel": Role.ADMIN,
    "/residuum.v1.ModelService/UnloadModel": Role.ADMIN,
}
# Probes and load balancers have no token.
_OPEN = "/grpc.health.v1.Health/"
_CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)


def required_role(method: str, least: Role = Role.DATA) -> Role | None:
    """The role that an RPC requires, by its full name ("/package.Service/Method"); None if open.

    With `least` admin, a port requires it for every RPC except health.
    """
    if method.startswith(_OPEN):
        return None
    return ADMINISTRATIVE.get(method, least)


def authorise(caller: Caller, role: Role) -> None:
    """Raises PermissionDenied unless the caller has the role; an admin has both."""
    if caller.role is not Role.ADMIN and caller.role is not role:
        raise PermissionDenied(
            f"this call requires a token with the role {role}; that of {caller.name} has the role "
            f"{caller.role}"
        )


def current_caller() -> Caller | None:
    """The caller of the RPC that runs in this context; None if its port asks for no token."""
    return _CALLER.get()


def set_caller(caller: Caller) -> None:
    """Sets the caller for the rest of this RPC: gRPC runs each in a separate context."""
    _CALLER.set(caller)
