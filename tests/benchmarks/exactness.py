"""Records of one model under many settings of its runtime: equal symbols and pixels, at what cost.

    make bench-exact DATA=DIR

Every image is encoded at several levels under thread counts 1 and 2, batches of 1, 7 and 64, with
graph optimisation on and off. Each distinct record of any of them is decoded by constriction and by
the reference in plain integers, and their symbols are compared. The records of the first setting
are decoded under all settings, and their pixels are compared. Then entropy coding and decoding are
timed and compared with the network, on one thread, in CPU time, in batches of 32.

fashion  10,000 test images of Fashion-MNIST at ten levels
pcb      pieces of 64x64 of DeepPCB test images at four levels
"""

import argparse
import itertools
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from exactness_graphs import SETTINGS, Sessions, Setting
from PIL import Image
from rich.console import Console
from rich.table import Table

from codec import Codec
from codec.bundle.bundle import Bundle, load_bundle
from codec.entropy.range_coder import RangeCoder
from codec.outcomes import required
from codec.record.frame import unpack
from codec.record_coder import RecordCoder
from codec.reference.range_coder import ReferenceCoder
from training.data.datasets import IMAGES, find_idx
from training.data.idx import read_idx

ROOT = Path(__file__).resolve().parents[2]
# A multiple of both 7 and 64, so that no batch is cut short.
CHUNK = 448
PIECE = 64
TIMED, REPEATS = 32, 41
MAX_LEVELS_APART, MAX_SHARE = 1, 0.05


@dataclass(frozen=True, slots=True)
class Work:
    """A bundle, a file of images `[N, H, W, C]` for it, and the levels to encode them at."""

    bundle: Path
    images: Path
    levels: tuple[int, ...]


def encoded(work: Work, setting: Setting) -> list[bytes]:
    """The records of all images at all levels."""
    bundle = load_bundle(work.bundle)
    sessions = Sessions(bundle, setting)
    codec, records = Codec(bundle, sessions), []
    for chunk in _chunks(np.load(work.images)):
        sessions.forget()
        for level in work.levels:
            records += codec.compress(list(chunk), level)
    return records


def decoded(work: Work, setting: Setting, records: Sequence[bytes]) -> Iterator[np.ndarray]:
    """The images of the records, chunk by chunk."""
    bundle = load_bundle(work.bundle)
    codec = Codec(bundle, Sessions(bundle, setting))
    for chunk in _chunks(records):
        yield np.stack(codec.decompress(chunk))


def keep(work: Work, records: Sequence[bytes], path: Path) -> None:
    """Writes the images of the records under the first setting."""
    np.save(path, np.concatenate(list(decoded(work, SETTINGS[0], records))))


def pixels_apart(work: Work, setting: Setting, records: Sequence[bytes], path: Path) -> np.ndarray:
    """Number of pixels that are 0, 1, ... 255 levels away from the kept ones."""
    kept, counts, start = np.load(path, mmap_mode="r"), np.zeros(256, np.int64), 0
    for images in decoded(work, setting, records):
        apart = np.abs(images.astype(np.int16) - kept[start : start + len(images)])
        counts += np.bincount(apart.ravel(), minlength=256)
        start += len(images)
    return counts


def symbols_apart(work: Work, records: Sequence[bytes]) -> tuple[int, int]:
    """Number of symbols of the records, and of those that the two coders decode differently."""
    bundle = load_bundle(work.bundle)
    coders = [ReferenceCoder(prior) for prior in bundle.priors]
    symbols, differing = 0, 0
    for chunk in _chunks(records):
        for record, (coded, _) in zip(
            chunk, required(RecordCoder(bundle).read_each(chunk), "record"), strict=True
        ):
            payload = _payload(record, bundle)
            codes = coders[coded.level].decode(payload, coded.codes.shape)
            symbols += codes.size
            differing += int((codes != coded.codes).sum())
    return symbols, differing


def coding_share(work: Work, level: int) -> dict[str, float]:
    """Time of entropy coding and decoding by that of the network, medians: each by itself, time
    after time, and in turn with the other, which leaves it no warm cache.
    """
    bundle, images = load_bundle(work.bundle), list(np.load(work.images)[:TIMED])
    sessions = Sessions(bundle, Setting(1, TIMED, optimised=True))
    codec, coder = Codec(bundle, sessions), RangeCoder(bundle.priors[level])
    records = codec.compress(images, level)
    payloads = [_payload(record, bundle) for record in records]
    codes = np.stack(
        [coded.codes for coded, _ in required(RecordCoder(bundle).read_each(records), "record")]
    )

    def network() -> float:
        sessions.forget()
        before = sessions.seconds
        codec.decompress(codec.compress(images, level))
        return sessions.seconds - before

    def coding() -> float:
        start = time.thread_time()
        coder.encode_all(codes)
        coder.decode_all(payloads, codes.shape[1:])
        return time.thread_time() - start

    alone = [[step() for _ in range(REPEATS)] for step in (coding, network)]
    in_turn = zip(*[(coding(), network()) for _ in range(REPEATS)], strict=True)
    return {
        name: statistics.median(ours) / statistics.median(theirs)
        for name, (ours, theirs) in (("alone", alone), ("in turn", in_turn))
    }


def measure(work: Work, workers: int, folder: Path, console: Console) -> dict[str, Any]:
    """All measurements of one bundle."""
    context, count = multiprocessing.get_context("spawn"), len(SETTINGS)
    with ProcessPoolExecutor(workers, context) as pool:
        records = list(pool.map(encoded, [work] * count, SETTINGS))
        first, path = records[0], folder / "decoded.npy"
        distinct = sorted(set(itertools.chain.from_iterable(records)))
        console.print(f"{work.bundle.name}: encoded; {len(distinct)} distinct records")
        shares = [distinct[start::16] for start in range(16)]
        symbols = list(pool.map(symbols_apart, [work] * 16, shares))
        console.print(f"{work.bundle.name}: read by both coders")
        pool.submit(keep, work, first, path).result()
        same = [[value] * count for value in (first, path)]
        apart = list(pool.map(pixels_apart, [work] * count, SETTINGS, *same))
        console.print(f"{work.bundle.name}: decoded")
    return {
        "payloads": len(first),
        "levels": work.levels,
        "record_bytes": sum(map(len, first)) / len(first),
        "distinct_records": len(distinct),
        "symbols": sum(count for count, _ in symbols),
        "differing_symbols": sum(differing for _, differing in symbols),
        "settings": [
            {
                **asdict(setting),
                "equal_records": sum(map(bytes.__eq__, theirs, first)) / len(first),
                "equal_pixels": float(counts[0] / counts.sum()),
                "levels_apart": int(np.flatnonzero(counts).max()),
            }
            for setting, theirs, counts in zip(SETTINGS, records, apart, strict=True)
        ],
        "coding_share": {level: coding_share(work, level) for level in work.levels},
    }


def fashion(data: Path, count: int) -> np.ndarray:
    """Test images of Fashion-MNIST, `[count, 28, 28, 1]`."""
    path = find_idx(data / "fashion_mnist", IMAGES["test"])
    if path is None:
        raise SystemExit(f"no test images of Fashion-MNIST below {data / 'fashion_mnist'}")
    return np.asarray(read_idx(path))[:count, ..., None]


def pcb(data: Path, count: int) -> np.ndarray:
    """The middle of DeepPCB test images, good and defective in turn, `[count, 64, 64, 1]`."""
    folders = [sorted((data / "deeppcb/pcb/test" / kind).iterdir()) for kind in ("good", "defect")]
    files = [*itertools.chain.from_iterable(zip(*folders, strict=True))][:count]
    whole = np.stack([np.asarray(Image.open(file).convert("L")) for file in files])
    start = (whole.shape[1] - PIECE) // 2
    return whole[:, start : start + PIECE, start : start + PIECE, None]


def show(results: dict[str, dict[str, Any]]) -> None:
    """Prints two tables."""
    settings = Table(title="Compared with the first setting, in per cent")
    columns = ("bundle", "threads", "batch", "optimised", "records equal", "pixels equal", "apart")
    for column in columns:
        settings.add_column(column, justify="right")
    for name, result in results.items():
        for one in result["settings"]:
            equal = (f"{100 * one[key]:.4f}" for key in ("equal_records", "equal_pixels"))
            where = (str(one[key]) for key in ("threads", "batch", "optimised"))
            settings.add_row(name, *where, *equal, str(one["levels_apart"]))
    sums = Table(title="Coders, and their time by that of the network in batches of 32")
    for column in (
        "bundle",
        "payloads",
        "distinct",
        "symbols",
        "differing",
        "level: share alone, in turn",
    ):
        sums.add_column(column, justify="right")
    for name, result in results.items():
        keys = ("payloads", "distinct_records", "symbols", "differing_symbols")
        share = ", ".join(
            f"{level}: {one['alone']:.1%}, {one['in turn']:.1%}"
            for level, one in result["coding_share"].items()
        )
        sums.add_row(name, *(f"{result[key]:,}" for key in keys), share)
    for table in (settings, sums):
        Console(width=120).print(table)


def main() -> None:
    """Entry point; exit status 1 where a limit is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundles", type=Path, default=ROOT / "deploy/bundles")
    parser.add_argument("--out", type=Path, default=Path("build/bench/exactness.json"))
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--pieces", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    sets = {
        "fashion": fashion(options.data, options.images),
        "pcb": pcb(options.data, options.pieces),
    }
    results, console = {}, Console(stderr=True)
    for name, images in sets.items():
        bundle = options.bundles / name
        most = load_bundle(bundle).manifest.quality_levels - 1
        count = 10 if name == "fashion" else 4
        levels = tuple(sorted({round(most * place / (count - 1)) for place in range(count)}))
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder, "images.npy"), images)
            work = Work(bundle, Path(folder, "images.npy"), levels)
            results[name] = measure(work, options.workers, Path(folder), console)
    show(results)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(any(map(broken, results.values())))


def broken(result: dict[str, Any]) -> bool:
    """Whether a result breaks a limit."""
    apart = max(one["levels_apart"] for one in result["settings"])
    share = statistics.median(one["alone"] for one in result["coding_share"].values())
    return bool(result["differing_symbols"]) or apart > MAX_LEVELS_APART or share > MAX_SHARE


def _payload(record: bytes, bundle: Bundle) -> bytes:
    return unpack(record, bundle.model_id, sized=bundle.manifest.input.sized).payload


def _chunks(items: Any) -> Iterator[Any]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


if __name__ == "__main__":
    main()
