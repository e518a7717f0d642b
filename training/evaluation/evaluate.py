"""The command `residuum-evaluate RUN|BUNDLE [BUNDLE ...] --data DIR --out DIR`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from rich.console import Console

from codec.errors import ResiduumError, printable
from codec.graphs.protocol import MAX_THREADS
from training.config.run import DataConfig, LayoutName
from training.data.labelled import LabelledImages, labelled_test
from training.errors import UsageError
from training.evaluation.bundle import sections as bundle_sections
from training.evaluation.bundle.detection_sections import row
from training.evaluation.bundle.evaluation import (
    BundleOptions,
    BundleReport,
    check_fit,
    evaluate_bundle,
    open_bundle,
)
from training.evaluation.report import comparison, report
from training.evaluation.report.progress import Reporter
from training.evaluation.report.section import Section
from training.evaluation.run.evaluation import evaluate_run
from training.run.files import is_run

PROGRAM = "residuum-evaluate"
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Measure a training run or bundles on the test images of a data folder."""

    source: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RUN|BUNDLE [BUNDLE ...]", help_behavior_hint="(required)"),
    ]
    """folder of a run, or bundles (folders or tars) to compare"""
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
        if not self.source:
            raise UsageError("nothing to evaluate; expected a run, or one or more bundles")
        if not 1 <= self.threads <= MAX_THREADS:
            raise UsageError(f"--threads is {self.threads}; expected 1 to {MAX_THREADS}")
        if self.pictures < 1:
            raise UsageError(f"--pictures is {self.pictures}; expected at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is written and printed: a title, the numbers for JSON, sections."""

    title: str
    facts: dict[str, Any]
    sections: Sequence[Section]
    exact: bool = True
    """whether all records decode to the same codes with the reference coder"""


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
        result = _of_run(command, reporter) or _of_bundles(command, reporter)
    report.write(command.out, result.title, result.facts, result.sections)
    console.print(printable(result.title), markup=False, highlight=False)
    report.show(console, result.sections)
    written = printable(str(command.out / report.REPORT_HTML))
    console.print(written, markup=False, highlight=False, soft_wrap=True)
    return 0 if result.exact else FAILED


def _of_run(command: Command, reporter: Reporter) -> Result | None:
    """The report of a run, or None if no source is one. Raises UsageError for one of several."""
    runs = [source for source in command.source if is_run(source)]
    if not runs:
        return None
    if len(command.source) > 1:
        raise UsageError(f"{runs[0]} is a run; several sources are compared if all are bundles")
    run = evaluate_run(runs[0], command.data, command.layout, command.pictures, reporter)
    return Result(title=run.title, facts=run.facts, sections=run.sections)


def _of_bundles(command: Command, reporter: Reporter) -> Result:
    """The report of one bundle, or of several with a comparison before them."""
    opened = [open_bundle(path, command.bundle, command.threads) for path in command.source]
    tests = read_tests(
        {model.bundle.manifest.input.channels for model in opened}, command, reporter
    )
    for model in opened:
        spec = model.bundle.manifest.input
        check_fit(tests[spec.channels], spec)
    reports = []
    for model in opened:
        test = tests[model.bundle.manifest.input.channels]
        reports.append(evaluate_bundle(model, test, command.bundle, command.pictures, reporter))
    return _single(reports[0]) if len(reports) == 1 else _compared(reports, command.source)


def read_tests(
    channels: set[int], command: Command, reporter: Reporter
) -> dict[int, LabelledImages]:
    """The test images as gray models, as colour models, or as both read them."""
    return {
        number: labelled_test(
            DataConfig(channels=1 if number == 1 else 3, layout=command.layout or "auto"),
            command.data,
            reporter.note,
        )
        for number in sorted(channels)
    }


def _single(bundle: BundleReport) -> Result:
    return Result(
        title=bundle.title,
        facts=bundle_sections.to_json(bundle),
        sections=bundle_sections.sections(bundle),
        exact=bundle.exactness.differences == 0,
    )


def _compared(reports: Sequence[BundleReport], paths: Sequence[Path]) -> Result:
    """The comparison, then the report of each bundle under its own name."""
    versions = [f"{r.bundle.manifest.name} {r.bundle.manifest.version}" for r in reports]
    names = [
        name if versions.count(name) == 1 else f"{name} ({path})"
        for name, path in zip(versions, paths, strict=True)
    ]
    rows = [row(report, name) for report, name in zip(reports, names, strict=True)]
    single = [_single(report) for report in reports]
    return Result(
        title=f"Comparison of {len(reports)} models",
        facts={
            "comparison": [dataclasses.asdict(row) for row in rows],
            "bundles": [result.facts for result in single],
        },
        sections=[
            comparison.section(rows),
            *(
                dataclasses.replace(section, title=f"{printable(name)}: {section.title}")
                for name, result in zip(names, single, strict=True)
                for section in result.sections
            ),
        ],
        exact=all(result.exact for result in single),
    )


if __name__ == "__main__":
    sys.exit(main())
