"""Priors of every kind with random numbers, which fit no data, and codes for them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from codec.priors.base import FactorisedPrior, Prior
from codec.priors.context_tree import ContextTree
from codec.priors.index_map import MAX_DISTANCE, SLOPE, Contexts, IndexPrior
from codec.priors.latent_map import MEAN_BLOCKS, PHASES, SCALE_BLOCKS, MapPrior, Weights
from codec.priors.mixture import Mixture, MixturePrior
from codec.priors.scan_order import SCAN_ORDER
from codec.priors.tables import Tables, apportion, fit_tables
from codec.quantise import MAX_CODE

Rng = np.random.Generator
# Grids that reach all coding passes, all waves and all ways to reflect a neighbour.
SIZES = [(1, 1), (1, 6), (6, 1), (2, 2), (3, 5), (4, 4), (7, 5)]


@dataclass(frozen=True)
class Kind:
    """How to draw a prior, and the code values and grids that suit it."""

    prior: Callable[[Rng], Prior]
    dims: Callable[[Prior], int]
    values: Callable[[Rng, Prior, tuple[int, ...]], np.ndarray]
    sizes: list[tuple[int, int]]

    def codes(self, seed: int, prior: Prior, tiles: int = 2) -> np.ndarray:
        """Codes `[tiles, D, h, w]`."""
        rng = np.random.default_rng(seed)
        shape = (tiles, self.dims(prior), *self.sizes[rng.integers(len(self.sizes))])
        return self.values(rng, prior, shape).astype(np.int32)


def random_tables(rng: Rng, rows: int, width: int) -> Tables:
    low = rng.integers(-width, 1, rows).astype(np.int32)
    weights = rng.gamma(0.5, size=(rows, width)) + 1e-3
    return Tables(low, np.stack([apportion(row) for row in weights]))


def factorised_prior(rng: Rng) -> FactorisedPrior:
    """Tables of bells, narrow ones and wide ones."""
    spread = np.exp(rng.normal(0, 1.3, rng.integers(1, 40)))
    return FactorisedPrior(fit_tables(np.rint(rng.normal(0, spread, (150, len(spread))))))


def mixture_prior(rng: Rng) -> MixturePrior:
    clusters, dims, classes = (int(rng.integers(1, 6)) for _ in range(3))
    mixture = Mixture(
        rng.integers(-3000, 3000, (clusters, dims)).astype(np.int32),
        rng.integers(0, 20_000, (clusters, dims)).astype(np.int32),
        np.sort(rng.integers(0, 20_000, classes - 1)).astype(np.int32),
    )
    tables = random_tables(rng, PHASES * classes + 1, int(rng.integers(6, 12)))
    tables.low[-1] = 0
    return MixturePrior(tables, mixture, rng.integers(1, 2**16 + 1, dims).astype(np.int32))


def map_prior(rng: Rng) -> MapPrior:
    dims, classes = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    group = rng.integers(0, rng.integers(1, 4), dims)
    group = np.unique(group, return_inverse=True)[1].astype(np.uint8)
    mean = rng.integers(-60, 60, (len(SCAN_ORDER), MEAN_BLOCKS, dims, dims)).astype(np.int16)
    scale = rng.integers(0, 900, (len(SCAN_ORDER), SCALE_BLOCKS, dims, dims)).astype(np.int16)
    later = group[:, None] >= group[None, :]
    mean[:, 0, later], scale[:, 0, later] = 0, 0
    thresholds = np.sort(rng.integers(500, 60_000, classes - 1)).astype(np.int32)
    return MapPrior(
        random_tables(rng, PHASES * classes, int(rng.integers(2, 12))),
        Weights(group, mean, scale, thresholds),
        rng.integers(-600, 600, (len(SCAN_ORDER), dims)).astype(np.int32),
        rng.integers(-2000, 9000, (len(SCAN_ORDER), dims)).astype(np.int32),
    )


def index_prior(rng: Rng) -> IndexPrior:
    dims, codebook, width = (int(rng.integers(*ends)) for ends in ((1, 4), (2, 9), (1, 6)))
    sources = random_sources(rng, dims)
    vectors = rng.integers(-128, 128, (len(sources), codebook + 1, width)).astype(np.int8)
    start = rng.integers(-300, 300, (dims, *rng.integers(1, 4, 2), width)).astype(np.int16)
    tree, rows = random_tree(rng, dims, width)
    packed_rows = rng.integers(0, 170, (rows, codebook)).astype(np.uint8)
    packed_rows[:, 0] = np.maximum(packed_rows[:, 0], 1)
    return IndexPrior.build(packed_rows, Contexts(sources, vectors, start), tree)


def random_sources(rng: Rng, dims: int) -> np.ndarray:
    """Near and distant neighbours, all of which are decoded before they are needed."""
    sources = []
    for dim in range(dims):
        for _ in range(rng.integers(0, 5)):
            line = -int(rng.integers(0, 3))
            if line == 0 and dim > 0 and rng.random() < 0.5:
                sources.append((dim, rng.integers(dim), 0, 0))
            else:
                column = int(rng.integers(-MAX_DISTANCE, -SLOPE * line))
                sources.append((dim, rng.integers(dims), line, column))
    return np.array(sources, np.int16).reshape(-1, 4)


def random_tree(rng: Rng, dims: int, width: int) -> tuple[ContextTree, int]:
    """Trees of random planes with a root each, and the number of rows."""
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


def latents(rng: Rng, _: Prior, shape: tuple[int, ...]) -> np.ndarray:
    """Mostly small; now and then far outside the tables, and too large for sums in float32."""
    codes = np.rint(rng.normal(0, rng.choice([3, 3, 3000, 300_000]), shape))
    # As codec.quantise clips them: a decoder refuses larger codes.
    return np.clip(codes, -MAX_CODE, MAX_CODE)


def indices(rng: Rng, prior: IndexPrior, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, prior.contexts.codebook, shape)


KINDS = {
    "factorised": Kind(factorised_prior, lambda prior: len(prior.tables.low), latents, SIZES[:4]),
    "mixture": Kind(mixture_prior, lambda prior: len(prior.ratio), latents, [(1, 1)]),
    "map": Kind(map_prior, lambda prior: len(prior.weights.channel_group), latents, SIZES),
    "index": Kind(index_prior, lambda prior: len(prior.contexts.start), indices, SIZES),
}


def random_prior(kind: str, seed: int) -> Prior:
    """The prior of a kind that a seed gives."""
    return KINDS[kind].prior(np.random.default_rng(seed))
