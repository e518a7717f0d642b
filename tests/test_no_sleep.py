"""No test waits for a fixed time: on a busy machine it is too short, on a quiet one wasted."""

import ast
from pathlib import Path

from source_tree import called_name, parse, python_files

# Calls of `sleep` outside of a loop that polls, and why they do not decide a test.
ALLOWED = {
    "tests/training/loop/test_kill.py": "a process is killed at random moments; each must do",
    "tests/benchmarks/serving/serve.py": "a measurement lasts as long as it should",
    "tests/benchmarks/serving/rollout.py": "callers call between two events",
    "tests/benchmarks/serving/overload.py": "a measurement lasts as long as it should",
    "tests/plugins/hang_guard.py": "killed processes need a moment; they are looked for again",
}
TESTS = [path for path in python_files() if path.parts[0] == "tests"]


def sleeps(tree: ast.Module) -> list[int]:
    """Lines of calls of `sleep` that are not in a `while` loop, which polls."""
    polls = [loop for loop in ast.walk(tree) if isinstance(loop, ast.While)]
    polling = {id(node) for loop in polls for node in ast.walk(loop)}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and called_name(node) == "sleep"
        and ast.unparse(node) != "asyncio.sleep(0)"
        and id(node) not in polling
    ]


def test_no_test_sleeps() -> None:
    found = [
        f"{path}:{line}"
        for path in TESTS
        if str(path) not in ALLOWED
        for line in sleeps(parse(path))
    ]
    assert found == []


def test_every_exception_still_sleeps() -> None:
    assert [path for path in ALLOWED if not sleeps(parse(Path(path)))] == []


def test_a_sleep_is_seen_unless_it_polls() -> None:
    assert sleeps(ast.parse("time.sleep(1)")) == [1]
    assert sleeps(ast.parse("while not done():\n    time.sleep(0.01)")) == []
