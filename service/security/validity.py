"""The period of validity of a certificate. The standard library shows it for peers only."""

import re
import ssl
from datetime import UTC, datetime

_PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
# Tags of DER, the encoding of certificates.
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_VERSION = 0xA0


def pem_blocks(text: str) -> list[str]:
    """The certificates in a text, each in PEM form."""
    return _PEM.findall(text)


def validity(pem: str) -> tuple[datetime, datetime]:
    """First and last moment, UTC, at which a certificate is valid. Raises ValueError.

    A certificate begins (RFC 5280, section 4.1): an optional version, serial number, algorithm,
    issuer, then the two times.
    """
    der = ssl.PEM_cert_to_DER_cert(pem)
    try:
        _, certificate, _ = _element(der, 0)
        _, at, _ = _element(der, certificate)
        for _ in range(4 if der[at] == _VERSION else 3):
            _, _, at = _element(der, at)
        _, first, _ = _element(der, at)
        _, _, last = _element(der, first)
        return _time(der, first), _time(der, last)
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
