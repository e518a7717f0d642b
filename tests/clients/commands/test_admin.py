"""`residuum admin` against a real server, and who may use it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import started

from residuum_client import Admin, UnknownModel
from residuum_client.__main__ import FAILED, OK, USAGE, main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The data address and the admin address of a server with the model `tiny`."""
    folder = tmp_path_factory.mktemp("bundles")
    shutil.copytree(ROOT / "tests" / "data" / "tiny_bundle", folder / "first")
    command = [sys.executable, "-m", "service", "--bundles", str(folder), "--host", "127.0.0.1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    options = ["--port", "0", "--admin-port", "0", "--metrics-port", "0"]
    with started([*command, *options], seconds=900, cwd=ROOT, **pipes) as server:
        line = server.stdout.readline()
        found = [re.search(rb"%s (\d+)" % name, line) for name in (b"port", b"admin")]
        assert all(found), line
        shutil.copytree(ROOT / "tests" / "data" / "tiny_map_bundle", folder / "second")
        (folder / "broken").mkdir()
        yield tuple(f"127.0.0.1:{int(match[1])}" for match in found)


@pytest.fixture
def server(ports: tuple[str, str]) -> list[str]:
    return ["--server", ports[1]]


def test_models_are_listed_as_by_the_data_port(ports, server, capsys):
    assert main(["admin", "list", "--json", *server]) == OK
    listed = capsys.readouterr().out
    assert main(["models", "--json", "--server", ports[0]]) == OK
    assert listed == capsys.readouterr().out != ""
    assert main(["admin", "list", *server]) == OK
    assert "16x16 gray, exact" in capsys.readouterr().out


def test_a_bundle_is_loaded_and_unloaded_in_one_line_each(ports, server, capsys):
    assert main(["admin", "load", "second/", *server]) == OK
    assert capsys.readouterr().out == "loaded tiny-map 1 on cpu\n"
    assert main(["admin", "unload", "tiny-map", "--version", "1", *server]) == OK
    assert capsys.readouterr().out == "unloaded tiny-map 1\n"
    assert main(["admin", "load", "second", "--json", *server]) == OK
    loaded = json.loads(capsys.readouterr().out)
    assert (loaded["loaded"], loaded["name"], loaded["version"]) == ("second", "tiny-map", "1")
    assert main(["admin", "unload", "tiny-map", "--json", *server]) == OK
    assert json.loads(capsys.readouterr().out) == {"unloaded": "tiny-map", "version": ""}


def test_a_bundle_that_cannot_be_loaded_does_not_stop_the_others(ports, server, capsys):
    assert main(["admin", "load", "absent", "broken", "first", *server]) == FAILED
    captured = capsys.readouterr()
    assert captured.out == "loaded tiny 1 on cpu\n"
    absent, broken, summary = captured.err.splitlines()
    assert absent.startswith("absent: bundle 'absent' is not in the bundle folder")
    assert broken.startswith("broken: ")
    assert summary == "residuum: 1 done, 2 failed"


def test_what_is_not_loaded_cannot_be_unloaded(server, capsys):
    assert main(["admin", "unload", "absent", *server]) == FAILED
    assert capsys.readouterr().err.startswith("residuum: model 'absent' is not loaded")


def test_the_data_port_refuses(ports, capsys):
    assert main(["admin", "load", "first", "--server", ports[0]]) == FAILED
    error = capsys.readouterr().err
    assert error == "residuum: LoadModel is available on the admin port only\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["load"], "no bundle was given"),
        (["list"], "a server is needed: --server HOST:PORT, with its admin port"),
        (["list", "--server", "a"], "the address 'a' has no port; expected a:PORT"),
    ],
)
def test_wrong_usage_says_what_is_missing(arguments, sentence, capsys):
    assert main(["admin", *arguments]) == USAGE
    assert capsys.readouterr().err == f"residuum: {sentence}\n"


def test_the_library_has_the_same_calls(ports):
    with Admin(ports[1]) as admin:
        model = admin.load("second")
        assert (model.name, model.version) == ("tiny-map", "1")
        assert [model.name for model in admin.models()] == ["tiny", "tiny-map"]
        admin.unload("tiny-map")
        with pytest.raises(UnknownModel):
            admin.unload("tiny-map")
