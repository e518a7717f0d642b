"""The models of a server: bundles of a folder that can be loaded and unloaded while it runs."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import final

from codec.errors import BundleError, InvalidInput, UnknownModel
from codec.graphs.onnx import Provider
from service.runtime.bundle_folder import find_bundles, version_key
from service.runtime.loaded_model import LoadedModel, open_model

_LOG = logging.getLogger(__name__)


@final
class ModelStore:
    """The loaded models by name and version, of a folder of bundles or of one bundle.

    Readers never wait; loads and unloads run one at a time.
    """

    def __init__(self, bundles: Path, provider: Provider, threads: int) -> None:
        self._path = bundles
        self._provider: Provider = provider
        self._threads = threads
        self._changing = threading.Lock()
        # Replaced as a whole, never modified: a reader sees the state before a change or after it.
        self._models: Mapping[tuple[str, str], LoadedModel] = {}

    def all(self) -> list[LoadedModel]:
        """Every loaded model, by name and ascending version."""
        return sorted(self._models.values(), key=lambda m: (m.name, version_key(m.version)))

    def get(self, name: str, version: str = "") -> LoadedModel:
        """The model of this name and version; without a version, the newest of this name.

        Raises InvalidInput without a name, UnknownModel for a model that is not loaded.
        """
        models = self._models
        if version:
            found = models.get((name, version))
        else:
            versions = [model for (other, _), model in models.items() if other == name]
            found = max(versions, key=lambda m: version_key(m.version), default=None)
        if found is not None:
            return found
        loaded = ", ".join(f"{model.name} {model.version}" for model in self.all()) or "none"
        if not name:
            raise InvalidInput(f"the request names no model; loaded models: {loaded}")
        wanted = f"{name} {version}" if version else name
        raise UnknownModel(f"model {wanted[:100]!r} is not loaded; loaded models: {loaded}")

    def load_all(self) -> dict[str, LoadedModel]:
        """Loads all bundles of the folder. Returns the models by bundle.

        Raises BundleError if a bundle is damaged, if two have the same name and version, or if the
        folder has none.
        """
        loaded: dict[str, LoadedModel] = {}
        origins: dict[tuple[str, str], str] = {}
        for bundle in find_bundles(self._path):
            model = loaded[bundle] = self.load(bundle)
            key = (model.name, model.version)
            if key in origins:
                raise BundleError(
                    f"bundles {origins[key]} and {bundle} have the same name and version: "
                    f"{' '.join(key)}"
                )
            origins[key] = bundle
        return loaded

    def load_again(self, digests: Mapping[str, bytes], *, complete: bool) -> dict[str, LoadedModel]:
        """Loads bundles by name that another process has loaded, if they still have these digests.

        Returns the models by bundle. Raises BundleError or UnknownModel for the first that it
        cannot load, or leaves these out with a line in the log unless it must be `complete`.
        """
        loaded = {}
        for bundle, digest in digests.items():
            try:
                loaded[bundle] = self.load(bundle, digest)
            except (BundleError, UnknownModel) as error:
                if complete:
                    raise
                _LOG.error("a model is left out: %s", error)
        return loaded

    def load(self, bundle: str, digest: bytes | None = None) -> LoadedModel:
        """Loads a bundle of the folder; it replaces a loaded model of its name and version.

        Raises UnknownModel if the folder has no such bundle, and BundleError if it is damaged, or
        does not have the digest; the old model then stays loaded.
        """
        with self._changing:
            bundles = find_bundles(self._path)
            if bundle not in bundles:
                raise UnknownModel(
                    f"bundle {bundle[:100]!r} is not in the bundle folder; "
                    f"available: {', '.join(bundles)}"
                )
            model = open_model(bundles[bundle], self._provider, self._threads)
            if digest not in (None, model.bundle.digest):
                raise BundleError(
                    f"bundle {bundles[bundle]} has changed since it was loaded; load it again"
                )
            self._models = {**self._models, (model.name, model.version): model}
        return model

    def unload(self, name: str, version: str = "") -> None:
        """Drops a model; calls that use it finish normally. Raises UnknownModel."""
        with self._changing:
            model = self.get(name, version)
            self._models = {k: m for k, m in self._models.items() if m is not model}
