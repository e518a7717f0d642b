"""The segmenter of a run as a graph of its bundle."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from codec import Codec, Scorer, load_bundle
from codec.bundle.fitted_detectors import SEGMENTER_MAP
from codec.errors import BundleError
from codec.graphs import segmenter
from codec.graphs.onnx import open_graphs
from exporter.export import export
from exporter.fit.candidates import all_candidates, map_shapes
from exporter.graphs import OPSET
from exporter.options import Options
from exporter.segmenter import (
    SegmenterParity,
    export_segmenter,
    exported_segmenter,
    measure_reach,
    measure_segmenter,
)
from training.data.ahead import Resources
from training.data.datasets import training_and_validation
from training.errors import TrainingError
from training.run.checkpoint import load_run
from training.segmenter import SEGMENTER, SegmenterConfig, train_segmenter
from training.segmenter.network import Segmenter, build_segmenter, segment

pytestmark = pytest.mark.slow
SOURCE = Path(__file__).parents[1] / "data" / "tiny_map_bundle"


def random_segmenter(seed: int = 0) -> Segmenter:
    network = build_segmenter(SegmenterConfig(channels=1, widths=(4, 6, 8)), seed)
    torch.manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            layer.running_mean.normal_(0.0, 0.1)
            layer.running_var.uniform_(0.1, 0.5)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network() -> Segmenter:
    """A segmenter that nothing has trained, of all of its weights."""
    return random_segmenter()


@pytest.fixture(scope="module")
def graph(network) -> bytes:
    """Its graph."""
    return export_segmenter(network)


@pytest.fixture(scope="module")
def graphs(graph):
    """The graphs of a bundle with it."""
    return open_graphs(dataclasses.replace(load_bundle(SOURCE), segmenter=graph), "cpu")


def images(count=6, height=40, width=72, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, height, width), np.uint8)


def test_the_graph_is_the_network(network, graphs):
    parity = measure_segmenter(network, graphs, images())
    assert parity.logit_error < 1e-4
    assert json.loads(json.dumps(parity.to_json())) == {
        "images": 6,
        "logit_error": parity.logit_error,
    }
    assert SegmenterParity(images=3, logit_error=2e-6).sentence() == (
        "parity of the segmenter over 3 images: 2.0e-06"
    )


@pytest.mark.parametrize("change", [0.5, float("nan")])
def test_another_network_is_refused(graphs, change):
    other = random_segmenter()
    other.last.weight.view(-1)[0] += change
    with pytest.raises(BundleError, match="the exported segmenter differs from the network"):
        measure_segmenter(other, graphs, images())


def test_batch_and_sides_are_dynamic_and_a_batch_changes_nothing(network, graphs):
    for count, height, width in ((1, 16, 16), (7, 32, 80), (2, 21, 130)):
        x = images(count, height, width)
        found = segmenter.segment(graphs, x)
        with torch.no_grad():
            expected = segment(network, torch.from_numpy(x) / 255)
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)
        for i in range(count):
            alone = segmenter.segment(graphs, x[i : i + 1])
            np.testing.assert_array_equal(alone[0], found[i])


def test_the_margins_of_tiles_cover_the_receptive_field(graphs):
    assert 48 <= measure_reach(graphs, 1) <= segmenter.REACH
    x = images(1, 500, 330)
    whole = segmenter.segment(graphs, x)
    np.testing.assert_allclose(segmenter.segment(graphs, x, 64), whole, atol=1e-4)


def test_the_graph_has_standard_operators_and_no_paths(graph):
    model = onnx.load_from_string(graph)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert b"site-packages" not in graph
    assert b".py" not in graph


def test_only_bundles_with_a_segmenter_have_its_candidates(graph):
    plain = load_bundle(SOURCE)
    bundle = dataclasses.replace(plain, segmenter=graph)
    found = [c for c in all_candidates(map_shapes(bundle)) if c.map == SEGMENTER_MAP]
    assert {c.statistic for c in found} == {"peak", "mean"}
    assert not any(c.normalised for c in found)
    assert SEGMENTER_MAP not in map_shapes(plain)


@pytest.fixture
def segmented_run(run, data, tmp_path):
    """A copy of the run with a segmenter, trained for a few steps."""
    copy = tmp_path / "discs"
    shutil.copytree(run, copy)
    training, held_out = training_and_validation(load_run(run)[0].data, data)
    cpu = Resources(torch.device("cpu"))
    train_segmenter(copy, training, held_out, steps=40, available=cpu, log=lambda _: None)
    return copy


def test_a_run_with_a_segmenter_becomes_a_bundle_that_uses_it_where_it_wins(
    segmented_run, data, tmp_path, monkeypatch
):
    def win(figures, families):
        return {"segmenter-peak3": 1.0, "rate": 0.5}

    monkeypatch.setattr("exporter.fit.ranking.MOST_IMAGES", 20)
    monkeypatch.setattr("exporter.fit.fused.choose", win)
    log: list[str] = []
    manifest = export(segmented_run, tmp_path / "with", data, Options(), log.append)
    assert any(line.startswith("parity of the segmenter over ") for line in log)
    facts = manifest.provenance["segmenter"]
    assert facts["parity"]["logit_error"] < 1e-3
    assert facts["task"]["steps"] == 40
    bundle = load_bundle(tmp_path / "with")
    assert bundle.segmenter is not None
    scorer = Scorer(Codec(bundle, open_graphs(bundle, "cpu")))
    raw = next(scorer.raw_scores([np.zeros((16, 16, 1), np.uint8)]))
    assert np.isfinite(raw.scores["segmenter-peak3"])

    monkeypatch.setattr("exporter.fit.fused.choose", lambda *_: {"rate": 1.0})
    export(segmented_run, tmp_path / "without", data, Options(), log.append)
    without = load_bundle(tmp_path / "without")
    assert without.segmenter is None
    assert without.model_id == bundle.model_id


def test_a_damaged_segmenter_stops_the_export_and_a_run_may_have_none(segmented_run):
    path = segmented_run / SEGMENTER
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match=r"segmenter\.safetensors is not a readable"):
        exported_segmenter(segmented_run)
    path.unlink()
    assert exported_segmenter(segmented_run) is None
