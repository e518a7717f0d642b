"""Score and ScoreStream over a real connection."""

import grpc
import numpy as np
import pytest

from protos.residuum.v1 import anomaly_pb2 as pb
from protos.residuum.v1.images_pb2 import ModelRef

TINY = ModelRef(name="tiny")


def test_scores_are_those_of_the_codec_itself(connection, tiny, tiny_scorer, pictures, pixels):
    images = pictures(4)
    request = pb.ScoreRequest(model=TINY, pixels=pixels(images), heatmaps=True, id=5)
    response = connection.anomaly.Score(request)
    for result, expected in zip(response.results, tiny_scorer.score(list(images)), strict=True):
        assert result.score == expected.value
        assert result.p_value == expected.p_value
        assert result.anomalous == expected.anomalous
        assert dict(result.scores) == expected.scores
        assert result.record_bytes == expected.record_bytes
        shape = (result.heatmap.height, result.heatmap.width)
        heatmap = np.frombuffer(result.heatmap.data, "<f4").reshape(shape)
        np.testing.assert_array_equal(heatmap, expected.heatmap)
        assert len(result.regions) == len(expected.regions)
    assert response.heat_scale == tiny_scorer.heatmap_vmax
    assert response.model.version == tiny.manifest.version
    assert response.id == 5


def test_record_bytes_is_the_size_of_the_record_from_encode(connection, tiny, pictures, pixels):
    images = pictures(4)
    response = connection.anomaly.Score(pb.ScoreRequest(model=TINY, pixels=pixels(images)))
    sizes = [len(record) for record in tiny.compress(list(images))]
    assert [result.record_bytes for result in response.results] == sizes


def test_heatmaps_are_sent_only_on_request(connection, pictures, pixels):
    response = connection.anomaly.Score(pb.ScoreRequest(model=TINY, pixels=pixels(pictures(1))))
    assert not response.results[0].HasField("heatmap")


def test_the_verdict_follows_the_false_alarm_rate(connection, pictures, pixels):
    for rate in (0.05, 0.5, 0.95):
        request = pb.ScoreRequest(model=TINY, pixels=pixels(pictures(20)), false_alarm_rate=rate)
        for result in connection.anomaly.Score(request).results:
            assert result.anomalous == (result.p_value <= rate)


def test_anomalous_images_have_regions_without_p_values_from_an_old_bundle(
    connection, tiny_scorer, pictures, pixels
):
    images = pictures(20)
    request = pb.ScoreRequest(model=TINY, pixels=pixels(images), false_alarm_rate=0.5)
    results = connection.anomaly.Score(request).results
    assert any(result.regions for result in results)
    for result, expected in zip(results, tiny_scorer.score(list(images), 0.5), strict=True):
        assert bool(result.regions) == result.anomalous
        for found, region in zip(result.regions, expected.regions, strict=True):
            box = region.box
            place = (found.top, found.left, found.height, found.width)
            assert place == (box.top, box.left, box.height, box.width)
            assert (found.area, found.score) == (region.area, region.value)
            assert not found.HasField("p_value")


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan"), 1e-9])
def test_an_invalid_false_alarm_rate_is_rejected(connection, pictures, pixels, rate):
    request = pb.ScoreRequest(model=TINY, pixels=pixels(pictures(1)), false_alarm_rate=rate)
    with pytest.raises(grpc.RpcError) as caught:
        connection.anomaly.Score(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith("false-alarm rate ")


def test_streams_answer_in_order(connection, tiny_scorer, pictures, pixels):
    batches = [pictures(1 + n % 3, seed=n) for n in range(10)]
    requests = (
        pb.ScoreRequest(model=TINY, pixels=pixels(batch), id=n) for n, batch in enumerate(batches)
    )
    responses = list(connection.anomaly.ScoreStream(requests))
    assert [response.id for response in responses] == list(range(10))
    for response, batch in zip(responses, batches, strict=True):
        expected = [score.value for score in tiny_scorer.score(list(batch))]
        assert [result.score for result in response.results] == expected
