"""Files to a model in batches, so that a bad file costs no other its answer."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from residuum_client.commands.files import Fail
from residuum_client.errors import InvalidInput, RecordError

FILES_PER_BATCH = 32

R = TypeVar("R")
Call = Callable[[list[bytes]], list[R]]


class Content(NamedTuple):
    """A file that was read."""

    path: Path
    data: bytes


def answers(paths: Sequence[Path], call: Call[R], fail: Fail) -> Iterator[tuple[Content, R]]:
    """Each file with the model's answer, in order; bad files fail one by one.

    Raises ResiduumError where no single file is at fault.
    """
    for start in range(0, len(paths), FILES_PER_BATCH):
        batch = list(_contents(paths[start : start + FILES_PER_BATCH], fail))
        yield from answered(batch, call, fail)


def answered(batch: list[Content], call: Call[R], fail: Fail) -> Iterator[tuple[Content, R]]:
    """A batch is refused as a whole, for one file at a time: asked again without it.

    Raises ResiduumError where no single file is at fault.
    """
    while batch:
        try:
            results = call([content.data for content in batch])
        except (InvalidInput, RecordError) as error:
            if error.index is None:
                raise
            fail(batch.pop(error.index).path, error.reason)
        else:
            yield from zip(batch, results, strict=True)
            return


def _contents(paths: Sequence[Path], fail: Fail) -> Iterator[Content]:
    for path in paths:
        try:
            yield Content(path, path.read_bytes())
        except OSError as error:
            fail(path, f"cannot be read: {error.strerror or error}")
