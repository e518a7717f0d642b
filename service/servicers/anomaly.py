"""AnomalyService on the wire: messages to the pipeline and back, nothing else."""

# ruff: noqa: N802 - the methods are called what the protocol calls them.

from collections.abc import Iterator
from typing import final

import grpc

from codec.scores.scores import Score
from protos.residuum.v1 import anomaly_pb2 as pb
from protos.residuum.v1.anomaly_pb2_grpc import AnomalyServiceServicer
from service.metrics import Metrics
from service.runtime.models import ModelStore
from service.servicers.calls import Calls
from service.servicers.image_messages import count_images, images_of
from service.servicers.message_conversion import alarm_of, reference


@final
class AnomalyServicer(AnomalyServiceServicer):
    """Score, alone and in streams."""

    def __init__(self, models: ModelStore, calls: Calls, metrics: Metrics, max_images: int) -> None:
        self._models = models
        self._calls = calls
        self._metrics = metrics
        self._max_images = max_images

    def Score(self, request: pb.ScoreRequest, context: grpc.ServicerContext) -> pb.ScoreResponse:
        return self._calls.answer("Score", self._score, request, context, count_images(request))

    def ScoreStream(
        self, request_iterator: Iterator[pb.ScoreRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ScoreResponse]:
        for request in request_iterator:
            yield self._calls.answer(
                "ScoreStream", self._score, request, context, count_images(request)
            )

    def _score(self, request: pb.ScoreRequest) -> pb.ScoreResponse:
        served = self._models.get(request.model.name, request.model.version)
        images = images_of(request, served.bundle.manifest.input.channels, self._max_images)
        scores = served.model.score(images, alarm_of(request))
        self._metrics.count_scores(served.name, scores)
        return pb.ScoreResponse(
            results=[_result(score, request.heatmaps) for score in scores],
            model=reference(served),
            heat_scale=served.model.heat_scale,
            id=request.id,
        )


def _result(score: Score, with_heatmap: bool) -> pb.ImageScore:
    return pb.ImageScore(
        score=score.value,
        p_value=score.p_value,
        anomalous=score.anomalous,
        scores=score.scores,
        record_bytes=score.record_bytes,
        heatmap=_heatmap(score) if with_heatmap else None,
    )


def _heatmap(score: Score) -> pb.Heatmap:
    height, width = score.heatmap.shape
    return pb.Heatmap(
        height=height, width=width, data=score.heatmap.astype("<f4", copy=False).tobytes()
    )
