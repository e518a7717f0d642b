"""The arrows of DESIGN.md: who may import whom, and what a process never loads."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CLIENT = ROOT / "clients" / "python"
MAX_LINES = 300

# What a package may import besides itself and the standard library.
ALLOWED = {
    "codec": {"numpy", "constriction", "PIL"},
    "training": {"codec", "numpy", "torch", "safetensors", "PIL", "rich", "tyro", "matplotlib"},
    "exporter": {"codec", "training", "numpy", "torch", "onnx", "PIL", "tyro"},
    "service": {
        "codec",
        "protos",
        "numpy",
        "grpc",
        "grpc_health",
        "grpc_reflection",
        "google",
        "prometheus_client",
        "pydantic",
        "pydantic_settings",
    },
    "residuum_client": {"numpy", "grpc", "google", "PIL", "rich", "tyro"},
    "protos": {"grpc", "google"},
}
# The one module of a package that may import this as well.
EXCEPTIONS = {
    ("codec.graphs.onnx", "onnxruntime"),
    ("training.data.datasets", "torchvision"),
    ("training.evaluation.run.embedding", "sklearn"),
    ("training.evaluation.run.embedding", "threadpoolctl"),
    ("residuum_client.offline", "codec"),
    ("residuum_client.commands.archive_file", "codec"),
    ("protos.generate", "grpc_tools"),
}
UNPICKLES = {"pickle", "_pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}


def folder(package: str) -> Path:
    return (CLIENT if package == "residuum_client" else ROOT) / package


def sources(package: str) -> Iterator[tuple[str, Path]]:
    """Name and path of every module of a package."""
    for path in sorted(folder(package).rglob("*.py")):
        parts = path.relative_to(folder(package).parent).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__"), path


def imports(module: str, source: str) -> set[str]:
    """Top-level names of all that a source imports, wherever in it; `?` for a computed name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(module if node.level or node.module is None else node.module)
        elif isinstance(node, ast.Call) and _is_import(ast.unparse(node.func)):
            found |= {a.value if isinstance(a, ast.Constant) else "?" for a in node.args[:1]}
    return {name.partition(".")[0] for name in found}


def _is_import(function: str) -> bool:
    return function.rpartition(".")[2] in ("import_module", "__import__")


def forbidden(module: str, source: str) -> set[str]:
    package = module.partition(".")[0]
    foreign = imports(module, source) - sys.stdlib_module_names - {package} - ALLOWED[package]
    return {name for name in foreign if (module, name) not in EXCEPTIONS}


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_what_it_may(package: str) -> None:
    found = {module: forbidden(module, path.read_text()) for module, path in sources(package)}
    assert len(found) > 3
    assert {module: names for module, names in found.items() if names} == {}


def test_every_exception_is_made_use_of() -> None:
    paths = {module: path for package in ALLOWED for module, path in sources(package)}
    assert {(m, name) for m, name in EXCEPTIONS if name in imports(m, paths[m].read_text())} == (
        EXCEPTIONS
    )


@pytest.mark.parametrize(
    ("module", "source", "names"),
    [
        ("service.runtime.models", "import torch.nn as nn", {"torch"}),
        ("service.runtime.models", "def f():\n    from training import loop", {"training"}),
        ("service.runtime.models", "importlib.import_module('exporter.fit.bundle')", {"exporter"}),
        ("service.runtime.models", "importlib.import_module(name)", {"?"}),
        ("codec.bundle.bundle", "import onnxruntime as ort", {"onnxruntime"}),
        ("codec.graphs.onnx", "import onnxruntime as ort, io", set()),
        ("residuum_client.client", "from codec.errors import BundleError", {"codec"}),
        ("residuum_client.client", "from . import errors", set()),
    ],
)
def test_a_wrong_arrow_is_seen_in_any_dress(module: str, source: str, names: set[str]) -> None:
    assert forbidden(module, source) == names


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_is_found_inside_this_tree(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    assert [Path(place).resolve() for place in spec.submodule_search_locations] == [folder(package)]


@pytest.mark.parametrize("package", ALLOWED)
def test_a_file_can_be_read_in_one_sitting(package: str) -> None:
    lengths = {module: len(path.read_text().splitlines()) for module, path in sources(package)}
    written = {module: n for module, n in lengths.items() if "_pb2" not in module}
    assert {module: n for module, n in written.items() if n > MAX_LINES} == {}


@pytest.mark.parametrize("package", ALLOWED)
def test_nothing_is_ever_unpickled(package: str) -> None:
    for module, path in sources(package):
        source = path.read_text()
        assert not imports(module, source) & UNPICKLES, module
        assert not re.search(r"allow_pickle\s*=\s*(?!False)|torch\.load\(", source), module


def loaded(code: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter has loaded after some code."""
    path = os.pathsep.join([str(CLIENT), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"],
        env={**os.environ, "PYTHONPATH": path},
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_the_service_never_loads_torch() -> None:
    modules = loaded("\n".join(f"import {module}" for module, _ in sources("service")))
    assert {"service", "codec", "onnxruntime"} <= modules
    assert not modules & {"torch", "torchvision", "onnx", "training", "exporter"}


def test_importing_the_client_loads_nothing_heavy() -> None:
    modules = loaded("import residuum_client")
    heavy = {"torch", "onnxruntime", "codec", "constriction", "protos", "rich", "tyro"}
    assert not modules & heavy


def test_the_command_loads_neither_torch_nor_the_codec() -> None:
    modules = loaded("import residuum_client.__main__")
    assert not modules & {"torch", "onnxruntime", "codec", "constriction", "protos"}


def test_the_codec_without_its_graphs_needs_no_onnxruntime() -> None:
    assert "onnxruntime" not in loaded("import codec.pipeline, codec.reference.range_coder")
