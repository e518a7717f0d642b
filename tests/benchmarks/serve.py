"""Throughput of Encode through gRPC, compared with onnxruntime alone on the same graphs.

    make bench-serve

bare     onnxruntime at its best batch size, quantisation and entropy coding, in a pinned process
x32, x1  `residuum-serve` pinned to the same core, 32 or 1 images per call, clients on another core

The three alternate for several rounds. The output has medians and ratios of medians.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from codec.bundle.bundle import Bundle, load_bundle
from codec.entropy.range_coder import RangeCoder
from codec.graphs.onnx import open_graphs
from codec.quantise import quantise
from residuum_client import Client

ROOT = Path(__file__).resolve().parents[2]
BUNDLES = ROOT / "deploy/bundles"
# Length of each run.
SECONDS = 4.0
BATCHES = (1, 4, 8, 16, 32, 64, 128)
# Concurrent callers by images per call.
CALLERS = {32: 3, 1: 8}


def images(count: int) -> np.ndarray:
    """The shipped samples, shifted sideways at random: uint8 `[count, 28, 28, 1]`."""
    files = sorted((ROOT / "deploy/samples/fashion").glob("*.png"))
    samples = np.stack([np.asarray(Image.open(file).convert("L")) for file in files])[..., None]
    rng = np.random.default_rng(0)
    rolled = [
        np.roll(samples[rng.integers(len(samples))], int(rng.integers(-3, 4)), axis=1)
        for _ in range(count)
    ]
    return np.stack(rolled)


def bare(bundle: Bundle, batch: int, seconds: float) -> float:
    """Images per second of the graph, quantisation and entropy coding alone."""
    graphs = open_graphs(bundle, "cpu", 1)
    level = bundle.manifest.quality_default
    coder, step = RangeCoder(bundle.priors[level]), bundle.steps[level]
    x = np.ascontiguousarray(images(batch).transpose(0, 3, 1, 2))
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        codes = quantise(graphs.encode(x)[0], step)
        coder.encode_all(codes[:, None, :, None, None])
        done += batch
    return done / (time.perf_counter() - start)


def through_server(client: Client, per_call: int, seconds: float) -> float:
    """Images per second of several callers, each with one call in progress."""
    batch = list(images(per_call))
    start = time.perf_counter()

    def call() -> int:
        done = 0
        while time.perf_counter() - start < seconds:
            done += len(client.encode(batch))
        return done

    with ThreadPoolExecutor(CALLERS[per_call]) as pool:
        callers = [pool.submit(call) for _ in range(CALLERS[per_call])]
        done = sum(caller.result() for caller in callers)
    return done / (time.perf_counter() - start)


@contextmanager
def server(core: int | None = None, options: Sequence[str] = ()) -> Iterator[str]:
    """Starts `residuum-serve` on free ports, and on one core or all; yields its address."""
    ports = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--metrics-port", "0"]
    command = [sys.executable, "-m", "service", "--bundles", str(BUNDLES), *ports, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        cores = os.sched_getaffinity(0) if core is None else {core}
        os.sched_setaffinity(process.pid, cores)
        try:
            line = process.stdout.readline() if process.stdout else ""
            port = re.search(r"port (\d+)", line)
            if port is None:
                sys.exit(f"the server did not start: {line}")
            for thread in Path(f"/proc/{process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), cores)
            yield f"127.0.0.1:{port[1]}"
        finally:
            process.terminate()


def bare_in_process(core: int, batch: int) -> float:
    """`bare` in a separate process on the core of the server."""
    command = [sys.executable, __file__, "--bare", str(batch), "--core", str(core)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("build/bench/serve.json"))
    parser.add_argument("--bare", type=int)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.bare:
        os.sched_setaffinity(0, {options.core})
        print(bare(load_bundle(BUNDLES / "fashion"), options.bare, SECONDS))
        return
    cores = sorted(os.sched_getaffinity(0))
    console = Console()
    best = max(BATCHES, key=lambda batch: bare_in_process(cores[0], batch))
    rounds: dict[str, list[float]] = {"bare": [], "x32": [], "x1": []}
    with server(cores[0]) as address, Client(address, model="fashion", timeout=60) as client:
        os.sched_setaffinity(0, {cores[-1]})
        for _ in range(options.rounds):
            rounds["bare"].append(bare_in_process(cores[0], best))
            rounds["x32"].append(through_server(client, 32, SECONDS))
            rounds["x1"].append(through_server(client, 1, SECONDS))
    report(console, rounds, best, options.out)


def report(console: Console, rounds: dict[str, list[float]], best: int, out: Path) -> None:
    """Prints the table and writes the JSON file."""
    medians = {name: statistics.median(values) for name, values in rounds.items()}
    table = Table(title=f"Encode of `fashion`, images per second; bare at batch {best}")
    for column in ("run", "minimum", "median", "maximum", "ratio to bare"):
        table.add_column(column, justify="right")
    for name, values in rounds.items():
        ratio = medians[name] / medians["bare"]
        figures = [f"{v:,.0f}" for v in (min(values), medians[name], max(values))]
        table.add_row(name, *figures, f"{ratio:.2f}")
    console.print(table)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps({"batch": best, "rounds": rounds, "medians": medians}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
