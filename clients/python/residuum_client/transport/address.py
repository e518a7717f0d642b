"""Addresses of servers: what is checked before a connection is made, and proxies in the way."""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from residuum_client.errors import InvalidInput
from residuum_client.options import shown

# The schemes of names that gRPC resolves.
_GRPC_NAME = re.compile(
    r"(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds|google-c2p(-experimental)?):", re.IGNORECASE
)
_NO_NETWORK = ("unix:", "unix-abstract:", "vsock:")
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
EXPECTED = "expected HOST:PORT, such as localhost:50051"
_MAX_PORT = 65535
# The first of these that is set is used by gRPC, as written here.
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCLUDED = ("no_grpc_proxy", "no_proxy")


def check_targets(target: object) -> tuple[str, ...]:
    """The addresses of a server: one, several with commas between them, or a list of them.

    Each is returned once. Raises InvalidInput.
    """
    given = list(target) if isinstance(target, list | tuple) else [target]
    if not given:
        raise InvalidInput(f"the list of addresses is empty; {EXPECTED}")
    found: list[object] = []
    for one in given:
        # After ipv4: and ipv6: gRPC takes several addresses itself.
        several = isinstance(one, str) and not one.startswith((*_NO_NETWORK, "ipv4:", "ipv6:"))
        found += one.split(",") if isinstance(one, str) and several else [one]
    return tuple(dict.fromkeys(map(check_target, found)))


def check_target(target: object) -> str:
    """The address of a server: HOST:PORT, [IPV6]:PORT, or another name of gRPC as it is.

    Raises InvalidInput.
    """
    if not isinstance(target, str):
        raise InvalidInput(f"the address is {shown(target)}; {EXPECTED}")
    if re.search(r"\s|[^\x20-\x7e]", target) and not target.startswith(_NO_NETWORK):
        raise InvalidInput(
            f"the address {target!r} has a space or another odd character; {EXPECTED}"
        )
    if name := _GRPC_NAME.match(target):
        if not target[name.end() :].strip("/"):
            raise InvalidInput(f"the address {target!r} has no host; {EXPECTED}")
        return target
    if url := _URL.match(target):
        place = target[url.end() :].partition("/")[0] or "HOST:PORT"
        raise InvalidInput(f"the address {target!r} is a URL; expected {place} without {url[0]}")
    host, port = _split(target)
    if not host:
        raise InvalidInput(f"the address {target!r} has no host; {EXPECTED}")
    if not port:
        raise InvalidInput(f"the address {target!r} has no port; expected {host}:PORT")
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:9]) <= _MAX_PORT):
        raise InvalidInput(
            f"the address {target!r} has the port {port!r}; expected 1 to {_MAX_PORT}"
        )
    return target


def is_local(target: str) -> bool:
    """Whether all addresses of the target mean this machine, whatever proxies there are."""
    return all(map(_is_local_host, _hosts(target)))


def stays_here(target: str) -> bool:
    """Whether what is sent to the target never leaves this machine."""
    return target.startswith(_NO_NETWORK) or is_local(target)


def _is_local_host(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def proxy_in_the_way(target: str, environment: Mapping[str, str]) -> str:
    """Says which proxy gRPC uses for the address, and how to do without; empty without a proxy."""
    host = _hosts(target)[0]
    name = next((name for name in _PROXIES if environment.get(name)), None)
    excluded = next((environment[name] for name in _EXCLUDED if environment.get(name)), "")
    if name is None or is_local(target) or target.startswith(_NO_NETWORK):
        return ""
    try:
        proxy = urlsplit(environment[name])
    except ValueError:
        return ""
    if proxy.scheme != "http":  # gRPC uses no other
        return ""
    if any(part.strip() and host.endswith(part.strip()) for part in excluded.split(",")):
        return ""
    place = proxy.netloc.rpartition("@")[2]  # without the password that it may hold
    return f"{name} is set, so the proxy {place} was asked; no_proxy={host} leaves it out"


def _hosts(target: str) -> list[str]:
    """The hosts of a target; ipv4: and ipv6: take several addresses, with commas."""
    names = _GRPC_NAME.sub("", target, count=1).rpartition("/")[2]
    return [_split(name)[0].strip("[]").lower() for name in names.split(",")]


def _split(target: str) -> tuple[str, str]:
    """Host and port, either of which may be empty. Raises InvalidInput for bare IPv6."""
    if target.startswith("["):
        host, _, rest = target.partition("]")
        return f"{host}]", rest[1:] if rest.startswith(":") else ""
    if target.count(":") > 1:
        raise InvalidInput(f"the address {target!r} needs brackets if it is IPv6: [ADDRESS]:PORT")
    host, _, port = target.partition(":")
    return host, port
