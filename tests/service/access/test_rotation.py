"""Certificates and tokens are replaced while two processes serve, on both ports."""

import pytest

CONNECTIONS = 12
HEALTH = "grpc.health.v1.Health/Check"
LIST = "residuum.v1.ModelService/ListModels"


def statuses(rig, port, ca, client=None, *, method=HEALTH, metadata=()):
    """Those of calls over many connections, which the kernel spreads over the processes."""
    found = set()
    for _ in range(CONNECTIONS):
        with rig.connected(port, ca, client) as channel:
            found.add(rig.answer(channel, method, b"", metadata)[0])
    return found


@pytest.fixture(scope="module")
def files(secrets, ca):
    return secrets().certify(ca).trust(ca).admit()


@pytest.fixture(scope="module")
def server(bundles, running, files):
    """A server of two processes, with TLS, client certificates and tokens."""
    with running(bundles, processes=2, **files.settings()) as connection:
        yield connection.server


@pytest.fixture(params=["port", "admin_port"])
def port(request, server):
    return getattr(server, request.param)


@pytest.fixture(autouse=True)
def _as_before(files, ca):
    """Each test starts with the same files."""
    files.certify(ca).trust(ca).admit()


def test_the_next_connection_gets_the_new_certificate(files, port, rig, ca, other_ca):
    client = ca.issue_cert("camera")
    assert statuses(rig, port, ca, client) == {"OK"}
    with rig.connected(port, ca, client) as old:
        assert rig.answer(old, HEALTH) == ("OK", "")
        files.certify(other_ca)
        assert statuses(rig, port, other_ca, client) == {"OK"}
        assert statuses(rig, port, ca, client) == {"UNAVAILABLE"}
        assert rig.answer(old, HEALTH) == ("OK", "")


def test_the_next_connection_is_checked_by_the_new_client_ca(files, port, rig, ca, other_ca):
    files.trust(other_ca)
    assert statuses(rig, port, ca, other_ca.issue_cert("camera")) == {"OK"}
    assert statuses(rig, port, ca, ca.issue_cert("camera")) == {"UNAVAILABLE"}
    files.trust(ca, other_ca)
    assert statuses(rig, port, ca, ca.issue_cert("camera")) == {"OK"}


def test_the_next_call_needs_a_new_token(files, port, rig, ca):
    client, old = ca.issue_cert("camera"), rig.bearer(rig.tokens["admin"])
    new = rig.bearer("a-new-token-0123456789")
    assert statuses(rig, port, ca, client, method=LIST, metadata=old) == {"OK"}
    with rig.connected(port, ca, client) as channel:
        assert rig.answer(channel, LIST, b"", old) == ("OK", "")
        files.admit(admin="a-new-token-0123456789")
        assert rig.answer(channel, LIST, b"", old)[0] == "UNAUTHENTICATED"
        assert rig.answer(channel, LIST, b"", new) == ("OK", "")
    assert statuses(rig, port, ca, client, method=LIST, metadata=new) == {"OK"}
    assert statuses(rig, port, ca, client, method=LIST, metadata=old) == {"UNAUTHENTICATED"}


@pytest.mark.parametrize("name", ["tls_cert", "tls_key", "client_ca", "tokens"])
def test_a_file_that_breaks_leaves_what_was_read_before(files, port, rig, ca, name):
    client, known = ca.issue_cert("camera"), rig.bearer(rig.tokens["admin"])
    files.put(name, b"camera\n")
    assert statuses(rig, port, ca, client, method=LIST, metadata=known) == {"OK"}
    files.paths[name].unlink()
    assert statuses(rig, port, ca, client, method=LIST, metadata=known) == {"OK"}
