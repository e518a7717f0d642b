"""Ctrl-C at random moments: the command ends at once, and leaves whole files only.

    make bench-interrupt

Each run of `residuum compress`, `decompress`, `score` or `archive create` is interrupted at a
moment drawn from its whole duration, imports and exit included, every second one twice. It must end
within two seconds of the signal, with status 130, or 0 if its work was done; stderr holds at most
one line, and every output file is complete. Time starts at the first line of the command; before
that, Python itself starts for about 20 ms and answers Ctrl-C in its own way.
"""

import argparse
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from processes import started
from rich.console import Console
from rich.table import Table

from codec.archive import ArchiveReader
from residuum_client import Offline

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "tests/data/tiny_bundle"
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'clients/python'}{os.pathsep}{ROOT}"}
# Reports its first line to the parent, with the handler of `residuum_command.main` in place.
LAUNCHER = """
import os, signal, sys
import residuum_command
signal.signal(signal.SIGINT, residuum_command._leave)
os.close(int(sys.argv.pop(1)))
sys.exit(residuum_command.main())
"""
LIMIT_SECONDS = 2.0
INTERRUPTED = 130
COMMANDS = ("compress", "compress offline", "decompress", "score", "archive")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended.

    It `ran` from its first line to its end, and ended `seconds` after the first of its `signals`;
    0 without a signal, since the command was done before.
    """

    ran: float
    signals: int
    seconds: float
    status: int
    stderr: str

    def complaint(self, limit: float = LIMIT_SECONDS) -> str:
        """What is wrong with it, or nothing."""
        if self.seconds > limit:
            return f"ended {self.seconds:.1f} s after the signal"
        if self.status not in (0, INTERRUPTED):
            return f"status {self.status}, stderr {self.stderr!r}"
        expected = r"residuum: interrupted(; .*)?\n" if self.status else ""
        return "" if re.fullmatch(expected, self.stderr) else f"stderr {self.stderr!r}"


@dataclass(frozen=True, slots=True)
class Row:
    """All interrupted runs of one command that takes `duration` seconds without."""

    command: str
    duration: float
    outcomes: list[Outcome]
    complaints: list[str]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Folders with equal images and with their records, for a server at `target`."""

    images: Path
    records: Path
    record: bytes
    target: str

    def arguments(self, command: str, out: Path) -> list[str]:
        """The command line that writes below `out`."""
        images, server = str(self.images), ["--server", self.target, "--model", "tiny"]
        return {
            "compress": ["compress", images, "--out", str(out), *server],
            "compress offline": ["compress", images, "--out", str(out), "--bundle", str(BUNDLE)],
            "decompress": ["decompress", str(self.records), "--out", str(out), *server],
            "score": ["score", images, "--heatmaps", str(out), *server],
            "archive": ["archive", "create", f"{out}.rsa", images, *server],
        }[command]


def run(arguments: Sequence[str], moment: float, again: float | None = None) -> Outcome:
    """Interrupts a command `moment` seconds after its first line, and `again` seconds after that.

    A command that is done before stays uninterrupted.
    """
    read, write = os.pipe()
    command = [sys.executable, "-c", LAUNCHER, str(write), *arguments]
    with started(
        command,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(write,),
        # A shell lets its background commands ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        os.close(write)
        with os.fdopen(read, "rb") as first_line:
            first_line.read()
        start = interrupted = time.monotonic()
        signals = 0
        for pause in (moment, again):
            if pause is not None and _still_running(process, pause):
                interrupted = interrupted if signals else time.monotonic()
                process.send_signal(signal.SIGINT)
                signals += 1
        _, stderr = process.communicate()
        end = time.monotonic()
    ran, seconds = end - start, end - interrupted if signals else 0.0
    return Outcome(ran, signals, seconds, process.returncode, stderr.decode())


def _still_running(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is None


def broken_outputs(folder: Path, record: bytes) -> list[str]:
    """Incomplete files in a folder: temporary ones, cut images, damaged archives.

    `record` is what every NAME.rsd must hold.
    """
    return [path.name for path in folder.rglob("*") if path.is_file() and not _whole(path, record)]


def _whole(path: Path, record: bytes) -> bool:
    if path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
        return True
    if path.suffix == ".rsa":
        with ArchiveReader(path) as archive:
            return len(archive) > 0 and not any(archive.verify())
    return path.suffix == ".rsd" and path.read_bytes() == record


def make_inputs(folder: Path, target: str, count: int) -> Inputs:
    """`count` equal images of 16x16 pixels, and their records."""
    images, records = folder / "images", folder / "records"
    images.mkdir()
    records.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16), dtype=np.uint8)
    with Offline(BUNDLE) as model:
        (record,) = model.encode([pixels])
    for index in range(count):
        Image.fromarray(pixels).save(images / f"{index}.png")
        (records / f"{index}.rsd").write_bytes(record)
    return Inputs(images, records, record, target)


def measure(inputs: Inputs, folder: Path, command: str, count: int, chance: random.Random) -> Row:
    """`count` interrupted runs of one command, and what went wrong."""
    whole = run(inputs.arguments(command, folder / "whole"), moment=3600)
    if whole.status or whole.stderr:
        raise SystemExit(f"{command} fails without an interrupt: {whole.stderr}")
    outcomes, complaints = [], []
    for index in range(count):
        moment = chance.uniform(0, 1.05 * whole.ran)
        again = chance.uniform(0, 0.3) if index % 2 else None
        with TemporaryDirectory(dir=folder) as name:
            outcome = run(inputs.arguments(command, Path(name, "out")), moment, again)
            broken = broken_outputs(Path(name), inputs.record)
        complaint = outcome.complaint() or (f"incomplete: {broken}" if broken else "")
        if complaint:
            complaints.append(f"{command}, interrupted after {moment:.3f} s: {complaint}")
        outcomes.append(outcome)
    return Row(command, whole.ran, outcomes, complaints)


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The address of a server with the model `tiny`."""
    ports = ["--port", "0", "--admin-port", "0", "--metrics-port", "0", "--host", "127.0.0.1"]
    command = [sys.executable, "-m", "service", "--bundles", str(BUNDLE.parent), *ports]
    with started(
        command, seconds=3600, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        port = re.search(rb"port (\d+)", server.stdout.readline())
        if port is None:
            raise SystemExit("the server did not start")
        yield f"127.0.0.1:{int(port[1])}"


def report(rows: Sequence[Row]) -> None:
    """A table on stdout, and each complaint."""
    table = Table("command", "seconds", "interrupts", "130", "0", "median ms", "99 % ms", "most ms")
    for row in rows:
        milliseconds = 1000 * np.array([o.seconds for o in row.outcomes if o.signals])
        times = [np.median(milliseconds), np.quantile(milliseconds, 0.99), milliseconds.max()]
        statuses = [outcome.status for outcome in row.outcomes]
        counts = [len(statuses), statuses.count(INTERRUPTED), statuses.count(0)]
        cells = [f"{row.duration:.2f}", *map(str, counts), *(f"{t:.0f}" for t in times)]
        table.add_row(row.command, *cells)
    complaints = [complaint for row in rows for complaint in row.complaints]
    Console().print(table, *complaints, sep="\n", markup=False)


def main() -> int:
    """Runs the benchmark; 1 if any run ended wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--interrupts", type=int, default=200, help="runs of compress --server")
    parser.add_argument("--others", type=int, default=40, help="runs of every other command")
    parser.add_argument("--files", type=int, default=400, help="images that a command works on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - moments, not secrets
    rows = []
    with TemporaryDirectory() as name, serving() as target:
        inputs = make_inputs(Path(name), target, options.files)
        for command in COMMANDS:
            count = options.interrupts if command == COMMANDS[0] else options.others
            folder = Path(name) / command
            folder.mkdir()
            rows.append(measure(inputs, folder, command, count, chance))
    report(rows)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 1 if any(row.complaints for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
