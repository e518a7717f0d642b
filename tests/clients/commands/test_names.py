"""Links, names in any script and encoding, and terminals of any encoding."""

import json
import os
import sys
from pathlib import Path

import pytest
from processes import finished

from residuum_client.__main__ import FAILED, OK, main

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'clients/python'}{os.pathsep}{ROOT}"}
RESIDUUM = [sys.executable, "-m", "residuum_client"]
# Python decodes names as ASCII then, and prints ASCII only.
PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ODD = [
    "图像.png",
    "-dash.png",
    "new\nline.png",
    "\x1b[31mred.png",
    "tab\t.png",
    "two  spaces .png",
    "right\u202eto left.png",
    "caf\udce9.png",  # a byte that is not UTF-8
    "n" * 251 + ".png",
]


def below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def linked(tmp_path: Path, files: list[bytes]) -> Path:
    """Two folders of links into a store, as data version control makes them."""
    for place, blob in (("a", "g1"), ("b", "g2")):
        (tmp_path / "store").mkdir(exist_ok=True)
        (tmp_path / place).mkdir()
        (tmp_path / "store" / blob).write_bytes(files[0 if place == "a" else 1])
        (tmp_path / place / "x.png").symlink_to(f"../store/{blob}")
    return tmp_path


def test_outputs_of_links_are_called_like_the_links(linked: Path, offline):
    inputs = [str(linked / "a"), str(linked / "b")]
    assert main(["compress", *inputs, "--out", str(linked / "out"), *offline]) == OK
    assert below(linked / "out") == ["a/x.rsd", "b/x.rsd"]


def test_two_links_to_one_file_have_two_outputs(linked: Path, offline):
    (linked / "a/y.png").symlink_to("../store/g1")
    assert main(["compress", str(linked / "a"), "--out", str(linked / "out"), *offline]) == OK
    assert below(linked / "out") == ["x.rsd", "y.rsd"]
    assert (linked / "out/x.rsd").read_bytes() == (linked / "out/y.rsd").read_bytes()


@pytest.fixture
def odd(tmp_path: Path, files: list[bytes]) -> Path:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in ODD:
        (folder / name).write_bytes(files[0])
    return folder


def test_odd_names_go_through_all_commands_and_come_out_the_same(odd, offline, tmp_path, capsys):
    records, images, heat = (str(tmp_path / name) for name in ("records", "images", "heat"))
    assert main(["compress", str(odd), "--out", records, *offline]) == OK
    assert main(["decompress", records, "--out", images, *offline]) == OK
    assert main(["score", str(odd), "--heatmaps", heat, *offline]) == OK
    assert below(Path(images)) == below(Path(heat)) == sorted(ODD)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert all(line.isprintable() for line in captured.out.splitlines())


def test_json_lines_have_the_true_paths(odd, offline, tmp_path, capsys):
    assert main(["compress", str(odd), "--out", str(tmp_path / "out"), "--json", *offline]) == OK
    out = capsys.readouterr().out
    assert out.isascii()
    lines = [json.loads(line) for line in out.splitlines()]
    assert sorted(line["path"] for line in lines) == sorted(str(odd / name) for name in ODD)
    assert all(Path(line["output"]).is_file() for line in lines)


def test_odd_names_go_into_an_archive_and_out_again(odd, offline, tmp_path, capsys):
    archive, out = str(tmp_path / "a.rsa"), tmp_path / "out"
    assert main(["archive", "create", archive, str(odd), *offline]) == OK
    assert main(["archive", "extract", archive, "--out", str(out), *offline]) == OK
    stored = [name.replace("\udce9", "\\xe9") for name in ODD]
    assert below(out) == sorted(stored)
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())


def test_a_name_that_begins_with_a_dash_may_follow_two_dashes(odd, offline, tmp_path, monkeypatch):
    monkeypatch.chdir(odd)
    out = tmp_path / "out"
    assert main(["compress", "--out", str(out), *offline, "--", "-dash.png"]) == OK
    assert below(out) == ["-dash.rsd"]


def test_names_in_errors_are_printable(tmp_path, offline, capsys):
    for name in ODD:
        (tmp_path / name).write_bytes(b"no image")
    assert main(["compress", str(tmp_path), "--out", str(tmp_path / "out"), *offline]) == FAILED
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(ODD) + 1
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"PYTHONIOENCODING": "cp1252"}, "??.png"),
        ({"PYTHONIOENCODING": "ascii"}, "??.png"),
        (PLAIN_C, "??????.png"),
    ],
    ids=["cp1252", "ascii", "plain C"],
)
def test_a_terminal_without_the_characters_gets_others(settings, shown, bundle, files, tmp_path):
    (tmp_path / "图像.png").write_bytes(files[0])
    (tmp_path / "图像.gif").write_bytes(b"no image")
    command = [*RESIDUUM, "compress", "图像.png", "图像.gif", "--out", "out", "--bundle", bundle]
    done = finished(command, env={**ENVIRONMENT, **settings}, cwd=tmp_path)
    assert done.returncode == 1
    row = next(line for line in done.stdout.decode("ascii").splitlines() if ".png" in line)
    assert row.strip("|").split("|")[0].strip() == shown
    failure, summary = done.stderr.decode("ascii").splitlines()
    assert failure.startswith(shown.replace("png", "gif: the file is not an image"))
    assert summary == "residuum: 1 done, 1 failed"
    assert below(tmp_path / "out") == ["图像.png.rsd"]


def test_json_lines_are_the_same_in_every_locale(bundle, files, tmp_path):
    (tmp_path / "图像.png").write_bytes(files[0])
    command = [*RESIDUUM, "score", "图像.png", "--json", "--bundle", bundle]
    outputs = {
        finished(command, env={**ENVIRONMENT, **settings}, cwd=tmp_path).stdout
        for settings in ({}, PLAIN_C)
    }
    (line,) = outputs
    assert json.loads(line)["path"] == "图像.png"
