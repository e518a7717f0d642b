"""Anomaly scores of an image, compared with its decoded record.

Let x be the image, y its decoded record, v the residual variance of held-out normal images, and
m >= 1 the masking of a pixel, which is larger where y has edges or texture:

    residual   mean over the image of (x - y)² / 2vm, summed over channels      nats per pixel
    peak       mean of the largest values of the smoothed map of the same       nats per pixel
    structure  the same of the gradient dissimilarity of x and y                in [0, 1]
    rate       ideal code length of the codes                                   bits
    latent     mean of half the squared, standardised latents                   nats
               (of indices: mean squared distance to the codebook)

Edges and texture are never restored exactly, so a difference there means less than the same
difference on a plain surface: m is 1 plus the smoothed gradient magnitude of y over a constant. The
gradient dissimilarity is 1 - (2ab + c) / (a² + b² + c) of the gradient magnitudes a, b (Xue et al.,
"Gradient magnitude similarity deviation", 2014).

A bundle may have more: its candidates, of codec.detectors, of the maps above and of

    smoothed_residual    the residual of the smoothed difference x - y: defects that are wider than
                         noise and texture stand out


The fused value is the sum of the standardised scores that the manifest names. With weights w it is
the sum of w max(z, 0)² instead, where z are the standardised natural logarithms of the scores: what
sees nothing unusual adds nothing, and what is sure decides. The verdict is its conformal p-value
(codec.scores.conformal) against held-out normal images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.arrays import F32, F64, U8
from codec.bundle.manifest import ScoreSpec
from codec.bundle.npz import SCORE_NAMES
from codec.detectors.candidates import NATIVE_MAPS
from codec.scores.bands import bands
from codec.scores.candidate_scores import CandidateScores
from codec.scores.regions import Region
from codec.smoothing import smooth

# Chosen for the best separation of normal and defective circuit boards; see RESULTS.md.
MASKING_GRADIENT, MASKING_SIDE = 0.2, 9
GRADIENT_CONSTANT = 0.5
PEAK_PIXELS = 20
# Of the differences in smoothed_residual.
DIFFERENCE_WINDOW = 3
# One normal image in ten reaches the heat-map value that is drawn in full colour.
HEATMAP_QUANTILE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """The verdict on one image.

    `value` is the fused score, `p_value` lies in (0, 1], `scores` are the single scores by name,
    `heatmap [H, W]` is in nats per pixel, or in the units of codec.scores.candidate_scores if
    candidates make it. `regions` are the places where an anomalous image is so, the hottest first;
    other images have none.
    """

    value: float
    p_value: float
    anomalous: bool
    scores: dict[str, float]
    heatmap: F32
    record_bytes: int
    regions: tuple[Region, ...] = ()


def masking(y: F32) -> F32:
    """Masking m `[H, W]`, at least 1, from y `[C, H, W]`: larger at edges and in texture."""
    return _masking(_gradient(y))


def _masking(gradient: F32) -> F32:
    return np.asarray(1.0 + smooth(gradient, MASKING_SIDE) / MASKING_GRADIENT, np.float32)


def residual_map(difference: F32, variance: F32, m: F32) -> F32:
    """d² / 2vm summed over channels, `[H, W]` nats per pixel, from the difference d = x - y
    `[C, H, W]` and the masking m `[H, W]`; d may be smoothed.

    The term ln(2 pi vm) / 2 of the Gaussian is left out: on a plain surface it does not depend on
    the image.
    """
    return np.asarray((difference**2 / (2.0 * variance)).sum(0) / m, np.float32)


def gradient_dissimilarity(x: F32, y: F32) -> F32:
    """`[H, W]` in [0, 1] from x and y `[C, H, W]`, of the means of their channels."""
    return _dissimilarity(_gradient(x), _gradient(y))


def _dissimilarity(a: F32, b: F32) -> F32:
    similarity = (2 * a * b + GRADIENT_CONSTANT) / (a**2 + b**2 + GRADIENT_CONSTANT)
    return np.asarray(1.0 - similarity, np.float32)


def _gradient(image: F32) -> F32:
    """Gradient magnitude `[H, W]` of the mean of the channels `[C, H, W]`, edges repeated."""
    gray = image[0] if len(image) == 1 else image.mean(0)
    down, across = _differences(gray), _differences(gray.T).T
    # Faster than np.hypot, which guards against an overflow that cannot happen here.
    return np.asarray(np.sqrt(down * down + across * across), np.float32)


def _differences(lines: F32) -> F32:
    """The line after each one minus the line before it, `[n, m]`; faster than with np.pad."""
    differences = np.empty_like(lines)
    np.subtract(lines[2:], lines[:-2], out=differences[1:-1])
    differences[0] = lines[:2][-1] - lines[0]
    differences[-1] = lines[-1] - lines[-2:][0]
    return differences


def largest(image: F32) -> F32:
    """The PEAK_PIXELS largest values of an array, in no order."""
    flat = image.ravel()
    kept = min(PEAK_PIXELS, flat.size)
    # A copy, or the partitioned whole would be kept with it.
    return np.partition(flat, flat.size - kept)[flat.size - kept :].copy()


def peak(image: F32) -> float:
    """Mean of the PEAK_PIXELS largest values, which varies less than the maximum."""
    return float(largest(image).mean())


def latent_distance(z: F32, mean: F32, variance: F32) -> float:
    """Half the squared diagonal Mahalanobis distance of latents `[D, n]`, mean, nats."""
    return float((0.5 * (z - mean[:, None]) ** 2 / variance[:, None]).mean())


def single_scores(
    x: U8, y: F32, variance: F32, spec: ScoreSpec, candidates: CandidateScores | None = None
) -> tuple[dict[str, float], F32]:
    """The scores of the residual, by name, and the heat map `[H, W]`; candidates may make it.

    x is `[C, H, W]` uint8, y `[C, H, W]` in [0, 1], `variance` is `[C, H, W]` or `[C, 1, 1]`. Large
    images are computed in bands of rows, which changes the results by float rounding only.
    """
    _, height, width = y.shape
    drawn = None if candidates is None else candidates.heatmap
    heatmap = np.empty((height, width), np.float32) if drawn is None else drawn
    residual_sum, peaks, structures = 0.0, list[F32](), list[F32]()
    for rows, inner in bands(height, width, _margin(spec)):
        a = np.ascontiguousarray(x[:, rows], np.float32) / np.float32(255.0)
        b = y[:, rows]
        v, gradient = variance if variance.shape[1] == 1 else variance[:, rows], _gradient(b)
        m, difference = _masking(gradient), a - b
        residual = residual_map(difference, v, m)
        structure = _dissimilarity(_gradient(a), gradient)
        residual_sum += float(residual[inner].mean()) * residual[inner].size
        peaks.append(largest(smooth(residual, spec.peak_blur)[inner]))
        structures.append(largest(smooth(structure, spec.peak_blur)[inner]))
        if candidates is not None:
            candidates.add_rows("residual", residual, rows, inner)
            candidates.add_rows("structure", structure, rows, inner)
            if candidates.use("smoothed_residual"):
                smoothed = residual_map(smooth(difference, DIFFERENCE_WINDOW), v, m)
                candidates.add_rows("smoothed_residual", smoothed, rows, inner)
        if drawn is None:
            heatmap[rows][inner] = smooth(residual, spec.blur)[inner]
    scores = {
        "residual": residual_sum / heatmap.size,
        "peak": _mean_of_largest(peaks),
        "structure": _mean_of_largest(structures),
    }
    return scores, heatmap


def _margin(spec: ScoreSpec) -> int:
    """Rows beyond a band that its values depend on."""
    windows = [one.window for one in spec.candidates if one.map in NATIVE_MAPS]
    # A gradient reaches one pixel; a smoothing, half of its window, twice. The masking reaches
    # farther than the smoothing of a difference.
    return 1 + 2 * (MASKING_SIDE // 2) + 2 * (max(spec.blur, spec.peak_blur, *windows) // 2)


def _mean_of_largest(bands: Sequence[F32]) -> float:
    """The peak of an image from the largest values of its bands."""
    return float(bands[0].mean()) if len(bands) == 1 else peak(np.concatenate(bands))


def fuse(
    scores: Sequence[float] | F64,
    mean: F64,
    std: F64,
    names: Sequence[str],
    order: Sequence[str] = SCORE_NAMES,
    weight: F64 | None = None,
) -> float:
    """Sum of the standardised scores in `names`, or of their weighted squares.

    `scores`, `mean`, `std` and `weight` are in this order; with weights, the second and the third
    are of `logarithms`.
    """
    values = np.asarray(scores, np.float64)
    z = ((values if weight is None else logarithms(values)) - mean) / std
    if weight is not None:
        z = weight * np.square(np.maximum(z, 0.0))
    return float(sum(z[order.index(name)] for name in names))


def logarithms(scores: F64) -> F64:
    """Natural logarithms of scores `[..., S]` in the order of `score_names`, at least ln 1e-12.

    Candidates are logarithms already; they follow SCORE_NAMES.
    """
    own = len(SCORE_NAMES)
    logs = np.log(np.maximum(scores[..., :own], 1e-12))
    return np.concatenate([logs, scores[..., own:]], axis=-1)


def calibrate(
    table: F64, names: Sequence[str], maxima: F64, order: Sequence[str] = SCORE_NAMES
) -> tuple[F64, F64, F64, F64]:
    """Score mean, score deviation, ascending fused values and heatmap_vmax of normal images.

    `table [n, S]` holds their single scores in this order, `maxima [n]` those of their heat maps,
    and `names` are the scores to fuse.
    """
    mean = table.mean(0)
    std = np.maximum(table.std(0), 1e-9 + 1e-6 * np.abs(mean))
    fused = np.sort([fuse(scores, mean, std, names, order) for scores in table])
    return mean, std, fused, np.quantile(maxima, [HEATMAP_QUANTILE])
