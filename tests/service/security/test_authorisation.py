"""Roles: what each RPC requires, and what each role may do."""

import pytest
from grpc_reflection.v1alpha import reflection

from protos.residuum.v1 import anomaly_pb2, codec_pb2, models_pb2
from service.security import Caller, PermissionDenied, Role, authorise, required_role

ADMIN = {"/residuum.v1.ModelService/LoadModel", "/residuum.v1.ModelService/UnloadModel"}
METHODS = {
    f"/{service.full_name}/{method.name}"
    for module in (anomaly_pb2, codec_pb2, models_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


def test_loading_and_unloading_require_an_admin_and_all_other_rpcs_data():
    assert ADMIN < METHODS
    roles = {method: required_role(method) for method in METHODS}
    assert roles == {m: Role.ADMIN if m in ADMIN else Role.DATA for m in METHODS}


@pytest.mark.parametrize(
    "method",
    [
        f"/{reflection.SERVICE_NAME}/ServerReflectionInfo",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/inference.GRPCInferenceService/ServerLive",
        "/grpc.health.v1.Healthy/Check",
        "/grpc.health.v1/Health/Check",
        "grpc.health.v1.Health/Check",
        "/any.Service/Method",
        "",
    ],
)
def test_any_other_service_requires_data(method):
    assert required_role(method) is Role.DATA


@pytest.mark.parametrize("least", list(Role))
def test_health_is_open(least):
    for name in ("Check", "Watch", "List"):
        assert required_role(f"/grpc.health.v1.Health/{name}", least) is None


def test_a_port_may_require_an_admin_for_everything():
    assert {required_role(method, Role.ADMIN) for method in METHODS} == {Role.ADMIN}


def test_an_admin_may_do_everything_and_a_data_role_what_is_not_administrative():
    for role in Role:
        authorise(Caller("operator", Role.ADMIN), role)
    authorise(Caller("camera", Role.DATA), Role.DATA)
    with pytest.raises(PermissionDenied) as error:
        authorise(Caller("camera", Role.DATA), Role.ADMIN)
    assert str(error.value) == (
        "this call requires a token with the role admin; that of camera has the role data"
    )
