"""The index prior: waves, rows of tables, and hostile arrays."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.arrays import Array
from codec.entropy.range_coder import RangeCoder
from codec.errors import BundleError
from codec.priors.context_tree import ContextTree
from codec.priors.index_map import (
    MAX_DISTANCE,
    Contexts,
    IndexPrior,
    tables_of,
    waves,
    weights_of,
)
from codec.priors.tables import TOTAL
from codec.reference.range_coder import ReferenceCoder

sys.path.insert(0, str(Path(__file__).parent))
from random_priors import KINDS, random_prior

SIZES = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (4, 4), (5, 9), (9, 4)]
seeds = st.integers(0, 2**32 - 1)


def test_every_position_is_in_one_wave_after_its_neighbours() -> None:
    for height, width in SIZES:
        wave = np.full((height, width), -1)
        for number, (lines, columns) in enumerate(waves(height, width)):
            assert (wave[lines, columns] == -1).all()
            wave[lines, columns] = number
        assert (wave >= 0).all()
        assert (np.diff(wave, axis=1) > 0).all()
        assert (wave[1:, :-1] > wave[:-1, 1:]).all()


def test_an_index_outside_the_codebook_is_coded_and_treated_as_missing() -> None:
    prior = random_prior("index", 3)
    codes = KINDS["index"].codes(3, prior)
    codes[0, 0, 0, 0], codes[-1, -1, -1, -1] = prior.contexts.codebook + 5, -70_000
    fast, slow = RangeCoder(prior), ReferenceCoder(prior)
    payload = fast.encode(codes)
    assert payload == slow.encode(codes)
    assert (fast.decode(payload, codes.shape) == codes).all()


def test_passes_of_long_and_of_short_runs_follow_each_other_in_one_payload() -> None:
    """Wide rows: one for all of dimension 0, one of two for each position of dimension 1."""
    rng, book = np.random.default_rng(11), 500
    vectors = rng.integers(-128, 128, (1, book + 1, 1)).astype(np.int8)
    contexts = Contexts(
        np.array([[1, 0, 0, 0]], np.int16), vectors, np.zeros((2, 1, 1, 1), np.int16)
    )
    cut = np.ones((1, 1), np.int8), np.zeros(1, np.int32), np.array([[-2, -3]], np.int32)
    tree = ContextTree(*cut, np.array([-1, 0], np.int32))
    prior = IndexPrior.build(rng.integers(1, 170, (3, book)).astype(np.uint8), contexts, tree)
    codes = rng.integers(0, book, (3, 1, 2, 12, 30)).astype(np.int32)
    codes[1, 0, :, 5, 7] = book + 3, -9
    fast, slow = RangeCoder(prior), ReferenceCoder(prior)
    payloads = fast.encode_all(codes)
    assert payloads == [slow.encode(one) for one in codes]
    for one, decoded in zip(codes, fast.decode_all(payloads, codes.shape[1:]), strict=True):
        np.testing.assert_array_equal(decoded, one)


@settings(max_examples=30, deadline=None)
@given(codebook=st.integers(2, 400), seed=seeds)
def test_a_row_gives_every_index_its_share(codebook: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 176, (3, codebook)).astype(np.uint8)
    rows[:, 0] = 100
    frequencies = tables_of(rows).frequencies.astype(np.int64)
    assert (frequencies.sum(1) == TOTAL).all()
    assert (frequencies[:, -1] == 1).all()
    share = weights_of(rows) / weights_of(rows).sum(1, keepdims=True)
    assert np.abs(frequencies[:, :-1] / TOTAL - share).max() < 2 * codebook / TOTAL


def test_weights_of_bytes_ascend_by_an_eighth_at_most() -> None:
    weights = weights_of(np.arange(8, 176, dtype=np.uint8))
    ratio = weights[1:] / weights[:-1]
    assert ratio.min() > 1
    assert ratio.max() <= 1.125


def test_the_largest_codebook_has_rows() -> None:
    rows = np.full((2, 65535), 1, np.uint8)
    assert tables_of(rows).frequencies.shape == (2, 65536)


def arrays_of_a_prior() -> dict[str, Array]:
    """Arrays of two dimensions with sources and nodes."""
    for seed in range(1000):
        prior = random_prior("index", seed)
        big = len(prior.contexts.start) == 2 and len(prior.tree.thresholds) > 3
        if big and (prior.contexts.sources[:, 0] == 1).any():
            return {name: array.copy() for name, array in IndexPrior.pack((prior,)).items()}
    raise AssertionError("no such seed")


def _with(name: str, change: Callable[[np.ndarray], Array]) -> dict[str, Array]:
    arrays = arrays_of_a_prior()
    return {**arrays, name: change(arrays[name])}


def _set(at: Any, value: int) -> Callable[[np.ndarray], Array]:
    def change(array: np.ndarray) -> Array:
        array[at] = value
        return array

    return change


HOSTILE = {
    "a source that is not decoded yet": _with("sources", _set((0, 2), 1)),
    "a source to the right": _with("sources", _set((0, slice(2, 4)), 1)),
    "a source at the index itself": _with("sources", lambda s: s * 0),
    "a source that is too far away": _with("sources", _set((0, 3), -MAX_DISTANCE - 1)),
    "a source of a dimension that is not there": _with("sources", _set((0, 1), 2)),
    "a source of a negative dimension": _with("sources", _set((0, 1), -1)),
    "sources that are not in order": _with("sources", lambda s: s[::-1].copy()),
    "sources for a third dimension": _with("sources", _set((-1, 0), 2)),
    "too few vectors": _with("vectors", lambda v: v[1:]),
    "vectors of another type": _with("vectors", lambda v: v.astype(np.int16)),
    "vectors without an axis": _with("vectors", lambda v: v[0]),
    "positions of another width": _with("start", lambda s: s[..., 1:]),
    "no positions": _with("start", lambda s: s[:, :0]),
    "positions without an axis": _with("start", lambda s: np.array(3, np.int16)),
    "planes of another width": _with("planes", lambda p: np.concatenate([p, p], 1)),
    "planes without an axis": _with("planes", lambda p: p[:, 0]),
    "too few thresholds": _with("thresholds", lambda t: t[1:]),
    "no thresholds but a number": _with("thresholds", lambda t: np.array(1, np.int32)),
    "a branch to itself": _with("branches", _set((1, 0), 1)),
    "a branch back": _with("branches", _set((1, 1), 0)),
    "a branch to nowhere": _with("branches", _set((0, 0), 30_000)),
    "a branch to a row that is not there": _with("branches", _set((-1, 0), -100)),
    "the farthest row": _with("branches", _set((-1, 0), -(2**31))),
    "a root to nowhere": _with("roots", _set(0, 30_000)),
    "a root to a row that is not there": _with("roots", _set(0, -500)),
    "too few roots": _with("roots", lambda r: r[1:]),
    "no root": _with("roots", lambda r: r[:0]),
    "too few rows": _with("rows", lambda r: r[:1]),
    "rows of another codebook": _with("rows", lambda r: np.concatenate([r, r], 1)),
    "a row without weight": _with("rows", lambda r: r * 0),
    "a row of too much weight": _with("rows", lambda r: r * 0 + 255),
    "rows without an axis": _with("rows", lambda r: r[0]),
    "rows of another type": _with("rows", lambda r: r.astype(np.float32)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arrays_are_refused_with_a_reason(name: str) -> None:
    with pytest.raises(BundleError, match=re.compile(r"^(tables(\.npz)?: |\d+ quality)")):
        IndexPrior.unpack(HOSTILE[name], 2, 1)


def test_a_prior_of_other_dimensions_or_levels_is_refused() -> None:
    arrays = arrays_of_a_prior()
    assert len(IndexPrior.unpack(arrays, 2, 1)) == 1
    for dims, levels in ((1, 1), (3, 1), (2, 2), (2, 0)):
        with pytest.raises(BundleError):
            IndexPrior.unpack(arrays, dims, levels)


def test_a_tree_that_is_too_deep_is_refused() -> None:
    nodes = 70
    branches = np.stack([np.arange(1, nodes + 1), np.full(nodes, -1)], 1).astype(np.int32)
    branches[-1, 0] = -1
    planes, thresholds = np.ones((nodes, 1), np.int8), np.zeros(nodes, np.int32)
    with pytest.raises(BundleError, match="depth 70"):
        ContextTree(planes, thresholds, branches, np.array([0], np.int32))
    short = ContextTree(planes, thresholds, branches, np.array([6], np.int32))
    assert short.depth == 64


def test_trees_of_more_nodes_than_there_can_be_rows_are_refused() -> None:
    nodes = 65537
    with pytest.raises(BundleError, match="more than 65536 nodes"):
        ContextTree(
            np.zeros((nodes, 1), np.int8),
            np.zeros(nodes, np.int32),
            np.full((nodes, 2), -1, np.int32),
            np.array([0], np.int32),
        )
