"""The data port of a serving process: encode, decode, score, and descriptions of models."""

import os
from typing import final

from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse
from prometheus_client import CollectorRegistry

from protos.inference.open_inference_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from protos.residuum.v1.anomaly_pb2_grpc import add_AnomalyServiceServicer_to_server
from protos.residuum.v1.codec_pb2_grpc import add_CodecServiceServicer_to_server
from protos.residuum.v1.models_pb2_grpc import add_ModelServiceServicer_to_server
from service.metrics import Metrics
from service.runtime.concurrency import Concurrency
from service.runtime.executor import Executor
from service.runtime.idle_streams import IdleStreams
from service.runtime.job_queue import Limits
from service.runtime.memory import MemoryBudget
from service.runtime.models import ModelStore
from service.runtime.observer import observer
from service.runtime.runtime import Runtime
from service.security import Role
from service.server.access import credentials, interceptors
from service.server.grpc_server import add_health_and_reflection, add_port, grpc_server
from service.servicers.anomaly import AnomalyServicer
from service.servicers.codec import CodecServicer
from service.servicers.gate import GateInterceptor
from service.servicers.interceptor import RpcInterceptor
from service.servicers.models import ModelServicer
from service.servicers.open_inference import OpenInferenceServicer
from service.settings import MIB, Settings
from service.tracing import open_spans

SERVICES = (
    "residuum.v1.CodecService",
    "residuum.v1.AnomalyService",
    "residuum.v1.ModelService",
    "inference.GRPCInferenceService",
)
# Threads for calls that are refused, and for health checks, while all others are busy.
_SPARE_THREADS = 8
# A CPU is saturated by a few images, a GPU needs many.
_SLICE_IMAGES = {"auto": 64, "cpu": 64, "cuda": 256}


@final
class DataPort:
    """The server on the data port of one process. Raises ListenError."""

    def __init__(self, settings: Settings, port: int, registry: CollectorRegistry) -> None:
        metrics = Metrics(registry)
        requests = metrics.requests
        calls = Concurrency(settings.workers, "calls", requests.in_progress.set)
        streams = Concurrency(settings.max_streams, "streams", requests.streams.set)
        limits = Limits(
            slice_images=settings.max_batch_rows or _SLICE_IMAGES[settings.provider],
            queue_images=settings.max_queue_rows,
            window=settings.batch_window_ms / 1000.0,
        )
        self.models = ModelStore(settings.bundles, settings.provider, settings.threads)
        self._executor = Executor(limits, observer(metrics.compute, calls.count))
        runtime = Runtime(
            models=self.models,
            executor=self._executor,
            memory=MemoryBudget(settings.max_decoded_mb * MIB, requests.memory.set),
            max_images=settings.max_images,
        )
        idle_streams = IdleStreams(settings.stream_idle_seconds)
        before = interceptors(settings, Role.DATA)
        self._spans = open_spans(os.environ)
        gate = GateInterceptor(requests, self._executor.overload)
        rpc = RpcInterceptor(requests, calls, streams, idle_streams, self._spans)
        threads = settings.workers + settings.max_streams + _SPARE_THREADS
        self._server = grpc_server([*before, gate, rpc], threads, settings.max_message_mb)
        codec = CodecServicer(runtime, metrics.images)
        add_CodecServiceServicer_to_server(codec, self._server)
        anomaly = AnomalyServicer(runtime, metrics.images)
        add_AnomalyServiceServicer_to_server(anomaly, self._server)
        add_ModelServiceServicer_to_server(ModelServicer(self.models, admin=False), self._server)
        add_GRPCInferenceServiceServicer_to_server(
            OpenInferenceServicer(self.models, codec, anomaly, lambda: self._serving), self._server
        )
        self._serving = False
        self._health = health.HealthServicer()
        self._set_health(HealthCheckResponse.NOT_SERVING)
        add_health_and_reflection(self._server, self._health, SERVICES)
        self.port = add_port(self._server, settings.host, port, credentials(settings))

    def start(self) -> None:
        """Serves; the models are loaded before."""
        self._server.start()
        self._set_health(HealthCheckResponse.SERVING)

    def seconds_computing(self) -> float:
        """For how long the present slice of work has been computed; 0 without one."""
        return self._executor.seconds_computing()

    def drain(self, seconds: float) -> None:
        """Stops accepting calls, lets those in progress finish for up to `seconds`, and stops."""
        self._set_health(HealthCheckResponse.NOT_SERVING)
        self._server.stop(seconds).wait()
        self._executor.close()
        if self._spans is not None:
            self._spans.close()

    def _set_health(self, status: HealthCheckResponse.ServingStatus) -> None:
        self._serving = status == HealthCheckResponse.SERVING
        for service in ("", *SERVICES):
            self._health.set(service, status)
