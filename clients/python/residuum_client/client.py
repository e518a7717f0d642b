"""The client for threads and scripts."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self, TypeVar, Unpack

import grpc
import numpy as np
from numpy.typing import NDArray

from residuum_client import messages
from residuum_client.channel import IN_FLIGHT, OPTIONS, Stubs
from residuum_client.errors import ResiduumError, Unavailable, from_rpc
from residuum_client.options import EncodeOptions
from residuum_client.packing import Batch, Image, packed
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score
from residuum_client.v1 import images_pb2, models_pb2

I = TypeVar("I", bound=NDArray[np.uint8] | bytes)  # noqa: E741 - item, as in messages.py
Q = TypeVar("Q")
A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
R = TypeVar("R")
# gRPC takes a few milliseconds.
CLOSE_SECONDS = 1.0


class _Pending(Protocol[A_co]):
    """A call under way."""

    def result(self) -> A_co: ...

    def cancel(self) -> bool: ...


class Client:
    """Asks one model of the server at `target` (`host:port`, or any gRPC name such as `dns:///…`).

    Safe to share between threads; forget it before `fork`. `timeout` is in seconds per message; the
    retries (UNAVAILABLE, RESOURCE_EXHAUSTED, with backoff) happen within it. Where the name has
    several addresses, messages take turns. Without `credentials` nothing is encrypted. An empty
    `version` means the newest. All methods raise ResiduumError.
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
        self._stubs = Stubs(self._channel)
        self._info: ModelInfo | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls after that raise Unavailable.

        Returns within a second. After an exception from a signal handler, such as
        KeyboardInterrupt, gRPC may wait for ever for a call that it lost: that wait goes on in a
        thread that does not keep the process alive.
        """
        closing = threading.Thread(target=self._channel.close, name="close", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    def encode(self, images: Iterable[Image], **options: Unpack[EncodeOptions]) -> list[bytes]:
        """One record per image; see EncodeOptions for the keywords."""
        return list(self.encode_stream(images, **options))

    def compress(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> list[Compressed]:
        """`encode`, with the quality and the evidence of each record."""
        return list(self.compress_stream(images, **options))

    def decode(self, records: Iterable[bytes]) -> list[NDArray[np.uint8]]:
        """One image uint8 [H, W, C] per record."""
        return list(self.decode_stream(records))

    def restore(self, records: Iterable[bytes]) -> list[Restored]:
        """`decode`, with the boxes of each image's evidence."""
        return list(self.restore_stream(records))

    def score(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> list[Score]:
        """One score per image; flagged at `false_alarm_rate` in (0, 1), None for the default."""
        return list(self.score_stream(images, false_alarm_rate=false_alarm_rate, heatmaps=heatmaps))

    def encode_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[bytes]:
        """`encode` for iterables of any length, in constant memory.

        It reads ahead by some full messages, hence is not for live sources: give those to `encode`.
        """
        exchange = messages.encoding(self._ref, options, messages.records)
        return self._stream(self._stubs.codec.Encode, exchange, images)

    def compress_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed]:
        """`compress` for iterables of any length, in constant memory; reads ahead."""
        exchange = messages.encoding(self._ref, options, messages.compressed)
        return self._stream(self._stubs.codec.Encode, exchange, images)

    def decode_stream(self, records: Iterable[bytes]) -> Iterator[NDArray[np.uint8]]:
        """`decode` for iterables of any length, in constant memory."""
        exchange = messages.decoding(self._ref, self._model(), messages.images)
        return self._stream(self._stubs.codec.Decode, exchange, records)

    def restore_stream(self, records: Iterable[bytes]) -> Iterator[Restored]:
        """`restore` for iterables of any length, in constant memory."""
        exchange = messages.decoding(self._ref, self._model(), messages.restored)
        return self._stream(self._stubs.codec.Decode, exchange, records)

    def score_stream(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[Score]:
        """`score` for iterables of any length, in constant memory; reads ahead."""
        exchange = messages.scoring(self._ref, false_alarm_rate, heatmaps)
        return self._stream(self._stubs.anomaly.Score, exchange, images)

    def models(self) -> list[ModelInfo]:
        """All models that the server holds."""
        request = models_pb2.ListModelsRequest()
        return messages.models(self._call(self._stubs.models.ListModels, request))

    def describe(self) -> Description:
        """The model in full."""
        request = models_pb2.GetModelRequest(model=self._ref)
        return messages.description(self._call(self._stubs.models.GetModel, request))

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
        """Some unary calls at a time rather than one stream: each has its own deadline, retries and
        replica, none of which a stream has after its first answer."""
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

    def _call(self, rpc: "grpc.UnaryUnaryMultiCallable[Q, A]", request: Q) -> A:
        return self._finish(self._start(rpc, request), 0)

    def _start(self, rpc: "grpc.UnaryUnaryMultiCallable[Q, A]", request: Q) -> _Pending[A]:
        try:
            return rpc.future(request, timeout=self._timeout)
        except ValueError as error:  # what gRPC raises on a closed channel
            raise Unavailable(f"the client of {self._target} is closed") from error

    def _finish(self, call: _Pending[A], first: int) -> A:
        try:
            return call.result()
        except grpc.RpcError as error:
            raise self._error(error, first) from error
        except grpc.FutureCancelledError as error:
            raise Unavailable(f"the client of {self._target} was closed meanwhile") from error

    def _error(self, error: grpc.RpcError, first: int) -> ResiduumError:
        return from_rpc(error, target=self._target, timeout=self._timeout, first=first)
