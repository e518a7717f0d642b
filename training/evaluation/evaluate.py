"""The command `residuum-evaluate RUN|BUNDLE --data DIR --out DIR`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import tyro
from rich.console import Console

from codec.errors import ResiduumError, printable
from codec.graphs.protocol import MAX_THREADS
from training.config.run import LayoutName
from training.errors import UsageError
from training.evaluation.bundle import sections as bundle_sections
from training.evaluation.bundle.evaluation import BundleOptions, evaluate_bundle
from training.evaluation.report import report
from training.evaluation.report.progress import Reporter
from training.evaluation.run.evaluation import evaluate_run
from training.run.files import is_run

PROGRAM = "residuum-evaluate"
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Measure a training run or a bundle on the test images of a data folder."""

    source: Annotated[Path, tyro.conf.Positional]
    """folder of a run, or a bundle (folder or tar)"""
    data: Path
    """folder with the images, or a csv file that lists them; only the test images are used"""
    layout: LayoutName | None = None
    """how the images are arranged; that of the run, or recognised, if absent"""
    out: Path
    """new folder for report.html and report.json"""
    threads: int = 1
    """CPU threads"""
    pictures: int = 6
    """example images of each kind"""
    bundle: Annotated[BundleOptions, tyro.conf.arg(name="")] = field(default_factory=BundleOptions)

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= MAX_THREADS:
            raise UsageError(f"--threads is {self.threads}; expected 1 to {MAX_THREADS}")
        if self.pictures < 1:
            raise UsageError(f"--pictures is {self.pictures}; expected at least 1")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns the exit status: 0 done, 1 failed or not exact, 2 wrong usage, 130 interrupted.
    """
    console, errors = Console(), Console(stderr=True)
    try:
        return _run(tyro.cli(Command, prog=PROGRAM, args=argv), console, errors)
    except (ResiduumError, OSError) as error:
        line = printable(f"{PROGRAM}: {error}")
        errors.print(line, markup=False, highlight=False, soft_wrap=True)
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        errors.print(f"{PROGRAM}: interrupted; nothing was written")
        return INTERRUPTED


def _run(command: Command, console: Console, errors: Console) -> int:
    report.check_free(command.out)
    torch.set_num_threads(command.threads)
    with Reporter(errors, console) as reporter:
        if is_run(command.source):
            run = evaluate_run(
                command.source, command.data, command.layout, command.pictures, reporter
            )
            title, facts, sections, exact = run.title, run.facts, run.sections, True
        else:
            bundle = evaluate_bundle(
                command.source,
                command.data,
                command.layout or "auto",
                command.bundle,
                command.threads,
                command.pictures,
                reporter,
            )
            title, facts = bundle.title, bundle_sections.to_json(bundle)
            sections, exact = bundle_sections.sections(bundle), bundle.exactness.differences == 0
    report.write(command.out, title, facts, sections)
    console.print(printable(title), markup=False, highlight=False)
    report.show(console, sections)
    written = printable(str(command.out / report.REPORT_HTML))
    console.print(written, markup=False, highlight=False, soft_wrap=True)
    return 0 if exact else FAILED


if __name__ == "__main__":
    sys.exit(main())
