"""What a crash leaves of an archive: every acknowledged record, and a file to append to."""

# ruff: noqa: S311

import os
import random
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from codec.archive import ArchiveReader, ArchiveWriter, blocks, create
from codec.errors import ArchiveError
from codec.record.frame import seal

pytestmark = pytest.mark.slow

# Thousands of small files are created and deleted, far faster in memory.
MEMORY = Path("/dev/shm")  # noqa: S108
MODEL = bytes(range(32))
Files = dict[str, bytes]


def record(number: int) -> bytes:
    return seal(number % 5, random.Random(number).randbytes(number * 7 % 13), MODEL)


class Disk:
    """All states of a folder between two system calls, and after each byte that is written.

    `killed` holds the files if the process is killed at that moment. `failed` holds the files after
    a power failure: their synced contents, under the present or the synced names. Each state comes
    with the number of records acknowledged before it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.watched = True
        self.acknowledged = 0
        self.killed: dict[tuple[tuple[str, bytes], ...], int] = {}
        self.failed: dict[tuple[tuple[str, bytes], ...], int] = {}
        self._synced: dict[int, bytes] = {}
        self._names: dict[str, int] = {}
        self._held: list[int] = []

    def look(self) -> None:
        if not self.watched:
            return
        now = {p.name: p.stat().st_ino for p in sorted(self.folder.iterdir())}
        contents = {name: (self.folder / name).read_bytes() for name in now}
        self.killed[*contents.items(),] = self.acknowledged
        for names in (now, self._names):
            state = {name: self._synced.get(inode, b"") for name, inode in names.items()}
            self.failed[*state.items(),] = self.acknowledged

    def sync(self, fd: int) -> None:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            self._names = {p.name: p.stat().st_ino for p in sorted(self.folder.iterdir())}
        else:
            # Keeps its inode number from being reused. A copy of `fd` would hold its lock too.
            self._held.append(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
            self._synced[status.st_ino] = os.pread(fd, status.st_size, 0)

    def close(self) -> None:
        for fd in self._held:
            os.close(fd)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """An empty folder, in memory if the machine has such a file system."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def disk(scratch: Path, monkeypatch):
    """Real system calls, with writes cut to single bytes, each followed by a look at the folder.

    A sync is noted instead of carried out.
    """
    folder = scratch / "disk"
    folder.mkdir()
    disk = Disk(folder)
    real = {name: getattr(os, name) for name in ("pwrite", "ftruncate", "link")}

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        written = real["pwrite"](fd, data[:1] if disk.watched else data, offset)
        disk.look()
        return written

    def fsync(fd: int) -> None:
        if disk.watched:
            disk.look()
            disk.sync(fd)
            disk.look()

    def watched(function):
        def call(*arguments, **options):
            result = function(*arguments, **options)
            disk.look()
            return result

        return call

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "ftruncate", watched(real["ftruncate"]))
    monkeypatch.setattr(os, "link", watched(real["link"]))
    monkeypatch.setattr(Path, "replace", watched(Path.replace))
    monkeypatch.setattr(Path, "unlink", watched(Path.unlink))
    with monkeypatch.context() as smaller:
        smaller.setattr(blocks, "BLOCK_RECORDS", 4)
        yield disk
    disk.close()


def work(disk: Disk, sizes: list[int], *, sync: bool, named: bool) -> int:
    """Creates an archive and appends to it in several sittings. Returns the number of records."""
    path = disk.folder / "a.rsa"
    create(path, MODEL, name="m")
    count = 0
    for size in sizes:
        with ArchiveWriter(path, sync=sync) as writer:
            for _ in range(size):
                writer.append(record(count), f"{count:02}" if named else None)
                count += 1
                disk.acknowledged = count
    return count


def go_on(folder: Path, files: Files, acknowledged: int, *, named: bool) -> int:
    """All acknowledged records are there, at most one more, and a record can be added."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    path = folder / "a.rsa"
    if not path.exists():
        assert acknowledged == 0
        return 0
    with ArchiveReader(path) as reader:
        found = list(reader)
    assert acknowledged <= len(found) <= acknowledged + 1
    with ArchiveWriter(path) as writer:
        assert len(writer) == len(found)
        writer.append(record(99), "last" if named else None)
    with ArchiveReader(path) as reader:
        assert list(reader) == [*map(record, range(len(found))), record(99)]
        assert reader.find("last") == (len(found) if named else None)
        assert all(damage is None for damage in reader.verify())
    assert [p.name for p in folder.iterdir() if p.name.endswith("journal")] == []
    return len(found)


def test_a_kill_in_any_state_of_the_two_files_loses_nothing(disk: Disk, scratch: Path):
    count = work(disk, [3, 6, 1, 2], sync=False, named=True)
    assert len(disk.killed) > 500
    disk.watched = False
    counts = set()
    for number, (files, acknowledged) in enumerate(disk.killed.items()):
        counts.add(go_on(scratch / f"{number}", dict(files), acknowledged, named=True))
    assert counts == set(range(count + 1))


def test_a_power_failure_in_any_state_loses_nothing_that_was_synced(disk: Disk, scratch: Path):
    count = work(disk, [3, 6, 1, 2], sync=True, named=False)
    disk.watched = False
    counts = set()
    for number, (files, acknowledged) in enumerate(disk.failed.items()):
        counts.add(go_on(scratch / f"{number}", dict(files), acknowledged, named=False))
    assert counts == set(range(count + 1))


def test_a_flush_syncs_all_records(disk: Disk, scratch: Path):
    path = disk.folder / "a.rsa"
    create(path, MODEL)
    with ArchiveWriter(path, sync=False) as writer:
        for number in range(6):
            writer.append(record(number))
        before = len(disk.failed)
        writer.flush()
        disk.look()
        states = list(disk.failed)[before:]
        disk.watched = False
        assert go_on(scratch / "power", dict(states[-1]), 6, named=False) == 6


def test_a_crash_during_the_repair_of_a_crash_loses_nothing(scratch: Path, disk: Disk):
    """The repair by the next writer can be interrupted as well."""
    work(disk, [6], sync=False, named=True)
    left = [dict(s) for s, n in disk.killed.items() if n == 5 and dict(s).get("a.rsa.journal")][-9]
    for p in disk.folder.iterdir():
        p.unlink()
    for name, data in left.items():
        (disk.folder / name).write_bytes(data)
    disk.killed.clear()
    disk.acknowledged = 5
    with ArchiveWriter(disk.folder / "a.rsa", sync=False) as writer:
        for number in range(5, 10):
            writer.append(record(number), f"{number:02}")
            disk.acknowledged = number + 1
    disk.watched = False
    for number, (files, acknowledged) in enumerate(disk.killed.items()):
        go_on(scratch / f"{number}", dict(files), acknowledged, named=True)


@contextmanager
def no_file_beyond(size: int):
    """Writes beyond this size fail, as they do on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_the_record_that_did_not_fit(scratch: Path):
    path = scratch / "a.rsa"
    create(path, MODEL)
    body = [seal(8, bytes([i]) * 100, MODEL) for i in range(8)]
    with ArchiveWriter(path, sync=False) as writer:
        writer.append(body[0])
        with no_file_beyond(200), pytest.raises(ArchiveError, match=r"a\.rsa: File too large"):
            writer.append(body[1])
        assert len(writer) == 1
        assert [*ArchiveReader(path)] == body[:1]
        writer.append(body[2])
    assert [*ArchiveReader(path)] == [body[0], body[2]]


def test_a_disk_that_is_full_on_closing_leaves_the_journal(scratch: Path):
    path = scratch / "a.rsa"
    create(path, MODEL)
    many = [seal(8, bytes([i]) * 100, MODEL) for i in range(8)]
    writer = ArchiveWriter(path, sync=False)
    for data in many:
        writer.append(data)
    with no_file_beyond(300), pytest.raises(ArchiveError, match="File too large"):
        writer.close()
    writer.close()
    assert [*ArchiveReader(path)] == many
    ArchiveWriter(path).close()
    assert [p.name for p in scratch.iterdir()] == ["a.rsa"]
    assert [*ArchiveReader(path)] == many


def test_a_disk_that_is_full_when_a_block_is_written_loses_nothing(scratch: Path):
    path = scratch / "a.rsa"
    create(path, MODEL)
    many = [seal(8, i.to_bytes(2, "big") * 50, MODEL) for i in range(300)]
    with ArchiveWriter(path, sync=False) as writer:
        for data in many[:256]:
            writer.append(data)
        with no_file_beyond(10_000), pytest.raises(ArchiveError, match="File too large"):
            writer.append(many[256])
        for data in many[256:]:
            writer.append(data)
    assert [*ArchiveReader(path)] == many


def append_for_ever(path: Path, acknowledged: int) -> None:
    """Appends records in sittings of random length, and writes the number of each to a pipe."""
    while True:
        with ArchiveWriter(path, sync=False) as writer:
            for number in range(len(writer), len(writer) + random.randrange(1, 400)):
                writer.append(record(number), f"{number:06}")
                os.write(acknowledged, b"%d\n" % number)


def killed_after(path: Path, count: int) -> list[int]:
    """The numbers that a process acknowledged before it was killed, at least `count` of them."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            append_for_ever(path, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        lines = [pipe.readline() for _ in range(count)]
        os.kill(child, signal.SIGKILL)
        lines += pipe.readlines()
    assert os.waitpid(child, 0) == (child, signal.SIGKILL)
    # A number may have been cut in the pipe.
    return [int(line) for line in lines if line.endswith(b"\n")]


def test_a_process_killed_at_random_moments_loses_nothing(scratch: Path):
    """RESIDUUM_KILLS sets how often; 10 by default."""
    path, rng = scratch / "a.rsa", random.Random(4)
    create(path, MODEL)
    count = 0
    for _ in range(int(os.environ.get("RESIDUUM_KILLS", "10"))):
        acknowledged = killed_after(path, rng.randrange(1, 700))
        assert acknowledged == [*range(count, count + len(acknowledged))]
        with ArchiveReader(path) as reader:
            assert acknowledged[-1] < len(reader) <= acknowledged[-1] + 3
            count = len(reader)
            numbers = [*range(max(0, count - 600), count), *rng.choices(range(count), k=50)]
            for number in numbers:
                assert reader.record(number) == record(number)
                assert reader.name(number) == f"{number:06}"
    with ArchiveWriter(path) as writer:
        assert writer.append(record(0), "and so on") == count
    with ArchiveReader(path) as reader:
        assert list(reader) == [*map(record, range(count)), record(0)]
        assert all(damage is None for damage in reader.verify())
