"""The Dockerfiles install the service without torch and run it as an unprivileged user."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from service.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
PROVIDERS = {"service": "cpu", "service-gpu": "cuda"}


def instructions(text):
    """Pairs of instruction and argument, without comments and line continuations."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines()]


@pytest.fixture(params=sorted(PROVIDERS))
def extra(request):
    return request.param


@pytest.fixture
def steps(extra):
    return instructions((ROOT / f"deploy/docker/{extra}.Dockerfile").read_text())


@pytest.fixture
def last_stage(steps):
    start = max(i for i, (name, _) in enumerate(steps) if name == "FROM")
    return steps[start:]


@pytest.fixture
def environment(last_stage):
    values = [value for name, value in last_stage if name == "ENV"]
    return dict(pair.split("=", 1) for value in values for pair in value.split())


def all_of(steps, wanted):
    return [value for name, value in steps if name == wanted]


def requirements(extra):
    """Names of the packages that the project requires with an extra."""
    found = set()
    for requirement in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]:
        name, others = re.match(r"([\w.-]+)(?:\[([\w,.-]+)\])?", requirement).groups()
        found |= {name.lower()}
        if name == PROJECT["name"]:
            found |= set().union(*map(requirements, others.split(",")))
    return found


def test_the_extra_is_installed_within_the_constraints(steps, extra):
    runs = all_of(steps, "RUN")
    assert [f'install -c constraints.txt ".[{extra}]"' in run for run in runs] == [False, True]


def test_torch_is_never_installed(steps, extra):
    assert "torch" in requirements("export")  # so the next line can fail
    assert not {"torch", "torchvision"} & requirements(extra)
    assert not any("torch" in run for run in all_of(steps, "RUN"))


def test_one_onnxruntime_is_installed(extra):
    both = {"onnxruntime", "onnxruntime-gpu"}
    assert len(both & requirements(extra)) == 1


def test_it_runs_as_the_user_of_the_manifests(last_stage):
    (user,) = all_of(last_stage, "USER")
    deployment = yaml.safe_load((ROOT / "deploy/base/residuum-deployment.yaml").read_text())
    context = deployment["spec"]["template"]["spec"]["securityContext"]
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert not user.startswith("0:")


def test_it_starts_the_service(last_stage):
    (entry_point,) = all_of(last_stage, "ENTRYPOINT")
    (command,) = json.loads(entry_point)
    assert PROJECT["scripts"][command] == "service.__main__:main"


def test_it_exposes_the_ports_of_the_service(last_stage):
    names = ("port", "metrics_port")
    ports = [str(Settings.model_fields[name].default) for name in names]
    assert all_of(last_stage, "EXPOSE") == [" ".join(ports)]


def test_its_variables_are_settings_of_the_service(environment, extra):
    found = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    assert found == {"RESIDUUM_BUNDLES": "/bundles", "RESIDUUM_PROVIDER": PROVIDERS[extra]}
    assert {name.removeprefix(PREFIX).lower() for name in found} <= set(Settings.model_fields)


def test_onnxruntime_sends_no_usage_data(environment):
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"


def test_both_stages_use_the_python_version_of_the_paths(steps, environment):
    images = [value.split()[0] for value in all_of(steps, "FROM")]
    assert len(set(images)) == 1
    (version,) = re.findall(r"^python:(3\.\d+)-slim", images[0])
    for path in environment.get("LD_LIBRARY_PATH", "").split(":"):
        assert not path or f"/python{version}/" in path


def test_the_build_context_has_only_the_files_it_needs():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    assert {pattern[1:] for pattern in patterns if pattern.startswith("!")} == {
        *("pyproject.toml", "constraints.txt", "deploy/bundles"),
        *(PROJECT["readme"], *PROJECT["license-files"]),
        *PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"],
    }
