"""A run at test images, before any export: distortion, rate and the state of its latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec.images import U8
from training import data
from training.charts import sheet
from training.checkpoint import load_run
from training.config import TrainConfig
from training.data import Images
from training.errors import TrainingError
from training.metrics import evenly
from training.models import IndexModel, Model
from training.objectives import squared_error
from training.report import Picture, Section
from training.state import new_state
from training.validation import batches, validate

TITLES = {
    "images": "images",
    "sse": "Rec, squared error per image",
    "psnr": "PSNR, dB",
    "rate": "KL, nats per image",
    "rate_bits": "KL, bits per image",
    "distortion": "distortion, nats per image",
    "loss": "loss, nats per image",
    "sigma": "sigma of the pixel noise",
    "active_units": "active units",
    "latents": "latent dimensions",
    "code_usage": "part of the codebook in use",
    "perplexity": "perplexity of the codes",
    "perplexity_top": "perplexity of the top codes",
    "perplexity_bottom": "perplexity of the bottom codes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What is written about a run."""

    title: str
    facts: dict[str, Any]
    sections: list[Section]


def evaluate_run(run: Path, folder: Path, shown: int) -> RunReport:
    """Evaluates the averaged weights of the best epoch on the normal test images."""
    config, model, info = load_run(run)
    test = data.labelled_test(config, folder)
    normal = data.take(test.images, np.flatnonzero(~test.defect))
    if not len(normal):
        raise TrainingError(f"{folder} has no normal test images")
    metrics = run_metrics(config, model, normal, info["state"]["variance"])
    examples = [normal[i] for i in evenly(len(normal), shown)]
    facts = {
        "run": run.name,
        "epoch": info["metrics"].get("epoch"),
        "family": config.model.family,
        "test_sha256": data.digest(normal),
        "defect_images_left_out": int(test.defect.sum()),
        "metrics": metrics,
    }
    rows = [(label, _words(metrics[key])) for key, label in TITLES.items() if key in metrics]
    sections = [
        Section(
            title="Test images",
            text=f"A {config.model.family} after epoch {facts['epoch']}, averaged weights. Rec and "
            "PSNR are those of the posterior mean; loss, distortion and KL are those of one "
            "posterior sample, as in training.",
            head=("measure", "value"),
            rows=rows,
        ),
        Section(
            title="Reconstructions",
            text="Test images, evenly spread over the set and not chosen.",
            pictures=[Picture(png=_pictures(model, config, examples), caption="above: originals")],
        ),
    ]
    return RunReport(title=f"Run {run.name}", facts=facts, sections=sections)


def run_metrics(
    config: TrainConfig, model: Model, images: Images, variance: float
) -> dict[str, Any]:
    """`training.validation.validate`, and `sse`: the squared error per image of the posterior mean.

    Pixels are in [0, 1].
    """
    state = new_state(config, torch.device("cpu"))
    state.model = state.average = model
    state.variance = variance
    found = validate(state, images)
    errors = [squared_error(x, restore(model, x)) for x in map(_scaled, batches(images, config))]
    found |= {"images": len(images), "sse": float(torch.cat(errors).mean())}
    return found if isinstance(model, IndexModel) else found | {"latents": config.model.latent}


@torch.no_grad()
def restore(model: Model, x: Tensor) -> Tensor:
    """Images `[B, C, H, W]` in [0, 1] through the latent code, without noise."""
    if isinstance(model, IndexModel):
        return model.decode_indices(model.encode(x).indices)
    return model.decode(model.encode(x).mu)


def _pictures(model: Model, config: TrainConfig, examples: list[U8]) -> bytes:
    originals = [x[None] for batch in batches(examples, config) for x in batch]
    restored = [(restore(model, _scaled(x)) * 255).round().byte().numpy() for x in originals]
    rows = [[x[0].transpose(1, 2, 0) for x in row] for row in (originals, restored)]
    return sheet(rows)


def _scaled(batch: U8) -> Tensor:
    return torch.from_numpy(batch).float() / 255


def _words(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"
