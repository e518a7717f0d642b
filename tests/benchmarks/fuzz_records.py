"""Hostile records: each decodes or raises RecordError, without hanging or exhausting the memory.

    make bench-fuzz

A quarter each of: random bytes; real records with flipped bits; real records cut short; and damaged
bodies under a right checksum, which get past the CRC and reach the parser and the range coder.
"""

import argparse
import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from codec.bundle import load_bundle
from codec.errors import RecordError
from codec.onnx import open_graphs
from codec.pipeline import Model
from codec.record import MAX_RECORD_PIXELS, Record, pack, unpack

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("random", "flipped", "cut", "resealed")
# What the documentation promises: decoding one record of any bytes stays below this.
MAX_GROWTH_BYTES = 2**30
# Decoded images of the resealed kind are kept small, or the run would take days, not minutes.
MAX_SIDE = 64


def open_model(path: Path) -> Model:
    """A bundle on the CPU."""
    bundle = load_bundle(path)
    return Model(bundle, open_graphs(bundle, "cpu"))


def real_records(model: Model, folder: Path) -> list[bytes]:
    """Records of the sample images at three qualities."""
    images = [
        np.asarray(Image.open(f).convert("L"))[..., None] for f in sorted(folder.glob("*.png"))
    ]
    levels = (0, model.manifest.quality_default, model.manifest.quality_levels - 1)
    return [record for level in levels for record in model.compress(images, level)]


def hostile(kind: str, record: bytes, model: Model, rng: np.random.Generator) -> bytes:
    """One damaged record of a kind."""
    if kind == "random":
        return rng.bytes(int(rng.integers(0, 60)))
    if kind == "cut":
        return record[: int(rng.integers(0, len(record)))]
    if kind == "flipped":
        return flip(record, rng)
    body = unpack(record, model.model_id, sized=model.manifest.input.sized)
    size = (
        None
        if body.size is None
        else (int(rng.integers(1, MAX_SIDE)), int(rng.integers(1, MAX_SIDE)))
    )
    payload = rng.bytes(int(rng.integers(0, 40))) if rng.random() < 0.5 else flip(body.payload, rng)
    return pack(Record(int(rng.integers(0, 31)), size, payload), model.model_id)


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one to four bits flipped."""
    flipped = bytearray(data)
    # Each bit once: a bit flipped twice would leave a whole record.
    for bit in set(rng.integers(0, 8 * len(data), int(rng.integers(1, 5)))) if data else ():
        flipped[bit // 8] ^= 1 << int(bit) % 8
    return bytes(flipped)


def attack(model: Model, records: list[bytes], count: int, seed: int) -> tuple[Counter[str], float]:
    """Outcomes by kind, and the longest time that one record took, in seconds.

    Any exception but RecordError ends the run: that is the finding.
    """
    rng = np.random.default_rng(seed)
    outcomes: Counter[str] = Counter()
    longest = 0.0
    console = Console(stderr=True)
    for index in track(
        range(count), model.manifest.name, console=console, disable=not console.is_terminal
    ):
        kind = KINDS[index % len(KINDS)]
        data = hostile(kind, records[int(rng.integers(len(records)))], model, rng)
        start = time.perf_counter()
        try:
            model.decompress([data])
            outcomes[f"{kind} decoded"] += 1
        except RecordError:
            outcomes[f"{kind} refused"] += 1
        longest = max(longest, time.perf_counter() - start)
    return outcomes, longest


def largest(model: Model, folder: Path) -> None:
    """The largest image there and back, where the model takes any size: what a record may cost."""
    if model.manifest.input.fit == "pad":
        sample = np.asarray(Image.open(min(folder.glob("*.png"))).convert("L"))
        times = int(MAX_RECORD_PIXELS**0.5) // sample.shape[0]
        model.decompress(model.compress([np.tile(sample, (times, times))[..., None]]))


def main() -> None:
    """Entry point; exit status 1 if a limit was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=Path("build/bench/fuzz.json"))
    parser.add_argument("--bundles", type=Path, default=ROOT / "deploy/bundles")
    options = parser.parse_args()
    table = Table(title=f"{options.count} hostile records: decoded / refused, nothing else")
    for column in ("bundle", *KINDS, "longest s", "growth MB"):
        table.add_column(column, justify="right", no_wrap=True)
    results = {}
    for name in ("fashion", "pcb"):
        model = open_model(options.bundles / name)
        records = real_records(model, ROOT / "deploy/samples" / name)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        outcomes, longest = attack(model, records, options.count // 2, seed=1)
        largest(model, ROOT / "deploy/samples" / name)
        growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        results[name] = {"outcomes": outcomes, "longest_s": longest, "growth_bytes": growth}
        cells = [f"{outcomes[f'{k} decoded']} / {outcomes[f'{k} refused']}" for k in KINDS]
        table.add_row(name, *cells, f"{longest:.3f}", f"{growth / 1e6:.0f}")
    Console(width=120).print(table)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"count": options.count, **results}, indent=1) + "\n")
    sys.exit(any(r["growth_bytes"] > MAX_GROWTH_BYTES for r in results.values()))


if __name__ == "__main__":
    main()
