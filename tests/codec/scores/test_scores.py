"""Scores against independent references, and the promise of the p-value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import mahalanobis
from scipy.stats import norm

from codec.bundle.manifest import ScoreSpec
from codec.bundle.npz import SCORE_NAMES, Calibration
from codec.errors import BundleError, InvalidInput
from codec.scores import conformal
from codec.scores import scores as formulas
from codec.smoothing import smooth


def pair(channels: int = 1, height: int = 20, width: int = 31) -> tuple[np.ndarray, np.ndarray]:
    """Two random images `[C, H, W]` in [0, 1]."""
    rng = np.random.default_rng(4)
    return rng.random((2, channels, height, width), dtype=np.float32)  # type: ignore[return-value]


def levels(channels: int = 1, height: int = 20, width: int = 31) -> np.ndarray:
    """A random image, uint8 `[C, H, W]`."""
    return np.random.default_rng(5).integers(0, 256, (channels, height, width), np.uint8)


def test_the_residual_is_the_gaussian_exponent_in_nats() -> None:
    x, y = pair(3)
    variance = np.float32([[[0.01]], [[0.02]], [[0.05]]])
    sigma = np.sqrt(variance)
    expected = -(norm.logpdf(x, y, sigma) - norm.logpdf(y, y, sigma)).sum(0) / formulas.masking(y)
    found = formulas.residual_map(x - y, variance, formulas.masking(y))
    assert np.allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("side", [1, 3, 9, 21])
def test_smoothing_is_two_box_filters(side: int) -> None:
    image = pair()[0][0]
    expected = image.astype(np.float64)
    for axis in (0, 1, 0, 1):
        expected = ndimage.uniform_filter1d(expected, side, axis=axis, mode="nearest")
    assert np.allclose(smooth(image, side), expected, atol=1e-6)


@pytest.mark.parametrize("side", [3, 7, 13])
def test_smoothing_a_part_with_its_margins_gives_the_same_values(side: int) -> None:
    image, margin = pair(height=60)[0][0], 2 * (side // 2)
    part = smooth(image[20 - margin : 30 + margin], side)[margin:-margin]
    assert (part == smooth(image, side)[20:30]).all()


def test_equal_images_have_no_gradient_dissimilarity() -> None:
    x, _ = pair()
    assert np.abs(formulas.gradient_dissimilarity(x, x)).max() < 1e-6


def test_a_lost_edge_is_dissimilar_where_it_was() -> None:
    x = np.zeros((1, 24, 24), np.float32)
    x[:, :, 12:] = 1.0
    columns = formulas.gradient_dissimilarity(x, np.full_like(x, 0.5)).mean(0)
    assert columns[11:13].min() > 0.6
    assert columns[:6].max() < 1e-6


def test_a_residual_counts_less_in_a_busy_place_than_in_a_plain_one() -> None:
    y = np.full((1, 40, 40), 0.5, np.float32)
    y[:, :, 20::2] = 1.0
    y[:, :, 21::4] = 0.0
    masking = formulas.masking(y)
    assert np.abs(masking[:, :10] - 1).max() < 1e-6
    assert masking[:, 30:].min() > 2


def test_the_peak_is_the_mean_of_the_largest_values() -> None:
    image = pair()[0][0]
    assert np.isclose(formulas.peak(image), np.sort(image.ravel())[-20:].mean())
    assert formulas.peak(np.ones((2, 3), np.float32)) == 1.0


def test_the_latent_distance_is_the_squared_mahalanobis_distance() -> None:
    rng = np.random.default_rng(0)
    z, mean = rng.normal(size=(5, 1)), rng.normal(size=5)
    variance = rng.uniform(0.5, 2, 5)
    expected = mahalanobis(z[:, 0], mean, np.diag(1 / variance)) ** 2 / 2 / 5
    assert np.isclose(formulas.latent_distance(z, mean, variance), expected)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=50), st.integers(-1, 21))
def test_the_p_value_counts_the_normal_scores_at_least_as_large(
    normal: list[int], score: int
) -> None:
    p = conformal.p_value(score, np.sort(np.array(normal, np.float64)))
    assert p == (1 + sum(s >= score for s in normal)) / (len(normal) + 1)


def test_normal_images_are_flagged_no_more_often_than_asked() -> None:
    rng = np.random.default_rng(1)
    flags = []
    for _ in range(2000):
        calibration = np.sort(rng.normal(size=99))
        flags.append(conformal.p_value(rng.normal(), calibration) <= 0.05)
    assert np.mean(flags) == pytest.approx(0.05, abs=0.015)


def test_a_rate_below_the_smallest_p_value_is_refused_with_the_number_needed() -> None:
    assert conformal.check_false_alarm_rate(0.01, 99) == 0.01
    with pytest.raises(InvalidInput, match="needs 999 calibration images, the model has 99"):
        conformal.check_false_alarm_rate(0.001, 99)
    for tiny in (1e-300, 5e-324):
        with pytest.raises(InvalidInput, match=r"needs more than 10\^15 calibration images"):
            conformal.check_false_alarm_rate(tiny, 99)


def test_calibration_standardises_the_normal_scores() -> None:
    table = np.random.default_rng(2).normal(3, 2, (400, len(SCORE_NAMES)))
    mean, std, fused, scale = formulas.calibrate(table, ("peak", "rate"), np.arange(400.0))
    assert abs(fused.mean()) < 1e-9
    assert (np.diff(fused) >= 0).all()
    assert scale[0] == pytest.approx(359.1)
    expected = ((table - table.mean(0)) / table.std(0))[:, [1, 3]].sum(1)
    assert np.allclose(np.sort(expected), fused)
    assert np.isclose(formulas.fuse(table[0], mean, std, ("peak", "rate")), expected[0])


def test_weighted_scores_count_only_above_the_mean_and_by_their_squares() -> None:
    names = (*SCORE_NAMES, "cells4-mean")
    mean, std = np.array([0, 1, 0, 0, 2, -1.0]), np.array([1, 1, 1, 1, 0.5, 2.0])
    weight = np.array([0, 0, 0, 1, 0.25, 0.5])
    scores = [9, 9, 9, np.exp(2), np.exp(3.5), 5]  # candidates are logarithms already
    value = formulas.fuse(scores, mean, std, ("rate", "latent", "cells4-mean"), names, weight)
    assert value == pytest.approx(1 * 2**2 + 0.25 * 3**2 + 0.5 * 3**2)
    scores = [9, 9, 9, np.exp(-2), 0, -5]
    assert formulas.fuse(scores, mean, std, ("rate", "latent", "cells4-mean"), names, weight) == 0
    assert formulas.fuse(scores, mean, std, names, names, 0 * weight) == 0


def test_the_single_scores_lack_only_those_of_the_codes() -> None:
    x, y = levels(), pair()[1]
    scores, heatmap = formulas.single_scores(x, y, np.float32([[[0.1]]]), ScoreSpec())
    assert scores.keys() == set(SCORE_NAMES) - {"rate", "latent"}
    assert heatmap.shape == x.shape[1:]


def test_an_image_up_to_the_limit_is_scored_by_the_plain_formulas() -> None:
    x, y = levels(3), pair(3)[1]
    variance, spec = np.full((3, 1, 1), 0.1, np.float32), ScoreSpec()
    pixels = x.astype(np.float32) / np.float32(255)
    residual = formulas.residual_map(pixels - y, variance, formulas.masking(y))
    dissimilarity = formulas.gradient_dissimilarity(pixels, y)
    scores, heatmap = formulas.single_scores(x, y, variance, spec)
    assert scores == {
        "residual": float(residual.mean()),
        "peak": formulas.peak(smooth(residual, spec.peak_blur)),
        "structure": formulas.peak(smooth(dissimilarity, spec.peak_blur)),
    }
    assert (heatmap == smooth(residual, spec.blur)).all()


@pytest.mark.parametrize("pixels", [1, 200, 31 * 7, 31 * 40])
@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize("blurs", [(13, 3), (1, 9)])
def test_an_image_in_bands_has_the_scores_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, pixels: int, registered: bool, blurs: tuple[int, int]
) -> None:
    """Apart from the rounding of sums, wherever the bands begin and end."""
    x, y = levels(3, 90), pair(3, 90)[1]
    x[:, 40, 5] = 255 - x[:, 40, 5]
    shape = x.shape if registered else (3, 1, 1)
    variance = np.random.default_rng(1).uniform(0.01, 0.1, shape).astype(np.float32)
    spec = ScoreSpec(blur=blurs[0], peak_blur=blurs[1])
    whole, whole_heatmap = formulas.single_scores(x, y, variance, spec)
    monkeypatch.setattr("codec.scores.bands.MAX_WHOLE_PIXELS", 1000)
    monkeypatch.setattr("codec.scores.bands.BAND_PIXELS", pixels)
    scores, heatmap = formulas.single_scores(x, y, variance, spec)
    assert scores == pytest.approx(whole, rel=1e-6)
    np.testing.assert_allclose(heatmap, whole_heatmap, rtol=1e-6)


@pytest.mark.parametrize("damage", ["missing", "nan", "integers"])
def test_a_damaged_calibration_is_refused(damage: str) -> None:
    arrays = {
        "residual_variance": np.ones((1, 1, 1), np.float32),
        "latent_mean": np.zeros(4, np.float32),
        "latent_variance": np.ones(4, np.float32),
        "score_mean": np.zeros(5),
        "score_std": np.ones(5),
        "fused": np.zeros(9),
        "heat_scale": np.ones(1),
    }
    Calibration.from_arrays(arrays)
    if damage == "missing":
        del arrays["fused"]
    else:
        arrays["fused"] = np.full(9, np.nan) if damage == "nan" else np.zeros(9, np.int64)
    with pytest.raises(BundleError):
        Calibration.from_arrays(arrays)
