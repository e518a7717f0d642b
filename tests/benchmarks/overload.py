"""How much a server answers in time at a multiple of what it can do.

    make bench-overload

Calls of 32 images of `fashion` with a deadline of 250 ms come at random, whether or not earlier
ones are answered, and nothing is repeated. Goodput is what was answered in time, as a share of what
four callers get that wait for each answer. The server is pinned to one core, the callers to
another; on a machine with other work the figures vary.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import Counter
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import serve

from codec.atomic import write_file
from residuum_client.v1 import codec_pb2, codec_pb2_grpc, images_pb2

IMAGES, DEADLINE, SECONDS = 32, 0.25, 6.0
CALLERS, WARM_UP_SECONDS, CAPACITY_SECONDS = 4, 1.0, 3.0
LOADS = (1, 2, 5, 10)


def request() -> codec_pb2.EncodeRequest:
    """A call with the shipped samples."""
    pixels = serve.images(IMAGES)
    _, height, width, channels = pixels.shape
    return codec_pb2.EncodeRequest(
        model=images_pb2.ModelRef(name="fashion"),
        pixels=images_pb2.Pixels(
            count=IMAGES, height=height, width=width, channels=channels, data=pixels.tobytes()
        ),
    )


async def capacity(stub: codec_pb2_grpc.CodecServiceStub, seconds: float) -> float:
    """Calls per second of callers that wait for each answer."""
    message, end, done = request(), time.monotonic() + seconds, 0

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < end:
            await stub.Encode(message, timeout=10)
            done += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return done / seconds


async def offer(stub: codec_pb2_grpc.CodecServiceStub, rate: float) -> Counter[str]:
    """The statuses of calls that come at `rate` per second for SECONDS."""
    message, statuses, rng = request(), Counter[str](), np.random.default_rng(0)

    async def call() -> None:
        try:
            await stub.Encode(message, timeout=DEADLINE)
            statuses["OK"] += 1
        except grpc.aio.AioRpcError as error:
            statuses[error.code().name] += 1

    begun = time.monotonic()
    arrivals = np.cumsum(rng.exponential(1 / rate, int(2 * rate * SECONDS) + 10))
    async with asyncio.TaskGroup() as calls:
        for arrival in arrivals[arrivals < SECONDS].tolist():
            await asyncio.sleep(max(0.0, begun + arrival - time.monotonic()))
            calls.create_task(call())
    return statuses


async def measure(address: str) -> dict[str, object]:
    """Capacity, and goodput and statuses by load."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = codec_pb2_grpc.CodecServiceStub(channel)
        await capacity(stub, WARM_UP_SECONDS)
        calls = await capacity(stub, CAPACITY_SECONDS)
        loads = {}
        for load in LOADS:
            statuses = await offer(stub, load * calls)
            goodput = statuses["OK"] / SECONDS / calls
            loads[load] = {"goodput": round(goodput, 3), "statuses": dict(statuses)}
            print(f"{load} times the capacity: goodput {goodput:.2f}, {dict(statuses)}")
    return {"images_per_second": calls * IMAGES, "loads": loads}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/bench/overload.json"))
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with serve.server(cores[0]) as address:
        os.sched_setaffinity(0, {cores[-1]})
        figures = asyncio.run(measure(address))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_file(options.out, json.dumps(figures, indent=1).encode())


if __name__ == "__main__":
    main()
