"""`residuum-serve` runs with the extra `service` alone."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from source_tree import ROOT, imports, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def imported_by(entry_point):
    """Top-level names of all that a module imports, directly or through modules of the project."""
    paths, pending, outside = modules(), [entry_point], set()
    seen = set(pending)
    while pending:
        for target in imports(paths[pending.pop()]):
            if target not in paths:
                outside.add(target.split(".")[0])
            elif target not in seen:
                seen.add(target)
                pending.append(target)
    return outside - sys.stdlib_module_names


def test_what_the_service_imports_is_in_its_extra():
    requirements = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["service"]
    declared = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements}
    distributions = packages_distributions()
    imported = imported_by("service.__main__") | imported_by("service.server.process")
    assert {"onnxruntime", "grpc", "numpy"} <= imported
    for name in imported:
        names = {distribution.lower().replace("_", "-") for distribution in distributions[name]}
        assert names & declared, f"{name} is not declared by the extra `service`"
