"""Finds the quality level and the score that best separate drawn defects from normal images.

    python tests/benchmarks/choose_quality.py BUNDLE --data DIR

Test images must not be used to choose the default quality of a detector. Instead this draws defects
into the held-out images of the bundle's run, with the corruptions of training, and prints bytes per
record and image AUROC for each quality level and score.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from codec import Codec, Scorer
from codec.bundle.bundle import load_bundle
from codec.bundle.npz import SCORE_NAMES
from codec.graphs.onnx import open_graphs
from training.config.run import from_json
from training.data.corruption import corrupt, spots
from training.data.datasets import validation_images
from training.metrics.images import auroc

# Mean number of spots drawn into an image.
SPOTS_PER_IMAGE = 3.0


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--levels", type=int, nargs="+", default=[8, 9, 10, 11, 12, 14])
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    graphs = open_graphs(bundle, "cpu", 2)
    config = from_json(bundle.manifest.provenance["config"]).data
    normal = [image.transpose(1, 2, 0) for image in validation_images(config, options.data)]
    rng = np.random.default_rng(0)
    shapes = spots(1, min(normal[0].shape[:2]))
    defect = [draw(image, shapes, rng) for image in normal]
    table = Table(title=f"AUROC: {len(normal)} held-out images against copies with drawn defects")
    for column in ("quality", "bytes", *SCORE_NAMES):
        table.add_column(column, justify="right")
    for level in track(options.levels, console=Console(stderr=True)):
        variant = replace(bundle, manifest=replace(bundle.manifest, quality_default=level))
        results = list(Scorer(Codec(variant, graphs)).raw_scores([*normal, *defect]))
        labels = np.arange(len(results)) >= len(normal)
        size = np.mean([raw.record_bytes for raw in results[: len(normal)]])
        scores = [auroc([raw.scores[name] for raw in results], labels) for name in SCORE_NAMES]
        table.add_row(str(level), f"{size:.0f}", *(f"{score:.3f}" for score in scores))
    Console().print(table)


def draw(image: np.ndarray, shapes: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """A copy of `[H, W, C]` with at least one drawn defect."""
    batch = image.transpose(2, 0, 1)[None]
    defect = batch
    while (defect == batch).all():
        defect = corrupt(batch, SPOTS_PER_IMAGE, shapes, rng)
    return np.ascontiguousarray(defect[0].transpose(1, 2, 0))


if __name__ == "__main__":
    main()
