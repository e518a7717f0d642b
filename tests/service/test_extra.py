"""`residuum-serve` runs with the extra `service` alone, and has spans with `tracing` as well."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from source_tree import ROOT, imports, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


# Imported only when spans are on.
SPANS = "service.tracing.spans"


def imported_by(entry_point):
    """Top-level names of all that a module imports, directly or through modules of the project."""
    paths, pending, outside = modules(), [entry_point], set()
    seen = set(pending)
    while pending:
        for target in imports(paths[pending.pop()]):
            if target == SPANS and entry_point != SPANS:
                continue
            if target not in paths:
                outside.add(target.split(".")[0])
            elif target not in seen:
                seen.add(target)
                pending.append(target)
    return outside - sys.stdlib_module_names


def declared_by(*extras):
    """Names of the distributions that these extras ask for."""
    optional = PROJECT["optional-dependencies"]
    requirements = [
        *PROJECT["dependencies"],
        *(line for extra in extras for line in optional[extra]),
    ]
    return {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements}


def undeclared(imported, *extras):
    declared, distributions = declared_by(*extras), packages_distributions()
    names = {
        name: {distribution.lower().replace("_", "-") for distribution in distributions[name]}
        for name in imported
    }
    return {name for name, found in names.items() if not found & declared}


def test_what_the_service_imports_is_in_its_extra():
    imported = imported_by("service.__main__") | imported_by("service.server.process")
    assert {"onnxruntime", "grpc", "numpy"} <= imported
    assert undeclared(imported, "service") == set()


def test_what_spans_need_is_in_the_extra_tracing():
    imported = imported_by(SPANS)
    assert undeclared(imported, "service") == {"opentelemetry"}
    assert undeclared(imported, "service", "tracing") == set()
