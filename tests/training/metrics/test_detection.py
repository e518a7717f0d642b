import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from training.metrics import detection as metrics

LABELLED = st.lists(st.tuples(st.integers(-3, 4), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: len({defect for _, defect in pairs}) == 2
)


def counted(pairs):
    scores, defect = np.array([s for s, _ in pairs]), np.array([d for _, d in pairs])
    return scores, defect, *metrics.count_scores(scores, defect)


@given(LABELLED)
def test_auroc_of_counts_is_that_of_scikit_learn_ties_included(pairs):
    scores, defect, _, counts = counted(pairs)
    assert metrics.auroc_of_counts(counts) == pytest.approx(roc_auc_score(defect, scores))


@given(LABELLED)
def test_average_precision_is_that_of_scikit_learn_ties_included(pairs):
    scores, defect, _, counts = counted(pairs)
    expected = average_precision_score(defect, scores)
    assert metrics.average_precision(counts) == pytest.approx(expected)


@given(LABELLED)
def test_best_f1_is_the_largest_on_the_curve_of_scikit_learn(pairs):
    scores, defect, values, counts = counted(pairs)
    precision, recall, thresholds = precision_recall_curve(defect, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    found, place = metrics.best_f1(counts)
    assert found == pytest.approx(f1.max())
    # Of the thresholds that have it, the lowest.
    assert values[place] == thresholds[np.flatnonzero(f1[:-1] >= f1.max() - 1e-12)[0]]


def test_the_threshold_of_the_best_f1_flags_what_the_figure_says():
    scores, defect = np.array([1.0, 2, 3, 4, 5, 6]), np.array([0, 0, 1, 0, 1, 1], np.bool_)
    values, counts = metrics.count_scores(scores, defect)
    f1, place = metrics.best_f1(counts)
    assert (f1, values[place]) == (pytest.approx(6 / 7), 3.0)


@pytest.mark.parametrize("defect", [[False, False], []])
def test_without_defects_no_metric_has_a_value(defect):
    _, counts = metrics.count_scores(np.arange(len(defect)), defect)
    assert np.isnan(metrics.auroc_of_counts(counts))
    assert np.isnan(metrics.average_precision(counts))
    assert np.isnan(metrics.best_f1(counts)[0])


@given(st.integers(0, 400), st.integers(1, 400), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_is_that_of_scipy(hits, total, confidence):
    hits = min(hits, total)
    expected = binomtest(hits, total).proportion_ci(confidence, "exact")
    found = metrics.clopper_pearson(hits, total, confidence)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_interval_holds_for_many_trials_and_says_nothing_without_one():
    expected = binomtest(568, 10_000).proportion_ci(0.95, "exact")
    found = metrics.clopper_pearson(568, 10_000)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert metrics.clopper_pearson(0, 0) == (0.0, 1.0)
    assert metrics.clopper_pearson(0, 20)[0] == 0.0
    assert metrics.clopper_pearson(20, 20)[1] == 1.0
