"""The client for scripts and threads."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Self, TypeVar, Unpack

import grpc

from residuum_client.arrays import U8
from residuum_client.backend import Backend, results
from residuum_client.errors import ResiduumError
from residuum_client.inputs import Image
from residuum_client.options import EncodeOptions
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score
from residuum_client.transport import Connection, Pairs, Token, messages, model_messages

R = TypeVar("R")


class Client(Backend):
    """One model of a server. `with` closes the connection.

    - `target`: `HOST:PORT`, or any gRPC name such as `dns:///HOST:PORT`; or several, in a list or
      with commas between them. Messages take turns between all addresses, and go on to the next
      when one does not answer.
    - `model`, `version`: the model on the server; an empty version means the newest.
    - `timeout`: seconds per message, at most a million. Within it, a call that finds no server is
      tried five times, with increasing pauses.
    - `credentials`: for TLS, as `tls` makes them; nothing is encrypted without them.
    - `token`: sent with every call as `authorization: Bearer TOKEN`, or a function that gives the
      present one. Without TLS, only servers on this machine may have it.
    - `metadata`: names and values to send with every call.

    Messages are sized by their pixels and by how fast the server answers, and up to four are in
    flight. One that is late or failed is sent again in parts, so that only the images or records
    that fail alone have failed. A busy server is asked up to six times, with increasing pauses; all
    calls together repeat at most 50 messages a second.

    A client can be shared between threads, but not across `fork`. No call is made before the first
    method is used. All methods raise ResiduumError, and so does the constructor: InvalidInput.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        model: str,
        version: str = "",
        timeout: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        metadata: Pairs | None = None,
    ) -> None:
        self._ref = model_messages.reference(model, version)
        self._connection = Connection(target, timeout, credentials, token, metadata)
        self._info: ModelInfo | None = None

    def with_timeout(self, timeout: float) -> Self:
        """The same client with another timeout for a message, seconds. Both share the connection.

        Raises InvalidInput.
        """
        other = copy.copy(self)
        other._connection = self._connection.with_timeout(timeout)
        return other

    def wait_ready(self, seconds: float) -> None:
        """Waits until the server is ready, at most these seconds. Raises Unavailable after them."""
        self._connection.wait_ready(seconds)

    def close(self) -> None:
        """Closes the connection. Later calls raise Unavailable.

        Returns within a second. After an exception from a signal handler, such as
        KeyboardInterrupt, gRPC may wait for ever for a call that it lost; that wait goes on in a
        thread that does not keep the process alive.
        """
        self._connection.close()

    def compress_each(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed | ResiduumError]:
        """`compress_stream` with one outcome per image: its result, or why it has none.

        Raises what no single image is to blame for: InvalidInput at once for options that no model
        takes, UnknownModel, BundleError, and Unavailable.
        """
        return self._encode(images, options, messages.compressed)

    def restore_each(self, records: Iterable[bytes]) -> Iterator[Restored | ResiduumError]:
        """`restore_stream` with one outcome per record: its image, or why it has none."""
        return self._decode(records, messages.restored)

    def score_each(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[Score | ResiduumError]:
        """`score_stream` with one outcome per image: its score, or why it has none."""
        exchange = messages.scoring(self._ref, false_alarm_rate, heatmaps)
        return self._connection.each(self._connection.anomaly.Score, exchange, images)

    def encode_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[bytes]:
        """`encode` for an iterable of any length: the records one by one, in constant memory.

        Raises InvalidInput at once for options that no model takes.
        """
        outcomes = self._encode(images, options, messages.records)
        return results(outcomes)

    def decode_stream(self, records: Iterable[bytes]) -> Iterator[U8]:
        """`decode` for an iterable of any length: the images `[H, W, C]` one by one."""
        outcomes = self._decode(records, messages.images)
        return results(outcomes)

    def models(self) -> list[ModelInfo]:
        """All models that the server has loaded."""
        service, request = self._connection.models, model_messages.list_request()
        return model_messages.models(self._connection.call(service.ListModels, request))

    def describe(self) -> Description:
        """The model with its card and its manifest. Raises UnknownModel."""
        service, request = self._connection.models, model_messages.get_request(self._ref)
        return model_messages.description(self._connection.call(service.GetModel, request))

    def _encode(
        self, images: Iterable[Image], options: EncodeOptions, read: messages.ReadEncoded[R]
    ) -> Iterator[R | ResiduumError]:
        exchange = messages.encoding(self._ref, options, read)
        return self._connection.each(self._connection.codec.Encode, exchange, images)

    def _decode(
        self, records: Iterable[bytes], read: messages.ReadDecoded[R]
    ) -> Iterator[R | ResiduumError]:
        if self._info is None:
            self._info = self.describe().model
        exchange = messages.decoding(self._ref, self._info, read)
        return self._connection.each(self._connection.codec.Decode, exchange, records)
