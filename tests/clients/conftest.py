"""A real server with the tiny bundles, in a separate process."""

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from processes import started

from service.settings import Settings
from service.supervisor.server import Server

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
BUNDLES = ("tiny_bundle", "tiny_map_bundle")


@pytest.fixture(scope="session")
def bundle() -> Path:
    """Takes exactly 16x16 gray."""
    return DATA / "tiny_bundle"


@pytest.fixture(scope="session")
def map_bundle() -> Path:
    """Takes gray of any size."""
    return DATA / "tiny_map_bundle"


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server with the models `tiny` and `tiny-map`."""
    folder = tmp_path_factory.mktemp("bundles")
    for name in BUNDLES:
        shutil.copytree(DATA / name, folder / name)
    ports = ["--port", "0", "--admin-port", "0", "--metrics-port", "0"]
    command = [sys.executable, "-m", "service", "--bundles", str(folder), "--host", "127.0.0.1"]
    with started(
        [*command, *ports],
        seconds=900,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        port = re.search(rb"port (\d+)", server.stdout.readline())
        assert port is not None, "the server did not start"
        yield f"127.0.0.1:{int(port[1])}"


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[str]]:
    """A function that serves the same models in this process, with other settings."""

    @contextmanager
    def serve(**settings: object) -> Iterator[str]:
        ports = {"host": "127.0.0.1", "port": 0, "admin_port": 0, "metrics_port": 0}
        server = Server(Settings(bundles=DATA, **ports, **settings))
        try:
            server.start()
            yield f"127.0.0.1:{server.port}"
        finally:
            server.drain(2)

    return serve


def _gray(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    """A bright rectangle on noise."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 60, (height, width, 1), dtype=np.uint8)
    image[height // 4 : height // 2, width // 4 : width // 2] = 200
    return image


@pytest.fixture(scope="session")
def images() -> list[NDArray[np.uint8]]:
    """Five images as `tiny` takes them."""
    return [_gray(seed, 16, 16) for seed in range(5)]


@pytest.fixture(scope="session")
def mixed_images() -> list[NDArray[np.uint8]]:
    """Images of several sizes, as `tiny-map` takes them."""
    sizes = [(16, 16), (24, 20), (24, 20), (17, 33)]
    return [_gray(seed, *size) for seed, size in enumerate(sizes)]


@pytest.fixture(scope="session")
def files(images: list[NDArray[np.uint8]]) -> list[bytes]:
    """The five images as PNG files."""
    return [_png(image) for image in images]


@pytest.fixture
def photos(tmp_path: Path, files: list[bytes]) -> Path:
    """A folder with two images, one more in a folder below, and a text file."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for name, data in zip(("a.png", "b.png", "below/c.png"), files, strict=False):
        (folder / name).write_bytes(data)
    (folder / "notes.txt").write_text("not an image")
    return folder


def _png(image: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image[..., 0]).save(out, "PNG")
    return out.getvalue()
