"""Fits an index prior to the index maps of training images.

Per dimension: the vectors of the neighbours are learned (exporter.fit.index_contexts) and rounded
to integers; a tree over the contexts grows where cutting it saves most; a leaf's row is the mean of
what the model says of its contexts and what was seen there, by weights that held-out images prefer.
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from codec.priors.context_tree import ContextTree
from codec.priors.index_map import Contexts, IndexPrior, weights_of
from codec.priors.tables import F64, I64
from codec.quantise import F32, I32
from exporter.fit.index_contexts import (
    Maps,
    Model,
    Samples,
    context_width,
    learn,
    metric,
    samples,
    shrunk,
    sources,
)

ROWS, ENTRIES = 1024, 2**19
"""rows at most, and frequencies at most, of all dimensions together"""
TREE_SAMPLES, LEAF_SAMPLES, MEAN_SAMPLES = 100_000, 32, 256
LEAST_GAIN = 1e-6
"""nats per sample that a cut must save"""
STRENGTHS = (30.0, 300.0, 3e3, 3e4, 3e5)
"""samples that the model's word is worth in a row, to choose from"""
INT8, INT16, INT32 = 127, 32767, 2**31 - 1


class Cut(NamedTuple):
    """A leaf that could be cut: the samples in it, and where."""

    gain: float
    order: int
    samples: I64
    plane: npt.NDArray[np.int8]
    threshold: int


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is fitted to one dimension: rows and nodes count from 0."""

    vectors: npt.NDArray[np.int8]
    start: npt.NDArray[np.int16]
    tree: ContextTree
    rows: npt.NDArray[np.uint8]


def can_fit(dims: int, codebook: int) -> bool:
    """Whether there is room for a row and for the vectors of each dimension's neighbours."""
    return dims * codebook <= ENTRIES and context_width(dims, codebook) > 0


def fit_index_prior(maps: Maps, codebook: int, grid: tuple[int, int] | None) -> IndexPrior:
    """The prior of indices 0 .. codebook - 1 from training maps; `grid` is (rows, columns) where
    all maps have one size, and a position then means the same in each of them.
    """
    heard, dims = sources(maps[0].shape[1]), maps[0].shape[1]
    grid = grid or (1, 1)
    leaves = min(ROWS, max(1, ENTRIES // (codebook * dims)))
    parts = [_fit(maps, heard[heard[:, 0] == dim], codebook, grid, leaves) for dim in range(dims)]
    start = np.stack([part.start.reshape(*grid, -1) for part in parts])
    contexts = Contexts(heard, np.concatenate([part.vectors for part in parts]), start)
    rows = np.concatenate([part.rows for part in parts])
    return IndexPrior.build(rows, contexts, _joined([part.tree for part in parts]))


def _fit(
    maps: Maps,
    heard: npt.NDArray[np.int16],
    codebook: int,
    grid: tuple[int, int],
    leaves: int,
) -> Part:
    drawn = samples(maps, heard, codebook, grid)
    spoken = len(heard) * (codebook + 1)
    width = context_width(maps[0].shape[1], codebook)
    model = learn(drawn, codebook, spoken + grid[0] * grid[1], width)
    model = _rounded(shrunk(model, drawn), spoken)
    contexts = model.contexts(drawn.rows)
    tree = grow(model, contexts[:: max(1, len(contexts) // TREE_SAMPLES)], leaves)
    rows = _rows(model, drawn, contexts, tree)
    vectors = model.vectors[:spoken].reshape(len(heard), codebook + 1, -1)
    start = model.vectors[spoken:].reshape(*grid, -1)
    return Part(vectors.astype(np.int8), start.astype(np.int16), tree, to_bytes(rows))


def _rounded(model: Model, spoken: int) -> Model:
    """The same in units in which the vectors of neighbours are integers of 8 bits."""
    size = np.abs(model.vectors[:spoken]).max(0)
    scale = np.where(size > 0, INT8 / np.maximum(size, 1e-9), 1.0).astype(np.float32)
    vectors = np.clip(np.rint(model.vectors * scale), -INT16, INT16).astype(np.float32)
    return Model(vectors, model.directions / scale, model.bias)


def grow(model: Model, contexts: F32, leaves: int) -> ContextTree:
    """A tree of at most so many leaves, cut where it saves most, for contexts `[n, M]`."""
    heap: list[Cut] = [_cut(model, contexts, np.arange(len(contexts)), 0)]
    cuts: list[Cut] = []
    owner: dict[int, tuple[int, int]] = {}
    while heap[0].gain < 0 and len(heap) < leaves:
        best = heappop(heap)
        right = contexts[best.samples] @ best.plane.astype(np.float32) > best.threshold
        for side, chosen in enumerate((best.samples[~right], best.samples[right])):
            order = 2 * len(cuts) + 1 + side
            owner[order] = len(cuts), side
            heappush(heap, _cut(model, contexts, chosen, order))
        cuts.append(best)
    return _tree(cuts, heap, owner)


def _cut(model: Model, contexts: F32, chosen: I64, order: int) -> Cut:
    """Across the direction in which the contexts differ most, as their code lengths go."""
    found = contexts[chosen].astype(np.float64)
    centre = found.mean(0)
    values, vectors = np.linalg.eigh(metric(model, centre.astype(np.float32)))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    spread, axes = np.linalg.eigh(np.atleast_2d(np.cov(((found - centre) @ root).T, bias=True)))
    plane = root @ axes[:, -1]
    plane = np.rint(INT8 * plane / max(np.abs(plane).max(), 1e-12)).astype(np.int8)
    side = found @ plane
    threshold = int(np.floor(side.mean()))
    fewest = min((side > threshold).sum(), (side <= threshold).sum())
    gain = -float(spread[-1]) * len(found)
    if fewest < LEAF_SAMPLES or gain > -LEAST_GAIN * len(contexts):
        gain = 0.0
    return Cut(gain, order, chosen, plane, threshold)


def _tree(cuts: list[Cut], leaves: list[Cut], owner: dict[int, tuple[int, int]]) -> ContextTree:
    branches = np.zeros((len(cuts), 2), np.int32)
    root = 0 if cuts else -1
    for place, cut in [*enumerate(cuts), *((-1 - row, leaf) for row, leaf in enumerate(leaves))]:
        if cut.order in owner:
            branches[owner[cut.order]] = place
    planes = [cut.plane for cut in cuts] or np.zeros((0, len(leaves[0].plane)))
    return ContextTree(
        np.array(planes, np.int8),
        np.array([cut.threshold for cut in cuts], np.int32),
        branches,
        np.array([root], np.int32),
    )


def _rows(model: Model, drawn: Samples, contexts: F32, tree: ContextTree) -> F64:
    """Probabilities `[R, K]`."""
    rows, codebook = max(tree.row_count, 1), len(model.bias)
    leaf = tree.table_index(contexts.astype(np.int32), 0).astype(np.int64)
    word = _word(model, contexts, leaf, rows)
    place = leaf * codebook + drawn.index

    def mixed(chosen: npt.NDArray[np.bool_], strength: float) -> F64:
        counts = np.bincount(place[chosen], minlength=rows * codebook).reshape(rows, codebook)
        seen = counts.sum(1, keepdims=True)
        return np.asarray((counts + strength * word) / (seen + strength))

    def bits(strength: float) -> float:
        p = mixed(~drawn.held_out, strength).ravel()[place[drawn.held_out]]
        return -float(np.log2(np.maximum(p, 1e-12)).sum())

    return mixed(np.ones(len(leaf), bool), min(STRENGTHS[::-1], key=bits))


def _word(model: Model, contexts: F32, leaf: I64, rows: int) -> F64:
    """What the model says in the mean over some contexts of each row, `[R, K]`."""
    order = np.argsort(leaf, kind="stable")
    ends = np.searchsorted(leaf[order], np.arange(rows + 1))
    word = np.full((rows, len(model.bias)), 1.0 / len(model.bias))
    for row, (first, last) in enumerate(pairwise(ends.tolist())):
        if last > first:
            chosen = order[first : last : max(1, (last - first) // MEAN_SAMPLES)]
            word[row] = model.probabilities(contexts[chosen]).mean(0)
    return word


def to_bytes(probabilities: F64) -> npt.NDArray[np.uint8]:
    """Rows `[R, K]` as codec.priors.index_map.tables_of reads them: the nearest weights."""
    levels = weights_of(np.arange(1, 176, dtype=np.uint8)).astype(np.float64)
    edges = np.concatenate([[levels[0] / 2], np.sqrt(levels[1:] * levels[:-1])])
    return np.searchsorted(edges, probabilities * 2.0**24).astype(np.uint8)


def _joined(trees: list[ContextTree]) -> ContextTree:
    """One after another: nodes and rows of later ones are counted on."""
    nodes, rows = 0, 0
    branches: list[I32] = []
    roots: list[I32] = []
    for tree in trees:
        for whole, part in ((branches, tree.branches), (roots, tree.roots)):
            whole.append(np.where(part < 0, part - rows, part + nodes).astype(np.int32))
        nodes, rows = nodes + len(tree.thresholds), rows + max(tree.row_count, 1)
    return ContextTree(
        np.concatenate([tree.planes for tree in trees]),
        np.concatenate([tree.thresholds for tree in trees]),
        np.concatenate(branches),
        np.concatenate(roots),
    )
