"""The CUDA provider against the CPU: records, pixels and verdicts, and the speed of the graphs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from codec import Bundle, Codec, Score, Scorer
from codec.arrays import U8
from codec.graphs.onnx import OnnxGraphs, open_graphs
from codec.outcomes import required

T = TypeVar("T")
R = TypeVar("R")

# Images of a call, and sizes of the batches whose speed is measured.
BATCH, SIZES = 32, (1, 8, 32, 128, 256)
# Images that are scored one by one as well, calls that are not timed and calls that are.
ONE_BY_ONE, WARM_UP, TIMED = 200, 3, 15


def parity(bundle: Bundle, images: Sequence[U8]) -> dict[str, Any]:
    """How far results of the two providers are apart; `images` [H, W, C] have one size."""
    graphs = {provider: open_graphs(bundle, provider, 1) for provider in ("cpu", "cuda")}
    codecs = {provider: Codec(bundle, each) for provider, each in graphs.items()}
    cpu, cuda = codecs["cpu"], codecs["cuda"]
    records = {name: _in_batches(codec.compress, images) for name, codec in codecs.items()}
    codes = {
        name: np.concatenate(
            [coded.codes.ravel() for coded, _ in required(cpu.records.read_each(each), "record")]
        )
        for name, each in records.items()
    }
    moved = np.abs(codes["cpu"].astype(np.int64) - codes["cuda"])
    pixels = [np.stack(_in_batches(codec.decompress, records["cpu"])) for codec in (cpu, cuda)]
    apart = np.abs(pixels[0].astype(np.int16) - pixels[1])
    same = [a == b for a, b in zip(records["cpu"], records["cuda"], strict=True)]
    return {
        "images": len(images),
        "equal_records": float(np.mean(same)),
        "symbols": int(moved.size),
        "differing_symbols": int((moved > 0).sum()),
        "largest_symbol_difference": int(moved.max()),
        "differing_pixels": float((apart > 0).mean()),
        "largest_pixel_difference": int(apart.max()),
        **_verdicts(codecs, images),
    }


def _verdicts(codecs: dict[str, Codec], images: Sequence[U8]) -> dict[str, Any]:
    cpu, cuda = (_in_batches(Scorer(codecs[name]).score, images) for name in ("cpu", "cuda"))
    one_by_one = [Scorer(codecs["cuda"]).score([image])[0] for image in images[:ONE_BY_ONE]]
    return {
        "score_difference": _largest(cpu, cuda),
        "differing_verdicts": sum(
            a.anomalous != b.anomalous for a, b in zip(cpu, cuda, strict=True)
        ),
        "score_difference_one_by_one": _largest(cuda[:ONE_BY_ONE], one_by_one),
    }


def _largest(some: Sequence[Score], others: Sequence[Score]) -> float:
    """Largest difference of fused scores, relative to those above 1."""
    a, b = (np.array([one.value for one in each]) for each in (some, others))
    return float((np.abs(a - b) / np.maximum(np.abs(a), 1.0)).max())


def _in_batches(function: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
    return [
        result
        for first in range(0, len(items), BATCH)
        for result in function(items[first : first + BATCH])
    ]


def speed(bundle: Bundle, image: U8, threads: Sequence[int]) -> dict[str, Any]:
    """Images per second of each graph by provider and size of the batch; `image` is [H, W, C].

    The CPU has one thread, and as many as are in `threads`. Transfers to the GPU are in the time.
    """
    kinds = [("cuda", open_graphs(bundle, "cuda", 1))]
    kinds += [(f"cpu {count}", open_graphs(bundle, "cpu", count)) for count in threads]
    return {
        name: {size: _speeds(graphs, bundle, image, size) for size in SIZES}
        for name, graphs in kinds
    }


def _speeds(graphs: OnnxGraphs, bundle: Bundle, image: U8, size: int) -> dict[str, float]:
    x = np.repeat(np.ascontiguousarray(image.transpose(2, 0, 1))[None], size, 0)
    latent, _ = graphs.encode(x)
    calls: dict[str, Callable[[], Any]] = {
        "encode": lambda: graphs.encode(x),
        "decode": lambda: graphs.decode(latent),
    }
    if bundle.segmenter is not None:
        calls["segment"] = lambda: graphs.segment(x)
    return {name: size / _seconds(call) for name, call in calls.items()}


def _seconds(call: Callable[[], Any]) -> float:
    """The median time of a call, fewer of them if they are slow."""
    times: list[float] = []
    for number in range(WARM_UP + TIMED):
        begun = time.perf_counter()
        call()
        if number >= WARM_UP or time.perf_counter() - begun > 1:
            times.append(time.perf_counter() - begun)
        if sum(times) > 2:
            break
    return statistics.median(times)
