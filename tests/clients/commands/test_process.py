"""The command in a separate process: streams, signals, missing packages."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import finished, started

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'clients/python'}{os.pathsep}{ROOT}"}
RESIDUUM = [sys.executable, "-m", "residuum_client"]


def test_offline_use_without_the_codec_says_what_to_install(bundle: Path):
    code = f"""
import sys
import residuum_client
sys.modules["codec"] = None  # as if it were not installed, also where it is
try:
    residuum_client.Offline({str(bundle)!r})
except residuum_client.NotInstalled as error:
    print(error)
"""
    command = [sys.executable, "-c", code]
    done = finished(command, env=ENVIRONMENT)
    assert b"pip install . './clients/python[offline]'" in done.stdout
    assert done.stdout.count(b"\n") == 1


def test_stdout_holds_results_and_stderr_failures(target: str, photos: Path):
    (photos / "bad.png").write_bytes(b"")
    command = [*RESIDUUM, "score", str(photos), "--json", "--server", target, "--model", "tiny"]
    done = finished(command, env=ENVIRONMENT)
    assert done.returncode == 1
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 3
    failure, summary = done.stderr.decode().splitlines()
    assert failure.startswith(f"{photos / 'bad.png'}: ")
    assert summary == "residuum: 3 done, 1 failed; skipped 1 .txt"


def test_libraries_print_nothing_on_stderr(bundle: Path):
    code = """
import sys
from residuum_command import main

status = main()
import logging, warnings
warnings.warn("of a library")
logging.getLogger("library").warning("of a library")
sys.exit(status)
"""
    done = finished([sys.executable, "-c", code, "models", "--bundle", bundle], env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, b"")


def test_stderr_has_one_line_for_each_damaged_image(map_bundle: Path, tmp_path: Path):
    """Of a damaged strip libtiff prints lines, and of a damaged EXIF block Python warns."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    Image.fromarray(noise).save(tmp_path / "fine.tif", compression="tiff_lzw")
    Image.fromarray(noise).save(tmp_path / "fine.jpg", exif=b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x09")
    whole = (tmp_path / "fine.tif").read_bytes()
    for place in range(30, 60):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        (tmp_path / f"{place}.tif").write_bytes(damaged)
    command = [*RESIDUUM, "score", str(tmp_path), "--json", "--bundle", map_bundle]
    done = finished(command, env=ENVIRONMENT)
    *failures, summary = done.stderr.decode().splitlines()
    scored = done.stdout.count(b"\n")
    assert 2 <= scored < 32
    assert summary == f"residuum: {scored} done, {32 - scored} failed"
    assert len(failures) == 32 - scored
    assert all(line.startswith(str(tmp_path)) for line in failures)


def test_a_terminal_sees_a_progress_bar_on_stderr_only(target: str, photos: Path):
    terminal, side = pty.openpty()
    command = [*RESIDUUM, "score", str(photos), "--json", "--server", target, "--model", "tiny"]
    done = finished(command, env={**ENVIRONMENT, "TERM": "xterm"}, stderr=side)
    os.close(side)
    seen = os.read(terminal, 65536)
    os.close(terminal)
    assert b"scoring" in seen
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 3


@pytest.mark.parametrize("words", ["score PHOTOS --json --server TARGET --model tiny", "--help"])
def test_a_closed_stdout_gives_no_traceback(words: str, target: str, photos: Path):
    given = {"PHOTOS": str(photos), "TARGET": target}
    command = [*RESIDUUM, *(given.get(word, word) for word in words.split())]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as stdout:
        done = finished(command, env=ENVIRONMENT, stdout=stdout)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("options", [("--json",), ()], ids=["lines", "table"])
def test_a_full_disk_behind_stdout_is_one_line(options, target: str, photos: Path):
    command = [*RESIDUUM, "score", str(photos), *options, "--server", target, "--model", "tiny"]
    with open("/dev/full", "wb") as stdout:  # noqa: PTH123 - not a path of ours
        done = finished(command, env=ENVIRONMENT, stdout=stdout)
    sentence = b"residuum: the results cannot be written: No space left on device"
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert done.stderr.count(b"\n") == 1


def test_without_a_stdout_the_work_is_done_all_the_same(bundle: Path, photos: Path, tmp_path: Path):
    command = [*RESIDUUM, "compress", str(photos), "--out", str(tmp_path / "out"), "--json"]
    shell = ["sh", "-c", '"$@" >&-', "sh", *command, "--bundle", str(bundle)]
    done = finished(shell, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, b"residuum: 3 done; skipped 1 .txt\n")
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_folder_that_was_removed_is_named(bundle: Path, tmp_path: Path):
    command = [*RESIDUUM, "compress", "x.png", "--out", "out", "--bundle", str(bundle)]
    (tmp_path / "gone").mkdir()
    shell = ["sh", "-c", 'cd "$0" && rmdir "$0" && "$@"', str(tmp_path / "gone"), *command]
    done = finished(shell, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (1, b"residuum: the current folder was removed\n")


@pytest.mark.parametrize("source", ["server", "bundle"])
def test_ctrl_c_ends_it_with_130_and_whole_files(
    source: str, target: str, bundle: Path, files: list[bytes], tmp_path: Path
):
    """The command cannot be done before Ctrl-C: its output fills a small pipe, not read yet."""
    inputs, out = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    for i in range(200):
        (inputs / f"{i}.png").write_bytes(files[0])
    options = {"server": ["--server", target, "--model", "tiny"], "bundle": ["--bundle", bundle]}
    command = [*RESIDUUM, "compress", inputs, "--out", out, "--json", *options[source]]
    with started(
        command,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pipesize=4096,
        # A shell in the background lets its children ignore Ctrl-C, and so these tests.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    assert process.returncode == 130
    written = list(out.iterdir())
    assert 0 < len(written) < 200
    hint = f"residuum: interrupted; {len(written)} of 200 done; continue with --resume\n"
    assert error.decode() == hint
    assert len({path.read_bytes() for path in written}) == 1
    assert {path.suffix for path in written} == {".rsd"}
