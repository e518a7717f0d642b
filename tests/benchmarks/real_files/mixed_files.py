"""A few broken and large files among many: all others are done, at the cost of these alone.

    make bench-mixed [MIXED_OPTIONS='--files 4000 --rounds 1']

many    small files, 1 % large and 1 % broken ones; against the same without the broken ones
few     8 images of 512x512 and 20 broken files; against the 8 alone
slow    40 small images and one that takes the server longer than the client's timeout

CPU time is that of client and server together, as the kernel counts it.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from made_files import SMALL, make_few, make_many, make_slow
from measured import ROOT, Finished, Server, residuum, serving
from rich.console import Console
from rich.table import Table

BUNDLE = ROOT / "deploy/bundles/pcb"
MODEL = "pcb"
MAX_RATIO = 1.2
# What 20,000 files may take more than the first 1,000: their paths and results, no pixels.
MAX_GROWTH = 64 << 20
FEW_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """One command: files that were done and that failed, CPU seconds of both sides, peaks."""

    done: int
    failed: int
    seconds: float
    cpu_seconds: float
    client_peak: int
    server_peak: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison: runs over the good files alone, runs over all, and what is wrong."""

    name: str
    alone: list[Cost]
    mixed: list[Cost]
    complaints: list[str]

    @property
    def ratio(self) -> float:
        """CPU time with the other files over that without them, medians."""
        return cpu(self.mixed) / cpu(self.alone) if self.alone else 0.0


def cpu(costs: Sequence[Cost]) -> float:
    """Median CPU seconds."""
    return statistics.median(cost.cpu_seconds for cost in costs)


def measure(command: str, inputs: Path, server: Server | None, *options: object) -> Cost:
    """What one command costs; outputs are thrown away."""
    source = ["--server", server.address, "--model", MODEL] if server else ["--bundle", BUNDLE]
    before = server.cpu_seconds() if server else 0.0
    with TemporaryDirectory(dir=inputs.parent) as out:
        outputs = ["--out", out] if command == "compress" else []
        ended = residuum(command, inputs, *outputs, *source, "--json", *options)
        written = sum(1 for path in Path(out).rglob("*.rsd"))
    if ended.status not in (0, 1):
        raise SystemExit(f"status {ended.status}: {ended.lines[-3:]}")
    if command == "compress" and written != len(ended.rows):
        raise SystemExit(f"{len(ended.rows)} are reported as written, {written} were")
    spent = server.cpu_seconds() - before if server else 0.0
    peak = server.peak_bytes() if server else 0
    print(f"{command} {inputs.name}: {ended.seconds:.1f} s", file=sys.stderr, flush=True)
    return Cost(
        len(ended.rows),
        failures(ended, inputs),
        ended.seconds,
        ended.cpu_seconds + spent,
        ended.peak_bytes,
        peak,
        ended.lines,
    )


def failures(ended: Finished, inputs: Path) -> int:
    """The files that have a line on stderr."""
    named = [line.partition(": ")[0] for line in ended.lines if line.startswith(str(inputs))]
    if len(set(named)) < len(named):
        raise SystemExit(f"a file has several lines: {sorted(named)[:5]}")
    return len(named)


def compare(
    name: str, rounds: int, alone: Callable[[], Cost], mixed: Callable[[], Cost], bad: int
) -> Part:
    """The good files alone and all files, one after the other for several rounds.

    `bad` is the number of files that are broken.
    """
    pairs = [(alone(), mixed()) for _ in range(rounds)]
    part = Part(name, [pair[0] for pair in pairs], [pair[1] for pair in pairs], [])
    good = part.alone[0].done
    for cost, failed in [*((c, 0) for c in part.alone), *((c, bad) for c in part.mixed)]:
        if (cost.done, cost.failed) != (good, failed):
            part.complaints.append(
                f"{cost.done} done, {cost.failed} failed; {good}, {failed} would be"
            )
    if part.ratio > MAX_RATIO:
        part.complaints.append(f"{part.ratio:.2f} times the CPU time")
    return part


def many(folder: Path, server: Server, count: int, rounds: int) -> list[Part]:
    """Many files; first a thousand of them, for the memory."""
    bad = make_many(folder, count)

    def run(kind: str) -> Cost:
        return measure("compress", folder / kind, server)

    first = Part("the first thousand", [], [run("mixed/000")], [])
    part = compare("many files", rounds, lambda: run("good"), lambda: run("mixed"), bad)
    if part.alone[0].done != count - bad:
        part.complaints.append(f"{part.alone[0].done} of {count - bad} good files are done")
    for side in ("client_peak", "server_peak"):
        growth = max(getattr(c, side) for c in part.mixed) - getattr(first.mixed[0], side)
        if growth > MAX_GROWTH:
            part.complaints.append(f"{side} grew by {growth >> 20} MiB after the first thousand")
    return [first, part]


def few(folder: Path, server: Server) -> list[Part]:
    """Few files, of which most are broken, with each command."""
    make_few(folder)

    def part(command: str, way: Server | None) -> Part:
        return compare(
            f"few files, {command} {'served' if way else 'offline'}",
            FEW_ROUNDS,
            lambda: measure(command, folder / "good", way),
            lambda: measure(command, folder / "mixed", way),
            bad=20,
        )

    return [part(command, way) for command in ("compress", "score") for way in (None, server)]


def slow(folder: Path, server: Server) -> list[Part]:
    """One image that takes longer than the timeout, or nearly."""
    make_slow(folder)
    parts = []
    for command in ("compress", "score"):
        for timeout in (3, 1):
            found = measure(command, folder, server, "--timeout", timeout)
            part = Part(f"{command} --timeout {timeout}", [], [found], [])
            if found.done < SMALL or found.done + found.failed != SMALL + 1:
                part.complaints.append(
                    f"{found.done} done, {found.failed} failed: {found.lines[:3]}"
                )
            parts.append(part)
    return parts


def report(parts: Sequence[Part], console: Console) -> None:
    """Prints the table and the complaints."""
    columns = ("", "done", "failed", "seconds", "CPU", "CPU alone", "ratio", "client MiB")
    table = Table(*columns, "server MiB")
    for part in parts:
        last = part.mixed[-1]
        alone = [f"{cpu(part.alone):.1f}", f"{part.ratio:.2f}"] if part.alone else ["", ""]
        cells = [last.done, last.failed, f"{last.seconds:.1f}", f"{cpu(part.mixed):.1f}", *alone]
        cells += [max(c.client_peak for c in part.mixed) >> 20, last.server_peak >> 20]
        table.add_row(part.name, *map(str, cells))
    console.print(table)
    for part in parts:
        for complaint in part.complaints:
            console.print(f"{part.name}: {complaint}", markup=False, highlight=False)


def main() -> int:
    """Entry point; exit status 1 if anything is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--parts", nargs="*", default=["few", "slow", "many"])
    parser.add_argument("--out", type=Path, default=Path("build/bench/mixed.json"))
    options = parser.parse_args()
    parts: list[Part] = []
    with TemporaryDirectory() as name, serving(BUNDLE.parent, Path(name, "log")) as server:
        folder = Path(name)
        if "few" in options.parts:
            parts += few(folder / "few", server)
        if "slow" in options.parts:
            parts += slow(folder / "slow", server)
        if "many" in options.parts:
            parts += many(folder / "many", server, options.files, options.rounds)
        complaints = server.complaints()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    facts = [{**asdict(part), "ratio": part.ratio} for part in parts]
    options.out.write_text(json.dumps(facts, indent=1) + "\n")
    report(parts, Console(width=120))
    print(*complaints, sep="\n")
    return 1 if complaints or any(part.complaints for part in parts) else 0


if __name__ == "__main__":
    sys.exit(main())
