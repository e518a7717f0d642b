"""The Kubernetes manifests are valid, restricted, and agree with the service and each other."""

import os
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from service.settings import PREFIX, Settings, read_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BASE = sorted(set(DEPLOY.glob("base/*.yaml")) - {DEPLOY / "base/kustomization.yaml"})
KUSTOMIZATIONS = sorted(DEPLOY.rglob("kustomization.yaml"))
# The oldest Kubernetes that sleeps before SIGTERM without a feature gate, and the newest known.
OLDEST, NEWEST = "1.30", "1.37"
DATA, METRICS = (Settings.model_fields[name].default for name in ("port", "metrics_port"))
PROVIDERS = {"base": "cpu", "cpu": "cpu", "gpu": "cuda"}


def read(path):
    (document,) = yaml.safe_load_all(path.read_text())
    return document


@cache
def objects_of(variant):
    if variant == "base":
        return [read(path) for path in BASE]
    if not shutil.which("kubectl"):
        pytest.skip("kubectl, which renders the overlays, is not installed")
    command = ["kubectl", "kustomize", str(DEPLOY / "overlays" / variant)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return list(yaml.safe_load_all(text))


@pytest.fixture(params=sorted(PROVIDERS))
def variant(request):
    return request.param


@pytest.fixture
def objects(variant):
    return objects_of(variant)


@pytest.fixture
def deployment(objects):
    (found,) = (each for each in objects if each["kind"] == "Deployment")
    return found["spec"]


@pytest.fixture
def pod(deployment):
    return deployment["template"]["spec"]


@pytest.fixture
def container(pod):
    (found,) = pod["containers"]
    return found


def of_kind(objects, kind):
    return [each["spec"] for each in objects if each["kind"] == kind]


def variables(container):
    return {each["name"]: each["value"] for each in container["env"]}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_is_valid(objects, version):
    for each in objects:
        assert kubernetes_validate.validate(each, version, strict=True) == version


@pytest.mark.parametrize("path", BASE, ids=lambda path: path.stem)
def test_a_file_is_named_after_its_one_object(path):
    found = read(path)
    assert path.stem == f"{found['metadata']['name']}-{found['kind'].lower()}"


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_a_kustomization_lists_exactly_the_files_that_exist(path):
    found = read(path)
    named = [*found.get("resources", []), *found.get("components", [])]
    named += [patch["path"] for patch in found.get("patches", [])]
    paths = {(path.parent / name).resolve() for name in named}
    for each in paths:
        assert (each / "kustomization.yaml" if each.is_dir() else each).is_file()
    assert set(path.parent.glob("*.yaml")) - {path} <= paths


def test_containers_are_restricted(pod):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]


def test_only_a_size_limited_tmp_is_writable(pod, container):
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    (volume,) = pod["volumes"]
    assert set(volume) == {"name", "emptyDir"}
    assert "sizeLimit" in volume["emptyDir"]


def test_ports_are_those_of_the_service(deployment, container):
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {"grpc": DATA, "metrics": METRICS}
    annotations = deployment["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(METRICS)


def test_probes_ask_the_supervisor(container):
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness")}
    ready = {"path": "/readyz", "port": METRICS}
    assert probes == {"startup": ready, "readiness": ready}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": METRICS}


def test_only_the_data_and_metrics_ports_are_reachable(objects):
    for service in of_kind(objects, "Service"):
        assert [(p["port"], p["targetPort"]) for p in service["ports"]] == [(DATA, "grpc")]
    (policy,) = of_kind(objects, "NetworkPolicy")
    assert [p["port"] for rule in policy["ingress"] for p in rule["ports"]] == [DATA, METRICS]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert not policy.get("egress")


def test_selectors_match_the_pods(objects, deployment):
    labels = deployment["template"]["metadata"]["labels"].items()
    (policy,) = of_kind(objects, "NetworkPolicy")
    (budget,) = of_kind(objects, "PodDisruptionBudget")
    selectors = [service["selector"] for service in of_kind(objects, "Service")]
    selectors += [each["matchLabels"] for each in (policy["podSelector"], budget["selector"])]
    selectors.append(deployment["selector"]["matchLabels"])
    assert len(selectors) == 5
    for selector in selectors:
        assert selector
        assert selector.items() <= labels


def test_the_service_accepts_its_variables(variant, container, monkeypatch):
    settings = settings_of(container, monkeypatch)
    assert settings.provider == PROVIDERS[variant]
    assert str(settings.bundles) == "/bundles"


def test_patches_set_known_variables_only():
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for patch in DEPLOY.glob("components/*/*-patch.yaml"):
        for container in read(patch)["spec"]["template"]["spec"]["containers"]:
            assert variables(container).keys() <= known


def test_kubernetes_adds_no_variables(pod):
    assert pod["enableServiceLinks"] is False


def test_a_pod_has_time_to_drain_before_it_is_killed(pod, container, monkeypatch):
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = settings_of(container, monkeypatch).drain_seconds
    assert pod["terminationGracePeriodSeconds"] >= sleep + drain + 5


def test_only_the_gpu_overlay_requests_a_gpu(variant, container):
    gpus = container["resources"]["limits"].get("nvidia.com/gpu", 0)
    assert gpus == (1 if variant == "gpu" else 0)


def test_image_and_label_have_the_version_of_the_project(variant, container):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    name = "residuum-service-gpu" if variant == "gpu" else "residuum-service"
    assert container["image"] == f"{name}:{version}"
    (labels,) = read(DEPLOY / "base/kustomization.yaml")["labels"]
    assert labels["pairs"]["app.kubernetes.io/version"] == version


def settings_of(container, monkeypatch):
    for name in list(os.environ):
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)
    for name, value in variables(container).items():
        monkeypatch.setenv(name, value)
    return read_settings([], os.environ)
