"""What scores are ranked on, and how the maps of the heat map are chosen."""

from __future__ import annotations

import numpy as np
import pytest

from codec.detectors.statistics import SIDES
from exporter.fit.candidates import RECORD_MAPS, all_candidates
from exporter.fit.detectors import COMPONENTS, SMOOTHED_COMPONENTS
from exporter.fit.fused import sizes_note
from exporter.fit.heat_choice import grow
from exporter.fit.ranking import Drawings, copies_of, ranked_positions
from training.data.defects import RANKING_GROUPS


def pictures(count, seed):
    """Smooth ramps with noise, uint8 [16, 16, 1]."""
    rng = np.random.default_rng(seed)
    ramps = np.linspace(40, 200, 16)[:, None, None] * rng.uniform(0.8, 1.2, (count, 1, 1, 1))
    return list((ramps + rng.normal(0, 4, (count, 16, 16, 1))).clip(0, 255).astype(np.uint8))


def test_candidates_have_names_of_their_own_and_windows_that_fit():
    shapes = {"cells16": (7, 7), "cells8": (31, 31), "residual": (256, 256), "structure": None}
    found = all_candidates(shapes)
    names = [one.name for one in found]
    assert len(set(names)) == len(names)
    assert [name for name in names if name.startswith("cells16")] == [
        "cells16-peak1",
        "cells16-peak3",
        "cells16-mean",
        "cells16-normalised-peak1",
        "cells16-normalised-peak3",
        "cells16-normalised-mean",
    ]
    assert {"cells8-peak13", "residual-normalised-peak7", "structure-peak13"} <= set(names)
    assert not any(one.normalised for one in found if one.map == "structure")


def test_all_detectors_together_have_no_more_candidates_than_a_manifest_holds():
    grids = {f"components{k}": (64, 64) for k in COMPONENTS}
    grids |= {f"smoothed_components{k}": (64, 64) for k in SMOOTHED_COMPONENTS}
    grids |= {f"cells{side}": (31, 31) for side in SIDES}
    grids |= {"neighbours": (64, 64)}
    native = dict.fromkeys(RECORD_MAPS, (256, 256)) | {"segmenter": None}
    assert len(all_candidates(grids | native)) <= 128


def test_copies_are_drawn_alike_each_time_and_differ_from_each_other():
    images = pictures(20, 0)
    first, again = (Drawings(images, pictures(5, 1)) for _ in range(2))
    for group in RANKING_GROUPS:
        (a, mask), (b, _), (c, _) = (
            first.draw(group, 2),
            again.draw(group, 2),
            first.draw(group, 22),
        )
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
        np.testing.assert_array_equal((a != images[2]).any(2), mask)


@pytest.mark.parametrize(
    ("count", "side", "ranked", "copies"),
    [(20, 16, 20, 60), (100, 16, 100, 200), (5000, 16, 200, 200), (300, 1024, 20, 20)],
)
def test_the_work_is_bounded(count, side, ranked, copies):
    images = [np.zeros((side, side, 1), np.uint8)] * count
    positions = ranked_positions(images)
    assert len(positions) == len(set(positions)) == ranked
    assert copies_of([images[i] for i in positions]) == copies


def test_the_best_map_is_joined_by_the_best_of_other_kinds():
    rng = np.random.default_rng(0)
    mask = rng.random(4000) < 0.1
    noise = rng.normal(size=(4, 4000)).astype(np.float32)
    half = rng.random(4000) < 0.5
    values = {
        "cells8-peak1": 4 * (mask & half) + noise[1],
        "cells4-peak1": 3.9 * (mask & half) + noise[1],
        "neighbours-peak3": 2 * (mask & ~half) + noise[2],
        "residual-peak3": 0.3 * mask + 9 * noise[3],
    }
    chosen = grow({name: {"a": one} for name, one in values.items()}, {"a": mask})
    assert chosen == ["cells8-peak1", "neighbours-peak3"]


def test_no_more_than_three_maps_make_a_heat_map_and_one_at_least():
    mask = np.arange(100) < 10
    values = {
        f"{kind}-peak1": {"a": mask * 1.0} for kind in ("cells8", "neighbours", "residual", "x")
    }
    assert len(grow(values, {"a": mask})) == 3
    assert len(grow({"x-peak1": {"a": mask * 0.0}}, {"a": mask})) == 1
    assert len(grow(values, {"a": mask & False})) == 3


def test_images_of_several_sizes_are_a_line():
    images = [np.zeros((size, 40, 1), np.uint8) for size in (38, 40, 40)]
    assert sizes_note(images, sized=True) == (
        "images of 2 sizes: whole images are compared scaled to one size"
    )
    far = [*images, np.zeros((60, 40, 1), np.uint8)]
    assert sizes_note(far, sized=True) == "images of 3 sizes: no detector compares whole images"
    assert sizes_note(far, sized=False) == sizes_note(images[1:], sized=True) == ""
