"""Who may import whom, between packages and inside them, and what a process never loads."""

import graphlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from source_tree import CLIENT, PACKAGES, ROOT, imports, modules, written_modules

# The arrows of the project, from low to high. Each line is a folder or a module directly inside a
# package, and what it imports of the same package: only lines above it. `*` is what every module
# of the package may import from outside, apart from the standard library.
ARROWS = {
    "codec": {
        "*": "constriction numpy PIL",
        "arrays": "",
        "atomic": "",
        "errors": "",
        "smoothing": "arrays",
        "varint": "",
        "image_folder": "",
        "image_reader": "arrays errors",
        "outcomes": "errors",
        "images": "arrays errors image_reader",
        "quantise": "arrays",
        "rate_control": "errors",
        "detectors": "arrays errors smoothing",
        "priors": "arrays errors quantise",
        "record": "arrays errors varint image_reader images",
        "archive": "arrays errors varint record",
        "bundle": "arrays atomic errors images detectors priors record",
        "entropy": "arrays errors quantise priors",
        "results": "arrays images record",
        "graphs": "arrays errors images bundle",
        "record_coder": "arrays errors outcomes images quantise record bundle entropy results "
        "graphs",
        "reference": "arrays errors quantise priors entropy",
        "scores": "arrays errors smoothing images detectors bundle",
        "codec": "arrays errors outcomes images rate_control record bundle results graphs "
        "record_coder",
        "scorer": "arrays errors outcomes images quantise rate_control record bundle results "
        "record_coder scores codec",
        "warm_up": "errors scores codec scorer",
        "__init__": "errors rate_control bundle results scores codec scorer",
    },
    "training": {
        "*": "codec jinja2 matplotlib numpy PIL rich safetensors torch tyro",
        "errors": "",
        "metrics": "",
        "config": "errors",
        "distributed": "errors",
        "data": "errors metrics config distributed",
        "presets": "config",
        "models": "errors config data",
        "objectives": "errors config distributed models",
        "run": "errors config distributed data models objectives",
        "loop": "errors metrics config distributed data models objectives run",
        "segmenter": "errors metrics config data models run",
        "detect": "errors metrics config data run loop",
        "cli": "errors config distributed data presets objectives run loop segmenter detect",
        "evaluation": "errors metrics config data models objectives run loop",
        "__init__": "",
        "__main__": "errors presets cli",
    },
    "exporter": {
        "*": "codec training numpy onnx PIL torch tyro",
        "fit": "",
        "graphs": "",
        "receptive_field": "",
        "segmenter": "graphs receptive_field",
        "card": "fit",
        "options": "fit",
        "provenance": "graphs options",
        "export": "fit graphs receptive_field segmenter card options provenance",
        "refit": "fit options export",
        "__init__": "options export refit",
        "__main__": "options export refit",
    },
    "protos": {
        "*": "google grpc",
        "generate": "",
        "inference": "",
        "residuum": "",
        "reference": "generate",
        "__init__": "",
    },
    "service": {
        "*": "codec protos google grpc grpc_health grpc_reflection numpy prometheus_client "
        "pydantic pydantic_settings",
        "call": "",
        "log": "call",
        "metrics": "",
        "security": "call",
        "signals": "",
        "status": "call",
        "parsing": "status",
        "tracing": "call",
        "settings": "security",
        "runtime": "call metrics settings status",
        "servicers": "call metrics parsing status runtime tracing",
        "server": "log metrics security settings signals status tracing runtime servicers",
        "supervisor": "call parsing runtime security server settings signals status",
        "reference": "metrics settings supervisor",
        "__init__": "",
        "__main__": "log settings server supervisor",
    },
    "residuum_client": {
        "*": "google grpc grpc_health numpy PIL rich tyro",
        "arrays": "",
        "errors": "",
        "v1": "",
        "image_folder": "",
        "image_reader": "arrays errors",
        "options": "errors",
        "results": "arrays",
        "heatmap": "arrays errors options results",
        "pictures": "arrays",
        "schedule": "errors",
        "inputs": "arrays errors image_reader options pictures",
        "backend": "arrays errors inputs options results",
        "codec_adapter": "arrays errors inputs options results",
        "transport": "arrays errors inputs options results schedule v1",
        "admin": "results transport",
        "aio_backend": "arrays errors inputs options results transport",
        "aio": "aio_backend arrays errors inputs options results transport",
        "client": "arrays backend errors inputs options results transport",
        "offline": "arrays backend codec_adapter errors inputs options results schedule",
        "commands": "admin arrays backend client codec_adapter errors heatmap image_folder "
        "image_reader inputs offline options pictures results transport",
        "__init__": "admin aio aio_backend backend client errors heatmap inputs offline options "
        "results transport",
        "__main__": "errors commands",
    },
}
# The one module of a package that may import this as well.
EXCEPTIONS = {
    ("codec.graphs.onnx", "onnxruntime"),
    ("training.data.torchvision_sets", "torchvision"),
    ("training.evaluation.run.embedding", "sklearn"),
    ("training.evaluation.run.embedding", "threadpoolctl"),
    ("residuum_client.codec_adapter", "codec"),
    ("residuum_client.commands.archive_file", "codec"),
    ("service.tracing.spans", "opentelemetry"),
    ("protos.generate", "grpc_tools"),
    ("protos.reference", "grpc_tools"),
}
UNPICKLES = {"pickle", "_pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}


def of_package(package: str) -> dict[str, Path]:
    return {name: path for name, path in modules().items() if name.split(".")[0] == package}


def room(module: str) -> str:
    """The line of the table that a module belongs to; `__init__` for the package's own face."""
    return [*module.split("."), "__init__"][1]


def arrows(package: str) -> dict[str, set[str]]:
    """What each folder or module directly inside a package imports of the same package."""
    found: dict[str, set[str]] = {room(name): set() for name in of_package(package)}
    for name, path in of_package(package).items():
        inside = {room(target) for target in imports(path) if target.split(".")[0] == package}
        found[room(name)] |= inside - {room(name)}
    return found


def outside(module: str, path: Path) -> set[str]:
    """Top-level names of all that a module imports from other packages."""
    names = {target.split(".")[0] for target in imports(path)}
    return names - sys.stdlib_module_names - {module.split(".")[0]}


def forbidden(module: str, names: set[str]) -> set[str]:
    allowed = set(ARROWS[module.split(".")[0]]["*"].split())
    return {name for name in names - allowed if (module, name) not in EXCEPTIONS}


@pytest.mark.parametrize("package", ARROWS)
def test_a_package_imports_only_what_its_line_names(package: str) -> None:
    used = {module: outside(module, path) for module, path in of_package(package).items()}
    wrong = {module: forbidden(module, names) for module, names in used.items()}
    assert {module: names for module, names in wrong.items() if names} == {}
    assert set(ARROWS[package]["*"].split()) <= set().union(*used.values())


def test_every_exception_is_used() -> None:
    found = {(module, name) for module, name in EXCEPTIONS if module in modules()}
    assert {(m, name) for m, name in found if name in outside(m, modules()[m])} == EXCEPTIONS


@pytest.mark.parametrize("package", ARROWS)
def test_the_table_has_exactly_the_arrows_inside_a_package(package: str) -> None:
    written = {line: set(names.split()) for line, names in ARROWS[package].items() if line != "*"}
    found = arrows(package)
    missing = sorted(set(found) - set(written))
    gone = sorted(set(written) - set(found))
    assert (missing, gone) == ([], []), "folders or modules that have no line, lines without one"
    assert {line: names for line, names in written.items() if names != found[line]} == {
        line: found[line] for line in written if written[line] != found[line]
    }


@pytest.mark.parametrize("package", ARROWS)
def test_every_arrow_points_to_a_line_above(package: str) -> None:
    above: set[str] = set(ARROWS)
    for line, names in ARROWS[package].items():
        if line != "*":
            assert set(names.split()) <= above, f"{package}.{line} imports a line below it"
        above.add(line)


def test_packages_are_in_order_too() -> None:
    for package, other in zip(ARROWS, PACKAGES, strict=True):
        assert package == other
    for index, package in enumerate(PACKAGES):
        mine = set(ARROWS[package]["*"].split())
        assert mine & set(PACKAGES) <= set(PACKAGES[:index])


def circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle of a graph, first node repeated at the end; empty if there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def module_graph() -> dict[str, set[str]]:
    return {name: {*imports(path)} & set(modules()) for name, path in modules().items()}


def test_no_two_files_import_each_other_and_no_circle_is_longer() -> None:
    graph = module_graph()
    assert circle(graph) == []


def test_no_circle_between_the_folders_of_a_folder() -> None:
    graph = module_graph()
    folders = {name for name, path in modules().items() if path.name == "__init__.py"}
    for folder in sorted(folders):
        children: dict[str, set[str]] = {}
        depth = folder.count(".") + 2
        inside = {name for name in graph if name.startswith(f"{folder}.")}
        for name in inside:
            child = ".".join(name.split(".")[:depth])
            targets = {".".join(other.split(".")[:depth]) for other in graph[name] & inside}
            children.setdefault(child, set()).update(targets - {child})
        assert circle(children) == [], folder


def test_no_module_imports_the_face_of_a_folder_that_it_is_in() -> None:
    wrong = {
        name: parents
        for name, targets in module_graph().items()
        if (parents := {t for t in targets if name.startswith(f"{t}.")})
    }
    assert wrong == {}


def test_the_counts_are_printed(record_property: Callable[[str, object], None]) -> None:
    lines = []
    for package in ARROWS:
        rooms = arrows(package)
        lines.append(f"{package} {len(rooms)} parts, {sum(map(len, rooms.values()))} arrows")
    graph = module_graph()
    total = f"{len(graph)} modules, {sum(map(len, graph.values()))} imports"
    summary = f"architecture: {total}; {'; '.join(lines)}"
    print(summary)
    record_property("summary", summary)


@pytest.mark.parametrize(
    ("module", "name", "wrong"),
    [
        ("service.runtime.models", "torch", True),
        ("service.runtime.models", "training", True),
        ("service.runtime.models", "?", True),
        ("codec.bundle.bundle", "onnxruntime", True),
        ("codec.graphs.onnx", "onnxruntime", False),
        ("residuum_client.client", "codec", True),
        ("residuum_client.client", "numpy", False),
    ],
)
def test_a_wrong_arrow_is_seen(module: str, name: str, wrong: bool) -> None:
    assert forbidden(module, {name}) == ({name} if wrong else set())


@pytest.mark.parametrize("package", ARROWS)
def test_nothing_is_ever_unpickled(package: str) -> None:
    for module, path in of_package(package).items():
        assert not outside(module, path) & UNPICKLES, module
        assert not {t.split(".")[0] for t in imports(path)} & UNPICKLES, module
        source = (ROOT / path).read_text()
        assert not re.search(r"allow_pickle\s*=\s*(?!False)|torch\.load\(", source), module


def loaded(code: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter has loaded after it ran `code`."""
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
    names = [name for name in written_modules() if name.split(".")[0] == "service"]
    found = loaded("\n".join(f"import {name}" for name in names))
    assert {"service", "codec", "onnxruntime"} <= found
    assert not found & {"torch", "torchvision", "onnx", "training", "exporter"}


def test_importing_the_client_loads_nothing_heavy() -> None:
    heavy = {"torch", "onnxruntime", "codec", "constriction", "protos", "rich", "tyro"}
    assert not loaded("import residuum_client") & heavy


def test_the_command_loads_neither_torch_nor_the_codec() -> None:
    heavy = {"torch", "onnxruntime", "codec", "constriction", "protos"}
    assert not loaded("import residuum_client.__main__") & heavy


def test_the_face_of_the_codec_needs_no_onnxruntime() -> None:
    code = "import sys\nsys.modules['onnxruntime'] = None\n"
    assert "training" not in loaded(f"{code}from codec import Codec, Scorer, load_bundle")
    assert "onnxruntime" not in loaded("import codec.reference.range_coder")
