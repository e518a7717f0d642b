"""The committed tiny bundles are what the exporter makes today, except for their exact bytes."""

from __future__ import annotations

import importlib.util
import math
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from scipy.stats import kstest

from codec import Codec, Scorer
from codec.bundle.bundle import load_bundle
from codec.graphs.onnx import open_graphs
from exporter.export import describe
from exporter.graphs import MAX_LATENT_ERROR, MAX_PIXEL_ERROR, MIN_EQUAL_CODES, OPSET
from exporter.options import Options
from exporter.receptive_field import measure_radius
from training.cli.options import parse
from training.config.run import from_json, to_json
from training.models import build

DATA = Path(__file__).parents[1] / "data"
OPTIONS = {
    "tiny_bundle": Options(fit="exact", false_alarm_rate=0.05),
    "tiny_map_bundle": Options(false_alarm_rate=0.05),
}

PRIORS = {"tiny_bundle": "factorised", "tiny_map_bundle": "map"}


@pytest.fixture(params=OPTIONS)
def name(request):
    return request.param


@pytest.fixture
def bundle(name):
    return load_bundle(DATA / name)


@pytest.fixture
def config(bundle):
    return from_json(bundle.manifest.provenance["config"])


def test_the_manifest_follows_from_the_configuration(name, bundle, config):
    facts, title = bundle.manifest.provenance, bundle.manifest.name
    images = facts["validation_images"]
    expected = describe(config, OPTIONS[name], title, exact=False, held_out=images)
    if config.model.height == 0:
        radius = measure_radius(open_graphs(bundle, "cpu"), expected)
        expected = replace(expected, input=replace(expected.input, reach=radius))
    expected = replace(expected, latent=replace(expected.latent, prior=PRIORS[name]))
    assert replace(bundle.manifest, members={}, provenance={}) == expected


def test_the_command_gives_the_configuration_without_naming_a_folder(bundle):
    command = bundle.manifest.provenance["command"]
    program, *words = shlex.split(command)
    assert program == "residuum-train"
    assert "/" not in command
    options = parse(words)
    assert (str(options.data), str(options.out)) == ("DIR", "RUN")
    assert to_json(options.config) == to_json(from_json(bundle.manifest.provenance["config"]))


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_graph_has_the_weights_of_its_network(bundle, config, part):
    graph = onnx.load_from_string(getattr(bundle, part))
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", OPSET)]
    found = {tensor.name: tuple(tensor.dims) for tensor in graph.graph.initializer}
    # Normalisation layers were folded into the convolutions and matrices before them.
    weights = {
        f"model.{part}.{key}": tuple(tensor.shape)
        for key, tensor in build(config.model).get_submodule(part).state_dict().items()
        if tensor.ndim > 1
    }
    assert weights.items() <= found.items()
    assert sum(map(math.prod, weights.values())) > 1000


def test_tables_and_calibration_have_the_size_of_the_latent(bundle, config):
    dims = config.model.latent
    assert bundle.steps.shape == (17, dims)
    codes = np.ones((2, dims, 5, 3) if dims == 4 else (2, dims, 1, 1), np.int32)
    assert [(prior.bits(codes) > 0).all() for prior in bundle.priors] == [True] * 17
    assert bundle.calibration.latent_mean.shape == (dims,)
    assert bundle.calibration.residual_variance.shape == (config.model.channels, 1, 1)


def test_steps_shrink_by_the_fourth_root_of_two_from_level_to_level(bundle):
    np.testing.assert_allclose(bundle.steps[:-1] / bundle.steps[1:], 2**0.25, rtol=1e-5)


def test_the_calibration_is_that_of_the_validation_images(bundle):
    facts = bundle.manifest.provenance
    assert len(bundle.calibration.fused) == facts["calibration_images"] == 320
    assert facts["validation_images"] == 320
    assert (np.diff(bundle.calibration.fused) >= 0).all()


def test_fresh_images_of_the_same_kind_have_uniform_p_values(bundle):
    path = DATA / "make_tiny_bundles.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    _, side, *_ = maker.RUNS[bundle.manifest.name]
    rng = np.random.default_rng(2026)
    images = [np.asarray(maker.hills(rng, side))[..., None] for _ in range(300)]
    codec = Codec(bundle, open_graphs(bundle, "cpu"))
    p = [score.p_value for score in Scorer(codec).score(images)]
    assert kstest(p, "uniform").pvalue > 0.01


def test_the_certificate_is_within_its_limits(bundle):
    parity = bundle.manifest.provenance["parity"]
    assert parity["images"] == 64
    assert parity["latent_error"] < MAX_LATENT_ERROR
    assert parity["pixel_error"] < MAX_PIXEL_ERROR
    assert parity["equal_codes"] >= MIN_EQUAL_CODES
