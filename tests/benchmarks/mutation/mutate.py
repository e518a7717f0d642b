"""Mutation check of records and archives: whether a test fails for every change of the code.

    make bench-mutate        MUTATE_OPTIONS='--only columns.py' for one file

The tests are collected once. For every mutant (mutants.py) this process forks. The child replaces
the loaded functions and constants with the changed ones and runs the tests until one fails, the
fastest first, and among those the ones with most kills. Survivors are listed. Those explained in
equivalent_mutants.toml count as equivalent; with any other the exit status is 1.
"""

import argparse
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from grafting import graft
from mutants import Mutant, mutants
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[3]
COSTS = ROOT / "build/mutate_costs.json"
EXPLAINED = Path(__file__).with_name("equivalent_mutants.toml")
RECORD, ARCHIVE = "record/test_frame.py", "tests/codec/archive"
# The test file that runs first. For the archive all its other test files follow.
FIRST = {
    "frame.py": RECORD,
    "varint.py": "test_columns.py",
    "columns.py": "test_columns.py",
    "name_lists.py": "test_name_lists.py",
    "blocks.py": "test_blocks.py",
    "index.py": "test_index.py",
    "journal.py": "test_hostile.py",
    "disk.py": "test_reader.py",
    "names.py": "test_names.py",
    "reader.py": "test_reader.py",
    "snapshot.py": "test_snapshot.py",
    "writer.py": "test_writer.py",
}
# Slow, and finds nothing that the other tests of crashes do not find.
SKIPPED = "not random_moments"
# Tests are in tiers by their CPU seconds, so that the setup of a file is not repeated for each.
TIERS = (0.03, 0.3)
# A mutant that does not end, or fills memory or disk, counts as killed.
MEMORY_BYTES, FILE_BYTES = 8 * 2**30, 2**33 + 2**20
ALIVE, DEAD = 0, 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """A mutant, whether it survived, and the CPU seconds of its tests."""

    mutant: Mutant
    alive: bool
    seconds: float


class Check:
    """A pytest plugin that runs the collected tests for each mutant instead of once."""

    def __init__(self, chosen: Sequence[Mutant], jobs: int, patience: float) -> None:
        self._chosen, self._jobs, self._patience = chosen, jobs, patience
        self._notes = Path(tempfile.mkdtemp(prefix="mutants-"))
        self._costs: dict[str, float] = {}
        self._kills: Counter[tuple[str, str]] = Counter()
        self.outcomes: list[Outcome] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Runs the tests for all mutants."""
        self._costs = load(COSTS)
        items = [i for i in session.items if self._costs.get(i.nodeid, 0) <= self._patience]
        self._costs |= unchanged(items)
        COSTS.parent.mkdir(parents=True, exist_ok=True)
        COSTS.write_text(json.dumps(self._costs))
        equivalent, start = explained(), time.perf_counter()
        for outcome in self._fates([i for i in items if self._costs[i.nodeid] <= self._patience]):
            self.outcomes.append(outcome)
            if outcome.alive:
                mark = "equivalent" if outcome.mutant.key in equivalent else "SURVIVED"
                print(f"{mark}, line {outcome.mutant.line}: {outcome.mutant.key}", flush=True)
            if len(self.outcomes) % 50 == 0:
                done = f"{len(self.outcomes)} of {len(self._chosen)}"
                print(f"{done} in {time.perf_counter() - start:.0f} s", flush=True)
        return True

    def _fates(self, items: Sequence[pytest.Item]) -> Iterator[Outcome]:
        """The outcomes, as the child processes end."""
        waiting, running = list(reversed(self._chosen)), dict[int, Mutant]()
        while waiting or running:
            while waiting and len(running) < self._jobs:
                mutant = waiting.pop()
                running[fork(lambda m=mutant: self._live(m, items))] = mutant
            child, status, usage = os.wait4(-1, 0)
            mutant, killer = running.pop(child), self._killer(child)
            self._kills[mutant.path.name, killer] += 1
            yield Outcome(mutant, status == ALIVE, usage.ru_utime + usage.ru_stime)

    def _killer(self, child: int) -> str:
        """The test that killed a mutant, if its process could still write it down."""
        note = self._notes / str(child)
        killer = note.read_text() if note.exists() else ""
        note.unlink(missing_ok=True)
        return killer

    def _live(self, mutant: Mutant, items: Sequence[pytest.Item]) -> int:
        order = self._order(mutant, items)
        seconds = 5 + 2 * int(sum(self._costs[item.nodeid] for item in order))
        for what, limit in (("CPU", seconds), ("AS", MEMORY_BYTES), ("FSIZE", FILE_BYTES)):
            resource.setrlimit(getattr(resource, f"RLIMIT_{what}"), (limit, limit))
        try:
            graft(mutant.module, mutant.tree, mutant.path)
        except Exception:  # noqa: BLE001 - code that cannot be loaded
            return DEAD
        for item, following in pairs(order):
            if not passes(item, following):
                (self._notes / str(os.getpid())).write_text(item.nodeid)
                return DEAD
        return ALIVE

    def _order(self, mutant: Mutant, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """The tests that may kill the mutant, the most promising first."""
        first = FIRST[mutant.path.name]
        mine = [i for i in items if (i.path.name == RECORD) == (first == RECORD)]

        def rank(item: pytest.Item) -> tuple[object, ...]:
            cost = self._costs[item.nodeid]
            tier = sum(cost > limit for limit in TIERS)
            kills = self._kills[mutant.path.name, item.nodeid]
            return tier, -kills, item.path.name != first, item.path.name, cost

        return sorted(mine, key=rank)


def fork(work: Callable[[], int]) -> int:
    """Starts a function in a silent child process, whose exit status is its result."""
    child = os.fork()
    if child:
        return child
    status = DEAD
    with contextlib.suppress(BaseException), Path(os.devnull).open("w") as null:
        os.dup2(null.fileno(), 1)
        os.dup2(null.fileno(), 2)
        status = work()
    os._exit(status)


def passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    """Runs one test."""
    from _pytest.runner import runtestprotocol

    return not any(r.failed for r in runtestprotocol(item, log=False, nextitem=following))


def pairs(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    """Each with the one after it."""
    return zip(items, [*items[1:], None], strict=True)


def unchanged(items: Sequence[pytest.Item]) -> dict[str, float]:
    """CPU seconds of each test on the unchanged code. Ends the program if one fails."""
    costs = {}
    for item, following in pairs(items):
        start = time.process_time()
        if not passes(item, following):
            sys.exit(f"{item.nodeid} fails on the unchanged code")
        costs[item.nodeid] = time.process_time() - start
    print(f"{len(costs)} tests pass on the unchanged code, {sum(costs.values()):.1f} CPU seconds")
    return costs


def load(path: Path) -> dict[str, float]:
    """The measurements of an earlier run, if any."""
    return json.loads(path.read_text()) if path.exists() else {}


def explained() -> dict[str, str]:
    """For each equivalent mutant, why it behaves like the code."""
    return tomllib.loads(EXPLAINED.read_text()) if EXPLAINED.exists() else {}


def check(chosen: Sequence[Mutant], jobs: int, patience: float, *, own: bool) -> list[Outcome]:
    """The outcomes of mutants."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.fsync = lambda fd: None  # takes most of the time, and no test needs it
    quick = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile(
        "mutants", database=None, derandomize=True, deadline=None, phases=quick, max_examples=30
    )
    hypothesis.settings.load_profile("mutants")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # Without settings and plugins of the project, which cost more than most tests.
    alone = ["-c", os.devnull, f"--rootdir={ROOT}", "--import-mode=importlib", "--assert=plain"]
    quiet = ["-s", "--noconftest", "-p", "no:cacheprovider", "-p", "no:terminal"]
    plugin = Check(chosen, jobs, patience)
    kinds = {FIRST[mutant.path.name] == RECORD for mutant in chosen}
    tests = [f"tests/codec/{RECORD}" if kind else ARCHIVE for kind in kinds]
    if own:
        names = sorted({FIRST[mutant.path.name] for mutant in chosen} - {RECORD})
        tests = [f"{ARCHIVE}/{name}" for name in names]
    pytest.main([*alone, *quiet, "-k", SKIPPED, *tests], plugins=[plugin])
    return plugin.outcomes


def main() -> None:
    """Entry point; exit status 1 if a mutant survives without an explanation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=list(FIRST), help="names of files")
    parser.add_argument("--match", default="", help="only mutants with this in their description")
    parser.add_argument("--own", action="store_true", help="only the test file that runs first")
    parser.add_argument("--again", type=Path, help="only survivors of an earlier run, its --out")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--patience", type=float, default=3, help="CPU seconds of a test at most")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench/mutate.json")
    options = parser.parse_args()
    folders = {"frame.py": "record", "varint.py": ""}
    paths = [ROOT / "codec" / folders.get(name, "archive") / name for name in options.only]
    chosen = [m for path in paths for m in mutants(path, ROOT) if options.match in m.key]
    if options.again:
        again = json.loads(options.again.read_text())["survivors"]
        chosen = [m for m in chosen if m.key in again]
    outcomes = check(chosen, options.jobs, options.patience, own=options.own)
    if len(outcomes) < len(chosen):
        sys.exit("the check was not completed")
    left = [outcome.mutant.key for outcome in outcomes if outcome.alive]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(show(outcomes) | {"survivors": left}, indent=1) + "\n")
    sys.exit(any(key not in explained() for key in left))


def show(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """Prints the table and returns its numbers by file."""
    table = Table(title="mutants and their outcomes")
    columns = ("mutants", "killed", "equivalent", "surviving")
    for column in ("file", *columns, "CPU s"):
        table.add_column(column, justify="right", no_wrap=True)
    equivalent, rows = explained(), {}
    for name in dict.fromkeys(outcome.mutant.path.name for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.mutant.path.name == name]
        fates = Counter(
            "killed" if not o.alive else "equivalent" if o.mutant.key in equivalent else "surviving"
            for o in mine
        )
        rows[name] = {"mutants": len(mine)} | {column: fates[column] for column in columns[1:]}
        table.add_row(name, *map(str, rows[name].values()), f"{sum(o.seconds for o in mine):.0f}")
    Console(width=100).print(table)
    return rows


if __name__ == "__main__":
    main()
