"""Tokens and certificates of commands."""

import grpc
import pytest
from small_servers import Authority, Guard, one_each, serving

from residuum_client.__main__ import FAILED, OK, USAGE, main
from residuum_client.v1 import codec_pb2


def encoder(accept):
    """Answers as a server does that has the model `m`, if `accept` does."""

    def answer(request, context):
        accept(request, context)
        count = len(request.files.files)
        ones = [1] * count
        return codec_pb2.EncodeResponse(
            records=[b"record"] * count, qualities=ones, evidence_bytes=ones
        )

    return answer


def compress(photos, tmp_path, target, *options):
    arguments = ["compress", str(photos), "--out", str(tmp_path / "out"), "--model", "m"]
    return main([*arguments, "--server", target, *options])


def test_a_token_of_a_file_is_sent(photos, tmp_path, capsys):
    token = tmp_path / "token"
    token.write_text("secret\n")
    with serving(encoder(Guard("authorization", "Bearer secret"))) as target:
        assert compress(photos, tmp_path, target, "--token-file", str(token)) == OK
        token.write_text("other")
        assert compress(photos, tmp_path, target, "--token-file", str(token), "--force") == FAILED
    assert capsys.readouterr().err.endswith("\nresiduum: the token is unknown\n")


def test_a_token_needs_encryption_to_another_machine(photos, tmp_path, capsys):
    token = tmp_path / "token"
    token.write_text("secret")
    assert compress(photos, tmp_path, "host:1", "--token-file", str(token)) == USAGE
    assert "token would be sent to host:1 without encryption" in capsys.readouterr().err


def test_a_server_that_asks_for_a_certificate_gets_it(photos, tmp_path, capsys):
    if not Authority.is_possible():
        pytest.skip("makes its certificates with openssl")
    authority = Authority(tmp_path / "tls")
    server, client = authority.certify("server"), authority.certify("client")
    mutual = grpc.ssl_server_credentials(
        [server.contents()], authority.own.certificate.read_bytes(), require_client_auth=True
    )
    ca = ["--ca", str(authority.own.certificate)]
    own = ["--client-cert", str(client.certificate), "--client-key", str(client.key)]
    with serving(encoder(one_each), mutual) as target:
        assert compress(photos, tmp_path, target, *ca, *own) == OK
        assert compress(photos, tmp_path, target, *ca, "--force") == FAILED
    assert "also a certificate of the client" in capsys.readouterr().err


def test_files_of_no_use_are_wrong_usage(photos, tmp_path, capsys):
    absent, two = tmp_path / "absent", tmp_path / "two"
    two.write_text("name data secret")
    for options, sentence in (
        (["--token-file", str(absent)], f"--token-file {absent} cannot be read: No such file"),
        (["--token-file", str(two)], f"--token-file {two} has 3 words, expected one token"),
        (["--ca", str(absent)], f"--ca {absent} cannot be read: No such file"),
        (["--ca", str(two)], f"--ca {two} has no certificate in PEM"),
        (["--client-cert", str(two)], "--client-cert is given without --ca, expected both"),
        (["--client-key", str(two)], "--client-key is given without --client-cert, expected both"),
    ):
        assert compress(photos, tmp_path, "localhost:1", *options) == USAGE
        error = capsys.readouterr().err
        assert error.startswith(f"residuum: {sentence}")
        assert "secret" not in error
