"""Every command of the documents runs, in the order of the page, against real servers and files.

How a page is written so that this works is said in CONTRIBUTING.md.
"""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from markdown import Block, anchors, blocks, documents, links, pages, prose
from sandbox import CommandFailed, Sandbox
from source_tree import ROOT

RUN = ("sh", "python")
# First words of commands that change the machine or take minutes: looked at, not run.
LOOKED_AT = ("make", "pip", "git", "cd", "docker", "kubectl", "torchrun", "curl", "source", ".")
COMMAND = re.compile(
    r"^(?: {4,}|\t)(?:residuum|make |pip |python |torchrun|git |docker |kubectl |curl )"
)
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# The help of commands, which takes seconds to print, by their words before the first option.
HELP: dict[str, str] = {}
SCENARIOS = [path for path in documents() if any(block.language in RUN for block in blocks(path))]


def is_looked_at(command: str) -> bool:
    words = command.split()
    return words[0] in LOOKED_AT or words[:3] == ["python", "-m", "venv"]


def problems(command: str) -> list[str]:
    """What a command names that does not exist."""
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        names = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
        return [f"no target {name}" for name in names if name not in TARGETS]
    files = [path for flag, path in pairwise(words) if flag in ("-c", "-f", "-k", "-r")]
    found = [f"no file {path}" for path in files if not (ROOT / path).exists()]
    if words[0] == "pip":
        found += [
            problem for word in words if word.startswith(".") for problem in _of_project(word)
        ]
    return found


def _of_project(requirement: str) -> list[str]:
    """What is wrong with `folder[extra,extra]`."""
    folder, extras = re.fullmatch(r"([^\[]+)(?:\[(.*)\])?", requirement).groups(default="")
    project = ROOT / folder / "pyproject.toml"
    if not project.exists():
        return [f"no project {folder}"]
    known = tomllib.loads(project.read_text())["project"].get("optional-dependencies", {})
    return [f"no extra {extra}" for extra in filter(None, extras.split(",")) if extra not in known]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", SCENARIOS, ids=str)
def test_every_command_of_a_page_runs(path: Path, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    setup = ""
    try:
        for block in blocks(path):
            if block.language == "python" and block.hidden:
                setup = block.code
            elif block.language == "python" and block.runs:
                _run(block, block.line, lambda code=setup + "\n" + block.code: sandbox.python(code))
                setup = ""
            elif block.language == "sh":
                _run_commands(block, sandbox)
    finally:
        sandbox.close()


def _run_commands(block: Block, sandbox: Sandbox) -> None:
    for line, command in block.commands():
        if is_looked_at(command):
            continue
        if block.runs:
            _run(block, line, lambda command=command: sandbox.command(command))
        elif command.startswith("residuum"):
            _run(block, line, lambda command=command: check_flags(command, sandbox))


def _run(block: Block, line: int, run: Callable[[], None]) -> None:
    problem = ""
    try:
        run()
    except (CommandFailed, subprocess.TimeoutExpired) as error:
        problem = str(error)
    code = block.code.splitlines()[line - block.line]
    assert not problem, f"{block.path}:{line}: {code}\n{problem}"


def check_flags(command: str, sandbox: Sandbox) -> None:
    """The help of a command that is not run knows its options."""
    words = shlex.split(command, comments=True)
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    start = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    command = shlex.join(words[:start])
    if command not in HELP:
        HELP[command] = sandbox.run(["bash", "-c", f"{command} --help"])
    text = HELP[command]
    if unknown := flags - set(re.findall(r"--[\w.-]+", text)):
        raise CommandFailed(f"its help does not know {sorted(unknown)}")


@pytest.mark.parametrize("path", documents(), ids=str)
def test_commands_that_are_not_run_name_what_exists(path: Path) -> None:
    wrong = [
        f"{path}:{line}: {problem}"
        for block in blocks(path)
        if block.language == "sh"
        for line, command in block.commands()
        if is_looked_at(command)
        for problem in problems(command)
    ]
    for line, text in prose(path):
        for target in re.findall(r"`make ([\w-]+)[^`]*`", text):
            wrong += [] if target in TARGETS else [f"{path}:{line}: no target {target}"]
    assert wrong == []


@pytest.mark.parametrize("path", documents(), ids=str)
def test_code_is_fenced_and_has_a_language(path: Path) -> None:
    assert [f"{path}:{block.line}" for block in blocks(path) if not block.language] == []
    assert [f"{path}:{line}" for line, text in prose(path) if COMMAND.match(text)] == []


@pytest.mark.parametrize("path", pages(), ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    wrong = []
    for line, link in links(path):
        target, _, anchor = link.partition("#")
        place = (ROOT / path.parent / target).resolve() if target else ROOT / path
        known = not anchor or (
            place.suffix == ".md" and place.exists() and anchor in anchors(place)
        )
        if not place.exists() or not known:
            wrong.append(f"{path}:{line}: {link}")
    assert wrong == []


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("make test", []),
        ("make no-such-target DATA=x", ["no target no-such-target"]),
        ("pip install -c constraints.txt '.[service]' './clients/python[offline]'", []),
        ("pip install '.[nothing]'", ["no extra nothing"]),
        ("pip install ./nowhere", ["no project ./nowhere"]),
        (
            "docker build -f deploy/docker/gone.Dockerfile .",
            ["no file deploy/docker/gone.Dockerfile"],
        ),
    ],
)
def test_a_command_that_names_what_is_not_there_is_seen(command: str, wrong: list[str]) -> None:
    assert problems(command) == wrong
