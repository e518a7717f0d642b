import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from codec.errors import InvalidInput
from codec.scores.conformal import p_value
from training.evaluation.bundle import verdicts


def test_flagged_images_are_counted_as_false_alarms_or_detections():
    p = np.array([0.01, 0.2, 0.05, 0.6, 0.01])
    defect = np.array([False, False, True, True, True])
    found = verdicts.verdicts(p, defect, 0.05)
    assert (found.false_alarms, found.detections) == (1, 2)
    assert found.realised_rate == 0.5
    assert found.detection_rate == pytest.approx(2 / 3)


def test_without_defects_there_is_no_detection_rate():
    found = verdicts.verdicts(np.array([0.01]), np.array([False]), 0.05)
    assert found.detection_rate is None
    assert found.detection_interval is None
    assert found.realised_rate == 1.0


def test_without_normal_images_nothing_is_said_about_the_requested_rate():
    found = verdicts.verdicts(np.array([0.01]), np.array([True]), 0.05)
    assert found.realised_rate is None
    assert found.realised_interval is None
    assert found.rate_in_interval is None


@pytest.mark.parametrize(("alarms", "fits"), [(0, False), (2, True), (5, True), (13, False)])
def test_a_requested_rate_fits_if_it_lies_in_the_interval_of_the_realised_one(alarms, fits):
    p = np.where(np.arange(100) < alarms, 0.01, 0.5)
    found = verdicts.verdicts(p, np.zeros(100, np.bool_), 0.05)
    interval = binomtest(alarms, 100).proportion_ci(0.95, "exact")
    assert found.realised_interval == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert found.rate_in_interval is fits
    assert fits == (interval.low <= 0.05 <= interval.high)


@given(
    st.lists(st.integers(0, 30), min_size=9, max_size=40),
    st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.9]),
    st.integers(-1, 31),
)
def test_the_threshold_agrees_with_the_p_value(calibration, rate, value):
    ascending = np.sort(np.array(calibration, np.float64))
    flagged = p_value(float(value), ascending) <= rate + 1e-12
    assert (value > verdicts.threshold(ascending, rate)) == flagged


def test_a_rate_that_the_calibration_cannot_support_has_no_threshold():
    with pytest.raises(InvalidInput, match="needs 99 calibration images, the model has 9"):
        verdicts.threshold(np.arange(9.0), 0.01)
