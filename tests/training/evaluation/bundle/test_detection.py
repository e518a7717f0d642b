import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import InvalidInput
from codec.scores.scores import p_value
from training.evaluation.bundle import detection


def test_flagged_images_are_counted_as_false_alarms_or_detections():
    p = np.array([0.01, 0.2, 0.05, 0.6, 0.01])
    defect = np.array([False, False, True, True, True])
    found = detection.verdicts(p, defect, 0.05)
    assert (found.false_alarms, found.detections) == (1, 2)
    assert found.realised_rate == 0.5
    assert found.detection_rate == pytest.approx(2 / 3)


def test_without_defects_there_is_no_detection_rate():
    found = detection.verdicts(np.array([0.01]), np.array([False]), 0.05)
    assert found.detection_rate is None
    assert found.realised_rate == 1.0


@given(
    st.lists(st.integers(0, 30), min_size=9, max_size=40),
    st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.9]),
    st.integers(-1, 31),
)
def test_the_threshold_agrees_with_the_p_value(calibration, rate, value):
    ascending = np.sort(np.array(calibration, np.float64))
    flagged = p_value(float(value), ascending) <= rate + 1e-12
    assert (value > detection.threshold(ascending, rate)) == flagged


def test_a_rate_that_the_calibration_cannot_support_has_no_threshold():
    with pytest.raises(InvalidInput, match="needs 99 calibration images, the model has 9"):
        detection.threshold(np.arange(9.0), 0.01)
