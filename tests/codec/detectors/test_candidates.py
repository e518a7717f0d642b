"""Candidates: their names, what is refused, and how a map becomes a number."""

import math

import numpy as np
import pytest
from scipy import ndimage

from codec.detectors import Candidate, pooled
from codec.errors import BundleError


def test_names_say_what_a_candidate_is() -> None:
    assert Candidate(map="cells8", normalised=True, window=5).name == "cells8-normalised-peak5"
    assert Candidate(map="components60", statistic="mean").name == "components60-mean"
    assert Candidate(map="residual").name == "residual-peak1"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"map": "cells5"}, "map='cells5', expected a detector"),
        ({"map": "components0"}, "map='components0'"),
        ({"map": "neighbours4"}, "map='neighbours4'"),
        ({"map": ["cells4"]}, "map="),
        ({"map": "cells4", "window": 4}, r"window=4, expected an odd number in 1\.\.101"),
        ({"map": "cells4", "window": 103}, "window=103"),
        ({"map": "cells4", "window": "3"}, "window='3'"),
        ({"map": "cells4", "window": True}, "window=True"),
        ({"map": "cells4", "normalised": 1}, "normalised=1"),
        ({"map": "cells4", "statistic": "median"}, "statistic='median'"),
        ({"map": "cells4", "statistic": "mean", "window": 3}, "window=3 with statistic='mean'"),
    ],
)
def test_an_impossible_candidate_is_refused(fields, complaint):
    with pytest.raises(BundleError, match=complaint):
        Candidate(**fields)


def test_a_peak_is_the_largest_value_after_smoothing() -> None:
    values = np.random.default_rng(1).random((20, 30), dtype=np.float32)
    scale = np.random.default_rng(2).random((20, 30), dtype=np.float32) + np.float32(0.5)
    blurred = (values / scale).astype(np.float64)
    for axis in (0, 1, 0, 1):
        blurred = ndimage.uniform_filter1d(blurred, 5, axis=axis, mode="nearest")
    candidate = Candidate(map="cells4", normalised=True, window=5)
    assert pooled(values, candidate, scale) == pytest.approx(math.log(blurred.max()), abs=1e-5)


def test_a_mean_is_over_all_places() -> None:
    values = np.random.default_rng(1).random((20, 30), dtype=np.float32)
    found = pooled(values, Candidate(map="cells4", statistic="mean"))
    assert found == pytest.approx(math.log(values.astype(np.float64).mean()))


@pytest.mark.parametrize("statistic", ["peak", "mean"])
def test_an_empty_map_has_the_least_score(statistic) -> None:
    candidate = Candidate(map="cells4", statistic=statistic)
    assert pooled(np.zeros((3, 3), np.float32), candidate) == math.log(1e-12)
