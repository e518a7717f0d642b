"""Tokens, metadata and certificates: what is sent, to whom, and what is refused."""

import asyncio

import grpc
import numpy as np
import pytest
from small_servers import Authority, Guard, one_each, serving

from residuum_client import (
    Admin,
    AsyncClient,
    Client,
    InvalidInput,
    Unauthenticated,
    Unavailable,
    tls,
)

IMAGE = np.zeros((4, 4), np.uint8)
SECRET = "secret"  # noqa: S105


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    if not Authority.is_possible():
        pytest.skip("makes its certificates with openssl")
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


def encode(target, **access):
    with Client(target, model="m", **access) as client:
        return client.encode_one(IMAGE)


def test_a_token_is_sent_with_every_call_by_both_clients():
    with serving(Guard("authorization", "Bearer secret")) as target:
        assert encode(target, token=SECRET) == b"record"

        async def body():
            async with AsyncClient(target, model="m", token=SECRET) as client:
                return await client.encode_one(IMAGE)

        assert asyncio.run(body()) == b"record"


def test_a_function_gives_the_present_token():
    guard = Guard("authorization", "Bearer old")
    tokens = iter(["old", "new"])
    with (
        serving(guard) as target,
        Client(target, model="m", token=lambda: next(tokens)) as client,
    ):
        assert client.encode_one(IMAGE) == b"record"
        guard.value = "Bearer new"
        assert client.encode_one(IMAGE) == b"record"
    assert guard.refused == []


def test_an_unknown_token_is_an_error_with_the_servers_sentence_and_is_not_sent_again():
    guard = Guard("authorization", "Bearer secret")
    with serving(guard) as target:
        for access in ({"token": "wrong"}, {}):
            with pytest.raises(Unauthenticated, match=r"^the token is unknown$"):
                encode(target, **access)
    assert guard.refused == ["Bearer wrong", None]


@pytest.mark.parametrize("pairs", [{"x-id-bin": b"\0\xff"}, [("x-id-bin", b"\0\xff")]])
def test_metadata_is_sent_with_every_call(pairs):
    with serving(Guard("x-id-bin", b"\0\xff")) as target:
        assert encode(target, metadata=pairs) == b"record"


@pytest.mark.parametrize(
    "access", [{"token": "secret"}, {"metadata": {"authorization": "Basic secret"}}]
)
@pytest.mark.parametrize("target", ["host:1", "localhost:1,host:1", "dns:///host:1"])
def test_a_secret_is_never_sent_to_another_machine_without_encryption(access, target):
    place = target.removeprefix("localhost:1,")
    for client in (lambda: Client(target, model="m", **access), lambda: Admin(target, **access)):
        with pytest.raises(InvalidInput) as caught:
            client()
        assert f" would be sent to {place} without encryption; expected" in str(caught.value)
        assert "secret" not in str(caught.value)
    Client(target, model="m", credentials=grpc.ssl_channel_credentials(), **access).close()
    Client("unix:/tmp/a", model="m", **access).close()


@pytest.mark.parametrize(
    ("access", "sentence"),
    [
        ({"token": ""}, "token is empty or has a space or an odd character"),
        ({"token": "secret\n"}, "token is empty or has a space or an odd character"),
        ({"token": b"secret"}, "token is of type bytes, expected a string"),
        ({"metadata": {"X": "a"}}, "metadata has the name 'X', expected small letters"),
        ({"metadata": {"grpc-x": "a"}}, "metadata has the name 'grpc-x', expected small letters"),
        ({"metadata": {"x": b"a"}}, "metadata x is of type bytes, expected a string of ASCII"),
        ({"metadata": {"x-bin": "a"}}, "metadata x-bin is of type str, expected bytes"),
        ({"metadata": "abc"}, "metadata is 'abc', expected names with their values"),
        ({"metadata": 3}, "metadata is 3, expected names with their values"),
        (
            {"token": "secret", "metadata": {"authorization": "a"}},
            "authorization and token are given, expected at most one of them",
        ),
        ({"credentials": "ca.pem"}, "credentials is of type str, expected grpc.ssl_"),
    ],
)
def test_what_grpc_would_not_send_is_refused_at_once(access, sentence):
    with pytest.raises(InvalidInput) as caught:
        Client("localhost:1", model="m", **access)
    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        (lambda: 1 / 0, "the function for the token failed: division by zero"),
        (lambda: None, "token is of type NoneType, expected a string"),
    ],
)
def test_a_function_that_gives_no_token_fails_the_call(token, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        encode("localhost:1", token=token)


def test_a_server_may_ask_for_the_certificate_of_the_client(authority: Authority):
    server, client = authority.certify("server"), authority.certify("client")
    mutual = grpc.ssl_server_credentials(
        [server.contents()], authority.own.certificate.read_bytes(), require_client_auth=True
    )
    ca = authority.own.certificate
    with serving(one_each, mutual) as target:
        known = tls(ca=ca, certificate=client.certificate, key=client.key)
        assert encode(target, credentials=known) == b"record"
        with pytest.raises(Unavailable, match="with mutual TLS also a certificate of the client"):
            encode(target, credentials=tls(ca=ca))


def test_several_addresses_with_tls_are_each_checked_by_their_own_name(authority: Authority):
    server = grpc.ssl_server_credentials([authority.certify("both").contents()])
    with serving(one_each, server) as first, serving(one_each, server) as second:
        credentials = tls(ca=authority.own.certificate)
        with Client([first, second], model="m", credentials=credentials) as client:
            assert [client.encode_one(IMAGE) for _ in range(4)] == [b"record"] * 4


def test_files_that_are_no_certificates_are_named(authority: Authority, tmp_path):
    one, other = authority.certify("one"), authority.certify("other")
    text = tmp_path / "text.pem"
    text.write_text("not a certificate")
    absent = tmp_path / "absent.pem"
    for files, sentence in (
        ({"ca": absent}, f"ca {absent} cannot be read: No such file"),
        ({"ca": text}, f"ca {text} has no certificate in PEM"),
        ({"ca": 3}, "ca is 3, expected a path"),
        ({"certificate": one.certificate}, "certificate is given without key, expected both"),
        ({"key": one.key}, "key is given without certificate, expected both"),
        (
            {"certificate": one.certificate, "key": other.key},
            f"{other.key} is not the key of the certificate {one.certificate}",
        ),
        (
            {"certificate": one.certificate, "key": text},
            f"{one.certificate} and {text} are not a certificate and its private key",
        ),
    ):
        with pytest.raises(InvalidInput) as caught:
            tls(**files)
        assert sentence in str(caught.value)
