"""Calibration of weighted scores, and its promise for new images."""

from __future__ import annotations

import numpy as np
import pytest

from codec.bundle.manifest import ScoreSpec
from codec.bundle.npz import SCORE_NAMES
from codec.detectors import Candidate
from codec.scores import scores as formulas
from codec.scores.conformal import p_value
from exporter.fit.weighted import calibrate_weighted, far_outside, leave_one_out

CANDIDATES = (Candidate(map="cells4"), Candidate(map="neighbours", statistic="mean"))
FUSED = ("rate", "cells4-peak1", "neighbours-mean")
SPEC = ScoreSpec(candidates=CANDIDATES, fused=FUSED)
NAMES = (*SCORE_NAMES, "cells4-peak1", "neighbours-mean")
WEIGHT = np.array([0, 0, 0, 0.5, 0, 1.0, 0.3])


def scores(rng, count):
    """Correlated scores of normal images; those of the record are above 0."""
    common = rng.normal(size=(count, 1))
    values = common + rng.standard_t(5, (count, len(NAMES)))
    values[:, :5] = np.exp(values[:, :5])
    return values


def test_the_mean_and_deviation_without_a_row_are_those_of_the_others():
    values = np.random.default_rng(0).normal(100, 0.5, (9, 4))
    mean, deviation = leave_one_out(values)
    for row in range(9):
        others = np.delete(values, row, 0)
        np.testing.assert_allclose(mean[row], others.mean(0))
        np.testing.assert_allclose(deviation[row], others.std(0))


def test_a_score_that_never_changes_is_no_division_by_zero():
    table = np.ones((20, len(NAMES)))
    _, deviation, fused = calibrate_weighted(table, SPEC, WEIGHT)
    assert (deviation > 0).all()
    np.testing.assert_array_equal(fused, 0)


def test_calibration_values_are_standardised_by_the_other_images():
    table = scores(np.random.default_rng(1), 30)
    mean, deviation, fused = calibrate_weighted(table, SPEC, WEIGHT)
    logs = formulas.logarithms(table)
    np.testing.assert_allclose(mean, logs.mean(0))
    np.testing.assert_allclose(deviation, logs.std(0))
    others = np.delete(logs, 4, 0)
    z = np.maximum((logs[4] - others.mean(0)) / others.std(0), 0)
    assert np.isclose(fused, (WEIGHT * z**2).sum()).any()
    assert (np.diff(fused) >= 0).all()


@pytest.mark.parametrize("count", [20, 60])
def test_the_false_alarm_rate_of_new_images_is_the_one_asked_for(count):
    """Over many calibrations; standardised with themselves, they would be flagged too often."""
    rng, flags = np.random.default_rng(2), []
    for _ in range(150):
        mean, deviation, fused = calibrate_weighted(scores(rng, count), SPEC, WEIGHT)
        for new in scores(rng, 40):
            value = formulas.fuse(new, mean, deviation, FUSED, NAMES, WEIGHT)
            flags.append(p_value(value, fused) <= 0.05)
    expected = np.floor(0.05 * (count + 1)) / (count + 1)
    assert np.mean(flags) == pytest.approx(expected, abs=0.012)


def test_images_whose_scores_are_mostly_far_outside_are_found():
    table = scores(np.random.default_rng(3), 60)
    assert far_outside(table, NAMES, FUSED) == []
    table[17, [3, 5]] = np.exp(20), 20
    table[40, 5] = 20  # one of three scores
    assert far_outside(table, NAMES, FUSED) == [17]
