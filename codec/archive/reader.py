"""Reads an archive by number, by name, or as a whole."""

import bisect
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from codec.archive.blocks import Head, Header, Item
from codec.archive.disk import CLOSED, naming
from codec.archive.index import name_range
from codec.archive.name_lists import encode_name
from codec.archive.names import Names
from codec.archive.snapshot import Snapshot, read_block, read_head, take_snapshot
from codec.errors import ArchiveError, InvalidInput
from codec.record.frame import seal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A record without its body: number, name if any, bytes of its body, and level 0..31."""

    number: int
    name: str | None
    size: int
    level: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Records `first`..`first + count - 1` cannot be read, with the reason."""

    first: int
    count: int
    reason: str


class ArchiveReader:
    """The records of the archive at `path`, at least those that it had when it was opened.

    Thread-safe, also while another process appends. `salvage` reads what is left of an archive that
    was cut short or lost its journal. Raises ArchiveError if the file cannot be read, or holds
    records of another model than `model_id`, which the error calls `model_name`.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        model_id: bytes | None = None,
        model_name: str = "",
        salvage: bool = False,
    ) -> None:
        self.path, self._salvage = Path(path), salvage
        with naming(self.path):
            self._fd = os.open(self.path, os.O_RDONLY)
            try:
                self._take(take_snapshot(self.path, self._fd, salvage=salvage))
                check_model(self.header, model_id, model_name)
            except BaseException:
                os.close(self._fd)
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        if self._fd != CLOSED:
            os.close(self._fd)
        self._fd = CLOSED

    @property
    def header(self) -> Header:
        """The model of all records."""
        return self._snapshot.header

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self._snapshot.layout)

    def __len__(self) -> int:
        return self._snapshot.layout.records + len(self._snapshot.items)

    def __iter__(self) -> Iterator[bytes]:
        """All records in order. Raises ArchiveError."""
        return (self.record(number) for number in range(len(self)))

    def record(self, number: int) -> bytes:
        """A record as it was appended. Raises ArchiveError; InvalidInput for the number."""
        item = self._retried(lambda: self._item(number))
        return seal(item.level, item.body, self.header.model_id)

    def name(self, number: int) -> str | None:
        """The name of a record, if it has one. Raises as `record` does."""
        return self.entry(number).name

    def find(self, name: str) -> int | None:
        """Number of the record of this name. Raises ArchiveError; InvalidInput for the name."""
        data = encode_name(name)
        return self._retried(lambda: self._find(data))

    def entry(self, number: int) -> Entry:
        """A record without its body. Raises as `record` does."""
        return self._retried(lambda: self._entry(number))

    def entries(self) -> Iterator[Entry]:
        """All records without their bodies, in order. Raises ArchiveError."""
        return (self.entry(number) for number in range(len(self)))

    def verify(self) -> Iterator[Damage | None]:
        """Reads every block and gives its damage, or None."""
        layout = self._snapshot.layout
        for block in range(self.blocks):
            first, count = layout.firsts[block], layout.firsts[block + 1] - layout.firsts[block]
            try:
                self._verify(block)
            except (ArchiveError, OSError) as error:
                yield Damage(first, count, str(error))
            else:
                yield None

    def _verify(self, block: int) -> None:
        layout = self._snapshot.layout
        names = [item.name for item in read_block(self._fd, layout, block, self._seed)]
        if layout.ranges and layout.ranges[block] != name_range(names):
            raise ArchiveError("a block is damaged: its names contradict the index")

    def _retried(self, step: Callable[[], T]) -> T:
        """The result of a step, tried once more if a writer has changed the file."""
        with naming(self.path):
            try:
                return step()
            except ArchiveError:
                fresh = take_snapshot(self.path, self._fd, salvage=self._salvage)
                if fresh.layout.offsets == self._snapshot.layout.offsets:
                    raise
            self._take(fresh)
            return step()

    def _take(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._names = Names(snapshot.layout, self._names_of)
        self._last: tuple[int, list[Item]] | None = None
        self._last_head: tuple[int, Head, list[Entry]] | None = None

    @property
    def _seed(self) -> int:
        return self._snapshot.seed

    def _place(self, number: int) -> tuple[int, int]:
        """Block and place in it of a record; the journal counts as one more block."""
        if not 0 <= number < len(self):
            raise InvalidInput(f"record {number}, the archive has {len(self)}")
        firsts = self._snapshot.layout.firsts
        block = bisect.bisect_right(firsts, number) - 1
        return block, number - firsts[block]

    def _item(self, number: int) -> Item:
        block, place = self._place(number)
        if block == self.blocks:
            return self._snapshot.items[place]
        last = self._last
        if last is None or last[0] != block:
            items = read_block(self._fd, self._snapshot.layout, block, self._seed, names=False)
            last = block, items
            self._last = last
        return last[1][place]

    def _find(self, name: bytes) -> int | None:
        number = self._names.find(name)
        if number is not None:
            return number
        names = [item.name for item in self._snapshot.items]
        return self._snapshot.layout.records + names.index(name) if name in names else None

    def _entry(self, number: int) -> Entry:
        block, place = self._place(number)
        if block == self.blocks:
            item = self._snapshot.items[place]
            return _entry(number, item.name, len(item.body), item.level)
        return self._head(block)[1][place]

    def _names_of(self, block: int) -> tuple[bytes, ...]:
        return self._head(block)[0].names

    def _head(self, block: int) -> tuple[Head, list[Entry]]:
        last = self._last_head
        if last is None or last[0] != block:
            head = read_head(self._fd, self._snapshot.layout, block, self._seed)
            last = block, head, _entries(self._snapshot.layout.firsts[block], head)
            self._last_head = last
        return last[1:]


def check_model(header: Header, model_id: bytes | None, model_name: str = "") -> None:
    """Raises ArchiveError for the archive of another model, with the names of both if known."""
    if model_id is not None and model_id != header.model_id:
        found = _described(f"{header.name} {header.version}".strip(), header.model_id)
        expected = _described(model_name, model_id)
        raise ArchiveError(f"holds records of the model {found}, not of {expected}")


def _described(name: str, model_id: bytes) -> str:
    short = model_id.hex()[:12]
    return f"{name} ({short})" if name else short


def _entries(first: int, head: Head) -> list[Entry]:
    names = head.names or (b"",) * head.start.count
    facts = zip(names, head.lengths.tolist(), head.levels.tolist(), strict=True)
    return [_entry(first + i, name, size, level) for i, (name, size, level) in enumerate(facts)]


def _entry(number: int, name: bytes, size: int, level: int) -> Entry:
    return Entry(number, name.decode() or None, size, level)
