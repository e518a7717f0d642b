"""The library and the command `residuum`, and the servers that they may not use."""

import asyncio
from contextlib import contextmanager

import numpy as np
import pytest

import residuum_client as rc
from residuum_client.__main__ import main

IMAGE = np.zeros((16, 16), np.uint8)
NOT_TRUSTED = "its certificate is not trusted, or is for another name"
CLOSED = "with mutual TLS also a certificate of the client that it trusts"


@pytest.fixture(scope="module")
def files(tmp_path_factory, ca, other_ca):
    """Paths of certificates and tokens as clients have them."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "data").write_text("camera-token-0123456789\n")
    (folder / "admin").write_text("operator-token-0123456789\n")
    (folder / "unknown").write_text("another-token-0123456789\n")
    for name, authority in (("ca", ca), ("other", other_ca)):
        authority.cert_pem.write_to_path(folder / f"{name}.pem")
        leaf = authority.issue_cert("camera")
        leaf.private_key_pem.write_to_path(folder / f"{name}-client.key")
        leaf.cert_chain_pems[0].write_to_path(folder / f"{name}-client.pem")
    return folder


@pytest.fixture(scope="module")
def guarded(bundles, running, secrets, ca):
    """The data and the admin address of a server with TLS and tokens."""
    with running(bundles, **secrets().certify(ca).admit().settings()) as connection:
        yield addresses(connection.server)


@pytest.fixture(scope="module")
def mutual(bundles, running, secrets, ca):
    """Those of a server that asks for client certificates."""
    with running(bundles, **secrets().certify(ca).trust(ca).settings()) as connection:
        yield addresses(connection.server)


def addresses(server):
    return f"127.0.0.1:{server.port}", f"127.0.0.1:{server.admin_port}"


@contextmanager
def refused(kind, sentence):
    with pytest.raises(kind) as caught:
        yield
    assert type(caught.value) is kind
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def encode(address, **access):
    with rc.Client(address, model="tiny", timeout=20, **access) as client:
        return client.encode_one(IMAGE)


@pytest.mark.parametrize(
    ("ca_file", "token", "kind", "sentence"),
    [
        ("ca", None, rc.Unauthenticated, "the call has no token"),
        ("ca", "another-token-0123456789", rc.Unauthenticated, "the token is not valid"),
        ("other", "camera-token-0123456789", rc.Unavailable, NOT_TRUSTED),
    ],
)
def test_errors_of_the_library(guarded, files, ca_file, token, kind, sentence):
    credentials = rc.tls(ca=files / f"{ca_file}.pem")
    with refused(kind, sentence):
        encode(guarded[0], credentials=credentials, token=token)


def test_calls_that_are_allowed(guarded, files):
    credentials = rc.tls(ca=files / "ca.pem")
    access = {"credentials": credentials, "token": "camera-token-0123456789"}
    record = encode(guarded[0], **access)
    assert len(record) > 0

    async def same():
        async with rc.AsyncClient(guarded[0], model="tiny", **access) as client:
            await client.wait_ready(20)
            return await client.encode_one(IMAGE)

    assert asyncio.run(same()) == record
    with rc.Client(guarded[0], model="tiny", credentials=credentials) as nobody:
        nobody.wait_ready(20)


def test_roles_on_the_admin_port(guarded, files):
    credentials = rc.tls(ca=files / "ca.pem")
    camera_token, token = "camera-token-0123456789", "operator-token-0123456789"
    with rc.Admin(guarded[1], credentials=credentials, token=camera_token) as camera:
        for call in (camera.models, lambda: camera.load("tiny"), lambda: camera.unload("tiny")):
            with refused(rc.PermissionDenied, "requires a token with the role admin"):
                call()
    with rc.Admin(guarded[1], credentials=credentials, token=token) as operator:
        assert operator.load("tiny").name == "tiny"
    with (
        rc.Admin(guarded[0], credentials=credentials, token=token) as wrong_port,
        refused(rc.PermissionDenied, "LoadModel is available on the admin port only"),
    ):
        wrong_port.load("tiny")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(("ca", "ca"), None), (("ca", "other"), CLOSED), (("ca", None), CLOSED)],
)
def test_client_certificates_of_the_library(mutual, files, names, sentence):
    trusted, client = names
    pair = {"certificate": files / f"{client}-client.pem", "key": files / f"{client}-client.key"}
    credentials = rc.tls(ca=files / f"{trusted}.pem", **(pair if client else {}))
    if sentence is None:
        assert encode(mutual[0], credentials=credentials)
        with rc.Admin(mutual[1], credentials=credentials) as admin:
            assert admin.load("tiny").name == "tiny"
    else:
        with refused(rc.Unavailable, sentence):
            encode(mutual[0], credentials=credentials)


def test_a_server_without_tls_says_so_to_a_client_with_it(connection, files):
    with refused(rc.Unavailable, "it uses no TLS; leave out the credentials"):
        encode(addresses(connection.server)[0], credentials=rc.tls(ca=files / "ca.pem"))


@pytest.mark.parametrize(
    ("words", "port", "token", "status", "sentence"),
    [
        (["models"], 0, "data", 0, ""),
        (["models"], 0, "admin", 0, ""),
        (["models"], 0, None, 1, "the call has no token"),
        (["models"], 0, "unknown", 1, "the token is not valid"),
        (["admin", "list"], 1, "admin", 0, ""),
        (["admin", "list"], 1, "data", 1, "this call requires a token with the role admin; that"),
        (["admin", "load", "tiny"], 1, "admin", 0, ""),
        (["admin", "load", "tiny"], 1, "data", 1, "this call requires a token with the role adm"),
        (["admin", "load", "tiny"], 1, None, 1, "the call has no token"),
        (["admin", "unload", "tiny"], 1, "unknown", 1, "the token is not valid"),
        (["admin", "load", "tiny"], 0, "admin", 1, "LoadModel is available on the admin port on"),
    ],
)
def test_the_command(guarded, files, capsys, words, port, token, status, sentence):
    flags = ["--server", guarded[port], "--ca", str(files / "ca.pem")]
    flags += ["--token-file", str(files / token)] if token else []
    assert main([*words, *flags]) == status
    errors = capsys.readouterr().err
    assert errors.startswith(f"residuum: {sentence}" if sentence else "")
    assert errors.count("\n") == status


def test_the_command_with_a_client_certificate(mutual, files, capsys):
    flags = ["--server", mutual[1], "--ca", str(files / "ca.pem")]
    own = ["--client-cert", str(files / "ca-client.pem")]
    own += ["--client-key", str(files / "ca-client.key")]
    assert main(["admin", "load", "tiny", *flags, *own]) == 0
    assert main(["admin", "load", "tiny", *flags]) == 1
    assert CLOSED in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "proxy", "status", "sentence"),
    [
        ("localhost:99999", "", 2, "the address 'localhost:99999' has the port '99999'; expected"),
        ("http://localhost:1", "", 2, "the address 'http://localhost:1' is a URL; expected local"),
        ("localhost", "", 2, "the address 'localhost' has no port; expected localhost:PORT"),
        ("localhost:1", "", 1, "no server answers at localhost:1: connection refused"),
        ("residuum.invalid:1", "", 1, "no server answers at residuum.invalid:1: the name is unk"),
        ("residuum.invalid:1", "http://127.0.0.1:1", 1, "no server answers at residuum.invalid:"),
    ],
)
def test_wrong_addresses(monkeypatch, capsys, address, proxy, status, sentence):
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    if proxy:
        monkeypatch.setenv("http_proxy", proxy)
    assert main(["models", "--server", address, "--timeout", "5"]) == status
    errors = capsys.readouterr().err
    assert errors.startswith(f"residuum: {sentence}")
    assert errors.count("\n") == 1
    if proxy:
        assert "http_proxy is set, so the proxy 127.0.0.1:1 was asked" in errors
