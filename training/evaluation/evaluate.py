"""The command `residuum-evaluate RUN|BUNDLE --data DIR --out DIR`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from codec.bundle.bundle import MANIFEST
from codec.errors import ResiduumError
from training.errors import TrainingError
from training.evaluation.bundle import report as bundle_report
from training.evaluation.bundle.evaluation import BundleOptions, Track, evaluate_bundle
from training.evaluation.rate_distortion import Advance
from training.evaluation.report import report
from training.evaluation.report.report import Section
from training.evaluation.run.evaluation import evaluate_run
from training.run import checkpoint

PROGRAM = "residuum-evaluate"
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Measure a training run or a bundle at the test images of a data folder."""

    source: Annotated[Path, tyro.conf.Positional]
    """folder of a run, or a bundle (folder or tar)"""
    data: Path
    """folder with the images; its test part is used"""
    out: Path
    """new folder for report.html and report.json"""
    threads: int = 1
    """CPU threads"""
    pictures: int = 6
    """images shown of each kind"""
    bundle: Annotated[BundleOptions, tyro.conf.arg(name="")] = field(default_factory=BundleOptions)

    def __post_init__(self) -> None:
        for name in ("threads", "pictures"):
            if getattr(self, name) < 1:
                raise TrainingError(f"--{name} is {getattr(self, name)}; at least 1 expected")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 failed or not exact, 2 wrong usage, 130 interrupted."""
    console, errors = Console(), Console(stderr=True)
    try:
        return _run(tyro.cli(Command, prog=PROGRAM, args=argv), console, errors)
    except (ResiduumError, OSError) as error:
        errors.print(f"{PROGRAM}: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        errors.print(f"{PROGRAM}: interrupted; nothing was written")
        return INTERRUPTED


def _run(command: Command, console: Console, errors: Console) -> int:
    report.check_free(command.out)
    torch.set_num_threads(command.threads)
    if _is_run(command.source):
        with _progress(errors) as track:
            found = evaluate_run(command.source, command.data, command.pictures, track)
        title, facts, sections, exact = found.title, found.facts, found.sections, True
    else:
        title, facts, sections, exact = _bundle(command, errors)
    report.write(command.out, title, facts, sections)
    console.print(title, markup=False, highlight=False)
    report.show(console, sections)
    console.print(str(command.out / report.REPORT_HTML), markup=False, soft_wrap=True)
    return 0 if exact else 1


def _bundle(command: Command, errors: Console) -> tuple[str, dict[str, Any], list[Section], bool]:
    with _progress(errors) as track:
        found = evaluate_bundle(
            command.source,
            command.data,
            command.bundle,
            command.threads,
            command.pictures,
            track,
        )
    exact = found.exactness.differences == 0
    return found.title, bundle_report.to_json(found), bundle_report.sections(found), exact


def _is_run(source: Path) -> bool:
    """A run has a checkpoint; everything else must be a bundle."""
    if not source.exists():
        raise TrainingError(f"{source} does not exist; the folder of a run or a bundle is expected")
    if (source / checkpoint.BEST).exists():
        return True
    if source.is_dir() and not (source / MANIFEST).exists():
        raise TrainingError(
            f"{source} is neither a run (no {checkpoint.BEST}) nor a bundle (no {MANIFEST})"
        )
    return False


@contextmanager
def _progress(errors: Console) -> Iterator[Track]:
    """Bars on a terminal, one for each step; nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    disable = not errors.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=errors, disable=disable) as bars:

        def track(step: str) -> Advance:
            task = bars.add_task(step, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield track


if __name__ == "__main__":
    sys.exit(main())
