"""AnomalyService: scores images."""

# ruff: noqa: N802, ARG002 - gRPC prescribes the names and parameters of these methods.

from collections.abc import Iterator, Sequence
from typing import final

import grpc

from codec import Score as ImageScore
from protos.residuum.v1 import anomaly_pb2 as pb
from protos.residuum.v1.anomaly_pb2_grpc import AnomalyServiceServicer
from service.metrics import ImageMetrics
from service.runtime.models import ModelStore
from service.servicers.message_conversion import false_alarm_rate_of, images_of, model_ref

Context = grpc.ServicerContext


@final
class AnomalyServicer(AnomalyServiceServicer):
    """RPC handlers; the interceptor turns the errors they raise into statuses."""

    def __init__(self, models: ModelStore, metrics: ImageMetrics, max_images: int) -> None:
        self._models = models
        self._metrics = metrics
        self._max_images = max_images

    def Score(self, request: pb.ScoreRequest, context: Context) -> pb.ScoreResponse:
        loaded = self._models.get(request.model.name, request.model.version)
        images = images_of(request, loaded.bundle.manifest.input.channels, self._max_images)
        scores = loaded.scorer.score(images, false_alarm_rate_of(request))
        self._count(loaded.name, scores)
        return pb.ScoreResponse(
            results=[_result(score, request.heatmaps) for score in scores],
            model=model_ref(loaded),
            heat_scale=loaded.scorer.heatmap_vmax,
            id=request.id,
        )

    def ScoreStream(
        self, request_iterator: Iterator[pb.ScoreRequest], context: Context
    ) -> Iterator[pb.ScoreResponse]:
        for request in request_iterator:
            yield self.Score(request, context)

    def _count(self, model: str, scores: Sequence[ImageScore]) -> None:
        self._metrics.images.labels(model, "Score").inc(len(scores))
        self._metrics.anomalies.labels(model).inc(sum(score.anomalous for score in scores))
        values, p_values = self._metrics.scores.labels(model), self._metrics.p_values.labels(model)
        for score in scores:
            values.observe(score.value)
            p_values.observe(score.p_value)


def _result(score: ImageScore, with_heatmap: bool) -> pb.ImageScore:
    return pb.ImageScore(
        score=score.value,
        p_value=score.p_value,
        anomalous=score.anomalous,
        scores=score.scores,
        record_bytes=score.record_bytes,
        heatmap=_heatmap(score) if with_heatmap else None,
    )


def _heatmap(score: ImageScore) -> pb.Heatmap:
    height, width = score.heatmap.shape
    return pb.Heatmap(
        height=height, width=width, data=score.heatmap.astype("<f4", copy=False).tobytes()
    )
