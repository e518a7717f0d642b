"""What keeps the server from starting: status 1 or 2, one sentence, and nothing left behind."""

import os
import re
import resource
import socket
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import onnxruntime
import pytest
from processes import finished

from service.__main__ import main
from service.server.grpc_server import ListenError

ROOT = Path(__file__).parents[3]
PORTS = ("--host", "127.0.0.1", "--port", "0", "--metrics-port", "0")


@pytest.fixture
def refusal(bundles, tmp_path, rig):
    """Status and sentence of a server that does not start."""
    folder = tmp_path / "temporary"
    folder.mkdir()

    def start(*flags, **options):
        command = [sys.executable, "-m", "service", "--bundles", bundles, *PORTS, *map(str, flags)]
        env = rig.environment(TMPDIR=str(folder))
        run = finished(command, cwd=ROOT, env=env, **options)
        assert list(folder.iterdir()) == []
        assert run.stdout == b""
        assert run.stderr.startswith(b"residuum-serve: ")
        assert run.stderr.count(b"\n") == 1, run.stderr
        return run.returncode, run.stderr.decode().strip().removeprefix("residuum-serve: ")

    return start


def test_a_certificate_that_has_expired(refusal, secrets, ca):
    then = datetime(2020, 1, 2, 3, 4, tzinfo=UTC)
    old = secrets().certify(ca, not_before=then - timedelta(days=1), not_after=then)
    sentence = f"the certificate in {old.paths['tls_cert']} expired at 2020-01-02 03:04 UTC"
    assert refusal(*old.flags(), "--processes", 2) == (1, sentence)


def test_a_key_of_another_certificate(refusal, secrets, ca):
    one, other = secrets().certify(ca), secrets().certify(ca)
    flags = ("--tls-cert", one.paths["tls_cert"], "--tls-key", other.paths["tls_key"])
    status, sentence = refusal(*flags)
    assert status == 1
    assert sentence.startswith(f"the key in {other.paths['tls_key']} does not belong to the cert")


def test_tokens_that_cannot_be_read(refusal, tmp_path):
    path = tmp_path / "tokens"
    path.write_text("camera data short\n")
    sentence = f"{path}, line 1: the token has 5 characters, expected 16 to 4096"
    assert refusal("--tokens", path, "--admin-port", 0) == (1, sentence)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--tls-cert", "a"), "--tls-cert and --tls-key are only used together, one is missing"),
        (("--client-ca", "a"), "--client-ca needs --tls-cert and --tls-key"),
        (("--processes", "0"), "--processes or RESIDUUM_PROCESSES is '0', expected 1 to 256, or"),
        (("--processes", "100000"), "--processes or RESIDUUM_PROCESSES is '100000', expected 1 "),
        (("--processes", "few"), "--processes or RESIDUUM_PROCESSES is 'few', expected 1 to 256,"),
        (("--max-streams", "0"), "--max-streams or RESIDUUM_MAX_STREAMS is '0', expected at least"),
        *(
            (("--admin-port", "0", "--admin-host", host), f"--admin-host is {host}, which other ma")
            for host in ("0.0.0.0", "::", "example.org")  # noqa: S104
        ),
    ],
)
def test_settings_that_are_out_of_range_or_let_everyone_in(monkeypatch, capsys, flags, sentence):
    for name in [name for name in os.environ if name.startswith("RESIDUUM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["residuum-serve", "--bundles", "absent", *flags])
    with pytest.raises(SystemExit) as caught:
        main()
    errors = capsys.readouterr().err
    assert (caught.value.code, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"residuum-serve: {sentence}")


def test_one_number_for_two_ports(bundles, running):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sentence = f"cannot listen on 127.0.0.1, port {port}: Address already in use"
    for other in ("metrics_port", "admin_port"):
        with (
            pytest.raises(ListenError, match=f"^{sentence}$"),
            running(bundles, **{"port": port, other: port}),
        ):
            pass


def test_a_missing_gpu(refusal):
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has the provider")
    status, sentence = refusal("--provider", "cuda")
    assert status == 1
    assert sentence.startswith("provider 'cuda' is not in this onnxruntime; install onnxruntime-g")


@pytest.mark.parametrize(
    ("size", "sentence"),
    [(0, "no folder can be made for metrics: "), (5000, "the metrics cannot be kept in ")],
)
def test_a_disk_without_space_for_metrics(refusal, size, sentence):
    """No file may have more bytes, which the system refuses where it refuses on a full disk."""
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
    status, found = refusal(preexec_fn=limit)
    assert status == 1
    assert found.startswith(sentence)
    expected = r"; expected TMPDIR to name a folder with (4 MiB of )?free space( for each process)?"
    assert re.search(expected + "$", found)
