"""The client for scripts and threads."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar, Unpack

import grpc

from residuum_client import messages, model_messages
from residuum_client.arrays import U8
from residuum_client.backend import Backend, EncodeOptions
from residuum_client.channel import IN_FLIGHT, OPTIONS
from residuum_client.errors import Unavailable, from_rpc
from residuum_client.packing import Batch, Image, packed
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score
from residuum_client.v1 import (
    anomaly_pb2_grpc,
    codec_pb2_grpc,
    images_pb2,
    models_pb2,
    models_pb2_grpc,
)

I = TypeVar("I", bound=U8 | bytes)  # noqa: E741 - item, as in messages.py
Q = TypeVar("Q")
A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
R = TypeVar("R")
# gRPC closes a channel in a few milliseconds.
CLOSE_SECONDS = 1.0


class _Pending(Protocol[A_co]):
    """A call in progress."""

    def result(self) -> A_co: ...

    def cancel(self) -> bool: ...


class Client(Backend):
    """One model of a server. `with` closes the connection.

    - `target`: `host:port`, or any gRPC name such as `dns:///host:port`. If the name has several
      addresses, messages take turns.
    - `model`, `version`: the model on the server; an empty version means the newest.
    - `timeout`: seconds per message, retries included. Calls that fail with UNAVAILABLE or
      RESOURCE_EXHAUSTED are tried four times, with increasing pauses.
    - `credentials`: for TLS; nothing is encrypted without them.

    A client can be shared between threads, but not across `fork`. No call is made before the first
    method is used. All methods raise ResiduumError.
    """

    def __init__(
        self,
        target: str,
        *,
        model: str,
        version: str = "",
        timeout: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._target, self._timeout = target, timeout
        self._ref = images_pb2.ModelRef(name=model, version=version)
        self._channel = (
            grpc.insecure_channel(target, options=OPTIONS)
            if credentials is None
            else grpc.secure_channel(target, credentials, options=OPTIONS)
        )
        self._codec = codec_pb2_grpc.CodecServiceStub(self._channel)
        self._anomaly = anomaly_pb2_grpc.AnomalyServiceStub(self._channel)
        self._models = models_pb2_grpc.ModelServiceStub(self._channel)
        self._info: ModelInfo | None = None

    def close(self) -> None:
        """Closes the connection. Later calls raise Unavailable.

        Returns within a second. After an exception from a signal handler, such as
        KeyboardInterrupt, gRPC may wait for ever for a call that it lost; that wait goes on in a
        thread that does not keep the process alive.
        """
        closing = threading.Thread(target=self._channel.close, name="close", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    def encode_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[bytes]:
        """`encode` for an iterable of any length, in constant memory, reading a little ahead.

        Raises InvalidInput at once for options that no model takes.
        """
        exchange = messages.encoding(self._ref, options, messages.records)
        return self._stream(self._codec.Encode, exchange, images)

    def compress_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed]:
        """`compress` for an iterable of any length, in constant memory, reading a little ahead.

        Raises InvalidInput at once for options that no model takes.
        """
        exchange = messages.encoding(self._ref, options, messages.compressed)
        return self._stream(self._codec.Encode, exchange, images)

    def decode_stream(self, records: Iterable[bytes]) -> Iterator[U8]:
        """`decode` for an iterable of any length, in constant memory, reading a little ahead."""
        exchange = messages.decoding(self._ref, self._model(), messages.images)
        return self._stream(self._codec.Decode, exchange, records)

    def restore_stream(self, records: Iterable[bytes]) -> Iterator[Restored]:
        """`restore` for an iterable of any length, in constant memory, reading a little ahead."""
        exchange = messages.decoding(self._ref, self._model(), messages.restored)
        return self._stream(self._codec.Decode, exchange, records)

    def score_stream(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[Score]:
        """`score` for an iterable of any length, in constant memory, reading a little ahead."""
        exchange = messages.scoring(self._ref, false_alarm_rate, heatmaps)
        return self._stream(self._anomaly.Score, exchange, images)

    def models(self) -> list[ModelInfo]:
        """All models that the server has loaded."""
        call = self._start(self._models.ListModels, models_pb2.ListModelsRequest())
        return model_messages.models(self._finish(call))

    def describe(self) -> Description:
        """The model with its card and its manifest. Raises UnknownModel."""
        request = models_pb2.GetModelRequest(model=self._ref)
        return model_messages.description(self._finish(self._start(self._models.GetModel, request)))

    def _model(self) -> ModelInfo:
        if self._info is None:
            self._info = self.describe().model
        return self._info

    def _stream(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[Q, A]",
        exchange: messages.Exchange[I, Q, A, R],
        elements: Iterable[object],
    ) -> Iterator[R]:
        """The results of several unary calls at a time.

        Every call has a deadline, retries and a replica; a stream has only one of each, and no
        retries after its first response.
        """
        pending: deque[tuple[Batch[I], _Pending[A]]] = deque()
        try:
            for batch in packed(exchange.pack(), elements):
                pending.append((batch, self._start(rpc, exchange.ask(batch.items))))
                if len(pending) == IN_FLIGHT:
                    yield from self._results(exchange, *pending.popleft())
            while pending:
                yield from self._results(exchange, *pending.popleft())
        finally:
            for _, call in pending:
                call.cancel()

    def _results(
        self, exchange: messages.Exchange[I, Q, A, R], batch: Batch[I], call: _Pending[A]
    ) -> list[R]:
        return exchange.results(batch, self._finish(call, batch.first))

    def _start(self, rpc: "grpc.UnaryUnaryMultiCallable[Q, A]", request: Q) -> _Pending[A]:
        try:
            return rpc.future(request, timeout=self._timeout)
        except ValueError as error:  # what gRPC raises on a closed channel
            raise Unavailable(f"the client of {self._target} is closed") from error

    def _finish(self, call: _Pending[A], first: int = 0) -> A:
        try:
            return call.result()
        except grpc.RpcError as error:
            raise from_rpc(
                error, target=self._target, timeout=self._timeout, first=first
            ) from error
        except grpc.FutureCancelledError as error:
            raise Unavailable(f"the client of {self._target} was closed during the call") from error
