"""CodecService: encodes images to records and decodes them."""

# ruff: noqa: N802 - gRPC prescribes the names and parameters of these methods.

from collections.abc import Iterable, Iterator, Sequence
from typing import final

import grpc

from codec import Compressed
from codec.arrays import U8
from codec.errors import InvalidInput, ResiduumError
from codec.outcomes import merge, required, succeeded
from protos.residuum.v1 import codec_pb2 as pb
from protos.residuum.v1.codec_pb2_grpc import CodecServiceServicer
from protos.residuum.v1.images_pb2 import ItemError
from service.metrics import ImageMetrics
from service.runtime.loaded_model import LoadedModel
from service.runtime.memory import MemoryBudget
from service.runtime.models import ModelStore
from service.servicers.message_conversion import (
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
from service.servicers.sources import (
    Source,
    check_images,
    check_records,
    needed_bytes,
    read_images,
)
from service.status import code_name

Context = grpc.ServicerContext


@final
class CodecServicer(CodecServiceServicer):
    """RPC handlers; the interceptor turns the errors they raise into statuses."""

    def __init__(
        self, models: ModelStore, metrics: ImageMetrics, max_images: int, memory: MemoryBudget
    ) -> None:
        self._models = models
        self._metrics = metrics
        self._memory = memory
        self._max_images = max_images

    def Encode(self, request: pb.EncodeRequest, context: Context) -> pb.EncodeResponse:
        loaded = self._models.get(request.model.name, request.model.version)
        spec = loaded.bundle.manifest.input
        sources = check_images(request, spec, self._max_images)
        size = needed_bytes(sources, spec, scored=wants_evidence(request))
        with self._memory.hold(size, context.time_remaining()):
            outcomes = _encode(loaded, sources, request)
        compressed = succeeded(outcomes) if request.partial else required(outcomes, "image")
        response = pb.EncodeResponse(
            records=[one.record for one in compressed],
            model=model_ref(loaded),
            model_id=loaded.bundle.model_id,
            id=request.id,
            qualities=[one.quality for one in compressed],
            evidence_bytes=[one.evidence_bytes for one in compressed],
            errors=item_errors(outcomes),
        )
        self._count(loaded.name, "Encode", len(response.records), response.errors)
        self._count_records(loaded.name, response)
        return response

    def Decode(self, request: pb.DecodeRequest, context: Context) -> pb.DecodeResponse:
        loaded = self._models.get(request.model.name, request.model.version)
        sources = check_records(request, loaded.bundle, self._max_images)
        size = needed_bytes(sources, loaded.bundle.manifest.input)
        with self._memory.hold(size, context.time_remaining()):
            response = _decode(loaded, sources, request)
        self._count(loaded.name, "Decode", len(response.evidence), response.errors)
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

    def _count(self, model: str, method: str, items: int, errors: Iterable[ItemError]) -> None:
        self._metrics.images.labels(model, method).inc(items)
        for error in errors:
            self._metrics.item_errors.labels(model, method, code_name(error.code)).inc()

    def _count_records(self, model: str, response: pb.EncodeResponse) -> None:
        self._metrics.evidence_records.labels(model).inc(sum(map(bool, response.evidence_bytes)))
        record_bytes = self._metrics.record_bytes.labels(model)
        for record in response.records:
            record_bytes.observe(len(record))


def _encode(
    loaded: LoadedModel, sources: Sequence[Source | U8 | InvalidInput], request: pb.EncodeRequest
) -> list[Compressed | InvalidInput]:
    images = read_images(sources, loaded.bundle.manifest.input.channels, partial=request.partial)
    rate, false_alarm_rate = rate_of(request), false_alarm_rate_of(request)
    if wants_evidence(request):
        compressed = loaded.scorer.compress_with_evidence_each(
            succeeded(images), rate, false_alarm_rate
        )
    else:
        compressed = loaded.codec.compress_each(succeeded(images), rate)
    return merge(images, compressed, InvalidInput)


def _decode(
    loaded: LoadedModel, sources: Sequence[Source | InvalidInput], request: pb.DecodeRequest
) -> pb.DecodeResponse:
    png = wants_png(request)
    restored_each = loaded.codec.restore_each([one.data for one in succeeded(sources)])
    outcomes = merge(sources, restored_each, ResiduumError)
    restored = succeeded(outcomes) if request.partial else required(outcomes, "record")
    images = [one.image for one in restored]
    return pb.DecodeResponse(
        files=png_message(images) if png else None,
        pixels=None if png else pixels_message(images),
        model=model_ref(loaded),
        id=request.id,
        evidence=[evidence_message(one.regions) for one in restored],
        errors=item_errors(outcomes),
    )
