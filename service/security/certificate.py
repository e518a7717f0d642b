"""Reads certificates as far as a server needs. The standard library reads those of peers only."""

import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
# Tags of DER, the encoding of certificates.
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_VERSION = 0xA0
# Object identifiers in DER: RSA; ECDSA with P-256 and with P-384.
_SERVABLE = tuple(
    map(
        bytes.fromhex,
        (
            "06092a864886f70d010101",
            "06072a8648ce3d0201 06082a8648ce3d030107",
            "06072a8648ce3d0201 06052b81040022",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """First and last moment at which it is valid, UTC, and whether gRPC can serve its kind of key.

    With other kinds, such as Ed25519, every handshake fails.
    """

    begins: datetime
    expires: datetime
    servable: bool


def pem_blocks(text: str) -> list[str]:
    """The certificates in a text, each in PEM form."""
    return _PEM.findall(text)


def read_certificate(pem: str) -> Certificate:
    """Reads a certificate, without checking its signature. Raises ValueError.

    It begins (RFC 5280, section 4.1) with an optional version, serial number, algorithm of the
    signature, issuer, the two times, subject, and key, which begins with its algorithm.
    """
    der = ssl.PEM_cert_to_DER_cert(pem)
    try:
        _, certificate, _ = _element(der, 0)
        _, at, _ = _element(der, certificate)
        for _ in range(4 if der[at] == _VERSION else 3):
            _, _, at = _element(der, at)
        _, begins, subject = _element(der, at)
        _, _, expires = _element(der, begins)
        _, _, key = _element(der, subject)
        _, algorithm, _ = _element(der, key)
        _, begin, end = _element(der, algorithm)
        servable = der[begin:end].startswith(_SERVABLE)
        return Certificate(_time(der, begins), _time(der, expires), servable)
    except IndexError:
        raise ValueError("the certificate is truncated") from None


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag of an element of DER, and where its content begins and ends."""
    length = der[at + 1]
    begin = at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(der[begin : begin + size])
        begin += size
    return der[at], begin, begin + length


def _time(der: bytes, at: int) -> datetime:
    tag, begin, end = _element(der, at)
    text = der[begin:end].decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("the certificate has no period of validity")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
