"""Which scores are fused, from figures alone."""

import pytest

from exporter.fit.choice import choose

FAMILIES = {
    "cells4-peak1": "cells4",
    "cells4-mean": "cells4",
    "cells4-normalised-peak1": "cells4-normalised",
    "residual-peak3": "residual",
    "rate": "rate",
}


def figures(**means):
    return {
        name.replace("_", "-"): {"a": mean + 0.1, "b": mean - 0.1} for name, mean in means.items()
    }


def test_of_each_family_the_best_is_weighted_by_its_square_above_chance():
    table = figures(cells4_peak1=0.7, cells4_mean=0.6, cells4_normalised_peak1=0.9, rate=0.72)
    assert choose(table, FAMILIES) == pytest.approx(
        {"cells4-normalised-peak1": 1.0, "rate": 0.55**2, "cells4-peak1": 0.25}
    )


def test_weak_scores_are_left_out():
    table = figures(cells4_peak1=0.9, residual_peak3=0.67, rate=0.3)
    assert choose(table, FAMILIES) == {"cells4-peak1": 1.0}
    assert set(choose(figures(cells4_peak1=0.9, residual_peak3=0.68), FAMILIES)) == {
        "cells4-peak1",
        "residual-peak3",
    }


def test_without_any_score_above_chance_the_best_alone_decides():
    assert choose(figures(rate=0.4, residual_peak3=0.45), FAMILIES) == {"residual-peak3": 1.0}
    assert choose(figures(rate=0.5), FAMILIES) == {"rate": 1.0}


def test_a_score_that_worsens_does_not_gain_weight():
    """The weight of a score rises with each of its figures."""
    base = figures(cells4_peak1=0.9, residual_peak3=0.75)
    before = choose(base, FAMILIES)["residual-peak3"]
    base["residual-peak3"]["a"] += 0.05
    assert choose(base, FAMILIES)["residual-peak3"] > before
