"""Hostile archives: every record is exact or refused with ArchiveError, in bounded memory.

    make bench-fuzz

Small archives of several blocks, with and without names, closed or with a journal, are damaged in
every way of damage.py and read completely: every record, entry and name. A CRC-32 covers
everything, so no damage may pass. Then come parts with right checksums and damaged contents, which
reach the parsers of columns, names, blocks, index and journal. They must be refused or read,
without another error and without much memory.
"""

import argparse
import json
import resource
import sys
import time
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from damage import KINDS, Rng
from rich.console import Console
from rich.table import Table

from codec.archive import ArchiveReader
from codec.archive.blocks import CRC, PREFIX, Header, Item, header_seed, pack_block, pack_header
from codec.archive.columns import pack_column
from codec.archive.disk import journal_path
from codec.archive.index import Layout, pack_index
from codec.archive.journal import ENTRY_BYTES, JournalStart, pack_entry, pack_journal
from codec.archive.name_lists import pack_names
from codec.errors import ArchiveError
from codec.record.frame import open_seal
from codec.varint import write_varint

MODEL = bytes(range(32))
MEMORY = Path("/dev/shm")  # noqa: S108 - many small files, all temporary
BLOCKS, RECORDS = 3, 4
# A megabyte of zeros, deflated, without the frame of zlib.
BOMB = zlib.compress(bytes(2**20), 9)[2:-4]
# What a reader may hold apart from the archive; a block's names and the index have lower limits.
MAX_GROWTH_BYTES = 2**28
RESEALED = ("columns", "name lists", "index", "ranges", "journal")


@dataclass(frozen=True, slots=True)
class Whole:
    """A sound archive: its file, its journal if there is one, its records in order."""

    archive: bytes
    journal: bytes | None
    items: tuple[Item, ...]


def sound(named: bool, closed: bool, rng: Rng) -> Whole:
    """An archive of a few small blocks, and records in a journal unless it is closed."""
    packed = pack_header(Header(MODEL, "fuzz", "1"))
    seed, layout, data = header_seed(packed), Layout(len(packed)), packed
    items = [item(i, named, rng) for i in range(BLOCKS * RECORDS)]
    link = 0
    for first in range(0, len(items), RECORDS):
        block, head = pack_block(items[first : first + RECORDS], first, seed)
        data, link = data + block, head.crc
        layout.add(head)
    if closed:
        return Whole(data + pack_index(layout, seed), None, tuple(items))
    more = [item(len(items) + i, named, rng) for i in range(RECORDS)]
    journal = pack_journal(JournalStart(len(items), layout.end, link), more, seed)
    return Whole(data, journal, (*items, *more))


def item(number: int, named: bool, rng: Rng) -> Item:
    """A record as an archive holds it."""
    name = b"n/%03d.png" % number if named and number % 5 else b""
    return Item(int(rng.integers(0, 32)), rng.bytes(int(rng.integers(0, 40))), name)


def put(folder: Path, archive: bytes, journal: bytes | None) -> Path:
    """Both files of an archive."""
    path = folder / "a.rsa"
    path.write_bytes(archive)
    journal_file = journal_path(path)
    if journal is None:
        journal_file.unlink(missing_ok=True)
    else:
        journal_file.write_bytes(journal)
    return path


def read(path: Path, *, salvage: bool) -> list[Item | None]:
    """The records of an archive, None for each that is refused."""
    records: list[Item | None] = []
    with ArchiveReader(path, salvage=salvage) as reader:
        for number in range(len(reader)):
            try:
                level, body = open_seal(reader.record(number), reader.header.model_id)
                entry = reader.entry(number)
                if entry.name is not None:
                    reader.find(entry.name)
                records.append(Item(level, body, (entry.name or "").encode()))
            except ArchiveError:
                records.append(None)
        list(reader.verify())
        return records


def judge(records: Sequence[Item | None], whole: Whole, other: Whole) -> str:
    """The outcome of reading a damaged archive.

    A whole block of another archive of the model in the same place has right checksums. It counts
    as exact.
    """
    pairs = zip(records, whole.items, other.items, strict=False)
    if len(records) > len(whole.items) or any(a not in (None, b, c) for a, b, c in pairs):
        return "undetected"
    if None in records:
        return "in part"
    return "exact" if len(records) == len(whole.items) else "shorter"


def damaged(whole: Whole, other: Whole, kind: str, rng: Rng) -> tuple[bytes, bytes | None]:
    """One of the two files damaged."""
    damage = KINDS[kind]
    if whole.journal is not None and rng.random() < 0.5:
        return whole.archive, damage(whole.journal, other.journal or other.archive, rng)
    return damage(whole.archive, other.archive, rng), whole.journal


def column(rng: Rng) -> bytes:
    """A column, whole, damaged or random."""
    values = rng.integers(0, 2 ** int(rng.integers(1, 33)), int(rng.integers(1, 9)))
    whole = pack_column(values.astype(np.int64))
    start = write_varint(int(rng.integers(0, 2**32))) + bytes(
        [int(rng.choice([0, 1, 33, 34, 255]))]
    )
    columns = whole, start + rng.bytes(int(rng.integers(0, 40))), KINDS["bytes"](whole, b"", rng)
    return columns[int(rng.integers(3))]


def name_list(rng: Rng) -> bytes:
    """A list of names, whole, damaged, or a small one that inflates to a megabyte."""
    names = [b"%d" % i * int(rng.integers(1, 60)) for i in range(int(rng.integers(1, 9)))]
    whole = pack_names(names)
    kind = int(rng.integers(4))
    if kind == 0:
        return whole
    if kind == 1:
        return b"\1" + write_varint(int(rng.choice([2**20, 2**18, 2**31]))) + BOMB
    return list(KINDS.values())[int(rng.integers(len(KINDS)))](whole, whole, rng)


def hostile(kind: str, rng: Rng) -> tuple[bytes, bytes | None]:
    """An archive with right checksums and hostile contents of one kind."""
    packed = pack_header(Header(MODEL, "fuzz", "1"))
    seed = header_seed(packed)
    bodies = rng.bytes(int(rng.integers(0, 30)))
    columns = column(rng) + column(rng) + (name_list(rng) if kind == "name lists" else b"")
    count = int(rng.choice([1, 2, 8, 256]))
    if kind == "name lists":
        columns = b"\x08\xff" + write_varint(len(bodies)) + b"\xff" + name_list(rng)
        count = 1 if rng.random() < 0.5 else count
    block = PREFIX.pack(b"B", count - 1, len(columns), len(bodies), zlib.crc32(bodies)) + columns
    block += CRC.pack(zlib.crc32(block, zlib.crc32(bytes(8), seed))) + bodies
    if kind == "journal":
        start = JournalStart(*(int(rng.choice([0, 1, len(packed), 2**32 - 1])) for _ in range(3)))
        journal = pack_journal(JournalStart(0, len(packed), 0), [item(0, True, rng)], seed)
        entry = bytearray(pack_entry(item(1, True, rng), 1, seed))
        entry[:7] = KINDS["bytes"](bytes(entry[:7]), b"", rng)
        entry[7:ENTRY_BYTES] = CRC.pack(zlib.crc32(entry[:7], zlib.crc32(b"\0" * 7 + b"\1", seed)))
        bad_entry = rng.random() < 0.7
        return packed, journal + bytes(entry) if bad_entry else pack_journal(start, [], seed)
    inside = (
        b"I"
        + (1).to_bytes(4, "big")
        + write_varint(len(block))
        + b"\xff"
        + write_varint(count)
        + b"\xff"
    )
    records = count
    if kind == "ranges":
        inside += b"\1" + name_list(rng)
    if kind == "index":
        blocks = int(rng.choice([0, 1, 2, 2**21, 2**31, 2**32 - 1]))
        inside = b"I" + blocks.to_bytes(4, "big") + column(rng) + column(rng)
        records = int(rng.choice([0, 1, count, 2**63]))
    inside += len(inside).to_bytes(4, "big") + records.to_bytes(8, "big")
    return packed + block + inside + CRC.pack(zlib.crc32(inside, seed)) + b"RSAI", None


def cases(
    count: int, rng: Rng
) -> Iterator[tuple[str, tuple[bytes, bytes | None], tuple[Whole, Whole] | None]]:
    """Kinds, both files, and the two archives from which they were made; none for hostile ones."""
    wholes = [sound(named, closed, rng) for named in (True, False) for closed in (True, False)] * 2
    names = [*KINDS, *RESEALED]
    for index in range(count):
        kind = names[index % len(names)]
        if kind in RESEALED:
            yield kind, hostile(kind, rng), None
        else:
            one, other = (wholes[int(i)] for i in rng.integers(0, len(wholes), 2))
            yield kind, damaged(one, other, kind, rng), (one, other)


def attack(folder: Path, count: int, seed: int) -> tuple[dict[str, Counter[str]], float]:
    """Outcomes by kind, and the longest time that one archive took, in seconds.

    Any exception but ArchiveError ends the run: that is the finding.
    """
    outcomes: dict[str, Counter[str]] = {}
    rng, longest = np.random.default_rng(seed), 0.0
    for number, (kind, files, wholes) in enumerate(cases(count, rng)):
        path = put(folder, *files)
        start = time.perf_counter()
        outcome = "refused"
        try:
            records = read(path, salvage=number % 2 == 1)
            outcome = judge(records, *wholes) if wholes else "read"
        except ArchiveError:
            pass
        longest = max(longest, time.perf_counter() - start)
        outcomes.setdefault(kind, Counter())[outcome] += 1
    return outcomes, longest


def main() -> None:
    """Entry point; exit status 1 if a limit was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--out", type=Path, default=Path("build/bench/fuzz_archives.json"))
    options = parser.parse_args()
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        outcomes, longest = attack(Path(name), options.count, seed=1)
        growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        tracemalloc.start()  # slow, so only for a few
        attack(Path(name), options.count // 50, seed=2)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    show(outcomes, longest, growth, peak)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    facts = {"count": options.count, "longest_s": longest, "growth_bytes": growth, "peak": peak}
    options.out.write_text(json.dumps(facts | {"kinds": outcomes}, indent=1) + "\n")
    wrong = any(counts["undetected"] for counts in outcomes.values())
    sys.exit(wrong or max(growth, peak) > MAX_GROWTH_BYTES)


def show(outcomes: dict[str, Counter[str]], longest: float, growth: int, peak: int) -> None:
    """Prints the table."""
    table = Table(title="damaged archives; the last kinds have right checksums")
    columns = ("refused", "in part", "shorter", "exact", "read", "undetected")
    for column_name in ("kind", *columns):
        table.add_column(column_name, justify="right", no_wrap=True)
    for kind, counts in outcomes.items():
        table.add_row(kind, *(str(counts[outcome]) for outcome in columns))
    console = Console(width=100)
    console.print(table)
    console.print(
        f"undetected: expected 2^-32 of them; longest {longest:.3f} s; memory grew by "
        f"{growth / 1e6:.0f} MB, allocated at one moment {peak / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()
