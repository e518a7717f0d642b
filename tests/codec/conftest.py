"""The two committed tiny models, with onnxruntime on the CPU."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from codec import Bundle, Codec, load_bundle
from codec.graphs.onnx import open_graphs

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="session")
def tiny_path() -> Path:
    """Folder of the bundle with a global latent: exactly 16x16 gray."""
    return DATA / "tiny_bundle"


@pytest.fixture(scope="session")
def bundle(tiny_path: Path) -> Bundle:
    """The bundle with a global latent."""
    return load_bundle(tiny_path)


@pytest.fixture(scope="session")
def tiny(bundle: Bundle) -> Codec:
    """The codec with a global latent."""
    return Codec(bundle, open_graphs(bundle, "cpu"))


@pytest.fixture(scope="session")
def tiny_map() -> Codec:
    """The convolutional codec: gray of any size."""
    bundle = load_bundle(DATA / "tiny_map_bundle")
    return Codec(bundle, open_graphs(bundle, "cpu"))


def draw_hills(count: int, height: int, width: int) -> list[np.ndarray]:
    """Images like those that the tiny models were trained on."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:height, 0:width]
    images = []
    for _ in range(count):
        row, column, spread, top = rng.uniform((3, 3, 2, 60), (13, 13, 5, 150))
        hill = top * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * spread**2))
        noise = rng.normal(0, 2, (height, width))
        images.append(np.clip(60 + hill + noise, 0, 255).astype(np.uint8)[..., None])
    return images


@pytest.fixture(scope="session")
def hills() -> Callable[[int, int, int], list[np.ndarray]]:
    """Draws images, by their number, height and width."""
    return draw_hills
