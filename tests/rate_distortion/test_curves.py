"""Numbers from curves, against sums done by hand and a separate integral."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.interpolate import PchipInterpolator

from rate_distortion import curves
from rate_distortion.measurement import Curve, Measurement, Point, curve, psnr, summarise


def made(rates: list[float], psnrs: list[float], name: str = "x") -> Curve:
    points = [Point(str(r), r, r / 2, p, p + 1) for r, p in zip(rates, psnrs, strict=True)]
    return curve(name, "classical", "single", points)


STRAIGHT = made([10, 20, 40, 80, 160], [20, 22, 24, 26, 28])


def test_a_codec_of_half_the_bytes_at_every_psnr_differs_by_minus_fifty_per_cent() -> None:
    half = made([5, 10, 20, 40, 80], [20, 22, 24, 26, 28])
    found = curves.difference(STRAIGHT, half)
    assert found is not None
    assert found.percent == pytest.approx(-50.0)
    assert (found.low, found.high) == (20, 28)


def test_a_difference_is_the_mean_of_the_log_rates_over_the_common_psnrs() -> None:
    anchor = made([11, 17, 42, 90, 130, 300], [19.5, 21, 24.5, 27, 28, 31])
    test = made([9, 14, 30, 45, 80], [20.5, 22.5, 25.1, 26.6, 29.2])
    found = curves.difference(anchor, test)
    fits = [
        PchipInterpolator([p.psnr for p in c.points], np.log([p.stored for p in c.points]))
        for c in (test, anchor)
    ]
    area = quad(lambda x: float(fits[0](x) - fits[1](x)), 20.5, 29.2, limit=200)[0]
    assert found is not None
    assert found.percent == pytest.approx(100 * (np.exp(area / (29.2 - 20.5)) - 1), rel=1e-6)
    assert (found.low, found.high) == (20.5, 29.2)


def test_the_quality_can_be_the_mean_of_psnrs() -> None:
    other = made([5, 10, 20, 40, 80], [20, 22, 24, 26, 28])
    found = curves.difference(STRAIGHT, other, curves.mean_psnr)
    assert found is not None
    assert found.percent == pytest.approx(-50.0)
    assert (found.low, found.high) == (21, 29)


@pytest.mark.parametrize(
    "other",
    [
        made([5, 10, 20], [20, 24, 28]),
        made([5, 10, 20, 40], [27.6, 29, 30, 31]),
        made([5, 10, 20, 40], [29, 30, 31, 32]),
        made([5, 10, 9, 9.5], [20, 22, 24, 23]),
    ],
    ids=["three points", "little overlap", "no overlap", "three useful points"],
)
def test_there_is_no_difference_without_points_and_overlap(other: Curve) -> None:
    assert curves.difference(STRAIGHT, other) is None


def test_points_that_cost_more_and_give_less_are_not_used() -> None:
    bent = made([10, 25, 20, 40, 80, 160], [20, 21, 22, 24, 26, 28])
    assert [p.stored for p in curves.useful(bent.points)] == [10, 20, 40, 80, 160]


def test_bytes_between_points_are_linear_in_their_logarithm() -> None:
    assert curves.bytes_at(STRAIGHT, 23.0) == pytest.approx((20 * 40) ** 0.5)
    assert curves.bytes_at(STRAIGHT, 20.0) == pytest.approx(10)


def test_outside_a_curve_there_are_no_bytes() -> None:
    assert curves.bytes_at(STRAIGHT, 19.9) is None
    assert curves.bytes_at(STRAIGHT, 28.1) is None


def test_below_its_lowest_quality_a_codec_costs_its_lowest_bytes() -> None:
    assert curves.bytes_reaching(STRAIGHT, 15.0) == 10
    assert curves.bytes_reaching(STRAIGHT, 28.1) is None


def test_the_nearest_point_is_a_measured_one() -> None:
    assert curves.nearest(STRAIGHT, 22.9).stored == 20


def test_a_window_ends_at_its_rates_on_the_curve() -> None:
    cut = curves.window(STRAIGHT, 15, 100)
    rates = [p.stored for p in cut.points]
    assert rates == pytest.approx([15, 20, 40, 80, 100])
    assert cut.points[0].psnr == pytest.approx(20 + 2 * np.log2(1.5))
    assert cut.points[0].mean_psnr == pytest.approx(21 + 2 * np.log2(1.5))


def test_a_window_wider_than_the_curve_changes_nothing() -> None:
    assert curves.window(STRAIGHT, 1, 1000).points == STRAIGHT.points


def test_a_point_has_the_psnr_of_the_mean_error_and_the_mean_of_the_psnrs() -> None:
    found = Measurement(np.array([3.0, 5.0]), np.array([1.0, 2.0]), np.array([0.01, 0.0001]), 9)
    point = summarise("q", found)
    assert (point.stored, point.payload, point.model) == (4.0, 1.5, 9)
    assert point.psnr == pytest.approx(-10 * np.log10(0.00505))
    assert point.mean_psnr == pytest.approx(30.0)


def test_a_perfectly_restored_image_has_a_finite_psnr() -> None:
    assert psnr(0.0) == 120.0


def test_the_psnr_at_a_size_is_linear_in_log_bytes_and_ends_with_the_curve() -> None:
    assert curves.psnr_at(STRAIGHT, (20 * 40) ** 0.5) == pytest.approx(23.0)
    assert curves.psnr_at(STRAIGHT, 9.9) is None
    assert curves.psnr_at(STRAIGHT, 161) is None


def test_a_point_under_the_line_of_its_neighbours_is_not_on_the_hull() -> None:
    bent = made([10, 20, 40, 80], [20, 21.9, 24.1, 26])
    assert [p.stored for p in curves.hull(bent.points)] == [10, 40, 80]


@given(
    st.lists(st.tuples(st.floats(1, 1e4), st.floats(10, 50)), min_size=1, max_size=20, unique=True)
)
def test_no_point_lies_above_the_hull(pairs: list[tuple[float, float]]) -> None:
    points = [Point("", rate, rate, quality, quality) for rate, quality in pairs]
    kept = curves.hull(points)
    x, y = np.log([p.stored for p in kept]), [p.psnr for p in kept]
    assert max(points, key=lambda p: p.psnr).psnr == y[-1]
    for point in points:
        if np.log(point.stored) >= x[0]:
            assert point.psnr <= np.interp(np.log(point.stored), x, y) + 1e-6
