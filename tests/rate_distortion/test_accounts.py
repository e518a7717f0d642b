"""The tables, from curves whose numbers are known."""

import pytest

from rate_distortion import accounts
from rate_distortion.measurement import Curve, Kind, Layout, Point, curve


def made(name: str, kind: Kind, layout: Layout, factor: float, model: int = 0) -> Curve:
    psnrs = (20.0, 22.0, 24.0, 26.0, 28.0)
    points = [
        Point(f"q{i}", factor * 2**i, factor * 2**i - 1, psnr, psnr, model)
        for i, psnr in enumerate(psnrs)
    ]
    return curve(name, kind, layout, points)


CURVES = [
    made("ours, a", "ours", "single", 10, 50_000),
    made("ours, a", "ours", "together", 9, 50_000),
    made("WebP", "classical", "single", 60),
    made("WebP", "classical", "together", 30),
    made("AVIF", "classical", "single", 300),
    made("AVIF", "classical", "together", 25),
]


def test_the_break_even_is_the_model_over_what_an_image_saves_against_the_best() -> None:
    rows = accounts.amortised(CURVES, [22.0])
    assert [(row.account, row.rival, row.own, row.rival_bytes) for row in rows] == [
        ("A", "WebP", pytest.approx(20.0), pytest.approx(120.0)),
        ("C", "AVIF", pytest.approx(18.0), pytest.approx(50.0)),
    ]
    assert [row.break_even for row in rows] == [pytest.approx(500.0), pytest.approx(1562.5)]


def test_a_codec_that_saves_nothing_never_breaks_even() -> None:
    found = [
        made("ours, a", "ours", "single", 60, 5),
        made("WebP", "classical", "single", 60),
    ]
    assert [row.break_even for row in accounts.amortised(found, [24.0])] == [None]


def test_a_row_has_all_accountings_of_a_codec() -> None:
    row = next(r for r in accounts.at_targets(CURVES, [22.0]) if r.codec == "ours, a")
    assert row.found == {
        "A": pytest.approx(20.0),
        "B": pytest.approx(19.0),
        "C": pytest.approx(18.0),
        "D 10k": pytest.approx(18.0 + 5.0),
        "D 1M": pytest.approx(18.0 + 0.05),
    }
    assert (row.near.setting, row.near.psnr, row.over) == ("q1", 22.0, ())


def test_a_codec_without_a_model_costs_the_same_for_any_number_of_images() -> None:
    row = next(r for r in accounts.at_targets(CURVES, [24.0]) if r.codec == "AVIF")
    assert row.found["C"] == row.found["D 10k"] == row.found["D 1M"] == pytest.approx(100.0)


def test_a_codec_above_the_target_at_its_lowest_quality_is_marked() -> None:
    for row in accounts.at_targets(CURVES, [18.0]):
        assert set(row.over) == {"A", "B", "C", "D 10k", "D 1M"}
        assert row.found["A"] == row.near.stored


def test_a_codec_that_does_not_reach_the_target_has_no_bytes() -> None:
    assert {cost for row in accounts.at_targets(CURVES, [29.0]) for cost in row.found.values()} == {
        None
    }


def test_ours_are_compared_with_each_rival_in_every_accounting_and_never_with_themselves() -> None:
    rows = accounts.compared(CURVES, None)
    own = [(row.account, row.anchor) for row in rows if row.codec == "ours, a"]
    names = [account.name for account in accounts.ACCOUNTS]
    assert own == [(name, anchor) for name in names for anchor in ("WebP", "AVIF")]
    assert [row.anchor for row in rows if row.codec == "AVIF"] == ["WebP"] * len(names)
    assert not [row for row in rows if row.codec == "WebP"]
    assert rows[0].by_psnr is not None
    assert rows[0].by_psnr.percent == pytest.approx(-100 * 50 / 60)


def test_pca_is_an_anchor_of_ours_and_not_the_other_way_round() -> None:
    rows = accounts.compared([made("PCA", "pca", "single", 20, 9), CURVES[0]], None)
    assert {(row.codec, row.anchor) for row in rows} == {("ours, a", "PCA")}


def test_the_one_model_is_compared_with_the_hull_of_the_many() -> None:
    many = made("many", "many", "single", 5)
    bent = Curve("many", "many", "single", (*many.points, Point("bad", 6, 5, 20.1, 20.1)))
    found = accounts.compared([CURVES[0], bent], None)[0]
    assert (found.codec, found.anchor) == ("ours, a", "many")
    assert found.by_psnr is not None
    assert found.by_psnr.percent == pytest.approx(100.0)


def test_photographs_are_compared_between_a_tenth_and_half_a_bit_per_pixel() -> None:
    pixels = 8 * 100  # so that a byte is a hundredth of a bit per pixel
    rows = accounts.compared(
        [made("ours, a", "ours", "single", 4, 9), made("WebP", "classical", "single", 5)], pixels
    )
    found = rows[0].by_psnr
    assert found is not None
    # 0.1 bpp is 10 bytes, 0.5 bpp 50; the anchor is at 5 * 2 ** ((psnr - 20) / 2) bytes.
    assert found.low == pytest.approx(20 + 2 * 1.32193, abs=1e-4)
    assert found.high == pytest.approx(20 + 2 * 3.32193, abs=1e-4)
    assert found.percent == pytest.approx(-20.0, abs=0.1)


def test_the_psnr_of_photographs_is_given_at_fixed_rates() -> None:
    found = accounts.psnr_at_rates([made("WebP", "classical", "single", 5)], 8 * 100)
    assert found == {
        "WebP": [pytest.approx(22.0), pytest.approx(24.64386), pytest.approx(26.64386)]
    }
