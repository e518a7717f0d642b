"""GRPCInferenceService of the Open Inference Protocol: encodes, decodes and scores."""

# ruff: noqa: N802, ARG002 - gRPC prescribes the names and parameters of these methods.

from collections.abc import Callable, Iterator
from typing import final

import grpc

from codec.errors import UnknownModel
from protos.inference import open_inference_pb2 as pb
from protos.inference.open_inference_pb2_grpc import GRPCInferenceServiceServicer
from protos.residuum.v1.anomaly_pb2_grpc import AnomalyServiceServicer
from protos.residuum.v1.codec_pb2_grpc import CodecServiceServicer
from service.runtime.models import ModelStore
from service.servicers.open_inference.metadata import (
    find,
    model_metadata,
    requested,
    server_metadata,
    signature,
)
from service.servicers.open_inference.parameters import (
    check_tensor_parameters,
    read_parameters,
    wants_final,
)
from service.servicers.open_inference.task_runner import TaskRunner
from service.servicers.open_inference.tensors import add_output, read_input
from service.status import Failure, failure_of

Context = grpc.ServicerContext
# Triton's name for the mark of the last response to a request.
_FINAL = "triton_final_response"


@final
class OpenInferenceServicer(GRPCInferenceServiceServicer):
    """RPC handlers; the interceptor turns the errors they raise into statuses.

    `codec` and `anomaly` do the work, `ready` says whether the server takes calls.
    """

    def __init__(
        self,
        models: ModelStore,
        codec: CodecServiceServicer,
        anomaly: AnomalyServiceServicer,
        ready: Callable[[], bool],
    ) -> None:
        self._models = models
        self._tasks = TaskRunner(codec, anomaly)
        self._ready = ready

    def ServerLive(self, request: pb.ServerLiveRequest, context: Context) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    def ServerReady(
        self, request: pb.ServerReadyRequest, context: Context
    ) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self._ready())

    def ModelReady(self, request: pb.ModelReadyRequest, context: Context) -> pb.ModelReadyResponse:
        try:
            find(self._models, request.name, request.version)
        except UnknownModel:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=self._ready())

    def ServerMetadata(
        self, request: pb.ServerMetadataRequest, context: Context
    ) -> pb.ServerMetadataResponse:
        return server_metadata()

    def ModelMetadata(
        self, request: pb.ModelMetadataRequest, context: Context
    ) -> pb.ModelMetadataResponse:
        loaded, task = find(self._models, request.name, request.version)
        versions = [one.version for one in self._models.all() if one.name == loaded.name]
        return model_metadata(request.name, loaded, task, versions)

    def ModelInfer(self, request: pb.ModelInferRequest, context: Context) -> pb.ModelInferResponse:
        loaded, task = find(self._models, request.model_name, request.model_version)
        known = signature(loaded, task)
        options = read_parameters(request.parameters, known.parameters)
        check_tensor_parameters(request)
        wanted = requested(request, known)
        source = read_input(request, known.inputs)
        names = {spec.name for spec in wanted}
        arrays = self._tasks.run((loaded, task), source, options, names, context)
        response = pb.ModelInferResponse(
            model_name=request.model_name, model_version=loaded.version, id=request.id
        )
        raw = bool(request.raw_input_contents)
        for spec in wanted:
            add_output(response, spec, arrays[spec.name], raw=raw)
        if "heatmap" in names:
            response.parameters["heat_scale"].double_param = loaded.scorer.heatmap_vmax
        return response

    def ModelStreamInfer(
        self, request_iterator: Iterator[pb.ModelInferRequest], context: Context
    ) -> Iterator[pb.ModelStreamInferResponse]:
        for request in request_iterator:
            try:
                response = self.ModelInfer(request, context)
            except Exception as error:  # noqa: BLE001 - every error becomes a response
                yield stream_error(request, failure_of(error))
                continue
            if wants_final(request.parameters):
                response.parameters[_FINAL].bool_param = True
            yield pb.ModelStreamInferResponse(infer_response=response)


def stream_error(request: pb.ModelInferRequest, failure: Failure) -> pb.ModelStreamInferResponse:
    """The response for a request of a stream that failed; the parameter `code` is the status."""
    response = pb.ModelInferResponse(
        model_name=request.model_name, model_version=request.model_version, id=request.id
    )
    response.parameters["code"].string_param = failure.code.name
    return pb.ModelStreamInferResponse(error_message=failure.message, infer_response=response)
