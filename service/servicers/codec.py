"""CodecService: encodes images to records and decodes them."""

# ruff: noqa: N802, ARG002 - gRPC prescribes the names and parameters of these methods.

from collections.abc import Iterator
from typing import final

import grpc

from protos.residuum.v1 import codec_pb2 as pb
from protos.residuum.v1.codec_pb2_grpc import CodecServiceServicer
from service.metrics import ImageMetrics
from service.runtime.models import ModelStore
from service.servicers.message_conversion import (
    check_records,
    evidence_message,
    false_alarm_rate_of,
    images_of,
    model_ref,
    pixels_message,
    png_message,
    rate_of,
    wants_evidence,
)

Context = grpc.ServicerContext


@final
class CodecServicer(CodecServiceServicer):
    """RPC handlers; the interceptor turns the errors they raise into statuses."""

    def __init__(self, models: ModelStore, metrics: ImageMetrics, max_images: int) -> None:
        self._models = models
        self._metrics = metrics
        self._max_images = max_images

    def Encode(self, request: pb.EncodeRequest, context: Context) -> pb.EncodeResponse:
        loaded = self._models.get(request.model.name, request.model.version)
        images = images_of(request, loaded.bundle.manifest.input.channels, self._max_images)
        rate, false_alarm_rate = rate_of(request), false_alarm_rate_of(request)
        if wants_evidence(request):
            compressed = loaded.scorer.compress_with_evidence(images, rate, false_alarm_rate)
        else:
            compressed = loaded.codec.compress_at(images, rate)
        response = pb.EncodeResponse(
            records=[one.record for one in compressed],
            model=model_ref(loaded),
            model_id=loaded.bundle.model_id,
            id=request.id,
            qualities=[one.quality for one in compressed],
            evidence_bytes=[one.evidence_bytes for one in compressed],
        )
        self._count(loaded.name, response)
        return response

    def Decode(self, request: pb.DecodeRequest, context: Context) -> pb.DecodeResponse:
        loaded = self._models.get(request.model.name, request.model.version)
        check_records(request.records, loaded.bundle, self._max_images)
        restored = loaded.codec.restore(request.records)
        images = [one.image for one in restored]
        self._metrics.images.labels(loaded.name, "Decode").inc(len(images))
        png = request.format == pb.IMAGE_FORMAT_PNG
        return pb.DecodeResponse(
            files=png_message(images) if png else None,
            pixels=None if png else pixels_message(images),
            model=model_ref(loaded),
            id=request.id,
            evidence=[evidence_message(one.regions) for one in restored],
        )

    def EncodeStream(
        self, request_iterator: Iterator[pb.EncodeRequest], context: Context
    ) -> Iterator[pb.EncodeResponse]:
        for request in request_iterator:
            yield self.Encode(request, context)

    def DecodeStream(
        self, request_iterator: Iterator[pb.DecodeRequest], context: Context
    ) -> Iterator[pb.DecodeResponse]:
        for request in request_iterator:
            yield self.Decode(request, context)

    def _count(self, model: str, response: pb.EncodeResponse) -> None:
        self._metrics.images.labels(model, "Encode").inc(len(response.records))
        self._metrics.evidence_records.labels(model).inc(sum(map(bool, response.evidence_bytes)))
        record_bytes = self._metrics.record_bytes.labels(model)
        for record in response.records:
            record_bytes.observe(len(record))
