"""Tiny networks of every family with their graphs, made once for all tests of the exporter."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from codec.arrays import U8
from codec.bundle.bundle import Bundle
from codec.graphs.onnx import OnnxGraphs, open_graphs
from exporter.__main__ import main as export_command
from exporter.export import describe
from exporter.fit.bundle import draft_bundle
from exporter.graphs import export_graphs
from exporter.options import Options
from training.__main__ import main as train
from training.config.model import ModelConfig
from training.config.run import TrainConfig
from training.models import IndexModel, Model, build

HELD_OUT = 24
HERE = Path(__file__).parent
MODELS = {
    "sigma_vae": ModelConfig(
        family="sigma_vae", height=16, width=16, latent=4, widths=(4, 8), depth=0
    ),
    "reslag_light": ModelConfig(
        family="reslag", channels=3, height=16, width=16, latent=5, widths=(4, 8), side="light"
    ),
    "reslag_original": ModelConfig(
        family="reslag", height=16, width=24, latent=5, widths=(4, 8), side="original"
    ),
    "sigma_vae_map": ModelConfig(family="sigma_vae_map", channels=3, latent=2, widths=(4, 8)),
    "vq_vae": ModelConfig(family="vq_vae", latent=3, widths=(4, 8), codebook=8),
    "vq_vae_fixed": ModelConfig(
        family="vq_vae", height=16, width=24, latent=3, widths=(4, 8), codebook=8, unit_codes=True
    ),
    "vq_vae_2": ModelConfig(family="vq_vae_2", channels=3, latent=3, widths=(4, 8), codebook=8),
    "vq_vae_2_fixed": ModelConfig(
        family="vq_vae_2", height=16, width=16, latent=3, widths=(4, 8), codebook=8, stride=16
    ),
    "fsq": ModelConfig(family="fsq", widths=(4, 8), levels=(5, 4, 3)),
}


# A latent vector and indices are enough for `make test-fast`: the others take longest to export
# or to fit.
SLOW = {
    "reslag_light",
    "reslag_original",
    "sigma_vae_map",
    "vq_vae",
    "vq_vae_2",
    "vq_vae_2_fixed",
    "fsq",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of networks that take long to export."""
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if HERE in item.path.parents and SLOW & {*map(str, parameters)}:
            item.add_marker(pytest.mark.slow)


class Exported(NamedTuple):
    """A random network, its exported graphs, and images for it."""

    network: Model
    draft: Bundle
    graphs: OnnxGraphs
    training: list[U8]
    held_out: list[U8]

    def batch(self, count: int = 6) -> U8:
        """`[B, C, H, W]` of a size that the model takes as it is."""
        return np.stack([picture(i, 16, 24, self.network.config.channels) for i in range(count)])[
            :, :, : self.network.config.width or 24
        ].transpose(0, 3, 1, 2)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


def picture(seed: int, height: int, width: int, channels: int) -> U8:
    """Waves and a bright disc, with a little noise, uint8 `[H, W, C]`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = 90 + 50 * np.sin(rng.uniform(0.1, 0.6) * y + rng.uniform(0, 6))
    disc = np.hypot(y - rng.uniform(0, height), x - rng.uniform(0, width)) < rng.uniform(2, 6)
    tint = rng.uniform(0.5, 1.0, channels)
    pixels = (waves + 90 * disc)[..., None] * tint + rng.normal(0, 3, (height, width, channels))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def pictures(config: ModelConfig, count: int, seed: int) -> list[U8]:
    """Pictures of the model's size, or of several sizes if it takes any."""
    sizes = (
        [(16, 24), (16, 24), (21, 17)] if config.height == 0 else [(config.height, config.width)]
    )
    return [
        picture(seed + i, *sizes[i * len(sizes) // count], config.channels) for i in range(count)
    ]


def random_network(config: ModelConfig, seed: int = 0) -> Model:
    """A network in eval mode with different outputs for different images, of all of its weights."""
    torch.manual_seed(seed)
    network = build(config)
    linear = [m for m in network.encoder.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    if not isinstance(network, IndexModel):
        nn.init.constant_(linear[-1].bias[config.latent :], -6.0)  # sigmas of about 0.05
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.3, 1.0)
            nn.init.normal_(layer.bias, 0.0, 0.3)
            layer.running_mean.normal_(0.0, 0.3)
            layer.running_var.uniform_(0.3, 2.0)
    network.eval().requires_grad_(False)
    if isinstance(network, IndexModel):
        images = [picture(i, 16, 24, config.channels) for i in range(20)]
        x = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2)).float() / 255.0
        network.seed_codebooks(x[..., : config.width or 24], torch.Generator().manual_seed(seed))
    return network


@cache
def _exported(name: str) -> Exported:
    model = MODELS[name]
    network = random_network(model)
    config = TrainConfig(model=model, crop=0 if model.height else 16)
    manifest = describe(config, Options(), "tiny", exact=False, held_out=HELD_OUT)
    draft = draft_bundle(manifest, *export_graphs(network))
    training, held_out = pictures(model, 60, 0), pictures(model, HELD_OUT, 1000)
    return Exported(network, draft, open_graphs(draft, "cpu"), training, held_out)


@pytest.fixture(scope="session")
def exported() -> Callable[[str], Exported]:
    """Gives an exported network by its name in MODELS; each takes seconds to make, once."""
    return _exported


@pytest.fixture(params=MODELS)
def each(request: pytest.FixtureRequest) -> Exported:
    """Every exported network in turn."""
    return _exported(request.param)


@pytest.fixture(scope="session")
def other_network() -> Callable[[Model], Model]:
    """Gives a network of the same shape with other weights."""
    return lambda network: random_network(network.config, seed=1)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 60 gray pictures."""
    folder = tmp_path_factory.mktemp("data")
    for i in range(60):
        Image.fromarray(picture(i, 16, 16, 1)[..., 0]).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="session")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished, if short, training run."""
    folder = tmp_path_factory.mktemp("runs") / "discs"
    model = "--model.channels 1 --model.height 16 --model.width 16 --model.widths 4 8"
    more = "--model.latent 3 --model.depth 0 --epochs 3 --batch-size 8 --validation-fraction 0.4"
    options = f"{model} {more} --threads 1 --device cpu".split()
    assert train(["sigma-vae", f"--data={data}", "--out", os.fspath(folder), *options]) == 0
    return folder


@pytest.fixture(scope="session")
def bundle_path(run: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the run, exported by the command with its defaults."""
    out = tmp_path_factory.mktemp("bundles") / "new" / "discs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", f"residuum-export {run} --out {out} --calibrate {data}".split())
        assert export_command() == 0
    return out
