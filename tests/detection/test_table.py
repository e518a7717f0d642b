"""The table of all sets and methods."""

from typing import Any

import pytest

from detection import ours, table


def verdict(rate: float, alarms: int, found: int) -> dict[str, Any]:
    return {"rate": rate, "alarms": alarms, "found": found}


def own(image: float, pixel: float, at: dict[str, Any] | None = None) -> dict[str, Any]:
    default = verdict(0.02, 1, 30)
    facts = {"image": image, "pixel": pixel, "minutes": 30.0, "normal": 50, "defects": 60}
    return {**facts, "default": default, "at 0.05": at}


BASELINES = {
    "PCA": [{"image": 0.80, "pixel": 0.95, "minutes": 0.1}] * 2,
    "1-NN": [{"image": 0.85, "pixel": None, "minutes": 0.1}] * 2,
}


def test_the_best_baseline_is_that_of_the_highest_mean() -> None:
    assert table.best_baseline(BASELINES, "image") == ("1-NN", pytest.approx(0.85))
    assert table.best_baseline(BASELINES, "pixel") == ("PCA", pytest.approx(0.95))
    assert table.best_baseline({"ours": [own(0.9, 0.9)]}, "image") is None


@pytest.mark.parametrize(
    ("image", "pixel", "expected"),
    [(0.9, 0.96, []), (0.841, 0.941, []), (0.83, 0.96, ["image"]), (0.9, 0.93, ["pixel"])],
)
def test_ours_is_behind_by_more_than_a_hundredth(
    image: float, pixel: float, expected: list[str]
) -> None:
    methods = {"ours": [own(image, pixel), own(image, pixel)], **BASELINES}
    assert table.behind(methods) == expected
    text = table.markdown({"toy": methods})
    (row,) = (line for line in text.splitlines() if line.startswith("| toy | ours"))
    assert row.count(table.BEHIND) == len(expected)


def test_figures_are_means_and_deviations_over_seeds() -> None:
    methods = {"ours": [own(0.8, 0.9), own(0.9, 0.9)]}
    facts = table.summary({"toy": methods})["toy"]["methods"]["ours"]
    assert facts["image"]["mean"] == pytest.approx(0.85)
    assert facts["image"]["deviation"] == pytest.approx(0.1 / 2**0.5)
    assert "| 0.850 ± 0.071 | 0.900 |" in table.markdown({"toy": methods})


def test_verdicts_count_flagged_images_at_both_rates() -> None:
    seeds = [own(0.8, 0.9, verdict(0.05, 2, 40)), own(0.8, 0.9, verdict(0.05, 4, 44))]
    row = table.markdown({"toy": {"ours": seeds}}).splitlines()[2]
    assert "| 1.0 of 50 at 0.02 | 30.0 of 60 | 3.0 ± 1.4 of 50 | 42.0 ± 2.8 of 60 |" in row


def test_a_rate_that_a_calibration_does_not_support_is_a_dash() -> None:
    row = table.markdown({"toy": {"ours": [own(0.8, 0.9)]}}).splitlines()[2]
    assert row.endswith("| - | - |")


def test_the_best_baseline_is_in_bold_type() -> None:
    text = table.markdown({"toy": {"ours": [own(0.9, 0.9)], **BASELINES}})
    assert "| toy | 1-NN | **0.850** | - |" in text
    assert "| toy | PCA | 0.800 | **0.950** |" in text


def test_figures_of_ours_are_those_of_the_report() -> None:
    def counted(rate: float) -> dict[str, Any]:
        return {"false_alarm_rate": rate, "false_alarms": 3, "detections": 7, "realised_rate": 0.1}

    detection = {
        "image_auroc": {"fused": 0.9, "peak": 0.5},
        "pixel_auroc": 0.8,
        "normal_images": 10,
        "defect_images": 20,
        "fused": ["peak"],
        "verdicts": [counted(0.01), counted(0.05)],
    }
    found = ours.figures({"detection": detection})
    assert (found["image"], found["pixel"]) == (0.9, 0.8)
    assert found["at 0.05"] == {"rate": 0.05, "alarms": 3, "found": 7}
    detection["verdicts"] = [counted(0.1)]
    assert ours.figures({"detection": detection})["at 0.05"] is None
