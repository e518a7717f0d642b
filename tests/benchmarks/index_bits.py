"""Bits per index of a codebook model: log2 K, a static histogram, and the neighbours' contexts.

    make bench-index MODEL=RUN_OR_BUNDLE DATA=DIR [TEST=DIR]

The tables are those of the bundle, which were fitted to its training images (a run is exported
first). The histogram is of the same images. All figures are of the test images under DATA, or of
all images under TEST. Then entropy coding and decoding are timed and compared with the network,
in CPU time on one thread, in batches of 32.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from codec import Codec
from codec.arrays import I32, U8
from codec.bundle.bundle import Bundle, load_bundle
from codec.entropy.range_coder import RangeCoder
from codec.graphs.onnx import OnnxGraphs, open_graphs
from codec.priors.base import FactorisedPrior, Prior
from codec.priors.tables import index_tables
from exporter.export import export
from exporter.fit.latents import batches, encode_all
from exporter.options import Options
from training.config.run import DataConfig, from_json
from training.data import datasets as data
from training.data.image_files import find_images, read_images
from training.data.labelled import labelled_test

TIMED, REPEATS = 32, 21
# The part of log2 K that the neighbours' contexts must save.
LEAST_SAVING = 0.15


@dataclass(frozen=True, slots=True)
class Bits:
    """Means over all indices of the test images, and bytes per image where all have one size."""

    images: int
    indices_per_image: float
    uniform: float
    histogram: float
    neighbours: float
    record_bytes: float

    @property
    def saved(self) -> float:
        """Part of log2 K that the neighbours save."""
        return 1 - self.neighbours / self.uniform


def opened(path: Path, folder: Path, scratch: Path) -> Bundle:
    """The bundle at `path`, exported first if it is a run."""
    if (path / "manifest.json").exists():
        return load_bundle(path)
    export(path, scratch / "bundle", folder, Options(), print)
    return load_bundle(scratch / "bundle")


def index_maps(bundle: Bundle, graphs: OnnxGraphs, images: Sequence[U8]) -> tuple[I32, ...]:
    """Index maps `[N, D, h, w]` of images `[C, H, W]`, an array for each size."""
    pixels = [image.transpose(1, 2, 0) for image in images]
    latents = encode_all(graphs, batches(pixels, bundle.manifest.input), bundle.manifest.latent)
    return tuple(values.astype(np.int32) for values in latents.maps)


def bits_per_index(prior: Prior, maps: Sequence[I32]) -> float:
    """Mean code length."""
    total = sum(
        float(prior.bits(part[i : i + 512]).sum())
        for part in maps
        for i in range(0, len(part), 512)
    )
    return total / sum(part.size for part in maps)


def measure(bundle: Bundle, graphs: OnnxGraphs, training: Sequence[U8], test: Sequence[U8]) -> Bits:
    """Code lengths of the test images under all three models of indices."""
    book = bundle.manifest.latent.codebook
    if book is None:
        sys.exit("the model has no codebook, so its codes are not indices")
    flat = [
        m.transpose(1, 0, 2, 3).reshape(m.shape[1], -1)
        for m in index_maps(bundle, graphs, training)
    ]
    histogram = FactorisedPrior(index_tables(np.concatenate(flat, axis=1)[None], book))
    maps = index_maps(bundle, graphs, test)
    records = Codec(bundle, graphs).compress([image.transpose(1, 2, 0) for image in test])
    return Bits(
        images=len(test),
        indices_per_image=sum(part.size for part in maps) / len(test),
        uniform=float(np.log2(book)),
        histogram=bits_per_index(histogram, maps),
        neighbours=bits_per_index(bundle.priors[0], maps),
        record_bytes=float(np.mean([len(record) for record in records])),
    )


def cost(bundle: Bundle, graphs: OnnxGraphs, test: Sequence[U8]) -> dict[str, float]:
    """CPU microseconds per image, the least of several rounds: network, coding, decoding."""
    same = [image.transpose(1, 2, 0) for image in test if image.shape == test[0].shape][:TIMED]
    pixels = next(batches(same, bundle.manifest.input))
    codes = graphs.encode(pixels)[0].astype(np.int32)
    coder = RangeCoder(bundle.priors[0])
    payloads = coder.encode_all(codes[:, None])
    return {
        "network_us": least(lambda: graphs.decode(graphs.encode(pixels)[0]), len(pixels)),
        "encode_us": least(lambda: coder.encode_all(codes[:, None]), len(pixels)),
        "decode_us": least(lambda: coder.decode_all(payloads, (1, *codes.shape[1:])), len(pixels)),
    }


def least(call: Callable[[], object], images: int) -> float:
    """CPU microseconds per image of the fastest of several calls."""
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return 1e6 * min(spent) / images


def show(bits: Bits, spent: dict[str, float]) -> None:
    """Prints the table."""
    table = Table(title=f"{bits.images} test images, {bits.indices_per_image:g} indices each")
    for heading in ("model of the indices", "bits per index", "less than log2 K"):
        table.add_column(heading, justify="left" if heading.startswith("model") else "right")
    for name, value in (
        ("none: log2 K", bits.uniform),
        ("static histogram", bits.histogram),
        ("neighbours", bits.neighbours),
    ):
        table.add_row(name, f"{value:.3f}", f"{1 - value / bits.uniform:.1%}")
    Console().print(table)
    coding = spent["encode_us"] + spent["decode_us"]
    print(f"bytes per record, framing and checksum included: {bits.record_bytes:.2f}")
    print(
        f"CPU per image in batches of {TIMED}: network {spent['network_us']:.0f} us, entropy "
        f"coding {spent['encode_us']:.0f} and decoding {spent['decode_us']:.0f} us: "
        f"{coding / spent['network_us']:.1%}"
    )
    enough = "yes" if bits.saved >= LEAST_SAVING else "NO"
    print(f"at least {LEAST_SAVING:.0%} below log2 K: {enough}")


def main(argv: Sequence[str] | None = None) -> int:
    """Parses, measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, required=True, help="a bundle, or a run to export")
    parser.add_argument("--data", type=Path, required=True, help="the images it was trained on")
    parser.add_argument("--test", type=Path, help="other test images than those under --data")
    parser.add_argument("--out", type=Path, help="a JSON file with the same figures")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        bundle = opened(args.model, args.data, Path(scratch))
    graphs = open_graphs(bundle, "cpu", 1)
    config = from_json(bundle.manifest.provenance["config"]).data
    training, _ = data.training_and_validation(config, args.data)
    test = test_images(config, args.data, args.test)
    bits, spent = measure(bundle, graphs, list(training), test), cost(bundle, graphs, test)
    show(bits, spent)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps({**asdict(bits), **spent}, indent=1) + "\n")
    return 0


def test_images(config: DataConfig, folder: Path, other: Path | None) -> Sequence[U8]:
    """`[C, H, W]`."""
    if other is None:
        return list(labelled_test(config, folder).images)
    return read_images(find_images(other), config.channels, config.size)


if __name__ == "__main__":
    sys.exit(main())
