"""A model with candidates, served: the same scores as offline, by the same names."""

from pathlib import Path

import numpy as np
from detector_bundles import CANDIDATES, write_with_detectors

from codec import Codec, Scorer
from codec.graphs.onnx import open_graphs
from residuum_client import Client, Offline

DATA = Path(__file__).parents[2] / "data"


def test_scores_are_those_of_the_bundle(running, pictures, tmp_path):
    images = list(pictures(6))
    bundle = write_with_detectors(
        DATA / "tiny_bundle", tmp_path / "bundles" / "tiny", list(pictures(40, seed=1))
    )
    local = Scorer(Codec(bundle, open_graphs(bundle, "cpu"))).score(images, 0.5)
    with Offline(tmp_path / "bundles" / "tiny") as backend:
        offline = backend.score(images, false_alarm_rate=0.5)
    with running(tmp_path / "bundles") as connection:
        address = f"127.0.0.1:{connection.server.port}"
        with Client(address, model="tiny") as client:
            served = client.score(images, heatmaps=True, false_alarm_rate=0.5)
    for ours, theirs in zip(served, local, strict=True):
        assert ours.scores.keys() >= {one.name for one in CANDIDATES}
        assert ours.scores == theirs.scores
        assert (ours.value, ours.p_value) == (theirs.value, theirs.p_value)
        assert ours.anomalous == theirs.anomalous
        np.testing.assert_array_equal(ours.heatmap, theirs.heatmap)
    assert [one.regions for one in served] == [one.regions for one in offline]
    regions = [region for one in served for region in one.regions]
    assert regions
    assert all(0 < region.p_value <= 1 for region in regions)
