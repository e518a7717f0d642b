"""The tables, from curves whose numbers are known."""

import pytest

from rate_distortion import accounts
from rate_distortion.measurement import SINGLE, Curve, Point, curve

SPLIT = 1000


def made(name: str, layout: int, factor: float, model: int = 0) -> Curve:
    psnrs = (20.0, 22.0, 24.0, 26.0, 28.0)
    points = [
        Point(f"q{i}", factor * 2**i, factor * 2**i - 1, psnr, psnr, model)
        for i, psnr in enumerate(psnrs)
    ]
    return curve(name, layout, SPLIT, points)


CURVES = [
    made("ours, a", SINGLE, 10, 50_000),
    made("ours, a", SPLIT, 9, 50_000),
    made("WebP", SINGLE, 60),
    made("WebP", SPLIT, 30),
    made("AVIF", SINGLE, 300),
    made("AVIF", SPLIT, 25),
]


def test_the_break_even_is_the_model_over_what_an_image_saves_against_the_best() -> None:
    rows = accounts.amortised(CURVES, [22.0], SPLIT)
    assert [(row.rival, row.own, row.rival_bytes) for row in rows] == [
        ("WebP", pytest.approx(20.0), pytest.approx(120.0)),
        ("AVIF", pytest.approx(18.0), pytest.approx(50.0)),
    ]
    assert [row.break_even for row in rows] == [pytest.approx(500.0), pytest.approx(1562.5)]
    assert rows[0].with_model[1000] == pytest.approx(70.0)


def test_a_codec_that_saves_nothing_never_breaks_even() -> None:
    rows = accounts.amortised([made("ours, a", SINGLE, 60, 5), made("WebP", SINGLE, 60)], [24.0], 9)
    assert [row.break_even for row in rows] == [None]


def test_a_row_tells_all_accountings_of_a_codec() -> None:
    row = next(r for r in accounts.at_targets(CURVES, [22.0], SPLIT) if r.codec == "ours, a")
    assert (row.single, row.payload) == (pytest.approx(20.0), pytest.approx(19.0))
    assert row.shared == {SPLIT: pytest.approx(18.0)}
    assert (row.nearest_setting, row.nearest_psnr, row.over) == ("q1", 22.0, False)


def test_a_codec_that_cannot_go_so_low_is_marked() -> None:
    rows = accounts.at_targets(CURVES, [18.0], SPLIT)
    assert all(row.over and row.single == row.nearest_bytes for row in rows)


def test_ours_are_compared_with_each_rival_in_the_same_layout_and_never_with_themselves() -> None:
    rows = accounts.compared(CURVES, 784, photographs=False)
    assert [(row.account, row.anchor) for row in rows] == [
        ("A", "WebP"),
        ("B", "WebP"),
        ("A", "AVIF"),
        ("B", "AVIF"),
        (f"C, {SPLIT} in a file", "WebP"),
        (f"C, {SPLIT} in a file", "AVIF"),
    ]
    assert rows[0].by_psnr is not None
    assert rows[0].by_psnr.percent == pytest.approx(-100 * 50 / 60)


def test_pca_is_an_anchor_of_ours_and_not_the_other_way_round() -> None:
    rows = accounts.compared([made("PCA", SINGLE, 20, 9), CURVES[0]], 784, photographs=False)
    assert {(row.codec, row.anchor) for row in rows} == {("ours, a", "PCA")}


def test_curves_of_other_images_are_not_compared() -> None:
    other = Curve("WebP", SINGLE, 7, CURVES[2].points)
    assert accounts.compared([CURVES[0], other], 784, photographs=False) == []


def test_photographs_are_compared_between_a_tenth_and_half_a_bit_per_pixel() -> None:
    pixels = 8 * 100  # so that a byte is a hundredth of a bit per pixel
    rows = accounts.compared(
        [made("ours, a", SINGLE, 4, 9), made("WebP", SINGLE, 5)], pixels, photographs=True
    )
    found = rows[0].by_psnr
    assert found is not None
    # 0.1 bpp is 10 bytes, 0.5 bpp 50; the anchor is at 5 * 2 ** ((psnr - 20) / 2) bytes.
    assert found.low == pytest.approx(20 + 2 * 1.32193, abs=1e-4)
    assert found.high == pytest.approx(20 + 2 * 3.32193, abs=1e-4)
    assert found.percent == pytest.approx(-20.0, abs=0.1)
