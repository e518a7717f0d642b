"""What is read from certificates, against an independent reader."""

import datetime
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from service.security.certificate import pem_blocks, read_certificate

UTC = datetime.UTC
FIRST = datetime.datetime(1950, 12, 31, 23, 59, 59, tzinfo=UTC)
KEYS = {
    "rsa": (lambda: rsa.generate_private_key(65537, 2048), True),
    "p256": (lambda: ec.generate_private_key(ec.SECP256R1()), True),
    "p384": (lambda: ec.generate_private_key(ec.SECP384R1()), True),
    "p521": (lambda: ec.generate_private_key(ec.SECP521R1()), False),
    "secp256k1": (lambda: ec.generate_private_key(ec.SECP256K1()), False),
    "ed25519": (ed25519.Ed25519PrivateKey.generate, False),
    "ed448": (ed448.Ed448PrivateKey.generate, False),
}


def signed(key, last):
    """A certificate signed with its key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(FIRST).not_valid_after(last)
    plain = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return builder.sign(key, None if plain else hashes.SHA256())


def pem(certificate):
    return ssl.DER_cert_to_PEM_cert(certificate.public_bytes(Encoding.DER))


@pytest.mark.parametrize("year", [1951, 1999, 2000, 2049, 2050, 2999])
@pytest.mark.parametrize("kind", KEYS)
def test_the_times_and_the_kind_of_key_are_those_of_the_certificate(year, kind):
    make, servable = KEYS[kind]
    last = datetime.datetime(year, 3, 1, 12, 34, 56, tzinfo=UTC)
    certificate = signed(make(), last)
    found = read_certificate(pem(certificate))
    assert (found.begins, found.expires) == (FIRST, last)
    assert found.begins == certificate.not_valid_before_utc
    assert found.expires == certificate.not_valid_after_utc
    assert found.servable is servable


def test_a_chain_is_split_into_certificates_whatever_is_between_them():
    ca = trustme.CA()
    chain = ca.create_child_ca().issue_cert("name").cert_chain_pems
    texts = [blob.bytes().decode().strip() for blob in chain]
    assert pem_blocks("subject=\n" + "\nissuer=\n".join(texts)) == texts


def test_every_truncated_certificate_is_a_value_error_or_has_the_same_times():
    whole = trustme.CA().cert_pem.bytes().decode()
    der = ssl.PEM_cert_to_DER_cert(whole)
    expected = read_certificate(whole)
    for length in range(len(der)):
        try:
            found = read_certificate(ssl.DER_cert_to_PEM_cert(der[:length]))
        except ValueError:
            continue
        assert (found.begins, found.expires) == (expected.begins, expected.expires)
