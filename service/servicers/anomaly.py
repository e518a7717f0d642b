"""AnomalyService: scores images."""

# ruff: noqa: N802 - gRPC prescribes the names and parameters of these methods.

from collections.abc import Iterator
from typing import final

import grpc

from codec import Score as ImageScore
from codec.outcomes import succeeded
from codec.scores import Region
from protos.residuum.v1 import anomaly_pb2 as pb
from protos.residuum.v1.anomaly_pb2_grpc import AnomalyServiceServicer
from service.metrics import ImageMetrics
from service.runtime.runtime import Runtime
from service.runtime.tasks import score_task
from service.servicers.computed import computed
from service.servicers.message_conversion import (
    codes_of,
    false_alarm_rate_of,
    item_errors,
    model_ref,
)
from service.servicers.sources import HEATMAP_BYTES, check_images, decoded_bytes

Context = grpc.ServicerContext


@final
class AnomalyServicer(AnomalyServiceServicer):
    """RPC handlers; the interceptor turns the errors they raise into statuses."""

    def __init__(self, runtime: Runtime, metrics: ImageMetrics) -> None:
        self._runtime = runtime
        self._metrics = metrics

    def Score(self, request: pb.ScoreRequest, context: Context) -> pb.ScoreResponse:
        runtime = self._runtime
        runtime.refuse_late(context)
        loaded = runtime.models.get(request.model.name, request.model.version)
        spec = loaded.bundle.manifest.input
        task = score_task(loaded, false_alarm_rate_of(request), heatmaps=request.heatmaps)
        sources = check_images(request, spec, runtime.max_images)
        output = HEATMAP_BYTES * request.heatmaps
        with computed(
            runtime, task, sources, spec, request, context, scored=True, output=output
        ) as outcomes:
            scores = succeeded(outcomes)
            results = [_result(score, request.heatmaps) for score in scores]
        errors = item_errors(outcomes)
        metrics = self._metrics.of(loaded.name, "Score")
        metrics.answered(len(scores), decoded_bytes(sources, spec), codes_of(errors))
        metrics.scored(
            [score.value for score in scores],
            [score.p_value for score in scores],
            sum(score.anomalous for score in scores),
        )
        return pb.ScoreResponse(
            results=results,
            model=model_ref(loaded),
            heat_scale=loaded.scorer.heatmap_vmax,
            id=request.id,
            errors=errors,
        )

    def ScoreStream(
        self, request_iterator: Iterator[pb.ScoreRequest], context: Context
    ) -> Iterator[pb.ScoreResponse]:
        for request in request_iterator:
            yield self.Score(request, context)


def _result(score: ImageScore, with_heatmap: bool) -> pb.ImageScore:
    return pb.ImageScore(
        score=score.value,
        p_value=score.p_value,
        anomalous=score.anomalous,
        scores=score.scores,
        record_bytes=score.record_bytes,
        heatmap=_heatmap(score) if with_heatmap else None,
        regions=map(_region, score.regions),
    )


def _region(region: Region) -> pb.Region:
    box = region.box
    return pb.Region(
        left=box.left,
        top=box.top,
        width=box.width,
        height=box.height,
        area=region.area,
        score=region.value,
        p_value=region.p_value,
    )


def _heatmap(score: ImageScore) -> pb.Heatmap:
    height, width = score.heatmap.shape
    return pb.Heatmap(
        height=height, width=width, data=score.heatmap.astype("<f4", copy=False).tobytes()
    )
