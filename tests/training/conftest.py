"""Tiny real data and tiny real runs."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, named by RESIDUUM_DATA or next to the checkout."""
    named = os.environ.get("RESIDUUM_DATA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data: RESIDUUM_DATA is not set and ../shared/data does not exist")
    return folder


def picture(seed: int, height: int = 16, width: int = 16, channels: int = 1) -> np.ndarray:
    """A smooth random picture with a bright disc, uint8 [H, W, C]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    cy, cx, r = rng.uniform(3, height - 3), rng.uniform(3, width - 3), rng.uniform(2, 5)
    disc = ((y - cy) ** 2 + (x - cx) ** 2 < r * r)[..., None]
    return np.where(disc, 220, 40 + 4 * x[..., None] * np.ones(channels)).astype(np.uint8)


def write_picture(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(path)
    return path


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of `count` PNG images."""

    def make(count: int = 24, name: str = "pictures", **shape: int) -> Path:
        for i in range(count):
            write_picture(tmp_path / name / f"{i:03d}.png", picture(i, **shape))
        return tmp_path / name

    return make


RESLAG = TrainConfig(
    model=ModelConfig(
        family="reslag", height=16, width=16, latent=4, widths=(4, 8), side="light", depth=1
    ),
    epochs=2,
    batch_size=4,
    validation_fraction=0.25,
    aggressive_epochs=1,
    aggressive_ratio=2,
    corruptions=1.0,
)
MAP = TrainConfig(
    model=ModelConfig(family="sigma_vae_map", latent=2, widths=(4, 8)),
    crop=16,
    scale_jitter=(0.7, 1.3),
    rotate=True,
    flip=True,
    inversion=0.2,
    corruptions=1.0,
    epochs=2,
    epoch_steps=4,
    batch_size=4,
    validation_fraction=0.25,
    objective=ObjectiveConfig(kl_warmup_steps=5),
    weight_decay=1e-3,
    ema_decay=0.9,
)
VQ = TrainConfig(
    model=ModelConfig(family="vq_vae", latent=3, widths=(4, 8), codebook=8),
    crop=16,
    epochs=2,
    epoch_steps=4,
    batch_size=4,
    validation_fraction=0.25,
    ema_decay=0.0,
    objective=ObjectiveConfig(code_decay=0.9),
)
TINY = {"reslag": RESLAG, "sigma_vae_map": MAP, "vq_vae": VQ}


@pytest.fixture
def tiny() -> dict[str, TrainConfig]:
    """A configuration of each kind that trains in a second."""
    return dict(TINY)


@pytest.fixture
def files_of_at_most() -> Callable[[int], AbstractContextManager[None]]:
    """Inside it no file grows beyond `size` bytes, as on a disk that is full."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
