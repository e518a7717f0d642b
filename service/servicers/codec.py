"""CodecService on the wire: messages to the pipeline and back, nothing else."""

# ruff: noqa: N802 - the methods are called what the protocol calls them.

from collections.abc import Iterator
from typing import final

import grpc

from protos.residuum.v1 import codec_pb2 as pb
from protos.residuum.v1.codec_pb2_grpc import CodecServiceServicer
from service.metrics import Metrics
from service.runtime.models import ModelStore
from service.servicers.calls import Calls
from service.servicers.image_messages import (
    check_records,
    count_images,
    files_of,
    images_of,
    pixels_of,
)
from service.servicers.message_conversion import (
    alarm_of,
    boxes_of,
    rate_of,
    reference,
    wants_evidence,
)

Context = grpc.ServicerContext


@final
class CodecServicer(CodecServiceServicer):
    """Encode and Decode, alone and in streams."""

    def __init__(self, models: ModelStore, calls: Calls, metrics: Metrics, max_images: int) -> None:
        self._models = models
        self._calls = calls
        self._metrics = metrics
        self._max_images = max_images

    def Encode(self, request: pb.EncodeRequest, context: Context) -> pb.EncodeResponse:
        return self._calls.answer("Encode", self._encode, request, context, count_images(request))

    def Decode(self, request: pb.DecodeRequest, context: Context) -> pb.DecodeResponse:
        return self._calls.answer("Decode", self._decode, request, context, len(request.records))

    def EncodeStream(
        self, request_iterator: Iterator[pb.EncodeRequest], context: Context
    ) -> Iterator[pb.EncodeResponse]:
        for request in request_iterator:
            yield self._calls.answer(
                "EncodeStream", self._encode, request, context, count_images(request)
            )

    def DecodeStream(
        self, request_iterator: Iterator[pb.DecodeRequest], context: Context
    ) -> Iterator[pb.DecodeResponse]:
        for request in request_iterator:
            yield self._calls.answer(
                "DecodeStream", self._decode, request, context, len(request.records)
            )

    def _encode(self, request: pb.EncodeRequest) -> pb.EncodeResponse:
        served = self._models.get(request.model.name, request.model.version)
        images = images_of(request, served.bundle.manifest.input.channels, self._max_images)
        made = served.model.compress_at(
            images,
            rate_of(request),
            evidence=wants_evidence(request),
            false_alarm_rate=alarm_of(request),
        )
        self._metrics.count_records(served.name, made)
        return pb.EncodeResponse(
            records=[one.record for one in made],
            model=reference(served),
            model_id=served.model_id,
            id=request.id,
            qualities=[one.quality for one in made],
            evidence_bytes=[one.evidence_bytes for one in made],
        )

    def _decode(self, request: pb.DecodeRequest) -> pb.DecodeResponse:
        served = self._models.get(request.model.name, request.model.version)
        check_records(request.records, served.bundle, self._max_images)
        restored = served.model.restore(request.records)
        images = [one.image for one in restored]
        self._metrics.count_images(served.name, len(images))
        png = request.format == pb.IMAGE_FORMAT_PNG
        return pb.DecodeResponse(
            files=files_of(images) if png else None,
            pixels=None if png else pixels_of(images),
            model=reference(served),
            id=request.id,
            evidence=[boxes_of(one.regions) for one in restored],
        )
