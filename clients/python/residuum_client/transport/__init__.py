"""Calls to a server: addresses, connections, messages and what failed ones mean."""

from residuum_client.transport.access import Pairs, Token, read_tls, tls
from residuum_client.transport.aio_connection import AsyncConnection, Elements
from residuum_client.transport.connection import Connection

__all__ = ["AsyncConnection", "Connection", "Elements", "Pairs", "Token", "read_tls", "tls"]
