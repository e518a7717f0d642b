"""Which scores are fused, from figures alone."""

import pytest

from exporter.fit.choice import choose

KINDS = {
    "cells4-peak1": "cells",
    "cells8-mean": "cells",
    "cells8-normalised-peak1": "cells",
    "residual-peak3": "residual",
    "rate": "rate",
}


def figures(**means):
    return {
        name.replace("_", "-"): {"a": mean + 0.1, "b": mean - 0.1} for name, mean in means.items()
    }


def test_of_each_kind_the_best_is_weighted_by_its_squared_share_of_what_can_be_seen():
    table = figures(cells4_peak1=0.7, cells8_mean=0.6, cells8_normalised_peak1=0.9, rate=0.72)
    assert choose(table, KINDS) == pytest.approx(
        {"cells8-normalised-peak1": 1.0, "rate": ((0.32 / 0.5) ** 2 + (0.12 / 0.3) ** 2) / 2}
    )


def test_what_is_best_for_one_group_counts_although_its_mean_is_low():
    table = {"residual-peak3": {"a": 0.9, "b": 0.5}, "rate": {"a": 0.5, "b": 0.6}}
    assert choose(table, KINDS) == {"residual-peak3": 1.0, "rate": 1.0}


def test_a_group_in_which_no_score_sees_anything_counts_little():
    table = {"residual-peak3": {"a": 0.9, "b": 0.5}, "rate": {"a": 0.6, "b": 0.505}}
    weights = choose(table, KINDS)
    assert weights == {"residual-peak3": 1.0}


def test_weak_scores_are_left_out():
    table = figures(cells4_peak1=0.9, residual_peak3=0.62, rate=0.3)
    assert choose(table, KINDS) == {"cells4-peak1": 1.0}
    strong = choose(figures(cells4_peak1=0.9, residual_peak3=0.68), KINDS)
    assert set(strong) == {"cells4-peak1", "residual-peak3"}


def test_without_any_score_above_chance_the_best_alone_decides():
    none = {"rate": {"a": 0.4, "b": 0.3}, "residual-peak3": {"a": 0.45, "b": 0.5}}
    assert choose(none, KINDS) == {"residual-peak3": 1.0}
    assert choose({"rate": {"a": 0.5}}, KINDS) == {"rate": 1.0}


def test_a_score_that_improves_does_not_lose_weight():
    base = figures(cells4_peak1=0.9, residual_peak3=0.75)
    before = choose(base, KINDS)["residual-peak3"]
    base["residual-peak3"]["a"] += 0.05
    assert choose(base, KINDS)["residual-peak3"] > before
