"""Images per second through gRPC with the graphs on the GPU and on the CPU.

Clients are processes: one alone could not keep a server with a GPU busy.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from serving.server import server

from codec.arrays import U8
from residuum_client import Client

CLIENTS = 6
# Seconds until all clients are connected and have made a call, and of the measurement.
START, SECONDS = 2.0, 3.0
# Methods, and images of a call.
CALLS = (("encode", 32), ("encode", 1), ("decode", 32), ("score", 32), ("score", 1))


def serve(model: str, images: Sequence[U8], provider: str, threads: int) -> dict[str, Any]:
    """Images per second by method and images per call."""
    figures = {}
    context = multiprocessing.get_context("spawn")
    options = ["--provider", provider, "--threads", str(threads)]
    with server(options=options) as address, ProcessPoolExecutor(CLIENTS, context) as pool:
        for method, per_call in CALLS:
            given = list(images[:per_call])
            counts = [
                pool.submit(calls, address, model, method, given, time.time() + START)
                for _ in range(CLIENTS)
            ]
            figures[f"{method} x{per_call}"] = sum(count.result() for count in counts) / SECONDS
    return figures


def calls(address: str, model: str, method: str, images: list[U8], begin: float) -> int:
    """Images of the calls that a client made from `begin` on, for SECONDS."""
    with Client(address, model=model, timeout=60) as client:
        given: Any = list(client.encode(images)) if method == "decode" else images
        act = getattr(client, method)
        list(act(given))
        while time.time() < begin:
            time.sleep(0.01)
        done = 0
        while time.time() - begin < SECONDS:
            done += len(list(act(given)))
    return done
