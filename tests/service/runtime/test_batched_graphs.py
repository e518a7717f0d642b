"""The graphs of a model behind their queues."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from segmenter_graphs import write_with_segmenter

from codec import Scorer, load_bundle
from codec.detectors import Candidate
from codec.errors import BundleError
from codec.graphs.onnx import open_graphs
from service.metrics import ModelMetrics
from service.runtime.batched_graphs import BatchedGraphs
from service.runtime.batching import BatchObserver, Limits
from service.runtime.loaded_model import RuntimeConfig, open_model

SOURCE = Path(__file__).parents[2] / "data" / "tiny_map_bundle"
LIMITS = Limits(batch_rows=4, window=0.001, queue_rows=100)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    out = tmp_path_factory.mktemp("bundles") / "new"
    write_with_segmenter(SOURCE, out, (Candidate(map="segmenter", window=3),))
    return out


def draw(seed, count=2):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 16, 32), np.uint8)


def test_callers_that_share_a_run_get_the_bytes_of_a_run_of_their_own(path):
    graphs, sizes = open_graphs(load_bundle(path), "cpu"), []
    observer = BatchObserver(batch_rows=sizes.append)
    batched = BatchedGraphs(graphs, LIMITS, BatchObserver(), BatchObserver(), observer)
    with ThreadPoolExecutor(8) as pool:
        replies = [pool.submit(batched.segment, draw(seed)) for seed in range(8)]
        for seed, reply in enumerate(replies):
            np.testing.assert_array_equal(reply.result(10), graphs.segment(draw(seed)))
    batched.close()
    assert sum(sizes) == 16
    np.testing.assert_array_equal(batched.segment(draw(9)), graphs.segment(draw(9)))


def test_a_model_without_a_segmenter_has_no_queue_for_it():
    graphs = open_graphs(load_bundle(SOURCE), "cpu")
    batched = BatchedGraphs(graphs, LIMITS, BatchObserver(), BatchObserver())
    with pytest.raises(BundleError, match=r"no segmenter\.onnx"):
        batched.segment(draw(0))
    batched.close()


@pytest.mark.parametrize("segments", [True, False])
def test_a_loaded_model_scores_as_its_bundle_does_and_counts_the_runs(path, segments):
    registry = CollectorRegistry()
    config = RuntimeConfig(provider="cpu", threads=1, batch_rows=4, window=0.0, queue_rows=50)
    source = path if segments else SOURCE
    model = open_model(source, config, ModelMetrics(registry), lambda: 1)
    image = np.random.default_rng(0).integers(0, 256, (24, 40, 1), np.uint8)
    found = model.scorer.score([image])[0]
    labels = {"model": model.name, "graph": "segmenter"}
    runs = registry.get_sample_value("residuum_batch_rows_count", labels)
    assert runs == (1 if segments else None)
    model.graphs.close()
    alone = Scorer(model.codec).score([image])[0]
    assert found.scores == alone.scores
