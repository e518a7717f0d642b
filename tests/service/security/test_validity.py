"""The period of validity of a certificate, against an independent reader."""

import datetime
import ssl

import pytest
import trustme
from cryptography import x509

from service.security.validity import pem_blocks, validity

UTC = datetime.UTC


@pytest.mark.parametrize("year", [1951, 1999, 2000, 2049, 2050, 2999])
@pytest.mark.parametrize("key_type", list(trustme.KeyType))
def test_the_times_are_those_of_the_certificate(year, key_type):
    last = datetime.datetime(year, 3, 1, 12, 34, 56, tzinfo=UTC)
    first = datetime.datetime(1950, 12, 31, 23, 59, 59, tzinfo=UTC)
    ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
    blob = ca.issue_cert("name", not_before=first, not_after=last, key_type=key_type)
    pem = blob.cert_chain_pems[0].bytes()
    certificate = x509.load_pem_x509_certificate(pem)
    expected = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    assert expected == (first, last)
    assert validity(pem.decode()) == expected


def test_a_chain_is_split_into_certificates_whatever_is_between_them():
    ca = trustme.CA()
    chain = ca.create_child_ca().issue_cert("name").cert_chain_pems
    texts = [blob.bytes().decode().strip() for blob in chain]
    assert pem_blocks("subject=\n" + "\nissuer=\n".join(texts)) == texts


def test_every_truncated_certificate_is_a_value_error():
    pem = trustme.CA().cert_pem.bytes().decode()
    der = ssl.PEM_cert_to_DER_cert(pem)
    after = der.index(b"Z", der.index(b"Z") + 1) + 1
    for length in range(after):
        with pytest.raises(ValueError):  # noqa: PT011 - any message
            validity(ssl.DER_cert_to_PEM_cert(der[:length]))
