"""What became of the files of a command."""

from collections import Counter
from dataclasses import dataclass, field

from residuum_client.image_folder import phrase


@dataclass(slots=True)
class Tally:
    """Numbers of files: `total` to work on, of which `done`, and `failed` for all that failed.

    `existing` were done before and left as they are. `skipped` counts what else is in the folders,
    by suffix or reason. `resumable` is whether --resume continues a command that ends early.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    existing: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    resumable: bool = False

    def summary(self) -> str:
        """One sentence; empty if all was done, or if there was only one file."""
        left_out = self.failed + self.existing + self.skipped.total()
        if not left_out or left_out + self.done == 1:
            return ""
        parts = [f"{self.done:,} done"]
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += [f"{self.existing:,} done before"] if self.existing else []
        skipped = f"; skipped {phrase(self.skipped)}" if self.skipped else ""
        return f"residuum: {', '.join(parts)}{skipped}"

    def unfinished(self) -> str:
        """What to add to the error of a command that ends early: how far it came."""
        if not self.done:
            return ""
        hint = "; continue with --resume" if self.resumable else ""
        return f"; {self.done:,} of {self.total:,} done{hint}"
