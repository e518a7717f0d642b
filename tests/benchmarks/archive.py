"""What records and archives cost above the ideal code length, how fast archives are, and what an
interrupted one loses.

    make bench-archive

Records of the Fashion-MNIST test images at the default quality of the shipped model, 10,000 of
them. The ideal code length of an image is the sum of -log2 of its symbols' frequencies in the
tables. Exit status 1 if a limit is broken: 3 bytes for a record by itself, 1.3 in an archive.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from codec import Codec
from codec.archive import ArchiveReader, ArchiveWriter, create
from codec.arrays import F64
from codec.bundle.bundle import load_bundle
from codec.graphs.onnx import open_graphs
from codec.outcomes import required
from codec.record.frame import unpack
from codec.record_coder import RecordCoder
from training.data.datasets import IMAGES, find_idx
from training.data.idx import read_idx

ROOT = Path(__file__).resolve().parents[2]
MAX_RECORD_OVERHEAD, MAX_ARCHIVE_OVERHEAD = 3.0, 1.3
BATCH, QUESTIONS = 256, 500
NAME = "test/{:05}.png"
APPENDER = """
import sys
from codec.archive import ArchiveWriter

path, number = sys.argv[1], 0
records = bytes.fromhex(sys.stdin.read())
with ArchiveWriter(path, sync=False) as writer:
    while True:
        size = records[0]
        writer.append(records[1 : 1 + size], f"{number:09}")
        number += 1
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
"""


def records_of(path: Path, data: Path, count: int) -> tuple[list[bytes], F64, F64, bytes]:
    """Records, ideal bytes and payload bytes of the test images; id of the model."""
    bundle = load_bundle(path)
    codec, coder = Codec(bundle, open_graphs(bundle, "cpu")), RecordCoder(bundle)
    file = find_idx(data, IMAGES["test"])
    if file is None:
        sys.exit(f"{data} holds no {IMAGES['test']}")
    images = read_idx(file)[:count, :, :, None]
    records, bits = [], []
    for first in range(0, len(images), BATCH):
        batch = codec.compress(list(images[first : first + BATCH]))
        bits += coder.bits([coded for coded, _ in required(coder.read_each(batch), "record")])
        records += batch
    payloads = [len(unpack(r, bundle.model_id, sized=False).payload) for r in records]
    return records, np.array(bits) / 8, np.array(payloads, float), bundle.model_id


def write(
    path: Path, records: Sequence[bytes], model_id: bytes, *, named: bool, sync: bool = False
) -> tuple[float, float]:
    """An archive of records; seconds per append, and those that closing it took."""
    create(path, model_id, name="fashion", version="1")
    writer = ArchiveWriter(path, sync=sync)
    start = time.perf_counter()
    for i, record in enumerate(records):
        writer.append(record, NAME.format(i) if named else None)
    end = time.perf_counter()
    writer.close()
    return (end - start) / len(records), time.perf_counter() - end


def timed(call: Callable[[int], object], numbers: Sequence[int]) -> F64:
    """Microseconds of each call."""
    spent = []
    for number in numbers:
        start = time.perf_counter()
        call(number)
        spent.append(1e6 * (time.perf_counter() - start))
    return np.array(spent)


def access(path: Path, records: Sequence[bytes]) -> dict[str, float]:
    """Microseconds to open an archive, and to read a random record by number and by name."""
    numbers = np.random.default_rng(0).integers(0, len(records), QUESTIONS).tolist()
    opening = timed(lambda _: ArchiveReader(path).close(), range(50))
    with ArchiveReader(path) as reader:
        for number in numbers[:100]:
            assert reader.record(number) == records[number]
        by_number = timed(reader.record, numbers)
        by_name = timed(lambda i: reader.record(reader.find(NAME.format(i)) or 0), numbers)
        start = time.perf_counter()
        assert list(reader) == list(records)
        whole = time.perf_counter() - start
    facts = {"open_us": float(np.median(opening)), "all_us_per_record": 1e6 * whole / len(records)}
    for name, spent in (("number", by_number), ("name", by_name)):
        facts |= {f"by_{name}_us": float(np.median(spent))}
        facts |= {f"by_{name}_p99_us": float(np.percentile(spent, 99))}
    return facts


def torn_appends(folder: Path, records: Sequence[bytes], model_id: bytes) -> dict[str, int]:
    """The journal cut at every byte of its last record, for 40 records one after the other."""
    path = folder / "torn.rsa"
    create(path, model_id)
    journal = path.with_name("torn.rsa.journal")
    copy = folder / "copy.rsa"
    cuts, lost = 0, 0
    with ArchiveWriter(path, sync=False) as writer:
        writer.append(records[0])
        for number, record in enumerate(records[1:40], 1):
            before = journal.stat().st_size
            writer.append(record, NAME.format(number))
            whole = journal.read_bytes()
            shutil.copy(path, copy)
            for size in range(before, len(whole)):
                copy.with_name("copy.rsa.journal").write_bytes(whole[:size])
                with ArchiveReader(copy) as reader:
                    assert list(reader) == list(records[: len(reader)])
                    lost = max(lost, number + 1 - len(reader))
                cuts += 1
    return {"cuts": cuts, "most_lost": lost}


def kills(folder: Path, record: bytes, model_id: bytes, count: int) -> dict[str, int]:
    """Kills a process that appends without end at random moments, and counts lost records."""
    rng, lost, acknowledged = np.random.default_rng(1), 0, 0
    for kill in range(count):
        path = folder / f"{kill}.rsa"
        create(path, model_id)
        command = [sys.executable, "-c", APPENDER, str(path)]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write((bytes([len(record)]) + record).hex().encode())
            process.stdin.close()
            written = int(rng.integers(1, 5000))
            for _ in range(written):
                process.stdout.readline()
            process.kill()
            # The last line may be cut in the pipe.
            written += process.stdout.read().count(b"\n")
        with ArchiveReader(path) as reader:
            lost += max(0, written - len(reader))
            assert all(stored == record for stored in reader)
        acknowledged += written
    return {"kills": count, "acknowledged": acknowledged, "lost": lost}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", type=Path, default=ROOT / "deploy/bundles/fashion")
    parser.add_argument("--data", type=Path, required=True, help="folder of Fashion-MNIST")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("build/bench/archive.json"))
    options = parser.parse_args()
    result = measure(*records_of(options.bundle, options.data, options.count), options.kills)
    show(result)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(broken(result))


def measure(
    records: Sequence[bytes], ideal: F64, payloads: F64, model_id: bytes, kill_count: int
) -> dict[str, dict[str, float]]:
    """All measurements, from records and their ideal and payload bytes."""
    sizes = np.array([len(record) for record in records], float)
    result: dict[str, dict[str, float]] = {
        "record": {
            "images": len(records),
            "ideal": float(ideal.mean()),
            "bytes": float(sizes.mean()),
            "overhead": float((sizes - ideal).mean()),
            "largest_overhead": float((sizes - ideal).max()),
            "flush": float((payloads - ideal).mean()),
        }
    }
    with TemporaryDirectory() as name:
        folder = Path(name)
        for kind, named in (("archive", False), ("named archive", True)):
            path = folder / f"{kind}.rsa"
            append, close = write(path, records, model_id, named=named)
            size = path.stat().st_size / len(records)
            result[kind] = {"bytes": size, "overhead": size - float(ideal.mean())}
            result[kind] |= {"append_us": 1e6 * append, "close_ms": 1e3 * close}
        result["access"] = access(folder / "named archive.rsa", records)
        synced, _ = write(folder / "synced.rsa", records[:100], model_id, named=True, sync=True)
        result["access"]["synced_append_us"] = 1e6 * synced
        result["torn appends"] = torn_appends(folder, records, model_id)
        result["kills"] = kills(folder, records[0], model_id, kill_count)
    return result


def broken(result: dict[str, dict[str, float]]) -> bool:
    """Whether a limit is broken."""
    return (
        result["record"]["overhead"] > MAX_RECORD_OVERHEAD
        or result["archive"]["overhead"] > MAX_ARCHIVE_OVERHEAD
        or result["torn appends"]["most_lost"] > 1
        or result["kills"]["lost"] > 0
    )


def show(result: dict[str, dict[str, float]]) -> None:
    """Prints the results."""
    table = Table(title=f"{result['record']['images']} records, ideal bytes of each")
    for column in ("", "bytes per image", "over the ideal", "append us"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_row("ideal code length", f"{result['record']['ideal']:.3f}", "", "")
    for kind in ("record", "archive", "named archive"):
        row = result[kind]
        append = f"{row['append_us']:.0f}" if "append_us" in row else ""
        table.add_row(kind, f"{row['bytes']:.3f}", f"{row['overhead']:.3f}", append)
    console = Console(width=100)
    console.print(table)
    for kind in ("record", "access", "torn appends", "kills"):
        facts = ", ".join(f"{name} {value:.6g}" for name, value in result[kind].items())
        console.print(f"{kind}: {facts}")


if __name__ == "__main__":
    main()
