"""A test that never ends fails by name, and all its processes end."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parent / "plugins"
CONFIG = """
[pytest]
timeout = 60
hang_grace = 1
"""
# A unique command line, by which its processes are found afterwards.
TESTS = """
import subprocess, sys
import pytest

CODE = "import os, time; os.fork() or os.setsid(); time.sleep(1000) # {mark}"

@pytest.mark.timeout(2)
def test_that_hangs():
    with subprocess.Popen([sys.executable, "-c", CODE]) as process:
        process.wait()  # pytest-timeout raises here, and then __exit__ waits again

def test_afterwards():
    pass
"""


def processes(mark: str) -> list[str]:
    """Command lines of the running processes that contain a mark."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in lines if mark in line]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_test_that_hangs_is_killed_with_its_children(workers: str, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    (tmp_path / "pytest.ini").write_text(CONFIG)
    (tmp_path / "test_hangs.py").write_text(TESTS.replace("{mark}", mark))
    command = [sys.executable, "-m", "pytest", "-p", "hang_guard", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-n", workers, "test_hangs.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "hang guard: test_hangs.py::test_that_hangs did not end within 3 s" in said
    assert "in test_that_hangs" in said, "the stacks are missing"
    assert processes(mark) == []
    if workers == "1":
        assert "crashed while running 'test_hangs.py::test_that_hangs'" in said
        assert "1 failed, 1 passed" in said
