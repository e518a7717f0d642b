"""Fixtures: certificates made for the test, and a server with the security of the service."""

# ruff: noqa: N802 - gRPC prescribes the names of the methods.

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from protos.residuum.v1 import models_pb2 as pb
from protos.residuum.v1.models_pb2_grpc import ModelServiceServicer, ModelServiceStub
from protos.residuum.v1.models_pb2_grpc import add_ModelServiceServicer_to_server as add_models
from service.security import AuditInterceptor, AuthInterceptor, TlsFiles, current_caller

SECONDS = 20
TOKENS = {"camera": "camera-token-0123", "operator": "operator-token-0123"}
TOKEN_LINES = f"camera data {TOKENS['camera']}\noperator admin {TOKENS['operator']}\n"


class Models(ModelServiceServicer):
    """Lists the name of the caller as a model; loads any bundle but `broken`."""

    def ListModels(self, request, context):
        caller = current_caller()
        return pb.ListModelsResponse(models=[pb.Model(name=caller.name if caller else "nobody")])

    def LoadModel(self, request, context):
        if request.bundle == "broken":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the bundle is damaged")
        return pb.LoadModelResponse(model=pb.Model(name=request.bundle))

    def UnloadModel(self, request, context):
        raise RuntimeError("not implemented")


@contextmanager
def serving(tokens=None, credentials=None, options=(), **roles):
    """The address of a server with models, health and reflection."""
    interceptors = [AuditInterceptor()]
    if tokens is not None:
        interceptors.append(AuthInterceptor(tokens, **roles))
    server = grpc.server(ThreadPoolExecutor(4), interceptors=interceptors, options=options)
    add_models(Models(), server)
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection(("residuum.v1.ModelService",), server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@contextmanager
def connected(address, ca=None, client=None):
    """A new connection, with TLS if it has a CA; its options share nothing with another."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    if ca is None:
        channel = grpc.insecure_channel(address, options)
    else:
        key, chain = (None, None)
        if client is not None:
            key = client.private_key_pem.bytes()
            chain = b"".join(blob.bytes() for blob in client.cert_chain_pems)
        credentials = grpc.ssl_channel_credentials(ca.cert_pem.bytes(), key, chain)
        channel = grpc.secure_channel(address, credentials, options)
    with channel:
        yield channel


def status(call):
    """Status code and details of a call."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def listed(channel, *metadata):
    """The name that ListModels of `Models` gives."""
    answer = ModelServiceStub(channel).ListModels(
        pb.ListModelsRequest(), timeout=SECONDS, metadata=metadata
    )
    return answer.models[0].name


def bearer(token):
    return ("authorization", f"Bearer {token}")


def write(path, content, *, link=False):
    """Writes a file, or replaces the link to it, so that its stat changes at any speed."""
    if link:
        target = path.with_name(f"{path.name}.{len(list(path.parent.iterdir()))}")
        target.write_bytes(content)
        temporary = path.with_name("next")
        temporary.symlink_to(target)
        temporary.replace(path)
        return
    before = 0
    with suppress(FileNotFoundError):
        before = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(before + 10**9, before + 10**9))


class Folder:
    """Certificate, key and client CA in a folder."""

    def __init__(self, path: Path) -> None:
        self.certificate = path / "tls.crt"
        self.key = path / "tls.key"
        self.client_ca = path / "ca.crt"

    def put(self, leaf, **options):
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        write(self.certificate, chain, **options)
        write(self.key, leaf.private_key_pem.bytes(), **options)
        return TlsFiles(self.certificate, self.key)

    def put_client_ca(self, *authorities, **options):
        write(self.client_ca, b"".join(ca.cert_pem.bytes() for ca in authorities), **options)
        return TlsFiles(self.certificate, self.key, self.client_ca)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(TOKEN_LINES)
    return path


@pytest.fixture(scope="session")
def rig():
    """The functions of this file, for the tests, which cannot import it."""
    functions = (serving, connected, status, listed, bearer, write)
    return SimpleNamespace(**{function.__name__: function for function in functions})
