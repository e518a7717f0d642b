"""Public corpora of odd and broken images through the commands, offline and through a server.

    make bench-corpora CORPORA=DIR

DIR has copies of them, such as Pillow's `Tests/images` and image-rs' `tests`. Three models take
each file: `fashion` one size only, `pcb` gray of any size, and `thumbnails`, trained here for a
moment, colour of any size, scaled down. The folder is given first, then by name each file that has
no suffix of an image. Offline and served must agree in every record, image, verdict and refusal.
"""

import argparse
import hashlib
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from measured import ROOT, Finished, Server, finished, residuum, serving
from PIL import Image
from rich.console import Console
from rich.table import Table

SHIPPED = ("fashion", "pcb")
TRAINED = "thumbnails"
MODELS = (*SHIPPED, TRAINED)
TRAINING = (
    "sigma-vae --epochs 1 --epoch-steps 20 --batch-size 8 --validation-fraction 0.4 --threads 1 "
    "--device cpu --model.height 32 --model.width 32 --model.channels 3 --model.latent 8 "
    "--model.widths 8 16 --model.depth 0"
)
EXPORT = f"--name {TRAINED} --fit resize"
MAX_BYTES = 2**30
SUMMARY = re.compile(r"residuum: ([\d,]+) done(?:, ([\d,]+) failed)?(?:; skipped .*)?")


@dataclass(slots=True)
class Run:
    """What one command made of all files: of the folder, then of those named one by one."""

    model: str
    command: str
    way: str
    done: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    summaries: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    client_peak: int = 0
    server_peak: int = 0

    def complain(self, sentence: str) -> None:
        """Notes what is wrong."""
        self.complaints.append(f"{self.model} {self.command} {self.way}: {sentence}")

    def add(self, ended: Finished, files: Sequence[str], given: Iterable[str]) -> None:
        """Adds a command over `given`, which are paths of `files` or folders of them."""
        self.seconds += ended.seconds
        self.cpu_seconds += ended.cpu_seconds
        self.client_peak = max(self.client_peak, ended.peak_bytes)
        if ended.status not in (0, 1):
            self.complain(f"status {ended.status}, the last line {ended.lines[-1:]}")
        known, other, failed = set(files), [], 0
        for line in ended.lines:
            path, _, reason = line.partition(": ")
            if path not in known:
                other.append(line)
            elif path in self.failed:
                self.complain(f"{path} fails twice: {reason}")
            else:
                self.failed[path] = reason
                failed += 1
        rows = ended.rows if ended.status in (0, 1) else []
        self.done |= {row["path"]: fingerprint(row) for row in rows}
        summary = SUMMARY.fullmatch(other[0]) if len(other) == 1 else None
        counts = [int((n or "0").replace(",", "")) for n in summary.groups()] if summary else []
        if (counts != [len(rows), failed]) if failed else other:
            found = f"{len(other)} lines that are not about a file, such as {other[:2]}"
            self.complain(f"{found}; expected a summary of {len(rows)} done, {failed} failed")
        self.summaries += other[-1:]
        left = [path for path in given if path in known and path not in self.done | self.failed]
        if left:
            self.complain(f"{len(left)} files have no outcome, such as {left[:3]}")

    def check(self) -> None:
        """Complains about what is wrong with the whole."""
        if both := self.done.keys() & self.failed.keys():
            self.complain(f"{len(both)} files are done and fail, such as {sorted(both)[:3]}")
        internal = [
            f"{path}: {reason}" for path, reason in self.failed.items() if "INTERNAL" in reason
        ]
        if internal:
            self.complain(f"{len(internal)} internal errors, such as {internal[:3]}")
        for side, peak in (("client", self.client_peak), ("server", self.server_peak)):
            if peak > MAX_BYTES:
                self.complain(f"the {side} took {peak / 2**20:.0f} MiB")


def fingerprint(row: Mapping[str, Any]) -> str:
    """The whole result of a file: a digest of its output, or its verdict."""
    if "output" in row:
        return hashlib.sha256(Path(row["output"]).read_bytes()).hexdigest()
    return f"{row['score']:.4g} {row['p_value']} {row['anomalous']} {row['record_bytes']}"


def run(
    model: str, command: str, folder: Path, out: Path, bundles: Path, server: Server | None
) -> Run:
    """One command over all files of a folder."""
    way = "served" if server else "offline"
    result, out = Run(model, command, way), out / f"{command}-{model}-{way}"
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    source = (
        ["--server", server.address, "--model", model] if server else ["--bundle", bundles / model]
    )
    before = server.cpu_seconds() if server else 0.0
    option = "--heatmaps" if command == "score" else "--out"
    for given, target in ((["."], out / "folder"), (None, out / "named")):
        named = given or [path for path in files if path not in result.done | result.failed]
        if named:
            words = [command, *named, option, target, "--json", *source]
            result.add(residuum(*words, cwd=folder), files, named)
    if server:
        result.cpu_seconds += server.cpu_seconds() - before
        result.server_peak = server.peak_bytes()
    result.check()
    print(f"{model} {command} {way}: {result.seconds:.0f} s", file=sys.stderr, flush=True)
    return result


def compare(offline: Run, served: Run) -> list[str]:
    """Where the same command has other results through a server."""
    complaints = []
    for name in ("done", "failed"):
        mine, its = getattr(offline, name), getattr(served, name)
        differ = sorted(path for path in mine | its if mine.get(path) != its.get(path))
        complaints += [
            f"{offline.model} {offline.command} {path}: {name} {mine.get(path)!r} offline, "
            f"{its.get(path)!r} served"
            for path in differ
        ]
    return complaints


def make_bundles(folder: Path) -> Path:
    """A folder of the shipped bundles and of one that takes colour of any size."""
    bundles, data = folder / "bundles", folder / "data"
    for name in SHIPPED:
        shutil.copytree(ROOT / "deploy/bundles" / name, bundles / name)
    data.mkdir()
    rng = np.random.default_rng(0)
    for index in range(60):
        coarse = Image.fromarray(rng.integers(0, 255, (4, 4, 3), np.uint8))
        coarse.resize((32, 32), Image.Resampling.BICUBIC).save(data / f"{index}.png")
    trained, out = str(folder / "run"), str(bundles / TRAINED)
    for words in (
        ["training", *TRAINING.split(), "--data", str(data), "--out", trained],
        ["exporter", trained, "--out", out, "--calibrate", str(data), *EXPORT.split()],
    ):
        ended = finished([sys.executable, "-m", *words])
        if ended.status:
            raise SystemExit("\n".join(ended.lines))
    return bundles


def measure(corpora: Path, models: Sequence[str], folder: Path) -> tuple[list[Run], list[str]]:
    """All commands with all models, and what is wrong. Offline and served run at the same time."""
    bundles = make_bundles(folder)
    runs: list[Run] = []
    complaints: list[str] = []
    with serving(bundles, folder / "log") as server, ThreadPoolExecutor(2) as pool:
        for model in models:
            records = folder / f"compress-{model}-offline"
            records.mkdir()
            for command, inputs in (
                ("compress", corpora),
                ("decompress", records),
                ("score", corpora),
            ):
                if command == "decompress" and not runs[-1].done:
                    continue  # the model takes images of another size only
                same = partial(run, model, command, inputs, folder, bundles)
                pair = list(pool.map(same, (None, server)))
                complaints += [*pair[0].complaints, *pair[1].complaints, *compare(*pair)]
                runs += pair
        complaints += server.complaints()
    return runs, complaints


def kind(reason: str) -> str:
    """A reason without its numbers and quotations."""
    return re.sub(r"\d+|'[^']*'|b\"[^\"]*\"", "…", reason)


def report(runs: Sequence[Run], complaints: Sequence[str], console: Console) -> None:
    """Prints the table, the reasons and the complaints."""
    columns = ("model", "command", "way", "files", "done", "failed", "seconds", "CPU seconds")
    table = Table(*columns, "client MiB", "server MiB", title="Public corpora")
    for r in runs:
        counts = [len(r.done) + len(r.failed), len(r.done), len(r.failed)]
        costs = [r.seconds, r.cpu_seconds, r.client_peak / 2**20, r.server_peak / 2**20]
        cells = [*map(str, counts), *(f"{cost:.0f}" for cost in costs)]
        table.add_row(r.model, r.command, r.way, *cells)
    reasons = Counter(kind(reason) for r in runs for reason in r.failed.values())
    console.print(table, *(f"{n} {reason}" for reason, n in reasons.most_common()), sep="\n")
    console.print(*complaints, sep="\n", markup=False, highlight=False, soft_wrap=True)


def main() -> int:
    """Entry point; exit status 1 if anything is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--out", type=Path, default=Path("build/bench/corpora.json"))
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        runs, complaints = measure(options.corpora.resolve(), options.models, Path(folder))
    report(runs, complaints, Console(width=160))
    facts = [{name: getattr(r, name) for name in Run.__slots__} for r in runs]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"complaints": complaints, "runs": facts}, indent=1) + "\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
