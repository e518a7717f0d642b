"""Fits a mixture prior to the global latents of training images.

Expectation maximisation finds the clusters, Gaussians with diagonal covariances, at the middle
level; the other levels follow by their steps. The tables are histograms over all levels and
dimensions.
"""

from dataclasses import replace

import numpy as np

from codec.priors.base import FactorisedPrior, Prior
from codec.priors.latent_map import MEAN_ONE, PHASES, SCALE_ONE
from codec.priors.mixture import MAX_MEAN, RATIO_BITS, Mixture, MixturePrior
from codec.priors.tables import F64, I32, Tables, apportion, fit_tables
from codec.quantise import F32, quantise
from exporter.fit.scale_class_tables import class_centres, class_tables, count_symbols, reach_of

CLUSTERS = (16, 64, 256)
IMAGES_PER_CLUSTER = 40
"""with fewer a cluster learns its images by heart"""
ITERATIONS = 12
SHRINKAGE = 2.0
"""images of the whole sample's variance that each cluster's is mixed with"""
LEAST_VARIANCE = 1e-3
"""of a dimension in a cluster, squared codes"""
CLASSES = 40
SMALLEST_SCALE = 0.02
TABLE_IMAGES, TRIAL_IMAGES = 20_000, 20_000
"""that tables are made from, and that the number of clusters is chosen with"""
HELD_OUT = 10
"""one image of so many says which number of clusters is the best"""


def fit_global_priors(mu: F32, steps: F32) -> tuple[Prior, ...]:
    """Priors for each level, steps `[Q, D]`, of latents mu `[N, D]`: a mixture with the number of
    clusters that codes held-out images best, or a table per dimension if that is better.
    """
    if len(mu) < CLUSTERS[0] * IMAGES_PER_CLUSTER:
        return _factorised(mu, steps)
    middle = len(steps) // 2
    some = mu[:: 1 + len(mu) // TRIAL_IMAGES]
    held_out = np.arange(len(some)) % HELD_OUT == 0
    seen, unseen = some[~held_out], quantise(some[held_out], steps[middle])[:, :, None, None]
    level = steps[middle : middle + 1]
    best, least = 0, _factorised(seen, level)[0].bits(unseen).mean()
    for clusters in (k for k in CLUSTERS if k * IMAGES_PER_CLUSTER <= len(seen)):
        bits = mixture_priors(seen, level, clusters)[0].bits(unseen).mean()
        best, least = (clusters, bits) if bits < least else (best, least)
    return mixture_priors(mu, steps, best) if best else _factorised(mu, steps)


def _factorised(mu: F32, steps: F32) -> tuple[Prior, ...]:
    return tuple(FactorisedPrior(fit_tables(quantise(mu, step))) for step in steps)


def mixture_priors(mu: F32, steps: F32, clusters: int) -> tuple[Prior, ...]:
    """Priors for each level, steps `[Q, D]`, of latents mu `[N, D]` in so many clusters."""
    middle, finest = steps[len(steps) // 2], steps[-1]
    share, mean, variance = fit_clusters(mu / middle, clusters)
    mean, scale = (values * (middle / finest) for values in (mean, np.sqrt(variance)))
    ratio = np.clip(np.rint(2.0**RATIO_BITS * (finest / steps)), 1, 2**RATIO_BITS).astype(np.int32)
    thresholds = np.geomspace(SMALLEST_SCALE, max(scale.max(), 2 * SMALLEST_SCALE), CLASSES - 1)
    mixture = Mixture(
        _integers(MEAN_ONE * mean), _integers(SCALE_ONE * scale), _integers(SCALE_ONE * thresholds)
    )
    centres = class_centres(thresholds)
    # Wide enough to name every cluster too.
    counts = np.zeros((PHASES * CLASSES, 2 * max(reach_of(centres), clusters // 2) + 1))
    drafts = [MixturePrior(_tables(counts, centres, share), mixture, one) for one in ratio]
    for step, draft in zip(steps, drafts, strict=True):
        codes = quantise(mu[:: 1 + len(mu) // TABLE_IMAGES], step)[:, :, None, None]
        count_symbols(counts, draft, draft.extended(codes))
    tables = _tables(counts, centres, share)
    return tuple(replace(draft, tables=tables) for draft in drafts)


def fit_clusters(x: F32, clusters: int) -> tuple[F64, F64, F64]:
    """Shares `[K]`, means and variances `[K, D]` of a mixture of diagonal Gaussians for x `[N, D]`.

    Expectation maximisation from random images (Bishop 2006, section 9.2.2); variances are shrunk
    towards those of the whole sample.
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
    """Sums of the images' shares `[K]` in each cluster, and of x and x² by them, `[K, D]`."""
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
    """The tables of the classes and a last row, that of the clusters."""
    tables = class_tables(counts, centres)
    weights = np.zeros(tables.frequencies.shape[1])
    weights[: len(share)] = share
    rows = np.vstack([tables.frequencies, apportion(weights)])
    return Tables(np.append(tables.low, np.int32(0)), rows)


def _integers(values: F64) -> I32:
    return np.rint(np.clip(values, -MAX_MEAN, MAX_MEAN)).astype(np.int32)
