"""The client for TypeScript: its own tests against a real server, and its generated code."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import finished, started

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "clients" / "typescript"
PROTOCOL = ROOT / "protos" / "residuum" / "v1"
BUNDLES = ("tests/data/tiny_bundle", "tests/data/tiny_map_bundle", "deploy/bundles/fashion")
OLDEST_NODE = (20, 3)
# Of npm: the lock does not fit package.json, or a package is not the one that was locked.
FAULTS = ("EUSAGE", "EINTEGRITY")


@pytest.fixture
def npm() -> str:
    """The npm of a machine that has Node and the packages of the client."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm or node is not installed")
    version = finished([node, "--version"]).stdout.decode().strip()
    if tuple(map(int, version.removeprefix("v").split(".")[:2])) < OLDEST_NODE:
        pytest.skip(f"node is {version}, the client needs 20.3 or later")
    if not is_installed():
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
        run = finished([npm, "ci", *flags], seconds=100, cwd=PACKAGE)
        said = run.stderr.decode()
        assert not any(fault in said for fault in FAULTS), said
        if run.returncode:
            pytest.skip(f"npm ci found no packages: {said.strip().splitlines()[:1]}")
    return npm


def is_installed() -> bool:
    """Whether node_modules has the versions of the lock that are for this machine."""
    try:
        found = json.loads((PACKAGE / "node_modules" / ".package-lock.json").read_text())
    except FileNotFoundError:
        return False
    locked = json.loads((PACKAGE / "package-lock.json").read_text())["packages"]
    needed = {path for path, package in locked.items() if path and not package.get("optional")}
    return needed <= set(found["packages"]) and all(
        locked.get(path, {}).get("version") == package["version"]
        for path, package in found["packages"].items()
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Address of a server with the models `tiny`, `tiny-map` and `fashion`."""
    for bundle in BUNDLES:
        shutil.copytree(ROOT / bundle, tmp_path / Path(bundle).name)
    command = [sys.executable, "-m", "service", "--bundles", str(tmp_path), "--host", "127.0.0.1"]
    ports = ["--port", "0", "--admin-port", "0", "--metrics-port", "0"]
    with started([*command, *ports], seconds=170, cwd=ROOT, stdout=subprocess.PIPE) as process:
        port = re.search(rb"port (\d+)", process.stdout.readline())
        assert port is not None, "the server did not start"
        yield f"127.0.0.1:{int(port[1])}"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_its_sources_compile_and_its_tests_pass(npm: str, server: str) -> None:
    environment = os.environ | {"TEST_SERVER": server, "TEST_PYTHON": sys.executable}
    run = finished([npm, "test"], seconds=160, cwd=PACKAGE, env=environment)
    report = run.stdout.decode()
    assert run.returncode == 0, report[-8000:] + run.stderr.decode()[-2000:]
    assert "is not set" not in report, "tests against servers were skipped"


def test_its_code_was_generated_from_this_protocol() -> None:
    text = (PACKAGE / "src" / "generated" / "descriptor.ts").read_text()
    found = dict(re.findall(r"^// Generated from (\S+), SHA-256 (\w+)$", text, re.MULTILINE))
    sources = PROTOCOL.glob("*.proto")
    expected = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in sources}
    assert found == expected, "run `npm run generate` in clients/typescript"


def test_its_packages_come_from_the_public_registry() -> None:
    packages = json.loads((PACKAGE / "package-lock.json").read_text())["packages"]
    places = [package["resolved"] for package in packages.values() if "resolved" in package]
    assert [one for one in places if not one.startswith("https://registry.npmjs.org/")] == []


def test_its_files_can_be_read_in_one_sitting() -> None:
    written = [*PACKAGE.glob("src/*.ts"), *PACKAGE.glob("test/*.ts"), *PACKAGE.glob("scripts/*")]
    counts = {path.name: len(path.read_text().splitlines()) for path in written}
    assert {name: count for name, count in counts.items() if count > 250} == {}
