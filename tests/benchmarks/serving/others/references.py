"""What the server is compared with: no server at all, a naive one, and MLServer."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from codec.bundle.bundle import load_bundle
from codec.entropy.range_coder import RangeCoder
from codec.graphs.onnx import open_graphs
from codec.quantise import quantise
from serving.callers import messages
from serving.server import BUNDLES, ROOT, Server, free_ports, launched

MODEL, BATCH = "fashion", 32
INFER = "/inference.GRPCInferenceService/ModelInfer"
MLSERVER = ROOT / "build/mlserver"
RUNTIME = Path(__file__).with_name("mlserver_runtime.py")
MLSERVER_PORT = {"data": r"gRPC server running on http://127\.0\.0\.1:(\d+)"}
MLSERVER_PACKAGES = ("mlserver==1.7.1", "onnxruntime")
_SPAWN = multiprocessing.get_context("spawn")


class Bare:
    """A process that runs the graph, quantises and codes, batch after batch, while it may."""

    def __init__(self, core: int) -> None:
        self._images, self._go = _SPAWN.RawValue("Q", 0), _SPAWN.Event()
        self._process = _SPAWN.Process(
            target=_bare, args=(core, self._images, self._go), daemon=True
        )

    @property
    def images(self) -> int:
        """Images so far."""
        return int(self._images.value)

    @property
    def failures(self) -> int:
        """None can fail."""
        return 0

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid or 0

    @contextmanager
    def running(self) -> Iterator[Bare]:
        """Lets the process work."""
        if not self._process.pid:
            self._process.start()
        before = self.images
        self._go.set()
        while self.images == before:
            time.sleep(0.02)
        yield self
        self._go.clear()


def _bare(core: int, images: Any, go: Any) -> None:
    os.sched_setaffinity(0, {core})
    bundle = load_bundle(BUNDLES / MODEL)
    graphs = open_graphs(bundle, "cpu", 1)
    level = bundle.manifest.quality_default
    coder, step = RangeCoder(bundle.priors[level]), bundle.steps[level]
    x = np.ascontiguousarray(messages.images(BATCH, MODEL).transpose(0, 3, 1, 2))
    while go.wait():
        codes = quantise(graphs.encode(x)[0], step)
        coder.encode_all(codes[:, None, :, None, None])
        images.value += BATCH


@contextmanager
def naive(core: int) -> Iterator[Server]:
    """The naive server on a core."""
    command = [sys.executable, "-m", "serving.others.naive", str(BUNDLES / MODEL)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests/benchmarks")])
    with launched(command, "naive", {core}, environment=os.environ | {"PYTHONPATH": path}) as one:
        yield one


def install_mlserver() -> str:
    """Installs MLServer into an environment under build, once; why not, or nothing."""
    if (MLSERVER / "installed").exists():
        return ""
    pip = [str(MLSERVER / "bin/python"), "-m", "pip", "install", "--quiet"]
    for command in ([sys.executable, "-m", "venv", str(MLSERVER)], [*pip, *MLSERVER_PACKAGES]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return f"MLServer is left out, it cannot be installed: {done.stderr.strip()[-300:]}"
    (MLSERVER / "installed").touch()
    return ""


def mlserver_request() -> bytes:
    """A request with one image for the model of `mlserver`, which has the protocol's stubs."""
    image = MLSERVER / "image"
    image.write_bytes(messages.images(1, MODEL).tobytes())
    command = [str(MLSERVER / "bin/python"), str(RUNTIME), str(image)]
    return subprocess.run(command, check=True, capture_output=True).stdout


@contextmanager
def mlserver(core: int) -> Iterator[Server]:
    """MLServer on a core, in one process, with the batching that it recommends."""
    folder = MLSERVER / "model"
    folder.mkdir(parents=True, exist_ok=True)
    names = ("http_port", "grpc_port", "metrics_port")
    settings = {"host": "127.0.0.1", "parallel_workers": 0} | dict(
        zip(names, free_ports(3), strict=True)
    )
    model = {
        "name": "graph",
        "implementation": "mlserver_runtime.Graph",
        "max_batch_size": BATCH,
        "max_batch_time": 0.005,
        "parameters": {"uri": str(BUNDLES / MODEL / "encoder.onnx")},
    }
    for name, content in (("settings", settings), ("model-settings", model)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    shutil.copy(RUNTIME, folder)
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [str(MLSERVER / "bin/mlserver"), "start", str(folder)]
    with launched(command, "mlserver", {core}, MLSERVER_PORT, environment) as one:
        yield one
