"""Fixtures: certificates, tokens, and calls of servers that ask for them."""

import os
from contextlib import contextmanager
from types import SimpleNamespace

import grpc
import pytest

SECONDS = 20
TOKENS = {"data": "camera-token-0123456789", "admin": "operator-token-0123456789"}
SEPARATE = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]


class Secrets:
    """The files of a server: certificate, key, client CA and tokens. Each is replaced whole."""

    def __init__(self, folder):
        self.folder = folder
        names = {"tls_cert": "tls.crt", "tls_key": "tls.key", "client_ca": "ca.crt"}
        self.paths = {name: folder / file for name, file in {**names, "tokens": "tokens"}.items()}

    def certify(self, ca, **dates):
        """A new certificate of this CA and its key."""
        leaf = ca.issue_cert("localhost", "127.0.0.1", **dates)
        self.put("tls_cert", b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        self.put("tls_key", leaf.private_key_pem.bytes())
        return self

    def trust(self, *authorities):
        """Clients are certified by these."""
        self.put("client_ca", b"".join(ca.cert_pem.bytes() for ca in authorities))
        return self

    def admit(self, **tokens):
        """Tokens by role."""
        lines = [f"{role}-caller {role} {token}\n" for role, token in (tokens or TOKENS).items()]
        self.put("tokens", "".join(lines).encode())
        return self

    def put(self, name, content):
        new = self.folder / "new"
        new.write_bytes(content)
        new.replace(self.paths[name])

    def settings(self):
        """Those of the files that exist."""
        return {name: path for name, path in self.paths.items() if path.exists()}

    def flags(self):
        return [
            word
            for name, path in self.settings().items()
            for word in (f"--{name.replace('_', '-')}", str(path))
        ]


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


@contextmanager
def connected(port, ca=None, client=None):
    """A new connection to a port, with TLS if there is a CA."""
    address = f"127.0.0.1:{port}"
    if ca is None:
        channel = grpc.insecure_channel(address, SEPARATE)
    else:
        key, chain = None, None
        if client is not None:
            key = client.private_key_pem.bytes()
            chain = b"".join(blob.bytes() for blob in client.cert_chain_pems)
        credentials = grpc.ssl_channel_credentials(ca.cert_pem.bytes(), key, chain)
        channel = grpc.secure_channel(address, credentials, SEPARATE)
    with channel:
        yield channel


def answer(channel, method, request=b"", metadata=()):
    """Status and sentence of a call of a method by its full name, of a stream its first answer."""
    options = {"timeout": SECONDS, "metadata": metadata}
    try:
        if method.endswith(("Stream", "Info")):
            next(channel.stream_stream(f"/{method}")(iter([request]), **options))
        else:
            channel.unary_unary(f"/{method}")(request, **options)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    """Makes an empty set of files."""

    def make():
        return Secrets(tmp_path_factory.mktemp("secrets"))

    return make


@pytest.fixture(scope="session")
def rig():
    """The functions of this file, for the tests, which cannot import it."""
    return SimpleNamespace(
        tokens=TOKENS, bearer=bearer, connected=connected, answer=answer, environment=environment
    )


def environment(**more):
    """The variables for a server process."""
    kept = {name: value for name, value in os.environ.items() if "RESIDUUM" not in name}
    return {**kept, **more}
