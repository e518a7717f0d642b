"""The command `residuum`: one module for each subcommand, and what they share."""

from residuum_client.commands.admin import AdminPort
from residuum_client.commands.archive import Archive
from residuum_client.commands.bench import Bench
from residuum_client.commands.compress import Compress
from residuum_client.commands.decompress import Decompress
from residuum_client.commands.models import Models
from residuum_client.commands.score import Score

__all__ = ["AdminPort", "Archive", "Bench", "Compress", "Decompress", "Models", "Score"]
