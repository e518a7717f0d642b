"""Our recipe for anomaly detection and cheap baselines on every set, in one table.

    make bench-detect DATA=DIR [DETECT_OPTIONS='--minutes 30 --seeds 0 1 2 --sets pcb tile']
    make bench-detect-quick DATA=DIR

The sets: circuit boards, screw as it is and with its brightness normalised, magnetic tile, juice
bottle (those that DATA has), and drawn parts (generated). For every set and seed our recipe is run
by its commands, `residuum-train detect`, `residuum-export` and `residuum-evaluate`, with nothing
set by hand; its minutes are those of the training command. A plain autoencoder is trained for the
same time. --sets has small images too: one class of mnist, fashion or cifar10 against the rest (ten
sets each, averaged in the table), and Fashion-MNIST against MNIST both ways.

Figures and the table, in Markdown and as JSON, go to --out. What is there is not measured again:
after a change remove the folders of it that hold `ours`, `autoencoder`, `baselines` or `sets` in
their names. The exit status is 1 if a command failed.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, get_args

from codec.atomic import write_file
from detection import one_class, sets, table, tasks
from detection.tasks import Kind, Task

# What --sets takes, and the sets that each word means.
GROUPS = {
    **{name: [name] for name in (*sets.NAMES, *one_class.NAMES)},
    **{source: one_class.names(source) for source in one_class.SOURCES},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    options = _options(argv)
    folders = _folders(options)
    work = plan(options, folders)
    failed = _measure(work, options.jobs)
    results, notes = collect(work)
    results = one_class.averaged(results)
    notes.append(anomalib())
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
    parser.add_argument(
        "--sets", nargs="+", choices=GROUPS, default=list(sets.NAMES), metavar="SET", help=_known()
    )
    parser.add_argument("--jobs", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--methods", nargs="+", choices=get_args(Kind), default=get_args(Kind))
    return parser.parse_args(argv)


def _known() -> str:
    words = (
        *sets.NAMES,
        *one_class.SOURCES,
        *one_class.PAIRS,
        "one of the ten sets such as mnist-3",
    )
    return ", ".join(words)


def anomalib() -> str:
    """Whether the library can be compared with: its models are not run here."""
    there = importlib.util.find_spec("anomalib") is not None
    return f"anomalib: {'installed, but not measured' if there else 'not installed'}"


def _folders(options: argparse.Namespace) -> dict[str, Path]:
    """The sets that there are; says which are absent."""
    found = {}
    for name in dict.fromkeys(name for word in options.sets for name in GROUPS[word]):
        find = sets.find if name in sets.NAMES else one_class.find
        folder = find(name, options.data, options.out / "sets")
        if folder is None:
            print(f"{name}: not in {options.data}, left out", file=sys.stderr)
        else:
            found[name] = folder
    return found


def plan(options: argparse.Namespace, folders: Mapping[str, Path]) -> list[Task]:
    """All tasks, the baselines first; the cores are shared among the jobs."""
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    place = {"out": options.out, "minutes": options.minutes, "threads": threads}
    return [
        Task(kind=kind, name=name, folder=path, seed=seed, **place)
        for kind in get_args(Kind)
        if kind in options.methods
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


# Of the rows of a set.
_ORDER: tuple[Kind, ...] = ("ours", "autoencoder", "baselines")


def collect(work: Sequence[Task]) -> tuple[dict[str, dict[str, list[Any]]], list[str]]:
    """The figures of all tasks that are done, by set and method, and a note on each set."""
    results: dict[str, dict[str, list[Any]]] = {}
    notes: dict[str, str] = {}
    for task in sorted(work, key=lambda task: _ORDER.index(task.kind)):
        found = tasks.done(task)
        methods = results.setdefault(task.name, {})
        if found is None:
            continue
        if task.kind == "ours":
            methods.setdefault(table.OURS, []).append(found)
            continue
        for method, figures in found["methods"].items():
            minutes = figures["seconds"] / 60
            methods.setdefault(method, []).append({**figures, "minutes": minutes})
        if task.kind == "autoencoder":
            continue
        areas = ", ".join(f"{name} {area:.3f}" for name, area in found["shortcuts"].items())
        notes[task.name] = f"{task.name}: AUROC of {areas} (what should not betray a defect)"
    return results, list(notes.values())


if __name__ == "__main__":
    sys.exit(main())
