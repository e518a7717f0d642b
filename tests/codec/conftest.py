"""The two committed tiny models, as the pipeline sees them."""

from pathlib import Path

import pytest

from codec.bundle.bundle import Bundle, load_bundle
from codec.graphs.onnx import open_graphs
from codec.pipeline import Model

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
def tiny(bundle: Bundle) -> Model:
    """The model with a global latent."""
    return Model(bundle, open_graphs(bundle, "cpu"))


@pytest.fixture(scope="session")
def tiny_map() -> Model:
    """The convolutional model: gray of any size."""
    bundle = load_bundle(DATA / "tiny_map_bundle")
    return Model(bundle, open_graphs(bundle, "cpu"))
