"""The range coder: steep tables, large codes, and the shortest payload."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.entropy.range_coder import RangeCoder, shortest_bytes
from codec.errors import RecordError
from codec.priors.base import FactorisedPrior, Prior
from codec.priors.tables import TOTAL, Tables, fit_tables
from codec.quantise import MAX_CODE
from codec.reference.range_coder import ReferenceCoder


def prior_and_codes(seed: int) -> tuple[Prior, np.ndarray]:
    """A random prior, and codes of the same distribution."""
    rng = np.random.default_rng(seed)
    d, (h, w) = int(rng.integers(1, 60)), rng.choice([(1, 1), (1, 1), (2, 2), (5, 5)])
    spread = np.exp(rng.normal(0, 1.3, (1, d, 1, 1)))
    training = np.rint(rng.normal(0, 1, (150, d, h, w)) * spread).astype(np.int32)
    r = int(rng.integers(1, 3))
    codes = np.rint(rng.normal(0, 1, (r, d, h, w)) * spread).astype(np.int32)
    return FactorisedPrior(fit_tables(training)), codes


@settings(max_examples=120, deadline=None)
@given(width=st.integers(2, 7), data=st.data())
def test_tables_of_any_width_and_steepness_give_the_same_bytes(
    width: int, data: st.DataObject
) -> None:
    """Including a table of one value and the escape, and a symbol that is nearly certain."""
    cuts = st.lists(
        st.integers(1, TOTAL - 1), min_size=width - 1, max_size=width - 1, unique=True
    ).map(lambda inner: np.diff([0, *sorted(inner), TOTAL]))
    rows = np.stack(data.draw(st.lists(cuts, min_size=1, max_size=4)))
    certain = np.ones_like(rows)
    certain[:, data.draw(st.integers(0, width - 1))] = TOTAL - width + 1
    prior = FactorisedPrior(
        Tables(np.zeros(2 * len(rows), np.int32), np.concatenate([rows, certain]).astype(np.uint32))
    )
    values = st.lists(st.integers(-2, width + 1), min_size=2 * len(rows), max_size=2 * len(rows))
    codes = np.array(data.draw(values), np.int32).reshape(1, -1, 1, 1)
    payload = RangeCoder(prior).encode(codes)
    assert payload == ReferenceCoder(prior).encode(codes)
    assert (RangeCoder(prior).decode(payload, codes.shape) == codes).all()


@given(low=st.integers(0, 2**40 - 1), width=st.integers(1, 2**40), length=st.integers(5, 9))
def test_the_shortest_bytes_are_the_shortest_of_all(low: int, width: int, length: int) -> None:
    """Against every length from the shortest up."""
    width = min(width, 256**length - low)
    shortest = shortest_bytes(low, width, length)
    assert low <= int.from_bytes(shortest.ljust(length, b"\0"), "big") < low + width
    for shorter in range(len(shortest)):
        unit = 256 ** (length - shorter)
        assert -(-low // unit) * unit >= low + width


def test_the_largest_codes_survive() -> None:
    prior, codes = prior_and_codes(3)
    codes[0, 0, 0, 0], codes[-1, -1, -1, -1] = MAX_CODE, -MAX_CODE
    payload = RangeCoder(prior).encode(codes)
    assert (RangeCoder(prior).decode(payload, codes.shape) == codes).all()


def test_a_byte_after_the_payload_is_refused() -> None:
    prior, codes = prior_and_codes(5)
    payload = RangeCoder(prior).encode(codes)
    for tail in (b"\0", b"\1"):
        with pytest.raises(RecordError):
            RangeCoder(prior).decode(payload + tail, codes.shape)


def test_the_shortest_bytes_of_a_number_of_megabytes_are_found_at_once() -> None:
    """A record of a few bytes that claims a large image leads to such numbers."""
    length = 2**22
    start = time.process_time()
    assert shortest_bytes(1, 2**64 - 1, length) == b"\0" * (length - 8) + b"\1"
    assert shortest_bytes(256**length - 2, 2, length) == b"\xff" * (length - 1) + b"\xfe"
    assert shortest_bytes(0, 2**40, length) == b""
    assert time.process_time() - start < 2
