"""Installs each extra by itself into a bare environment and runs its commands.

    python tests/check_extras.py [EXTRA ...]

The environments lie in build/extras. The tests do the same faster, without installing anything, in
tests/test_extras.py; this is the proof.
"""

import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "plugins"))

from extras import COMMANDS, EXTRAS, SERVE  # noqa: E402
from sandbox import CommandFailed, Sandbox  # noqa: E402


def install(extra: str) -> Path:
    """The folder of commands of a new environment with one extra."""
    folder = ROOT / "build" / "extras" / extra
    venv.create(folder, clear=True, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    # The client's extra `offline` asks for `residuum`, which no index has: it is this checkout.
    requirements = [".", EXTRAS[extra]] if extra == "offline" else [EXTRAS[extra]]
    subprocess.run([*pip, "-c", "constraints.txt", *requirements], cwd=ROOT, check=True)
    return folder / "bin"


def check(extra: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder))
        try:
            if extra == "client":
                sandbox.command(SERVE)
            sandbox.use(install(extra))
            for command in COMMANDS[extra]:
                sandbox.command(command)
                print(f"  {command}", flush=True)
        finally:
            sandbox.close()


def main() -> int:
    failed = []
    for extra in sys.argv[1:] or EXTRAS:
        start = time.monotonic()
        print(f"{extra}: pip install '{EXTRAS[extra]}'", flush=True)
        try:
            check(extra)
        except (CommandFailed, subprocess.CalledProcessError) as error:
            failed.append(extra)
            print(f"{extra} FAILED: {error}", flush=True)
        else:
            print(f"{extra} ok, {time.monotonic() - start:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
