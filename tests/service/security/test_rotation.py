"""Files that are read again when they change."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from codec.errors import ResiduumError
from service.security.rotation import Rotated, read_file


def reader(path, log):
    def read():
        log.append(path.name)
        try:
            return read_file(path, 100).decode("ascii")
        except (OSError, UnicodeDecodeError):
            raise ResiduumError(f"{path} is broken") from None

    return read


def test_a_file_is_read_once_for_each_change(rig, tmp_path):
    path, log = tmp_path / "file", []
    rig.write(path, b"one")
    rotated = Rotated([path], reader(path, log))
    assert [rotated.get(), rotated.get()] == ["one", "one"]
    rig.write(path, b"two")
    assert [rotated.get(), rotated.get()] == ["two", "two"]
    assert len(log) == 2


def test_a_file_that_is_broken_at_start_raises(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(ResiduumError):
        Rotated([path], reader(path, []))


def test_a_change_of_size_inode_or_times_alone_is_seen(rig, tmp_path):
    path, log = tmp_path / "file", []
    rig.write(path, b"one")
    before = path.stat()
    rotated = Rotated([path], reader(path, log))
    path.write_bytes(b"three")
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert rotated.get() == "three"
    replacement = tmp_path / "replacement"
    replacement.write_bytes(b"seven")
    os.utime(replacement, ns=(before.st_mtime_ns, before.st_mtime_ns))
    replacement.replace(path)
    assert rotated.get() == "seven"
    path.chmod(0o600)  # permission to read may be what was missing
    rotated.get()
    assert len(log) == 4


def test_each_broken_version_is_read_and_reported_once(rig, tmp_path, caplog):
    path, log = tmp_path / "file", []
    rig.write(path, b"one")
    rotated = Rotated([path], reader(path, log))
    rig.write(path, b"\xff")
    assert [rotated.get() for _ in range(5)] == ["one"] * 5
    assert (len(log), len(caplog.records)) == (2, 1)
    path.unlink()
    assert [rotated.get() for _ in range(5)] == ["one"] * 5
    assert (len(log), len(caplog.records)) == (3, 2)
    assert caplog.messages[-1] == f"{path} is broken; what was read before stays in use"
    with caplog.at_level(logging.INFO):
        rig.write(path, b"two")
        assert rotated.get() == "two"
    assert caplog.messages[-1] == f"read again: {path}"


def test_a_change_while_the_file_is_read_is_seen_by_the_next_call(rig, tmp_path):
    path, log = tmp_path / "file", []
    rig.write(path, b"one")
    read = reader(path, log)

    def read_and_change():
        content = read()
        if len(log) == 2:
            rig.write(path, b"three")
        return content

    rotated = Rotated([path], read_and_change)
    rig.write(path, b"two")
    assert [rotated.get(), rotated.get()] == ["two", "three"]


def test_threads_read_a_change_once(rig, tmp_path):
    path, log = tmp_path / "file", []
    rig.write(path, b"one")
    rotated = Rotated([path], reader(path, log))
    rig.write(path, b"two")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: rotated.get(), range(200)))
    assert len(log) == 2
    assert rotated.get() == "two"
