"""`residuum bench`: an open-loop load generator, which sends calls whatever the server answers."""

from residuum_client.commands.bench.bench import Bench

__all__ = ["Bench"]
