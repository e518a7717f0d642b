"""Training, codec, client, server and offline use read the same pixels, or refuse alike."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from image_samples import FORMATS, U8, encoded, random_image, with_orientation, writable

import residuum_client.errors
from codec import Codec, load_bundle
from codec.errors import InvalidInput
from codec.graphs.onnx import open_graphs
from codec.image_reader import read_image
from residuum_client import Client, Offline
from residuum_client.image_reader import read_image as read_in_client
from service.settings import Settings
from service.supervisor.server import Server
from training.data.image_files import read_images
from training.errors import TrainingError

pytestmark = pytest.mark.slow

BUNDLE = Path(__file__).parents[1] / "data" / "tiny_map_bundle"  # gray of any size
MODEL = "tiny-map"
DAMAGED = 300


def files() -> dict[str, bytes]:
    """A file of every mode that Pillow writes in every format, and some that lie on their side."""
    made = {f"{kind}-{mode}": encoded(random_image(mode), kind) for kind, mode in writable()}
    for kind in FORMATS:
        if kind not in ("BMP", "GIF"):
            exif = with_orientation(6)
            made[f"{kind}-turned"] = encoded(random_image("RGB"), kind, exif=exif)
    return made


def damaged() -> dict[str, bytes]:
    """Files of every format: in turn with wrong bits, without their end, with zeros in between."""
    made = {}
    for kind in FORMATS:
        data = encoded(random_image("RGB", 16, 16), kind)
        for seed in range(DAMAGED):
            rng = np.random.default_rng(seed)
            broken, place = bytearray(data), int(rng.integers(0, len(data)))
            if seed % 3 == 0:
                for position in rng.integers(0, len(data), 6):
                    broken[position] ^= 1 << int(rng.integers(0, 8))
            elif seed % 3 == 1:
                del broken[place:]
            else:
                broken[place : place + 16] = bytes(len(broken[place : place + 16]))
            made[f"{kind}-{seed}"] = bytes(broken)
    return made


def sentence(data: bytes) -> str | None:
    """Why the codec refuses a file."""
    try:
        read_image(data, 1)
    except InvalidInput as error:
        return str(error)
    return None


ALL = {**files(), **damaged()}
REFUSED = {name: words for name, data in ALL.items() if (words := sentence(data))}
READ: dict[str, U8] = {n: read_image(data, 1) for n, data in ALL.items() if n not in REFUSED}


@pytest.fixture(scope="module")
def offline() -> Iterator[Offline]:
    with Offline(BUNDLE) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[Client]:
    """A client of a server in this process."""
    folder = tmp_path_factory.mktemp("bundles")
    shutil.copytree(BUNDLE, folder / MODEL)
    ports = {"port": 0, "admin_port": 0, "metrics_port": 0}
    server = Server(Settings(bundles=folder, host="127.0.0.1", **ports))
    try:
        server.start()
        with Client(f"127.0.0.1:{server.port}", model=MODEL) as connected:
            yield connected
    finally:
        server.drain(2)


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    """What the codec makes of the pixels that it reads."""
    bundle = load_bundle(BUNDLE)
    return Codec(bundle, open_graphs(bundle, "cpu")).compress(list(READ.values()))


def test_there_are_files_of_all_kinds() -> None:
    assert len(READ) > 80
    assert len(REFUSED) > 40


def test_the_client_reads_the_same_pixels_and_says_the_same() -> None:
    for name, data in ALL.items():
        if name in READ:
            assert (read_in_client(data, 1) == READ[name]).all(), name
        else:
            with pytest.raises(residuum_client.errors.InvalidInput) as caught:
                read_in_client(data, 1)
            assert str(caught.value) == REFUSED[name]


def test_training_reads_the_same_pixels_and_says_the_same(tmp_path) -> None:
    for name, data in ALL.items():
        (tmp_path / name).write_bytes(data)
    for image, name in zip(read_images([tmp_path / n for n in READ], 1), READ, strict=True):
        assert (image.transpose(1, 2, 0) == READ[name]).all(), name
    for name, words in REFUSED.items():
        with pytest.raises(TrainingError) as caught:
            read_images([tmp_path / name], 1)
        assert words in str(caught.value)


def test_offline_use_and_a_server_make_the_records_of_the_same_pixels(
    client, offline, records
) -> None:
    good = [ALL[name] for name in READ]
    assert offline.encode(good) == records
    assert client.encode(good) == records


def test_offline_use_and_a_server_refuse_the_same_files_in_the_same_words(client, offline) -> None:
    for name, words in REFUSED.items():
        for backend in (client, offline):
            with pytest.raises(residuum_client.errors.InvalidInput) as caught:
                backend.encode([ALL[name]])
            assert caught.value.reason == words
