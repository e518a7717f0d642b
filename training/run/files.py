"""The files of a run folder, and how they are written.

    RUN/last.safetensors   everything that is needed to continue bit for bit
    RUN/best.safetensors   the averaged weights of the best validation loss, for the exporter
    RUN/config.json        configuration and provenance, for reading by eye
    RUN/metrics.jsonl      one record per epoch

Every file is written to a temporary sibling and then renamed, so no reader ever sees half of one.
Of the files of an epoch `last` is written last: a run killed between them repeats that epoch.
"""

from __future__ import annotations

from pathlib import Path

from codec.atomic import write_file
from codec.bundle.bundle import MANIFEST
from training.errors import TrainingError

LAST, BEST = "last.safetensors", "best.safetensors"
CONFIG, METRICS = "config.json", "metrics.jsonl"
_TEMPORARY = ".*.tmp"


def is_run(source: Path) -> bool:
    """Whether `source` is a run and not a bundle. Raises TrainingError if it is neither."""
    if not source.exists():
        raise TrainingError(f"{source} does not exist; expected a run or a bundle")
    if (source / BEST).exists():
        return True
    if source.is_dir() and not (source / MANIFEST).exists():
        raise TrainingError(f"{source} is neither a run (no {BEST}) nor a bundle (no {MANIFEST})")
    return False


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file as a whole or not at all. Raises TrainingError if it cannot be written."""
    try:
        write_file(path, data)
    except OSError as error:
        kept = "; the old file is kept" if path.exists() else ""
        raise TrainingError(
            f"{path} ({len(data):,} bytes) cannot be written: {error.strerror}{kept}"
        ) from error


def remove_temporary(run: Path) -> None:
    """Removes the temporary files of a process that was killed while it wrote."""
    for path in run.glob(_TEMPORARY):
        path.unlink(missing_ok=True)
