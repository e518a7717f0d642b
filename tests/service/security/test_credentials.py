"""TLS with real certificates and servers: who is accepted, and what happens when files change."""

import datetime
import logging
import ssl

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from service.security import CredentialsError, TlsFiles, server_credentials
from service.security.credentials import CertificateFetcher

OK = (grpc.StatusCode.OK, "")
LOGGER = "service.security"
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def issue(ca, **options):
    return ca.issue_cert("127.0.0.1", "localhost", **options)


def served_certificate(address):
    """The certificate that a new connection gets."""
    host, port = address.rsplit(":", 1)
    return ssl.get_server_certificate((host, int(port)), timeout=20)


def leaf(certificate):
    return certificate.cert_chain_pems[0].bytes().decode()


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def call(rig, address, ca, client=None):
    """Code of a call over a new connection."""
    with rig.connected(address, ca, client) as channel:
        return rig.status(lambda: rig.listed(channel))[0]


def test_a_client_that_trusts_the_ca_is_served(rig, folder, ca):
    with rig.serving(credentials=server_credentials(folder.put(issue(ca)))) as address:
        assert call(rig, address, ca) is grpc.StatusCode.OK


def test_a_client_that_trusts_another_ca_sees_unavailable(rig, folder, ca, other_ca):
    with rig.serving(credentials=server_credentials(folder.put(issue(ca)))) as address:
        assert call(rig, address, other_ca) is grpc.StatusCode.UNAVAILABLE
        assert call(rig, address, ca) is grpc.StatusCode.OK


def test_a_certificate_for_another_name_is_unavailable(rig, folder, ca):
    files = folder.put(ca.issue_cert("example.com"))
    with rig.serving(credentials=server_credentials(files)) as address:
        assert call(rig, address, ca) is grpc.StatusCode.UNAVAILABLE


def test_a_client_without_tls_sees_unavailable(rig, folder, ca):
    with rig.serving(credentials=server_credentials(folder.put(issue(ca)))) as address:
        assert call(rig, address, None) is grpc.StatusCode.UNAVAILABLE
        assert call(rig, address, ca) is grpc.StatusCode.OK


def test_under_mutual_tls_only_certificates_of_the_client_ca_are_accepted(
    rig, folder, ca, other_ca
):
    folder.put(issue(ca))
    files = folder.put_client_ca(other_ca)
    with rig.serving(credentials=server_credentials(files)) as address:
        assert call(rig, address, ca) is grpc.StatusCode.UNAVAILABLE
        assert call(rig, address, ca, ca.issue_cert("me")) is grpc.StatusCode.UNAVAILABLE
        expired = other_ca.issue_cert("me", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
        assert call(rig, address, ca, expired) is grpc.StatusCode.UNAVAILABLE
        assert call(rig, address, ca, other_ca.issue_cert("me")) is grpc.StatusCode.OK


@pytest.mark.parametrize("link", [False, True], ids=["rewritten", "another link"])
def test_the_next_connection_gets_a_new_certificate(rig, folder, ca, other_ca, link):
    first, second = issue(ca), issue(other_ca)
    with (
        rig.serving(credentials=server_credentials(folder.put(first, link=link))) as address,
        rig.connected(address, ca) as old,
    ):
        assert rig.listed(old) == "nobody"
        assert served_certificate(address) == leaf(first)
        folder.put(second, link=link)
        assert served_certificate(address) == leaf(second)
        assert call(rig, address, other_ca) is grpc.StatusCode.OK
        assert call(rig, address, ca) is grpc.StatusCode.UNAVAILABLE
        assert rig.listed(old) == "nobody"  # connections that exist go on


def test_a_folder_of_links_is_swapped_as_kubernetes_does(rig, tmp_path, ca, folder):
    certificates = [issue(ca), issue(ca)]
    for name, certificate in zip(("..1", "..2"), certificates, strict=True):
        (tmp_path / name).mkdir()
        type(folder)(tmp_path / name).put(certificate)
    (tmp_path / "..data").symlink_to("..1")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    files = TlsFiles(folder.certificate, folder.key)
    with rig.serving(credentials=server_credentials(files)) as address:
        assert served_certificate(address) == leaf(certificates[0])
        (tmp_path / "..next").symlink_to("..2")
        (tmp_path / "..next").replace(tmp_path / "..data")
        assert served_certificate(address) == leaf(certificates[1])


def test_a_new_client_ca_counts_from_the_next_connection(rig, folder, ca, other_ca):
    folder.put(issue(ca))
    mine, others = ca.issue_cert("me"), other_ca.issue_cert("other")
    with rig.serving(credentials=server_credentials(folder.put_client_ca(ca))) as address:
        assert call(rig, address, ca, mine) is grpc.StatusCode.OK
        assert call(rig, address, ca, others) is grpc.StatusCode.UNAVAILABLE
        folder.put_client_ca(ca, other_ca)
        assert call(rig, address, ca, mine) is grpc.StatusCode.OK
        assert call(rig, address, ca, others) is grpc.StatusCode.OK
        folder.put_client_ca(other_ca)
        assert call(rig, address, ca, mine) is grpc.StatusCode.UNAVAILABLE
        assert call(rig, address, ca, others) is grpc.StatusCode.OK


def half_written(folder, rig, new):
    rig.write(folder.certificate, leaf(new).encode())


def truncated(folder, rig, new):
    rig.write(folder.certificate, leaf(new).encode()[:300])


def gone(folder, rig, new):
    folder.key.unlink()


def expired(folder, rig, new):
    old = trustme.CA().issue_cert("localhost", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    folder.put(old)


def another_kind_of_key(folder, rig, new):
    """Serves no client, although OpenSSL accepts it."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = builder.not_valid_before(NOW).not_valid_after(NOW + 90 * DAY).sign(key, None)
    rig.write(folder.certificate, certificate.public_bytes(Encoding.PEM))
    rig.write(folder.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize(
    "break_files", [half_written, truncated, gone, expired, another_kind_of_key]
)
def test_while_a_rotation_is_broken_the_old_certificate_stays_and_one_warning_is_logged(
    rig, folder, ca, caplog, break_files
):
    first, second = issue(ca), issue(ca)
    with rig.serving(credentials=server_credentials(folder.put(first))) as address:
        break_files(folder, rig, second)
        assert [served_certificate(address) for _ in range(3)] == [leaf(first)] * 3
        (warning,) = warnings(caplog)
        assert str(folder.certificate) in warning or str(folder.key) in warning
        assert warning.endswith("; what was read before stays in use")
        folder.put(second)
        assert served_certificate(address) == leaf(second)
    assert len(warnings(caplog)) == 1


def test_grpc_gets_a_change_once(folder, ca):
    # Otherwise it would read the certificates for each connection.
    fetch = CertificateFetcher(folder.put(issue(ca)))
    assert fetch() is None
    folder.put(issue(ca))
    assert fetch() is not None
    assert fetch() is None


def test_files_that_change_while_they_are_read_are_not_combined(folder, ca, monkeypatch):
    files = folder.put(issue(ca))
    load = ssl.SSLContext.load_cert_chain

    def change_and_load(*arguments):
        monkeypatch.undo()
        folder.put(issue(ca))
        load(*arguments)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", change_and_load)
    with pytest.raises(CredentialsError, match="changed while they were read"):
        server_credentials(files)
    server_credentials(files)


def test_a_client_ca_that_vanishes_still_counts(rig, folder, ca, caplog):
    folder.put(issue(ca))
    with rig.serving(credentials=server_credentials(folder.put_client_ca(ca))) as address:
        folder.client_ca.unlink()
        assert call(rig, address, ca, ca.issue_cert("me")) is grpc.StatusCode.OK
        assert call(rig, address, ca) is grpc.StatusCode.UNAVAILABLE
    assert len(warnings(caplog)) == 1


def test_two_ports_both_get_the_new_certificate(rig, folder, ca):
    files = folder.put(issue(ca))
    with (
        rig.serving(credentials=server_credentials(files)) as data,
        rig.serving(credentials=server_credentials(files)) as admin,
    ):
        new = issue(ca)
        folder.put(new)
        assert served_certificate(data) == served_certificate(admin) == leaf(new)


@pytest.mark.parametrize("name", ["certificate", "key", "client_ca"])
def test_a_missing_file_is_named(folder, ca, name):
    folder.put(issue(ca))
    files = folder.put_client_ca(ca)
    getattr(folder, name).unlink()
    with pytest.raises(CredentialsError) as error:
        server_credentials(files)
    expected = f"{getattr(folder, name)} cannot be read: No such file or directory"
    assert str(error.value) == expected


@pytest.mark.parametrize("content", [b"", b"certificate", b"\0\xff" * 50, b"-----BEGIN "])
@pytest.mark.parametrize("name", ["certificate", "key", "client_ca"])
def test_a_file_without_pem_is_named(folder, ca, name, content):
    folder.put(issue(ca))
    files = folder.put_client_ca(ca)
    getattr(folder, name).write_bytes(content)
    with pytest.raises(
        CredentialsError, match=f"^{getattr(folder, name)} (is not|does not|has no)"
    ):
        server_credentials(files)


@pytest.mark.parametrize("name", ["certificate", "client_ca"])
def test_a_damaged_certificate_is_named(folder, ca, name):
    folder.put(issue(ca))
    files = folder.put_client_ca(ca)
    path = getattr(folder, name)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], *lines[6:]]))
    with pytest.raises(CredentialsError, match=str(path)):
        server_credentials(files)


def test_a_damaged_key_is_named(folder, ca):
    files = folder.put(issue(ca))
    lines = folder.key.read_text().splitlines()
    folder.key.write_text("\n".join([*lines[:1], *lines[2:]]))
    with pytest.raises(CredentialsError, match=f"{folder.key} cannot be used as a certificate and"):
        server_credentials(files)


def test_the_key_of_another_certificate_is_refused(folder, ca):
    files = folder.put(issue(ca))
    folder.key.write_bytes(issue(ca).private_key_pem.bytes())
    with pytest.raises(CredentialsError) as error:
        server_credentials(files)
    assert str(error.value) == (
        f"the key in {folder.key} does not belong to the certificate in {folder.certificate}"
    )


def test_a_key_with_a_password_is_refused_without_asking_for_it(folder, ca):
    certificate = issue(ca)
    files = folder.put(certificate)
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    folder.key.write_bytes(
        key.private_bytes(
            Encoding.PEM,
            PrivateFormat.PKCS8,
            BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(CredentialsError, match=f"{folder.key} needs a password, expected"):
        server_credentials(files)


def test_an_expired_certificate_is_refused_at_start(folder, ca):
    files = folder.put(issue(ca, not_before=NOW - 9 * DAY, not_after=NOW - DAY))
    with pytest.raises(CredentialsError) as error:
        server_credentials(files)
    when = (NOW - DAY).strftime("%Y-%m-%d %H:%M UTC")
    assert str(error.value) == f"the certificate in {folder.certificate} expired at {when}"


def test_a_kind_of_key_that_grpc_cannot_serve_is_refused_at_start(rig, folder):
    another_kind_of_key(folder, rig, None)
    files = TlsFiles(folder.certificate, folder.key)
    with pytest.raises(CredentialsError, match="has a kind of key that gRPC cannot serve"):
        server_credentials(files)


def test_a_client_refuses_a_certificate_that_expires_while_the_server_runs(rig, folder, ca):
    # What a client sees of an expired certificate; gRPC serves it, whereas we refuse to start.
    old = issue(ca, not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    pair = (old.private_key_pem.bytes(), leaf(old).encode())
    with rig.serving(credentials=grpc.ssl_server_credentials([pair])) as address:
        assert call(rig, address, ca) is grpc.StatusCode.UNAVAILABLE


def test_a_client_ca_that_has_expired_is_refused(folder, ca):
    folder.put(issue(ca))
    old = ca.issue_cert("old", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    folder.client_ca.write_text(leaf(old))
    files = TlsFiles(folder.certificate, folder.key, folder.client_ca)
    with pytest.raises(CredentialsError, match=f"the client CA in {folder.client_ca} expired at"):
        server_credentials(files)
    folder.client_ca.write_text(leaf(old) + ca.cert_pem.bytes().decode())
    server_credentials(files)


@pytest.mark.parametrize(("days", "count"), [(6, 1), (8, 0)])
def test_a_certificate_that_expires_within_a_week_is_served_with_one_warning(
    rig, folder, ca, caplog, days, count
):
    files = folder.put(issue(ca, not_after=NOW + days * DAY))
    with rig.serving(credentials=server_credentials(files)) as address:
        served_certificate(address)
        served_certificate(address)
    when = (NOW + days * DAY).strftime("%Y-%m-%d %H:%M UTC")
    expected = [f"the certificate in {folder.certificate} expires at {when}"]
    assert warnings(caplog) == expected * count


def test_a_certificate_that_is_not_valid_yet_is_served_with_a_warning(folder, ca, caplog):
    server_credentials(folder.put(issue(ca, not_before=NOW + DAY, not_after=NOW + 90 * DAY)))
    (warning,) = warnings(caplog)
    assert f"{folder.certificate} is not valid before" in warning


def test_a_file_that_is_too_large_is_not_read(folder, ca):
    files = folder.put(issue(ca))
    with folder.certificate.open("r+b") as file:
        file.truncate(1 << 30)
    with pytest.raises(CredentialsError, match="it has more than"):
        server_credentials(files)


def test_rsa_keys_and_chains_are_served(rig, folder):
    root = trustme.CA(key_type=trustme.KeyType.RSA)
    middle = root.create_child_ca(key_type=trustme.KeyType.RSA)
    files = folder.put(middle.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA))
    with rig.serving(credentials=server_credentials(files)) as address:
        assert call(rig, address, root) is grpc.StatusCode.OK
