"""Hostile records: each is refused with RecordError or is the exact original, in bounded memory.

    make bench-fuzz

Real records of two shipped and two small models, of global and of convolutional latents, with and
without evidence, damaged in every way of damage.py. One damaged record in 2,048 passes CRC-11, and
none passes CRC-32. Up to three wrong bits, and a burst of up to 11 within the body, are always
detected. Another quarter have damaged contents with a right checksum: they reach the parsers and
the range coder, and must be refused or decode, without another error.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from damage import KINDS, Rng, burst
from PIL import Image
from rich.console import Console
from rich.table import Table

from codec import Codec, Rate, Scorer
from codec.bundle.bundle import load_bundle
from codec.errors import RecordError
from codec.graphs.onnx import open_graphs
from codec.images.input_spec import MAX_RECORD_PIXELS
from codec.record.frame import (
    LARGE_TAIL,
    SMALL_BODY,
    SMALL_TAIL,
    Record,
    pack,
    seal,
    unpack,
)

ROOT = Path(__file__).resolve().parents[2]
BUNDLES = {
    "fashion": ("deploy/bundles/fashion", "deploy/samples/fashion"),
    "pcb": ("deploy/bundles/pcb", "deploy/samples/pcb"),
    "tiny": ("tests/data/tiny_bundle", ""),
    "tiny map": ("tests/data/tiny_map_bundle", ""),
}
CERTAIN = ("1 bit", "2-3 bits", "burst in the body")
RESEALED = "resealed"
# The documented memory limit of decoding one record of any bytes.
MAX_GROWTH_BYTES = 2**30
# Most resealed records are of small images, since large ones would take hours.
MAX_SIDE, LARGE = 64, 500


@dataclass(slots=True)
class Outcome:
    """Counts of damaged records of one kind; `small` of them ended in CRC-11."""

    count: int = 0
    small: int = 0
    exact: int = 0
    undetected: int = 0
    longest: float = 0.0

    @property
    def allowed(self) -> float:
        """Expected number that pass CRC-11, plus four standard deviations; none pass CRC-32."""
        mean = self.small / 2**11
        return mean + 4 * mean**0.5


def open_codec(path: Path) -> Codec:
    """A bundle on the CPU."""
    bundle = load_bundle(path)
    return Codec(bundle, open_graphs(bundle, "cpu"))


def sample_images(codec: Codec, folder: Path | None) -> list[np.ndarray]:
    """The samples of a shipped model; noise and ramps for others."""
    if folder is not None:
        files = sorted(folder.glob("*.png"))[:6]
        return [np.asarray(Image.open(file).convert("L"))[..., None] for file in files]
    rng, spec = np.random.default_rng(2), codec.manifest.input
    sizes = [(spec.height, spec.width)] * 4 if spec.height else [(1, 1), (9, 30), (40, 33), (64, 8)]
    ramp = [np.add.outer(np.arange(h or 1), np.arange(w or 1)) * 3 for h, w in sizes]
    return [(r + rng.integers(0, 90, r.shape)).astype(np.uint8)[..., None] for r in ramp]


def real_records(codec: Codec, images: Sequence[np.ndarray]) -> list[bytes]:
    """Records of images at three qualities, and with evidence."""
    levels = (0, codec.manifest.quality_default, codec.manifest.quality_levels - 1)
    records = [record for level in levels for record in codec.compress(images, level)]
    compressed = Scorer(codec).compress_with_evidence(images, Rate(), 0.999)
    return records + [one.record for one in compressed if one.evidence_bytes]


def in_the_body(data: bytes, _: bytes, rng: Rng) -> bytes:
    """A burst of up to 11 bits before the tail."""
    tail = SMALL_TAIL if len(data) <= SMALL_BODY + SMALL_TAIL else LARGE_TAIL
    if len(data) <= tail:
        return data
    return burst(data[:-tail], 11, rng) + data[-tail:]


def resealed(record: bytes, other: bytes, codec: Codec, rng: Rng) -> bytes:
    """A record with a right checksum and damaged contents: size, payload, evidence or length."""
    sized = codec.manifest.input.sized
    inside, more = (unpack(data, codec.model_id, sized=sized) for data in (record, other))
    damage = list(KINDS.values())[int(rng.integers(len(KINDS)))]
    size = None
    if sized:
        most = 2**21 if rng.integers(LARGE) == 0 else MAX_SIDE
        size = (int(rng.integers(1, most)), int(rng.integers(1, MAX_SIDE)))
    changed = Record(int(rng.integers(0, 31)), size, inside.payload)
    if inside.evidence and rng.random() < 0.7:
        evidence = damage(inside.evidence, more.evidence or b"?", rng)
        changed = replace(changed, size=inside.size, evidence=evidence)
    elif inside.payload:
        changed = replace(changed, payload=damage(inside.payload, more.payload or b"?", rng))
    whole = pack(changed, codec.model_id)
    if rng.random() < 0.8:
        return whole
    body = whole[: -SMALL_TAIL if len(whole) <= SMALL_BODY + SMALL_TAIL else -LARGE_TAIL]
    return seal(int(rng.integers(0, 32)), damage(body or b"?", other, rng), codec.model_id)


def cases(
    codec: Codec, records: Sequence[bytes], count: int, rng: Rng
) -> Iterator[tuple[str, bytes]]:
    """Kinds and damaged records, all kinds in turn."""
    kinds = {**KINDS, CERTAIN[2]: in_the_body}
    names = [*kinds, *[RESEALED] * (len(kinds) // 3)]
    for index in range(count):
        record, other = (records[int(i)] for i in rng.integers(0, len(records), 2))
        name = names[index % len(names)]
        if name == RESEALED:
            yield name, resealed(record, other, codec, rng)
        else:
            yield name, kinds[name](record, other, rng)


def attack(codec: Codec, records: Sequence[bytes], count: int, seed: int) -> dict[str, Outcome]:
    """Outcomes by kind. Any exception but RecordError ends the run: that is the finding."""
    outcomes: dict[str, Outcome] = {}
    whole = set(records)
    for kind, data in cases(codec, records, count, np.random.default_rng(seed)):
        outcome = outcomes.setdefault(kind, Outcome())
        outcome.count += 1
        outcome.small += len(data) <= SMALL_BODY + SMALL_TAIL
        start = time.perf_counter()
        try:
            codec.restore([data])
            outcome.exact += data in whole
            outcome.undetected += data not in whole
        except RecordError:
            pass
        outcome.longest = max(outcome.longest, time.perf_counter() - start)
    return outcomes


def largest(codec: Codec, images: Sequence[np.ndarray]) -> None:
    """Codes the largest image, if the model takes any size, to measure its memory."""
    if codec.manifest.input.fit == "pad":
        side = int(MAX_RECORD_PIXELS**0.5)
        image = np.resize(images[0], (side, side, images[0].shape[2]))
        codec.restore(codec.compress([image]))


def broken(outcomes: dict[str, Outcome]) -> list[str]:
    """Kinds of which too many passed."""
    return [
        kind
        for kind, outcome in outcomes.items()
        if kind != RESEALED
        and outcome.undetected > (0 if kind in CERTAIN else max(1.0, outcome.allowed))
    ]


def show(console: Console, name: str, outcomes: dict[str, Outcome], growth: int) -> None:
    """The table of one model."""
    table = Table(title=f"{name}: damaged records; memory grew by {growth / 1e6:.0f} MB")
    for column in ("kind", "count", "exact", "undetected", "share", "expected", "longest s"):
        table.add_column(column, justify="right", no_wrap=True)
    for kind, one in outcomes.items():
        share = f"{one.undetected / one.count:.6f}"
        expected = 0.0 if kind in CERTAIN else one.small / 2**11 / one.count
        wanted = "-" if kind == RESEALED else f"{expected:.6f}"
        numbers = (
            one.count,
            one.exact,
            one.undetected,
            share,
            wanted,
            f"{one.longest:.3f}",
        )
        table.add_row(kind, *map(str, numbers))
    console.print(table)


def main() -> None:
    """Entry point; exit status 1 if a limit was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000, help="of all models together")
    parser.add_argument("--models", nargs="*", default=list(BUNDLES), choices=list(BUNDLES))
    parser.add_argument("--out", type=Path, default=Path("build/bench/fuzz_records.json"))
    options = parser.parse_args()
    console, results, wrong = Console(width=100), {}, []
    for name in options.models:
        path, samples = BUNDLES[name]
        codec = open_codec(ROOT / path)
        images = sample_images(codec, ROOT / samples if samples else None)
        records = real_records(codec, images)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        outcomes = attack(codec, records, options.count // len(options.models), seed=1)
        largest(codec, images)
        growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        show(console, name, outcomes, growth)
        wrong += broken(outcomes) + ["memory"] * (growth > MAX_GROWTH_BYTES)
        facts = {kind: {f: getattr(o, f) for f in o.__slots__} for kind, o in outcomes.items()}
        results[name] = {"growth_bytes": growth, "kinds": facts}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"count": options.count, **results}, indent=1) + "\n")
    sys.exit(f"too many passed: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
