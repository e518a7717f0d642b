"""Fits an index prior to the index maps of training images.

Each dimension has its own part. The embeddings of the neighbours are learned
(exporter.fit.index_embeddings) and rounded to integers. A tree over the contexts is cut where that
saves most. The table of a leaf is the mean of the model's prediction for its contexts and of the
histogram of its samples, with the weight that codes held-out images best.
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from codec.arrays import F32, F64, I32, I64
from codec.priors.context_tree import ContextTree
from codec.priors.index_map import Contexts, IndexPrior, weights_of
from exporter.fit.index_embeddings import (
    ContextModel,
    Maps,
    Samples,
    context_width,
    draw_samples,
    fisher_information,
    learn,
    neighbours,
    shrink,
)

# At most this many tables, and frequencies in them, of all dimensions together.
TABLES, ENTRIES = 1024, 2**19
# Samples from which a tree is grown, that a leaf has at least, and whose predictions are averaged.
TREE_SAMPLES, LEAF_SAMPLES, MEAN_SAMPLES = 100_000, 32, 256
# A cut must save this many nats per sample.
LEAST_GAIN = 1e-6
# Candidates for the weight of the model's prediction in a table, in samples.
STRENGTHS = (3e5, 3e4, 3e3, 300.0, 30.0)
INT8, INT16 = 127, 32767


class Cut(NamedTuple):
    """How a leaf could be cut: the samples in it, and the plane between its halves.

    Cuts are ordered by `gain`, minus the nats that the cut saves (0: no cut); ties by `order`, the
    order in which they were found.
    """

    gain: float
    order: int
    samples: I64
    plane: npt.NDArray[np.int8]
    threshold: int


@dataclass(frozen=True, slots=True, eq=False)
class DimensionPart:
    """The fit of one dimension, with tables and tree nodes numbered from 0."""

    vectors: npt.NDArray[np.int8]
    start: npt.NDArray[np.int16]
    tree: ContextTree
    tables: npt.NDArray[np.uint8]


def can_fit(dims: int, codebook: int) -> bool:
    """Whether a prior has room for a table of each dimension and for its neighbours' vectors."""
    return dims * codebook <= ENTRIES and context_width(dims, codebook) > 0


def fit_index_prior(maps: Maps, codebook: int, grid: tuple[int, int] | None) -> IndexPrior:
    """The prior of indices 0 .. codebook - 1 from training maps.

    `grid` is (lines, columns) if all maps have one size, so that a position means the same in each
    of them.
    """
    dims = maps[0].shape[1]
    sources, grid = neighbours(dims), grid or (1, 1)
    leaves = min(TABLES, max(1, ENTRIES // (codebook * dims)))
    parts = [
        _fit_dimension(maps, sources[sources[:, 0] == dim], codebook, grid, leaves)
        for dim in range(dims)
    ]
    start = np.stack([part.start.reshape(*grid, -1) for part in parts])
    contexts = Contexts(sources, np.concatenate([part.vectors for part in parts]), start)
    tables = np.concatenate([part.tables for part in parts])
    return IndexPrior.build(tables, contexts, _concatenate([part.tree for part in parts]))


def _fit_dimension(
    maps: Maps,
    sources: npt.NDArray[np.int16],
    codebook: int,
    grid: tuple[int, int],
    leaves: int,
) -> DimensionPart:
    samples = draw_samples(maps, sources, codebook, grid)
    # Rows of the embedding table: one per neighbour and index, then one per position.
    positions = len(sources) * (codebook + 1)
    width = context_width(maps[0].shape[1], codebook)
    model = learn(samples, codebook, positions + grid[0] * grid[1], width)
    model = _rounded(shrink(model, samples), positions)
    contexts = model.contexts(samples.vectors)
    tree = grow(model, contexts[:: max(1, len(contexts) // TREE_SAMPLES)], leaves)
    tables = to_bytes(_leaf_probabilities(model, samples, contexts, tree))
    vectors = model.embeddings[:positions].reshape(len(sources), codebook + 1, -1)
    start = model.embeddings[positions:].reshape(*grid, -1)
    return DimensionPart(vectors.astype(np.int8), start.astype(np.int16), tree, tables)


def _rounded(model: ContextModel, positions: int) -> ContextModel:
    """The same model in units in which the first `positions` embeddings are 8-bit integers."""
    size = np.abs(model.embeddings[:positions]).max(0)
    scale = np.where(size > 0, INT8 / np.maximum(size, 1e-9), 1.0).astype(np.float32)
    embeddings = np.clip(np.rint(model.embeddings * scale), -INT16, INT16).astype(np.float32)
    return ContextModel(embeddings, model.directions / scale, model.bias)


def grow(model: ContextModel, contexts: F32, leaves: int) -> ContextTree:
    """A tree of at most `leaves` leaves for contexts `[n, M]`, cut where it saves most first."""
    heap: list[Cut] = [_cut(model, contexts, np.arange(len(contexts)), 0)]
    cuts: list[Cut] = []
    parent: dict[int, tuple[int, int]] = {}
    while heap[0].gain < 0 and len(heap) < leaves:
        best = heappop(heap)
        right = contexts[best.samples] @ best.plane.astype(np.float32) > best.threshold
        for side, chosen in enumerate((best.samples[~right], best.samples[right])):
            order = 2 * len(cuts) + 1 + side
            parent[order] = len(cuts), side
            heappush(heap, _cut(model, contexts, chosen, order))
        cuts.append(best)
    return _tree(cuts, heap, parent)


def _cut(model: ContextModel, contexts: F32, chosen: I64, order: int) -> Cut:
    """The cut across the direction in which the code lengths of the chosen contexts vary most."""
    points = contexts[chosen].astype(np.float64)
    centre = points.mean(0)
    values, vectors = np.linalg.eigh(fisher_information(model, centre.astype(np.float32)))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    spread, axes = np.linalg.eigh(np.atleast_2d(np.cov(((points - centre) @ root).T, bias=True)))
    plane = root @ axes[:, -1]
    plane = np.rint(INT8 * plane / max(np.abs(plane).max(), 1e-12)).astype(np.int8)
    side = points @ plane
    threshold = int(np.floor(side.mean()))
    fewest = min((side > threshold).sum(), (side <= threshold).sum())
    gain = -float(spread[-1]) * len(points)
    if fewest < LEAF_SAMPLES or gain > -LEAST_GAIN * len(contexts):
        gain = 0.0
    return Cut(gain, order, chosen, plane, threshold)


def _tree(cuts: list[Cut], leaves: list[Cut], parent: dict[int, tuple[int, int]]) -> ContextTree:
    """The tree of inner nodes and leaves; `parent` is the node and side of each by its order."""
    branches = np.zeros((len(cuts), 2), np.int32)
    root = 0 if cuts else -1
    for place, cut in [*enumerate(cuts), *((-1 - leaf, cut) for leaf, cut in enumerate(leaves))]:
        if cut.order in parent:
            branches[parent[cut.order]] = place
    planes = [cut.plane for cut in cuts] or np.zeros((0, len(leaves[0].plane)))
    return ContextTree(
        np.array(planes, np.int8),
        np.array([cut.threshold for cut in cuts], np.int32),
        branches,
        np.array([root], np.int32),
    )


def _leaf_probabilities(
    model: ContextModel, samples: Samples, contexts: F32, tree: ContextTree
) -> F64:
    """Probabilities `[L, K]` of the indices in each leaf."""
    leaf = tree.table_index(contexts.astype(np.int32), 0).astype(np.int64)
    predicted = _mean_prediction(model, contexts, leaf, max(tree.row_count, 1))
    cell = leaf * len(model.bias) + samples.index
    training, test = cell[~samples.held_out], cell[samples.held_out]
    bits = {}
    for strength in STRENGTHS:
        p = _mixed(training, predicted, strength).ravel()[test]
        bits[strength] = -float(np.log2(np.maximum(p, 1e-12)).sum())
    return _mixed(cell, predicted, min(bits, key=bits.__getitem__))


def _mixed(cell: I64, predicted: F64, strength: float) -> F64:
    """The mean `[L, K]` of a histogram and of a prediction that counts as `strength` samples."""
    counts = np.bincount(cell, minlength=predicted.size).reshape(predicted.shape)
    return np.asarray((counts + strength * predicted) / (counts.sum(1, keepdims=True) + strength))


def _mean_prediction(model: ContextModel, contexts: F32, leaf: I64, leaves: int) -> F64:
    """The model's mean probabilities `[L, K]` over about MEAN_SAMPLES contexts of each leaf."""
    order = np.argsort(leaf, kind="stable")
    ends = np.searchsorted(leaf[order], np.arange(leaves + 1))
    predicted = np.full((leaves, len(model.bias)), 1.0 / len(model.bias))
    for number, (first, last) in enumerate(pairwise(ends.tolist())):
        if last > first:
            chosen = order[first : last : max(1, (last - first) // MEAN_SAMPLES)]
            predicted[number] = model.probabilities(contexts[chosen]).mean(0)
    return predicted


def to_bytes(probabilities: F64) -> npt.NDArray[np.uint8]:
    """The nearest weights `[L, K]` to probabilities, in the code of codec.priors.index_map."""
    levels = weights_of(np.arange(1, 176, dtype=np.uint8)).astype(np.float64)
    edges = np.concatenate([[levels[0] / 2], np.sqrt(levels[1:] * levels[:-1])])
    return np.searchsorted(edges, probabilities * 2.0**24).astype(np.uint8)


def _concatenate(trees: list[ContextTree]) -> ContextTree:
    """The trees of all dimensions as one, with nodes and tables numbered through."""
    nodes, tables = 0, 0
    branches: list[I32] = []
    roots: list[I32] = []
    for tree in trees:
        for numbers, part in ((branches, tree.branches), (roots, tree.roots)):
            numbers.append(np.where(part < 0, part - tables, part + nodes).astype(np.int32))
        nodes, tables = nodes + len(tree.thresholds), tables + max(tree.row_count, 1)
    return ContextTree(
        np.concatenate([tree.planes for tree in trees]),
        np.concatenate([tree.thresholds for tree in trees]),
        np.concatenate(branches),
        np.concatenate(roots),
    )
