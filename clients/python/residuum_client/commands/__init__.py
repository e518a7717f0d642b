"""The command `residuum`: one module for each subcommand, and what they share."""

from residuum_client.commands.archive import Archive
from residuum_client.commands.compress import Compress
from residuum_client.commands.decompress import Decompress
from residuum_client.commands.models import Models
from residuum_client.commands.score import Score

__all__ = ["Archive", "Compress", "Decompress", "Models", "Score"]
