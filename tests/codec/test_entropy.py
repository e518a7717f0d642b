"""The range coder against its reference, its inverse, and hostile payloads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.entropy import RangeCoder
from codec.errors import RecordError
from codec.prior import FactorisedPrior, Prior
from codec.quantise import MAX_CODE
from codec.reference import ReferenceCoder
from codec.tables import fit_tables


def prior_and_codes(seed: int, escapes: bool = False) -> tuple[Prior, np.ndarray]:
    """A random prior, and codes drawn from the same law (or far outside of it)."""
    rng = np.random.default_rng(seed)
    d, (h, w) = int(rng.integers(1, 60)), rng.choice([(1, 1), (1, 1), (2, 2), (5, 5)])
    spread = np.exp(rng.normal(0, 1.3, (1, d, 1, 1)))
    training = np.rint(rng.normal(0, 1, (150, d, h, w)) * spread).astype(np.int32)
    r = int(rng.integers(1, 3))
    codes = np.rint(rng.normal(0, 30 if escapes else 1, (r, d, h, w)) * spread).astype(np.int32)
    return FactorisedPrior(fit_tables(training)), codes


@pytest.mark.parametrize("escapes", [False, True], ids=["inside the tables", "with escapes"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_both_coders_write_the_same_bytes_and_read_them_back(seed: int, escapes: bool) -> None:
    prior, codes = prior_and_codes(seed, escapes)
    fast, slow = RangeCoder(prior), ReferenceCoder(prior)
    payload = fast.encode(codes)
    assert payload == slow.encode(codes)
    assert (fast.decode(payload, codes.shape) == codes).all()
    assert (slow.decode(payload, codes.shape) == codes).all()


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), payload=st.binary(max_size=60))
def test_any_bytes_are_a_canonical_payload_or_refused_by_both_coders(
    seed: int, payload: bytes
) -> None:
    prior, codes = prior_and_codes(seed % 20)
    results = []
    for coder in (RangeCoder(prior), ReferenceCoder(prior)):
        try:
            decoded = coder.decode(payload, codes.shape)
        except RecordError:
            results.append(None)
        else:
            assert coder.encode(decoded) == payload
            results.append(decoded.tobytes())
    assert results[0] == results[1]


def test_the_payload_is_at_most_a_byte_longer_than_the_ideal_code_length() -> None:
    excess = []
    for seed in range(200):
        prior, codes = prior_and_codes(seed)
        ideal = prior.bits(codes).sum() / 8
        excess.append(len(RangeCoder(prior).encode(codes)) - ideal)
    assert max(excess) < 1.1
    assert np.mean(excess) < 0.4


def test_the_largest_codes_survive() -> None:
    prior, codes = prior_and_codes(3)
    codes[0, 0, 0, 0], codes[-1, -1, -1, -1] = MAX_CODE, -MAX_CODE
    payload = RangeCoder(prior).encode(codes)
    assert (RangeCoder(prior).decode(payload, codes.shape) == codes).all()


def test_a_byte_behind_the_payload_is_refused() -> None:
    prior, codes = prior_and_codes(5)
    payload = RangeCoder(prior).encode(codes)
    for tail in (b"\0", b"\1"):
        with pytest.raises(RecordError):
            RangeCoder(prior).decode(payload + tail, codes.shape)
