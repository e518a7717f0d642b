"""Scores chosen by drawn defects: ranking, heat map and calibration of a whole bundle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import betabinom

from codec import Codec, Scorer
from codec.bundle.bundle import load_bundle
from codec.bundle.npz import SCORE_NAMES, score_names
from codec.detectors import Detectors, pooled
from codec.graphs.onnx import open_graphs
from codec.images.boxes import Box
from exporter.export import write
from exporter.fit.bundle import fit_bundle
from exporter.fit.detectors import fit_detectors
from exporter.fit.fused import RANKING
from exporter.fit.ranking import PARTS, Drawings, rank
from training.data.defects import RANKING_GROUPS

pytestmark = pytest.mark.slow

SIDE = 16
WHOLE = ("components", "smoothed_components", "neighbours", "cells")


def registered(count, seed):
    """The same scene: a fixed pattern, evenly brighter or darker, with little noise."""
    rng = np.random.default_rng(seed)
    pattern = np.random.default_rng(99).uniform(60, 200, (SIDE // 2, SIDE // 2, 1))
    pattern = pattern.repeat(2, 0).repeat(2, 1)
    images = pattern * rng.uniform(0.95, 1.05, (count, 1, 1, 1))
    return list((images + rng.normal(0, 1, images.shape)).clip(0, 255).astype(np.uint8))


def texture(count, seed):
    """Black and white squares at any place: a part has one of a few looks, which a mean has not."""
    rng = np.random.default_rng(seed)
    squares = rng.choice([40, 210], (count, SIDE // 4, SIDE // 4))
    images = squares.repeat(4, 1).repeat(4, 2) + rng.normal(0, 1, (count, SIDE, SIDE))
    return list(images.clip(0, 255).astype(np.uint8)[..., None])


@pytest.fixture(scope="module")
def fitted(exported):
    """Gives the bundle of a random network with chosen scores, its graphs and the log."""
    kept = {}

    def get(images):
        if images not in kept:
            each, lines = exported("sigma_vae"), []
            bundle = fit_bundle(
                each.draft,
                each.graphs,
                images(60, 0),
                images(40, 1),
                target_psnr=None,
                registered=False,
                log=lines.append,
                choose_scores=True,
            )
            kept[images] = bundle, each.graphs, lines
        return kept[images]

    return get


def test_in_a_fixed_scene_what_knows_the_places_decides(fitted):
    bundle, _, lines = fitted(registered)
    best = bundle.manifest.provenance[RANKING]["scores"][0]
    assert best["weight"] == 1
    assert best["name"].startswith(WHOLE)
    assert np.mean(list(best["auroc"].values())) > 0.9
    assert bundle.manifest.score.fused[0] == best["name"]
    assert f"scores that decide: {', '.join(bundle.manifest.score.fused)}" in lines


def test_only_what_is_used_is_kept(fitted):
    bundle, _, _ = fitted(registered)
    score = bundle.manifest.score
    names = {one.name for one in score.candidates}
    assert names == {*score.fused, *score.heatmap} - set(SCORE_NAMES)
    native = {"residual", "smoothed_residual", "structure"}
    assert bundle.detectors.by_name.keys() == {one.map for one in score.candidates} - native
    divided = {one.map for one in score.candidates if one.normalised}
    assert bundle.detectors.scales.keys() == divided
    weight = dict(zip(score_names(score), bundle.calibration.score_weight, strict=True))
    assert {name for name, value in weight.items() if value} == set(score.fused)


@pytest.mark.parametrize("images", [registered, texture])
def test_a_written_bundle_gives_equal_scores(fitted, tmp_path, images):
    bundle, graphs, _ = fitted(images)
    write(tmp_path / "new", bundle, graphs, images(6, 2))
    loaded = load_bundle(tmp_path / "new")
    pictures = images(20, 3)
    before = Scorer(Codec(bundle, graphs)).score(pictures)
    after = Scorer(Codec(loaded, open_graphs(loaded, "cpu"))).score(pictures)
    assert [one.value for one in before] == [one.value for one in after]
    assert [one.scores for one in before] == [one.scores for one in after]
    np.testing.assert_array_equal([a.heatmap for a in before], [b.heatmap for b in after])


@pytest.mark.parametrize("images", [registered, texture])
def test_new_normal_images_are_flagged_as_rarely_as_asked(fitted, images):
    """The count is beta-binomial, since one calibration has its own rate."""
    bundle, graphs, _ = fitted(images)
    scores = Scorer(Codec(bundle, graphs)).score(images(300, 4), 0.1)
    places = int(0.1 * 41)
    bound = betabinom.ppf(0.999, 300, places, 41 - places)
    assert sum(score.anomalous for score in scores) <= bound


def test_defects_are_found_and_shown(fitted):
    bundle, graphs, _ = fitted(registered)
    images = registered(30, 5)
    for image in images:
        image[4:8, 8:12] = 255 - image[4:8, 8:12]
    scores = Scorer(Codec(bundle, graphs)).score(images, 0.1)
    assert np.mean([score.anomalous for score in scores]) > 0.9
    heat = np.mean([score.heatmap for score in scores], 0)
    assert heat[4:8, 8:12].mean() > 3 * np.delete(heat, np.s_[2:10], 0).mean()
    hottest = [score.regions[0] for score in scores if score.anomalous]
    defect = Box(4, 8, 4, 4)
    assert np.mean([region.box.overlaps(defect) for region in hottest]) > 0.9


def test_the_card_has_the_figures_of_drawn_defects(fitted, tmp_path):
    bundle, graphs, _ = fitted(registered)
    write(tmp_path / "new", bundle, graphs, registered(6, 2))
    card = load_bundle(tmp_path / "new").card
    assert "These defects are drawn, not real" in card
    groups = sorted(RANKING_GROUPS)
    assert f"| score | {' | '.join(groups)} | weight in the verdict | heat map |" in card
    for one in bundle.manifest.provenance[RANKING]["scores"]:
        figures = " | ".join(f"{one['auroc'][group]:.3f}" for group in groups)
        assert f"| {one['name']} | {figures} |" in card


def test_an_image_and_its_copies_are_normalised_without_the_image(exported):
    each, images = exported("sigma_vae"), registered(25, 6)
    found = Detectors(fit_detectors(registered(30, 7), each.draft.manifest.input))
    bundle = replace(each.draft, detectors=found)
    bundle = replace(fitted_tables(bundle, each.graphs), detectors=found)
    drawings = Drawings(images, registered(30, 7))
    ranking = rank(bundle, each.graphs, images, drawings)
    name = "neighbours-normalised-peak3"
    candidate = next(one for one in ranking.candidates if one.name == name)

    def values(image):
        return found.maps(image, ["neighbours"])["neighbours"]

    others = [values(image) for i, image in enumerate(images) if i % PARTS != 3 % PARTS]
    mean = np.mean(others, axis=0, dtype=np.float64)
    scale = (mean + 0.2 * mean.mean()).astype(np.float32)
    column = ranking.names.index(name)
    expected = pooled(values(images[3]), candidate, scale)
    assert ranking.normal[3, column] == pytest.approx(expected, rel=1e-5)
    copy, _ = drawings.draw("logical", 28)  # of image 28 - 25
    expected = pooled(values(copy), candidate, scale)
    assert ranking.drawn["logical"][28, column] == pytest.approx(expected, rel=1e-5)


def fitted_tables(draft, graphs):
    """The draft with tables and a calibration, which scores need."""
    return fit_bundle(
        draft,
        graphs,
        registered(30, 7),
        registered(5, 8),
        target_psnr=None,
        registered=False,
        log=lambda _: None,
    )


@pytest.mark.parametrize("name", ["sigma_vae_map", "vq_vae", "vq_vae_fixed"])
def test_every_kind_of_model_has_chosen_scores(exported, name):
    """Images of one size or of several, gray or RGB, with latents or indices."""
    each, lines = exported(name), []
    bundle = fit_bundle(
        each.draft,
        each.graphs,
        each.training,
        each.held_out,
        target_psnr=None,
        registered=False,
        log=lines.append,
        choose_scores=True,
    )
    several = each.draft.manifest.input.sized
    assert any(line.startswith("images of 2 sizes") for line in lines) == several
    native = [one for one in bundle.manifest.score.candidates if one.map == "residual"]
    assert not (several and any(one.normalised for one in native))
    scores = Scorer(Codec(bundle, each.graphs)).score(each.held_out)
    for image, score in zip(each.held_out, scores, strict=True):
        assert score.heatmap.shape == image.shape[:2]
        assert np.isfinite(score.heatmap).all()
        assert score.scores.keys() == set(score_names(bundle.manifest.score))
    assert sum(score.p_value <= 1 / 25 for score in scores) <= 2
