"""The admin port of a server: loads and unloads models."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import grpc

from residuum_client.results import ModelInfo
from residuum_client.transport import Connection, Pairs, Token, model_messages


class Admin:
    """The admin port of a server, which is off unless the server was started with it.

    The parameters are those of `Client`; loading a model may take longer than a call to it. `with`
    closes the connection. All methods raise ResiduumError: Unauthenticated and PermissionDenied
    without the token or the certificate of an administrator.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        timeout: float = 60.0,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        metadata: Pairs | None = None,
    ) -> None:
        self._connection = Connection(target, timeout, credentials, token, metadata)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def load(self, bundle: str) -> ModelInfo:
        """Loads a bundle, by its name in the server's folder of bundles.

        It replaces a loaded model of the same name and version. Raises UnknownModel if the folder
        has no such bundle, and BundleError if it is damaged; the old model then stays loaded.
        """
        request = model_messages.load_request(bundle)
        return model_messages.loaded(
            self._connection.call(self._connection.models.LoadModel, request)
        )

    def unload(self, model: str, version: str = "") -> None:
        """Unloads a model, an empty version the newest; calls that use it finish.

        Raises UnknownModel.
        """
        request = model_messages.unload_request(model, version)
        self._connection.call(self._connection.models.UnloadModel, request)

    def models(self) -> list[ModelInfo]:
        """All models that the server has loaded."""
        service, request = self._connection.models, model_messages.list_request()
        return model_messages.models(self._connection.call(service.ListModels, request))

    def close(self) -> None:
        """Closes the connection. Later calls raise Unavailable."""
        self._connection.close()
