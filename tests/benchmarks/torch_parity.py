"""Whether a bundle and the networks of its run reach the same verdicts.

    python tests/benchmarks/torch_parity.py RUN BUNDLE --data DIR

Scores up to 10,000 test images three times: by the graphs on onnxruntime, by the networks of the
run in torch, and by the graphs one image at a time. Prints the largest relative differences of
fused and single scores, and how many verdicts differ.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from codec import Codec, Scorer
from codec.arrays import F32, U8, Array
from codec.bundle.bundle import Bundle, load_bundle
from codec.graphs.onnx import open_graphs
from codec.scores.scores import Score
from exporter.graphs import GaussianDecoder, GaussianEncoder
from training.data.datasets import images
from training.metrics.images import evenly
from training.models.base import GaussianModel
from training.run.checkpoint import load_run
from training.segmenter import load_segmenter
from training.segmenter.network import segment

BATCH = 32


class TorchGraphs:
    """The networks of a run; satisfies the protocol `Graphs`."""

    def __init__(self, run: Path) -> None:
        _, model, _ = load_run(run)
        if not isinstance(model, GaussianModel):
            raise SystemExit(f"{run} has no posterior; expected a Gaussian model")
        model = model.eval().requires_grad_(False)
        self._encoder, self._decoder = GaussianEncoder(model), GaussianDecoder(model)
        found = load_segmenter(run)
        self._segmenter = None if found is None else found[0]

    def encode(self, x: U8) -> tuple[Array, Array]:
        """Means and log-variances."""
        mu, log_var = self._encoder(torch.from_numpy(x))
        return mu.numpy(), log_var.numpy()

    def decode(self, latent: Array) -> F32:
        """x_hat in [0, 1]."""
        x_hat: F32 = self._decoder(torch.from_numpy(latent)).numpy()
        return x_hat

    def segment(self, x: U8) -> F32:
        """Logits of defects."""
        if self._segmenter is None:
            raise SystemExit("the run has no segmenter")
        logits: F32 = segment(self._segmenter, torch.from_numpy(x).float() / 255.0).numpy()
        return logits


def score(bundle: Bundle, graphs: object, pictures: Sequence[U8], size: int) -> Iterator[Score]:
    """Scores in batches of `size`."""
    scorer = Scorer(Codec(bundle, graphs))  # type: ignore[arg-type]
    for first in track(range(0, len(pictures), size)):
        yield from scorer.score(pictures[first : first + size])


def compare(name: str, found: Sequence[Score], expected: Sequence[Score]) -> str:
    """A line about the largest differences."""
    values = np.array([(one.value, *one.scores.values()) for one in found])
    wanted = np.array([(one.value, *one.scores.values()) for one in expected])
    error = np.abs(values - wanted) / np.maximum(np.abs(wanted), 1.0)
    flips = sum(a.anomalous != b.anomalous for a, b in zip(found, expected, strict=True))
    return (
        f"{name}: fused scores differ by at most {error[:, 0].max():.1e}, single ones by "
        f"{error[:, 1:].max():.1e}; {flips} of {len(found)} verdicts differ"
    )


def main() -> None:
    """Prints two lines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    config = load_run(options.run)[0].data
    everything = images(replace(config, size=None, min_side=0), options.data, split="test")
    chosen = [everything[i].transpose(1, 2, 0) for i in evenly(len(everything), options.images)]
    graphs = open_graphs(bundle, "cpu")
    by_bundle = list(score(bundle, graphs, chosen, BATCH))
    by_torch = list(score(bundle, TorchGraphs(options.run), chosen, BATCH))
    alone = list(score(bundle, graphs, chosen, 1))
    print(compare("torch", by_torch, by_bundle))
    print(compare("alone", alone, by_bundle))


if __name__ == "__main__":
    main()
