"""The index prior against its reference, its inverse, codes from the future and hostile arrays."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.arrays import Array
from codec.entropy.range_coder import RangeCoder
from codec.errors import BundleError, RecordError
from codec.priors.context_tree import ContextTree
from codec.priors.index_map import (
    MAX_DISTANCE,
    SLOPE,
    Contexts,
    IndexPrior,
    tables_of,
    waves,
    weights_of,
)
from codec.priors.tables import TOTAL
from codec.reference.range_coder import ReferenceCoder

SIZES = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (4, 4), (5, 9), (9, 4)]
seeds = st.integers(0, 2**32 - 1)


def random_sources(rng: np.random.Generator, dims: int) -> np.ndarray:
    """Neighbours near and as far as they may be, any of them known."""
    found = []
    for dim in range(dims):
        for _ in range(rng.integers(0, 5)):
            line = -int(rng.integers(0, 3))
            if line == 0 and dim > 0 and rng.random() < 0.5:
                found.append((dim, rng.integers(dim), 0, 0))
            else:
                column = int(rng.integers(-MAX_DISTANCE, -SLOPE * line))
                found.append((dim, rng.integers(dims), line, column))
    return np.array(found, np.int16).reshape(-1, 4)


def random_tree(rng: np.random.Generator, dims: int, width: int) -> tuple[ContextTree, int]:
    """Trees of random planes, a root each; the number of rows."""
    planes, thresholds, roots, rows = [], [], [], 0
    branches: list[list[int]] = []
    for _ in range(dims):
        nodes, first = int(rng.integers(0, 6)), len(branches)
        roots.append(first if nodes else -1 - rows)
        rows += nodes == 0
        free = [(first, 0), (first, 1)] if nodes else []
        for node in range(first, first + nodes):
            planes.append(rng.integers(-127, 128, width))
            thresholds.append(rng.integers(-20_000, 20_000))
            branches.append([0, 0])
            if node > first:
                parent, side = free.pop(rng.integers(len(free)))
                branches[parent][side] = node
                free += [(node, 0), (node, 1)]
        for parent, side in free:
            branches[parent][side] = -1 - rows
            rows += 1
    tree = ContextTree(
        np.array(planes, np.int8).reshape(-1, width),
        np.array(thresholds, np.int32),
        np.array(branches, np.int32).reshape(-1, 2),
        np.array(roots, np.int32),
    )
    return tree, rows


def random_prior(seed: int) -> IndexPrior:
    """A prior whose every number is at random; it fits no data."""
    rng = np.random.default_rng(seed)
    dims, codebook, width = (int(rng.integers(*ends)) for ends in ((1, 4), (2, 9), (1, 6)))
    sources = random_sources(rng, dims)
    vectors = rng.integers(-128, 128, (len(sources), codebook + 1, width)).astype(np.int8)
    start = rng.integers(-300, 300, (dims, *rng.integers(1, 4, 2), width)).astype(np.int16)
    tree, rows = random_tree(rng, dims, width)
    table = rng.integers(0, 170, (rows, codebook)).astype(np.uint8)
    table[:, 0] = np.maximum(table[:, 0], 1)
    return IndexPrior.build(table, Contexts(sources, vectors, start), tree)


def random_codes(seed: int, prior: IndexPrior, tiles: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed + 1)
    shape = (tiles, len(prior.contexts.start), *SIZES[rng.integers(len(SIZES))])
    return rng.integers(0, prior.contexts.codebook, shape).astype(np.int32)


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_both_coders_write_the_same_bytes_and_read_them_back(seed: int) -> None:
    prior = random_prior(seed)
    codes = random_codes(seed, prior)
    fast, slow = RangeCoder(prior), ReferenceCoder(prior)
    payload = fast.encode(codes)
    assert payload == slow.encode(codes)
    assert (fast.decode(payload, codes.shape) == codes).all()
    assert (slow.decode(payload, codes.shape) == codes).all()


@settings(max_examples=60, deadline=None)
@given(seed=seeds, payload=st.binary(max_size=40))
def test_any_bytes_are_a_canonical_payload_or_refused_by_both_coders(
    seed: int, payload: bytes
) -> None:
    prior = random_prior(seed % 10)
    shape = random_codes(seed % 10, prior).shape
    results: list[bytes | None] = []
    for coder in (RangeCoder(prior), ReferenceCoder(prior)):
        try:
            decoded = coder.decode(payload, shape)
        except RecordError:
            results.append(None)
        else:
            assert coder.encode(decoded) == payload
            results.append(decoded.tobytes())
    assert results[0] == results[1]


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_rows_depend_on_no_code_of_their_own_or_a_later_pass(seed: int) -> None:
    prior = random_prior(seed)
    codes = random_codes(seed, prior)
    # A decoder begins with anything and fills in what it has decoded.
    known = prior.contexts.codebook - 1 - codes
    for part, told in zip(prior.passes(known), prior.passes(codes), strict=True):
        np.testing.assert_array_equal(part.table_index, told.table_index)
        known[part.place] = codes[part.place]
    np.testing.assert_array_equal(known, codes)


def test_every_position_is_in_one_wave_behind_its_neighbours() -> None:
    for height, width in SIZES:
        wave = np.full((height, width), -1)
        for number, (lines, columns) in enumerate(waves(height, width)):
            assert (wave[lines, columns] == -1).all()
            wave[lines, columns] = number
        assert (wave >= 0).all()
        assert (np.diff(wave, axis=1) > 0).all()
        assert (wave[1:, :-1] > wave[:-1, 1:]).all()


def test_an_index_outside_the_codebook_is_coded_and_known_as_none() -> None:
    prior = random_prior(3)
    codes = random_codes(3, prior)
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
    for one, found in zip(codes, fast.decode_all(payloads, codes.shape[1:]), strict=True):
        np.testing.assert_array_equal(found, one)


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


def test_packing_is_undone_by_unpacking() -> None:
    prior = random_prior(8)
    arrays = IndexPrior.pack((prior,))
    (again,) = IndexPrior.unpack(arrays, len(prior.contexts.start), 1)
    codes = random_codes(8, prior)
    assert RangeCoder(again).encode(codes) == RangeCoder(prior).encode(codes)


def arrays_of_a_prior() -> dict[str, Array]:
    """Of two dimensions with sources and nodes."""
    for seed in range(1000):
        prior = random_prior(seed)
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
    "a source of its own": _with("sources", lambda s: s * 0),
    "a source beyond the reach": _with("sources", _set((0, 3), -MAX_DISTANCE - 1)),
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
def test_arrays_of_no_prior_are_refused_with_a_sentence(name: str) -> None:
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
