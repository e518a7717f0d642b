"""Our recipe for anomaly detection and cheap baselines on every set, in one table.

    make bench-detect DATA=DIR [DETECT_OPTIONS='--minutes 30 --seeds 0 1 2 --sets pcb tile']
    make bench-detect-quick DATA=DIR

The sets: circuit boards, screw as it is and with its brightness normalised, magnetic tile, juice
bottle (those that DATA has), and drawn parts (generated). For every set and seed our recipe is run
by its commands, `residuum-train detect`, `residuum-export` and `residuum-evaluate`, with nothing
set by hand; its minutes are those of the training command. Figures and the table, in Markdown and
as JSON, go to --out. What is there is not measured again: after a change remove the folders of it
that hold `ours`, `baselines` or `sets` in their names. The exit status is 1 if a command failed.

Left for later: an autoencoder of equal size with squared error, one class against the rest, and
the models of anomalib.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from codec.atomic import write_file
from detection import sets, table, tasks
from detection.tasks import Task


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    options = _options(argv)
    folders = _folders(options)
    work = plan(options, folders)
    failed = _measure(work, options.jobs)
    results, notes = collect(work)
    text = table.markdown(results, [*notes, *(f"failed: {line}" for line in failed)])
    facts = {"sets": table.summary(results), "notes": notes, "failed": failed}
    write_file(options.out / "detect.md", text.encode())
    write_file(options.out / "detect.json", json.dumps(facts, indent=1).encode())
    print(text)
    return 1 if failed else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="detect", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("build/bench/detect"))
    parser.add_argument("--minutes", type=float, default=30.0, help="of each training of ours")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sets", nargs="+", choices=sets.NAMES, default=list(sets.NAMES))
    parser.add_argument("--jobs", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--baselines-only", action="store_true")
    return parser.parse_args(argv)


def _folders(options: argparse.Namespace) -> dict[str, Path]:
    """The sets that there are; says which are absent."""
    found = {}
    for name in options.sets:
        folder = sets.find(name, options.data, options.out / "sets")
        if folder is None:
            print(f"{name}: not in {options.data}, left out", file=sys.stderr)
        else:
            found[name] = folder
    return found


def plan(options: argparse.Namespace, folders: Mapping[str, Path]) -> list[Task]:
    """All tasks, the baselines first; the cores are shared among the jobs."""
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    kinds = [None] if options.baselines_only else [None, options.minutes]
    return [
        Task(name=name, folder=path, out=options.out, seed=seed, minutes=minutes, threads=threads)
        for minutes in kinds
        for seed in options.seeds
        for name, path in folders.items()
    ]


def _measure(work: Sequence[Task], jobs: int) -> list[str]:
    """Runs the tasks; returns what went wrong."""
    failed = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        pending = {pool.submit(tasks.run, task): task for task in work}
        for count, future in enumerate(as_completed(pending), 1):
            trouble = future.result()
            said = trouble or pending[future].title
            print(f"{count} of {len(work)}: {said}", file=sys.stderr, flush=True)
            failed += [trouble] if trouble else []
    return sorted(failed)


def collect(work: Sequence[Task]) -> tuple[dict[str, dict[str, list[Any]]], list[str]]:
    """The figures of all tasks that are done, by set and method, and a note on each set."""
    results: dict[str, dict[str, list[Any]]] = {}
    notes: dict[str, str] = {}
    for task in sorted(work, key=lambda task: task.minutes is None):
        found = tasks.done(task)
        methods = results.setdefault(task.name, {})
        if found is None:
            continue
        if task.minutes is not None:
            methods.setdefault(table.OURS, []).append(found)
            continue
        for method, figures in found["methods"].items():
            minutes = figures["seconds"] / 60
            methods.setdefault(method, []).append({**figures, "minutes": minutes})
        areas = ", ".join(f"{name} {area:.3f}" for name, area in found["shortcuts"].items())
        notes[task.name] = f"{task.name}: AUROC of {areas} (what should not betray a defect)"
    return results, list(notes.values())


if __name__ == "__main__":
    sys.exit(main())
