"""Fixtures: servers on free ports with the tiny bundles of tests/data."""

import logging
import shutil
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import trustme

from codec import Codec, Scorer, load_bundle
from codec.graphs.onnx import open_graphs
from protos.residuum.v1.anomaly_pb2_grpc import AnomalyServiceStub
from protos.residuum.v1.codec_pb2_grpc import CodecServiceStub
from protos.residuum.v1.images_pb2 import Pixels
from protos.residuum.v1.models_pb2_grpc import ModelServiceStub
from service.settings import Settings
from service.supervisor.server import Server

DATA = Path(__file__).parents[1] / "data"


class Connection:
    """Stubs for both ports of a server."""

    def __init__(self, server, data, admin):
        self.server = server
        self.channel = data
        self.admin_channel = admin
        self.codec = CodecServiceStub(data)
        self.anomaly = AnomalyServiceStub(data)
        self.models = ModelServiceStub(data)
        self.admin = ModelServiceStub(admin)


@contextmanager
def running(bundles, **settings):
    """A running server and a connection to it."""
    ports = {"host": "127.0.0.1", "port": 0, "admin_port": 0, "metrics_port": 0}
    server = Server(Settings(bundles=bundles, **{**ports, **settings}))
    try:
        server.start()
        with (
            grpc.insecure_channel(f"127.0.0.1:{server.port}") as data,
            grpc.insecure_channel(f"127.0.0.1:{server.admin_port}") as admin,
        ):
            yield Connection(server, data, admin)
    finally:
        server.drain(2)


def local(bundle):
    """The codec of the same bundle, without a server: what the server must agree with."""
    bundle = load_bundle(bundle)
    return Codec(bundle, open_graphs(bundle, "cpu"))


def pictures(count, height=16, width=16, seed=0):
    """Smooth gray images, uint8 [count, height, width, 1]."""
    random = np.random.default_rng(seed)
    phase, slope = (
        random.uniform(0, 6, (count, 1, 1, 1)),
        random.uniform(0.1, 0.6, (count, 1, 1, 1)),
    )
    rows, columns = np.mgrid[:height, :width][..., None]
    waves = np.sin(phase + slope * rows) * np.cos(phase - slope * columns)
    return (127.5 + 120 * waves).astype(np.uint8)


def pixels(images):
    count, height, width, channels = images.shape
    return Pixels(count=count, height=height, width=width, channels=channels, data=images.tobytes())


@pytest.fixture(autouse=True)
def _log_as_before():
    """A command that runs in the process of a test sets up the log of the whole process."""
    loggers = [logging.getLogger(name) for name in (None, "residuum.audit", "residuum.calls")]
    before = [(one, one.handlers[:], one.level) for one in loggers]
    yield
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)


@pytest.fixture(scope="session")
def ca():
    return trustme.CA()


@pytest.fixture(scope="session")
def other_ca():
    return trustme.CA()


@pytest.fixture(scope="session", name="running")
def running_fixture():
    return running


@pytest.fixture(scope="session", name="pictures")
def pictures_fixture():
    return pictures


@pytest.fixture(scope="session", name="pixels")
def pixels_fixture():
    return pixels


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    shutil.copytree(DATA / "tiny_bundle", folder / "tiny")
    shutil.copytree(DATA / "tiny_map_bundle", folder / "tiny-map")
    return folder


@pytest.fixture(scope="session")
def connection(bundles):
    with running(bundles, max_images=64, max_message_mb=1) as connection:
        yield connection


@pytest.fixture(scope="session")
def tiny():
    return local(DATA / "tiny_bundle")


@pytest.fixture(scope="session")
def tiny_scorer(tiny):
    return Scorer(tiny)


@pytest.fixture(scope="session")
def tiny_map():
    return local(DATA / "tiny_map_bundle")
