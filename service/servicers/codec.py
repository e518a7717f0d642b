"""CodecService: encodes images to records and decodes them."""

# ruff: noqa: N802 - gRPC prescribes the names and parameters of these methods.

from collections.abc import Iterator
from typing import final

import grpc

from codec.outcomes import succeeded
from protos.residuum.v1 import codec_pb2 as pb
from protos.residuum.v1.codec_pb2_grpc import CodecServiceServicer
from service.metrics import ImageMetrics
from service.runtime.jobs import Task
from service.runtime.loaded_model import LoadedModel
from service.runtime.runtime import Runtime
from service.runtime.tasks import decode_task, encode_task, evidence_task
from service.servicers.computed import computed
from service.servicers.message_conversion import (
    codes_of,
    evidence_message,
    false_alarm_rate_of,
    item_errors,
    model_ref,
    pixels_message,
    png_message,
    rate_of,
    wants_evidence,
    wants_png,
)
from service.servicers.sources import IMAGE_BYTES, check_images, check_records, decoded_bytes

Context = grpc.ServicerContext


@final
class CodecServicer(CodecServiceServicer):
    """RPC handlers; the interceptor turns the errors they raise into statuses."""

    def __init__(self, runtime: Runtime, metrics: ImageMetrics) -> None:
        self._runtime = runtime
        self._metrics = metrics

    def Encode(self, request: pb.EncodeRequest, context: Context) -> pb.EncodeResponse:
        runtime = self._runtime
        runtime.refuse_late(context)
        loaded = runtime.models.get(request.model.name, request.model.version)
        spec, task = loaded.bundle.manifest.input, _encode_task(loaded, request)
        sources = check_images(request, spec, runtime.max_images)
        scored = wants_evidence(request)
        with computed(runtime, task, sources, spec, request, context, scored=scored) as outcomes:
            compressed = succeeded(outcomes)
        response = pb.EncodeResponse(
            records=[one.record for one in compressed],
            model=model_ref(loaded),
            model_id=loaded.bundle.model_id,
            id=request.id,
            qualities=[one.quality for one in compressed],
            evidence_bytes=[one.evidence_bytes for one in compressed],
            errors=item_errors(outcomes),
        )
        metrics = self._metrics.of(loaded.name, "Encode")
        decoded = decoded_bytes(sources, spec)
        metrics.answered(len(response.records), decoded, codes_of(response.errors))
        metrics.encoded(response.records, sum(map(bool, response.evidence_bytes)))
        return response

    def Decode(self, request: pb.DecodeRequest, context: Context) -> pb.DecodeResponse:
        runtime = self._runtime
        runtime.refuse_late(context)
        loaded = runtime.models.get(request.model.name, request.model.version)
        spec, png = loaded.bundle.manifest.input, wants_png(request)
        sources, task = (
            check_records(request, loaded.bundle, runtime.max_images),
            decode_task(loaded),
        )
        output = IMAGE_BYTES * spec.channels
        with computed(runtime, task, sources, spec, request, context, output=output) as outcomes:
            restored = succeeded(outcomes)
            images = [one.image for one in restored]
            response = pb.DecodeResponse(
                files=png_message(images) if png else None,
                pixels=None if png else pixels_message(images),
                model=model_ref(loaded),
                id=request.id,
                evidence=[evidence_message(one.regions) for one in restored],
                errors=item_errors(outcomes),
            )
        metrics = self._metrics.of(loaded.name, "Decode")
        decoded = sum(image.nbytes for image in images)
        metrics.answered(len(images), decoded, codes_of(response.errors))
        return response

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


def _encode_task(loaded: LoadedModel, request: pb.EncodeRequest) -> Task:
    rate = rate_of(request)
    if wants_evidence(request):
        return evidence_task(loaded, rate, false_alarm_rate_of(request))
    return encode_task(loaded, rate)
