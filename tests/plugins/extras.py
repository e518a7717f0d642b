"""What each extra brings, and commands that it must be enough for."""

import importlib.metadata
import re
import tomllib
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from source_tree import CLIENT, ROOT

# What is installed, as pip writes it, from the root of the repository.
EXTRAS = {
    "service": ".[service]",
    "train": ".[train]",
    "export": ".[export]",
    "client": "./clients/python",
    "offline": "./clients/python[offline]",
}
# The commands of each, as documents write them, for a Sandbox; those of the client need a server.
SERVE = "residuum-serve --bundles deploy/bundles --port 50051"
TRAIN = "residuum-train sigma-vae-map --data DIR --out run --crop 16 --validation-fraction 0.5"
SAMPLES = "deploy/samples/fashion"
SERVER, BUNDLE = "--server localhost:50051", "--bundle deploy/bundles/fashion"
COMMANDS = {
    "service": ["residuum-serve --help", SERVE],
    "train": [
        "residuum-train --help",
        "residuum-evaluate --help",
        TRAIN,
        "residuum-evaluate run --data DIR --out report",
    ],
    "export": [
        "residuum-export --help",
        TRAIN,
        "residuum-export run --out bundles/mine --calibrate DIR",
        "residuum-evaluate bundles/mine --data DIR --out report",
    ],
    "client": [
        "residuum --help",
        f"residuum compress {SAMPLES} --out records {SERVER} --model fashion",
        f"residuum decompress records --out restored {SERVER} --model fashion",
        f"residuum score {SAMPLES} --heatmaps heat {SERVER} --model fashion",
        f"residuum models {SERVER}",
    ],
    "offline": [
        f"residuum compress {SAMPLES} --out records {BUNDLE}",
        f"residuum decompress records --out restored {BUNDLE}",
        f"residuum score {SAMPLES} --heatmaps heat {BUNDLE}",
        f"residuum archive create photos.rsda {SAMPLES} {BUNDLE}",
    ],
}


@cache
def projects() -> dict[str, dict]:
    """The tables `project` and `tool` of our own distributions."""
    found = {}
    for folder in (ROOT, CLIENT):
        project = tomllib.loads((folder / "pyproject.toml").read_text())
        found[project["project"]["name"]] = {**project["project"], "tool": project["tool"]}
    return found


def requirements(name: str, extra: str) -> list[Requirement]:
    """What a distribution asks for, by itself or for an extra."""
    if name in projects():
        project = projects()[name]
        extras = project.get("optional-dependencies", {})
        return [Requirement(line) for line in extras.get(extra, project["dependencies"])]
    lines = importlib.metadata.requires(name) or []
    wanted = [Requirement(line) for line in lines]
    return [r for r in wanted if not r.marker or r.marker.evaluate({"extra": extra})]


def closure(requirement: str) -> set[str]:
    """Names of all distributions that pip would install for one of ours."""
    folder, extra = re.fullmatch(r"([^\[]+)(?:\[(.*)\])?", requirement).groups(default="")
    name = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]["name"]
    found: set[tuple[str, str]] = set()
    waiting = [(name, extra), (name, "")]
    while waiting:
        pair = waiting.pop()
        if pair in found:
            continue
        found.add(pair)
        for needed in requirements(*pair):
            known = canonicalize_name(needed.name)
            waiting += [(known, extra) for extra in ("", *needed.extras)]
    return {name for name, _ in found}


def absent_modules(requirement: str) -> set[str]:
    """Top-level modules of this environment that the extra alone would not have."""
    present = closure(requirement)
    providers = {
        module: {canonicalize_name(name) for name in names}
        for module, names in importlib.metadata.packages_distributions().items()
    }
    for name, project in projects().items():
        target = project["tool"]["hatch"]["build"]["targets"]["wheel"]
        for path in (*target.get("packages", ()), *target.get("only-include", ())):
            providers[Path(path).stem] = {name}
    return {module for module, names in providers.items() if not names & present}
