"""Fits a mixture prior to the global latents of training images.

Expectation maximisation finds the clusters, Gaussians with diagonal covariances, at the middle
level; the other levels follow by their steps. The tables are histograms over all levels and
dimensions.
"""

from dataclasses import replace

import numpy as np

from codec.arrays import F32, F64, I32
from codec.priors.base import FactorisedPrior, Prior
from codec.priors.latent_map import MEAN_ONE, PHASES, SCALE_ONE
from codec.priors.mixture import MAX_MEAN, RATIO_BITS, Mixture, MixturePrior
from codec.priors.tables import Tables, apportion, fit_tables
from codec.quantise import quantise
from exporter.fit.scale_class_tables import (
    class_centres,
    class_tables,
    count_symbols,
    largest_value,
)

CLUSTERS = (16, 64, 256)
# With fewer, a cluster memorises its images.
IMAGES_PER_CLUSTER = 40
ITERATIONS = 12
# Each cluster's variance is averaged with that of the whole sample, worth this many images.
SHRINKAGE = 2.0
# The least variance of a dimension in a cluster, squared codes.
LEAST_VARIANCE = 1e-3
CLASSES = 40
SMALLEST_SCALE = 0.02
# Images that the tables are made from, and that choose the number of clusters.
TABLE_IMAGES, TRIAL_IMAGES = 20_000, 20_000
# Every tenth image is held out when the number of clusters is chosen.
HELD_OUT = 10


def fit_global_priors(mu: F32, steps: F32) -> tuple[Prior, ...]:
    """Priors for each level, steps `[Q, D]`, of latents mu `[N, D]`.

    The number of clusters is the one that codes held-out images in the fewest bits. If one table
    per dimension is better still, or the images are few, the priors are factorised.
    """
    if len(mu) < CLUSTERS[0] * IMAGES_PER_CLUSTER:
        return _factorised(mu, steps)
    middle = steps[len(steps) // 2][None]
    drawn = mu[:: 1 + len(mu) // TRIAL_IMAGES]
    held_out = np.arange(len(drawn)) % HELD_OUT == 0
    training, test = drawn[~held_out], quantise(drawn[held_out], middle[0])[:, :, None, None]
    bits = {0: _factorised(training, middle)[0].bits(test).mean()}
    for clusters in CLUSTERS:
        if clusters * IMAGES_PER_CLUSTER <= len(training):
            bits[clusters] = mixture_priors(training, middle, clusters)[0].bits(test).mean()
    best = min(bits, key=bits.__getitem__)
    return mixture_priors(mu, steps, best) if best else _factorised(mu, steps)


def _factorised(mu: F32, steps: F32) -> tuple[Prior, ...]:
    return tuple(FactorisedPrior(fit_tables(quantise(mu, step))) for step in steps)


def mixture_priors(mu: F32, steps: F32, clusters: int) -> tuple[Prior, ...]:
    """Priors for each level, steps `[Q, D]`, of latents mu `[N, D]`, with this many clusters."""
    middle, finest = steps[len(steps) // 2], steps[-1]
    share, mean, variance = fit_clusters(mu / middle, clusters)
    mean, scale = (values * (middle / finest) for values in (mean, np.sqrt(variance)))
    ratio = np.clip(np.rint(2.0**RATIO_BITS * (finest / steps)), 1, 2**RATIO_BITS).astype(np.int32)
    thresholds = np.geomspace(SMALLEST_SCALE, max(scale.max(), 2 * SMALLEST_SCALE), CLASSES - 1)
    mixture = Mixture(
        _integers(MEAN_ONE * mean), _integers(SCALE_ONE * scale), _integers(SCALE_ONE * thresholds)
    )
    centres = class_centres(thresholds)
    # A table has to be wide enough for the number of every cluster too.
    largest = max(largest_value(centres), clusters // 2)
    counts = np.zeros((PHASES * CLASSES, 2 * largest + 1))
    drafts = [MixturePrior(_tables(counts, centres, share), mixture, one) for one in ratio]
    for step, draft in zip(steps, drafts, strict=True):
        codes = quantise(mu[:: 1 + len(mu) // TABLE_IMAGES], step)[:, :, None, None]
        count_symbols(counts, draft, draft.extended(codes))
    tables = _tables(counts, centres, share)
    return tuple(replace(draft, tables=tables) for draft in drafts)


def fit_clusters(x: F32, clusters: int) -> tuple[F64, F64, F64]:
    """Shares `[K]`, means and variances `[K, D]` of a mixture of diagonal Gaussians for x `[N, D]`.

    Expectation maximisation that starts from random images (Bishop 2006, section 9.2.2). Variances
    are shrunk towards those of the whole sample. scikit-learn's GaussianMixture is as good, but it
    holds `[N, K]` responsibilities of all images in memory, gigabytes for large data sets.
    """
    rng = np.random.default_rng(clusters)
    mean = x[rng.permutation(len(x))[:clusters]].astype(np.float64)
    whole = x.var(0, dtype=np.float64) + LEAST_VARIANCE
    variance = np.tile(0.5 * whole, (clusters, 1))
    share = np.full(clusters, 1.0 / clusters)
    for _ in range(ITERATIONS):
        total, first, second = _expectations(x, share, mean, variance)
        share, mean = total / total.sum(), first / total[:, None]
        spread = second - total[:, None] * mean**2
        variance = (spread + SHRINKAGE * whole) / (total[:, None] + SHRINKAGE) + LEAST_VARIANCE
    return share, mean, variance


def _expectations(x: F32, share: F64, mean: F64, variance: F64) -> tuple[F64, F64, F64]:
    """The sums over images of each cluster's responsibility `[K]`, and of x and x² weighted by it,
    `[K, D]` each.
    """
    precision = 1.0 / variance
    constant = np.log(share) - 0.5 * (np.log(variance) + mean**2 * precision).sum(1)
    square = (-0.5 * precision).T.astype(np.float32)
    linear = (mean * precision).T.astype(np.float32)
    total, first, second = np.full(len(share), 1e-6), np.zeros(mean.shape), np.zeros(mean.shape)
    for part in np.array_split(x, 1 + len(x) // 4096):
        log = (part * part) @ square + part @ linear + constant.astype(np.float32)
        weight = np.exp(log - log.max(1, keepdims=True))
        weight /= weight.sum(1, keepdims=True)
        total += weight.sum(0)
        first += weight.T @ part
        second += weight.T @ (part * part)
    return total, first, second


def _tables(counts: F64, centres: F64, share: F64) -> Tables:
    """The tables of the classes and, as the last one, that of the clusters."""
    tables = class_tables(counts, centres)
    weights = np.zeros(tables.frequencies.shape[1])
    weights[: len(share)] = share
    frequencies = np.vstack([tables.frequencies, apportion(weights)])
    return Tables(np.append(tables.low, np.int32(0)), frequencies)


def _integers(values: F64) -> I32:
    return np.rint(np.clip(values, -MAX_MEAN, MAX_MEAN)).astype(np.int32)
