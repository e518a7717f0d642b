"""The contract of all priors: equal to the reference, invertible, and causal."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.entropy.range_coder import RangeCoder
from codec.errors import RecordError
from codec.reference.range_coder import ReferenceCoder

sys.path.insert(0, str(Path(__file__).parent))
from random_priors import KINDS, random_prior

seeds = st.integers(0, 2**32 - 1)
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@settings(max_examples=80, deadline=None)
@given(seed=seeds)
def test_both_coders_write_the_same_bytes_and_read_them_back(kind: str, seed: int) -> None:
    prior = random_prior(kind, seed)
    codes = KINDS[kind].codes(seed, prior)
    fast, slow = RangeCoder(prior), ReferenceCoder(prior)
    payload = fast.encode(codes)
    assert payload == slow.encode(codes)
    for coder in (fast, slow):
        np.testing.assert_array_equal(coder.decode(payload, codes.shape), codes)


@every_kind
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_images_coded_together_have_the_bytes_they_have_alone(kind: str, seed: int) -> None:
    prior = random_prior(kind, seed)
    codes = KINDS[kind].codes(seed, prior, tiles=3)[:, None]
    coder = RangeCoder(prior)
    together = coder.encode_all(codes)
    assert together == [coder.encode(image) for image in codes]
    for decoded, image in zip(coder.decode_all(together, codes.shape[1:]), codes, strict=True):
        np.testing.assert_array_equal(decoded, image)


@every_kind
@settings(max_examples=100, deadline=None)
@given(seed=seeds, payload=st.binary(max_size=60))
def test_any_bytes_are_a_canonical_payload_or_refused_by_both_coders(
    kind: str, seed: int, payload: bytes
) -> None:
    prior = random_prior(kind, seed % 20)
    shape = KINDS[kind].codes(seed, prior, tiles=1).shape
    results: list[bytes | None] = []
    for coder in (RangeCoder(prior), ReferenceCoder(prior)):
        try:
            decoded = coder.decode(payload, shape)
        except RecordError:
            results.append(None)
        else:
            # An encoder may choose any extra symbols, and they are not part of the codes.
            assert prior.extra or coder.encode(decoded) == payload
            results.append(decoded.tobytes())
    assert results[0] == results[1]


@every_kind
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_passes_cover_every_code_once_and_depend_on_earlier_passes_only(
    kind: str, seed: int
) -> None:
    prior = random_prior(kind, seed)
    codes = prior.extended(KINDS[kind].codes(seed, prior))
    # A decoder starts with other codes and fills in what it has decoded.
    decoded, visits = codes + 5, np.zeros(codes.shape, int)
    for part, expected in zip(prior.passes(decoded), prior.passes(codes), strict=True):
        np.testing.assert_array_equal(part.table_index, expected.table_index)
        np.testing.assert_array_equal(part.offset, expected.offset)
        decoded[part.place] = codes[part.place]
        visits[part.place] += 1
    np.testing.assert_array_equal(decoded, codes)
    assert (visits == 1).all()


@every_kind
def test_the_payload_is_at_most_a_byte_longer_than_the_ideal_code_length(kind: str) -> None:
    excess = []
    for seed in range(100):
        prior = random_prior(kind, seed)
        codes = KINDS[kind].codes(seed, prior)
        excess.append(len(RangeCoder(prior).encode(codes)) - prior.bits(codes).sum() / 8)
    assert max(excess) < 1.1
    assert 0 < np.mean(excess) < 0.45


@every_kind
def test_packed_priors_are_unpacked_the_same(kind: str) -> None:
    for seed in range(8):
        prior = random_prior(kind, seed)
        codes = KINDS[kind].codes(seed, prior)
        (again,) = type(prior).unpack(type(prior).pack([prior]), codes.shape[1], 1)
        assert RangeCoder(again).encode(codes) == RangeCoder(prior).encode(codes)
