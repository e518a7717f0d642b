"""The ports of a server process and its life from start to drain."""

from service.server.lifecycle import build, serve
from service.server.server import ListenError, Server

__all__ = ["ListenError", "Server", "build", "serve"]
