"""What a number of normal images guarantees, against scipy and simulations."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import beta

from codec.errors import InvalidInput
from codec.scores.conformal import check_false_alarm_rate, p_value
from codec.scores.guarantees import (
    effective_images,
    flagged_rank,
    images_for_bound,
    images_needed,
    rate_bound,
)

RATES = (0.05, 0.01, 0.001)


@given(st.floats(0.0005, 0.5))
def test_the_images_needed_are_the_fewest_that_the_rate_accepts(rate):
    needed = images_needed(rate)
    assert check_false_alarm_rate(rate, needed) == rate
    if needed > 1:
        with pytest.raises(InvalidInput):
            check_false_alarm_rate(rate, needed - 1)


@given(st.integers(1, 5000), st.floats(0.001, 0.5), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_bound_is_the_quantile_of_the_beta_distribution(n, rate, confidence):
    k = flagged_rank(n, rate)
    assume(1 <= k <= n)
    expected = beta.ppf(confidence, k, n + 1 - k)
    assert rate_bound(n, rate, confidence) == pytest.approx(expected, abs=1e-9)


def test_without_enough_images_nothing_is_flagged():
    assert flagged_rank(98, 0.01) == 0
    assert rate_bound(98, 0.01) == 0.0
    assert flagged_rank(99, 0.01) == 1


@given(st.integers(1, 400), st.sampled_from([0.3, 0.1, 0.05, 0.01]), st.integers(0, 2**32))
def test_the_rank_says_which_p_values_are_at_or_below_the_rate(n, rate, seed):
    scores = np.sort(np.random.default_rng(seed).normal(size=n))
    k = flagged_rank(n, rate)
    for value in (*scores, scores[-1] + 1):
        flagged = np.sum(scores >= value) < k
        assert flagged == (p_value(value, scores) <= rate + 1e-9)


@pytest.mark.parametrize("rate", RATES)
def test_more_images_bring_the_bound_closer_to_the_rate(rate):
    few, many = images_for_bound(rate, 2 * rate), images_for_bound(rate, 1.2 * rate)
    assert images_needed(rate) < few < many
    assert rate_bound(few, rate) <= 2 * rate < rate_bound(few - round(1 / rate), rate)


@pytest.mark.parametrize("n", [30, 200, 2000])
@pytest.mark.parametrize("rate", RATES)
def test_the_realised_rate_of_nineteen_in_twenty_calibrations_keeps_the_bound(n, rate):
    # Uniform scores: the share of normal images above a threshold is known.
    scores = np.sort(np.random.default_rng(0).random((4000, n)))
    k = flagged_rank(n, rate)
    realised = 1 - scores[:, n - k] if k else np.zeros(4000)
    kept = np.mean(realised <= rate_bound(n, rate))
    assert kept >= 0.94
    assert realised.mean() <= rate * 1.05


def test_independent_images_all_count():
    scores = np.random.default_rng(0).normal(size=3000)
    assert effective_images(scores) > 0.85 * 3000


@pytest.mark.parametrize("copies", [2, 10, 50])
def test_near_duplicates_count_once(copies):
    random = np.random.default_rng(0)
    scores = np.repeat(random.normal(size=400), copies) + random.normal(0, 0.05, 400 * copies)
    assert 250 < effective_images(scores) < 500


def test_a_slow_change_leaves_few_images():
    assert effective_images(np.linspace(0.0, 1.0, 1000)) < 10


@pytest.mark.parametrize("scores", [[], [1.0], [1.0, 2.0]])
def test_a_few_scores_count_as_they_are(scores):
    assert effective_images(np.array(scores)) == len(scores)


def test_equal_scores_say_as_much_as_one():
    assert effective_images(np.full(100, 5.0)) == 1.0
