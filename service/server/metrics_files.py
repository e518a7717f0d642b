"""The files in which a serving process keeps its metrics, in a folder of the supervisor."""

import os
import shutil
import sys
from pathlib import Path

# If this is set when it is imported, prometheus_client keeps metrics in files of that folder.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Of prometheus_client: the kinds of files of a process, by what it counts, and their first size.
_KINDS = ("counter", "gauge_livesum", "gauge_livemostrecent", "histogram")
_BYTES = 1 << 20
# Bytes at the begin of a file, which say how many are in use.
_HEADER = 8


class MetricsFileError(Exception):
    """There is no space for the metrics; the message says where."""


def reserve_files() -> None:
    """Makes the files of this process, with their space on the disk. Raises MetricsFileError.

    prometheus_client maps them to memory. On a disk that is full by then, a file with holes would
    end the process with SIGBUS at some later count.
    """
    folder = Path(os.environ[FOLDER])
    for kind in _KINDS:
        try:
            with (folder / f"{kind}_{os.getpid()}.db").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, _BYTES)
        except OSError as error:
            raise MetricsFileError(
                f"the metrics cannot be kept in {folder}: {error.strerror}; expected TMPDIR to "
                f"name a folder with {len(_KINDS)} MiB of free space for each process"
            ) from None


def shrink_files(folder: Path, pid: int) -> None:
    """Cuts the files of a process that has ended to what they hold.

    Its counts stay in the sums. Files without a value stay as well: the page may be reading them.
    """
    for path in folder.glob(f"*_{pid}.db"):
        with path.open("r+b") as file:
            used = int.from_bytes(file.read(4), sys.byteorder)
            file.truncate(max(used, _HEADER))


def remove_folder() -> None:
    """Removes the folder, when the supervisor is gone, which does so otherwise."""
    shutil.rmtree(os.environ[FOLDER], ignore_errors=True)
