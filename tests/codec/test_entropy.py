"""The range coder against its reference, its inverse, and hostile payloads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.entropy import RangeCoder
from codec.errors import RecordError
from codec.quantise import MAX_CODE
from codec.reference import ReferenceCoder
from codec.tables import Tables, fit_tables


def tables_and_codes(seed: int, escapes: bool = False) -> tuple[Tables, np.ndarray]:
    """Random tables, and codes drawn from the same law (or far outside of it)."""
    rng = np.random.default_rng(seed)
    d, n = int(rng.integers(1, 60)), int(rng.choice([1, 1, 4, 25]))
    spread = np.exp(rng.normal(0, 1.3, (1, d, 1)))
    training = np.rint(rng.normal(0, 1, (150, d, n)) * spread).astype(np.int32)
    codes = np.rint(rng.normal(0, 30 if escapes else 1, (d, n)) * spread[0]).astype(np.int32)
    return fit_tables(training), codes


@pytest.mark.parametrize("escapes", [False, True], ids=["inside the tables", "with escapes"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_both_coders_write_the_same_bytes_and_read_them_back(seed: int, escapes: bool) -> None:
    tables, codes = tables_and_codes(seed, escapes)
    fast, slow = RangeCoder(tables), ReferenceCoder(tables)
    payload = fast.encode(codes)
    assert payload == slow.encode(codes)
    assert (fast.decode(payload, codes.shape[1]) == codes).all()
    assert (slow.decode(payload, codes.shape[1]) == codes).all()


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), payload=st.binary(max_size=60))
def test_any_bytes_are_a_canonical_payload_or_refused_by_both_coders(
    seed: int, payload: bytes
) -> None:
    tables, codes = tables_and_codes(seed % 20)
    results = []
    for coder in (RangeCoder(tables), ReferenceCoder(tables)):
        try:
            decoded = coder.decode(payload, codes.shape[1])
        except RecordError:
            results.append(None)
        else:
            assert coder.encode(decoded) == payload
            results.append(decoded.tobytes())
    assert results[0] == results[1]


def test_the_payload_is_at_most_a_byte_longer_than_the_ideal_code_length() -> None:
    excess = []
    for seed in range(200):
        tables, codes = tables_and_codes(seed)
        ideal = tables.bits(codes[None])[0] / 8
        excess.append(len(RangeCoder(tables).encode(codes)) - ideal)
    assert max(excess) < 1.1
    assert np.mean(excess) < 0.4


def test_the_largest_codes_survive() -> None:
    tables, codes = tables_and_codes(3)
    codes[0, 0], codes[-1, -1] = MAX_CODE, -MAX_CODE
    payload = RangeCoder(tables).encode(codes)
    assert (RangeCoder(tables).decode(payload, codes.shape[1]) == codes).all()


def test_a_byte_behind_the_payload_is_refused() -> None:
    tables, codes = tables_and_codes(5)
    payload = RangeCoder(tables).encode(codes)
    for tail in (b"\0", b"\1"):
        with pytest.raises(RecordError):
            RangeCoder(tables).decode(payload + tail, codes.shape[1])
