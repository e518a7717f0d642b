"""Bytes of an archive beyond those of its bodies, and of the same records in SQLite."""

import os
import random
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from codec.archive import ArchiveWriter, create
from codec.record.frame import seal

MODEL = bytes(range(32))
COUNT = 10_000
NAMES = [f"test/{i:05}.png" for i in range(COUNT)]
SCHEMAS = {
    "WITHOUT ROWID": "CREATE TABLE r (name TEXT PRIMARY KEY, record BLOB) WITHOUT ROWID",
    "rowid": "CREATE TABLE r (name TEXT UNIQUE, record BLOB)",
}


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    """Records as long as those of the shipped Fashion-MNIST model, with bodies of 15.0 bytes."""
    rng, content = np.random.default_rng(0), random.Random(0)  # noqa: S311
    sizes = rng.normal(15, 3.3, COUNT).round().clip(6, 40).astype(int)
    assert sizes.mean() == pytest.approx(15.0, abs=0.05)
    return [seal(8, content.randbytes(int(size)), MODEL) for size in sizes]


def archive_bytes(path: Path, records: list[bytes], names: list[str | None]) -> float:
    """Bytes per record."""
    create(path, MODEL, name="fashion", version="1")
    with ArchiveWriter(path, sync=False) as writer:
        for record, name in zip(records, names, strict=True):
            writer.append(record, name)
    return path.stat().st_size / len(records)


def sqlite_bytes(path: Path, records: list[bytes], schema: str) -> float:
    """Bytes per record."""
    connection = sqlite3.connect(path)
    connection.execute(schema)
    connection.executemany("INSERT INTO r VALUES (?, ?)", zip(NAMES, records, strict=True))
    connection.commit()
    connection.execute("VACUUM")
    connection.close()
    return path.stat().st_size / len(records)


def test_an_archive_adds_less_than_a_byte_per_record(tmp_path: Path, monkeypatch, records) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    assert archive_bytes(tmp_path / "named.rsa", records, [*NAMES]) == pytest.approx(15.7, abs=0.05)
    plain = archive_bytes(tmp_path / "plain.rsa", records, [None] * COUNT)
    assert plain == pytest.approx(15.6, abs=0.05)


@pytest.mark.parametrize(("schema", "least"), [("WITHOUT ROWID", 36), ("rowid", 60)])
def test_sqlite_takes_more_than_twice_as_much(tmp_path: Path, records, schema, least) -> None:
    """38.1 and 62.7 bytes with SQLite 3.40; other versions may differ a little."""
    assert sqlite_bytes(tmp_path / "records.db", records, SCHEMAS[schema]) > least
