"""The models that a server holds: bundles of a folder, to load, replace and drop while it runs."""

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from codec.bundle.bundle import MANIFEST, Bundle, load_bundle
from codec.bundle.manifest import InputSpec
from codec.errors import BundleError, InvalidInput, UnknownModel
from codec.graphs.onnx import Provider, open_graphs
from codec.pipeline import Model
from service.metrics import Metrics
from service.runtime.batching import BatchedGraphs, Limits, Watch

# Where batching stops to pay: a CPU is saturated by a few rows, a GPU wants many.
BATCH_ROWS = {"cpu": 32, "cuda": 256}
# Side, in strides, of the image that warms a model which takes any size.
_WARM_STRIDES = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Served:
    """A model at work; `provider` is where its graphs run, cpu or cuda."""

    bundle: Bundle
    model: Model
    graphs: BatchedGraphs
    provider: str

    @property
    def name(self) -> str:
        return self.bundle.manifest.name

    @property
    def version(self) -> str:
        return self.bundle.manifest.version

    @property
    def model_id(self) -> bytes:
        return self.bundle.model_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """How models are run; no `batch_rows` means what suits the provider; `window` is in seconds."""

    provider: Provider
    threads: int
    batch_rows: int | None
    window: float
    queue_rows: int


def open_served(
    path: Path, runtime: Runtime, metrics: Metrics, calls_in_progress: Callable[[], float]
) -> Served:
    """Loads a bundle and warms its graphs up. Raises BundleError, which names the path."""
    bundle = load_bundle(path)
    graphs = open_graphs(bundle, runtime.provider, runtime.threads)
    limits = Limits(
        batch_rows=runtime.batch_rows or BATCH_ROWS[graphs.provider],
        window=runtime.window,
        queue_rows=runtime.queue_rows,
    )
    name = bundle.manifest.name
    encoder, decoder = (
        Watch(
            batch_rows=metrics.batch_rows.labels(name, graph).observe,
            queue_rows=metrics.queue_rows.labels(name, graph).set,
            calls_in_progress=calls_in_progress,
        )
        for graph in ("encoder", "decoder")
    )
    _warm_up(Model(bundle, graphs), path)
    batched = BatchedGraphs(graphs, limits, encoder, decoder)
    return Served(
        bundle=bundle, model=Model(bundle, batched), graphs=batched, provider=graphs.provider
    )


def _warm_up(model: Model, path: Path) -> None:
    spec = model.manifest.input
    try:
        image = np.zeros((*_warm_size(spec), spec.channels), np.uint8)
        model.decompress(model.compress([image]))
        model.score([image])
    except Exception as error:
        raise BundleError(f"bundle {path}: its first image failed: {error}") from error


def _warm_size(spec: InputSpec) -> tuple[int, int]:
    side = _WARM_STRIDES * spec.stride
    return spec.height or side, spec.width or side


@final
class ModelStore:
    """The models by name and version. Readers never wait; loads and unloads go one at a time.

    `open_bundle` makes a Served of a path; `changed` is told of all models after each change.
    """

    def __init__(
        self,
        folder: Path,
        open_bundle: Callable[[Path], Served],
        changed: Callable[[Iterable[Served]], None],
    ) -> None:
        self._folder = folder
        self._open = open_bundle
        self._changed = changed
        self._changing = threading.Lock()
        # Replaced as a whole, never altered: a reader sees the models before a change or after it.
        self._served: Mapping[tuple[str, str], Served] = {}

    def all(self) -> list[Served]:
        """Every model, by name and ascending version."""
        return sorted(self._served.values(), key=lambda s: (s.name, version_key(s.version)))

    def get(self, name: str, version: str = "") -> Served:
        """The model of this name and version, or the newest of this name. Raises UnknownModel."""
        served = self._served
        if version:
            found = served.get((name, version))
        else:
            versions = [s for (other, _), s in served.items() if other == name]
            found = max(versions, key=lambda s: version_key(s.version), default=None)
        if found is not None:
            return found
        loaded = ", ".join(f"{s.name} {s.version}" for s in self.all()) or "none"
        if not name:
            raise InvalidInput(f"the request names no model; loaded are: {loaded}")
        wanted = f"{name} {version}" if version else name
        raise UnknownModel(f"no model {wanted[:100]!r}; loaded are: {loaded}")

    def load_all(self) -> None:
        """Loads every bundle of the folder.

        Raises BundleError for a damaged one, for two of one name and version, and for none at all.
        """
        origins: dict[tuple[str, str], str] = {}
        for bundle in self.bundles():
            served = self.load(bundle)
            key = (served.name, served.version)
            if key in origins:
                raise BundleError(f"bundles {origins[key]} and {bundle} are both {' '.join(key)}")
            origins[key] = bundle
        if not origins:
            raise BundleError(
                f"no bundle in {self._folder}: neither a folder with {MANIFEST} nor a .tar"
            )

    def bundles(self) -> list[str]:
        """Names of the bundles in the folder, hidden ones left out. Raises BundleError."""
        try:
            entries = sorted(self._folder.iterdir())
        except OSError as error:
            raise BundleError(f"bundle folder {self._folder}: {error.strerror}") from error
        return [p.name for p in entries if not p.name.startswith(".") and _is_bundle(p)]

    def load(self, bundle: str) -> Served:
        """Loads a bundle of the folder, in place of the model of its name and version, if any.

        Raises UnknownModel if there is no such bundle, BundleError if it is damaged: then the old
        model stays.
        """
        with self._changing:
            bundles = self.bundles()
            if bundle not in bundles:
                there = ", ".join(bundles) or "none"
                raise UnknownModel(
                    f"no bundle {bundle[:100]!r} in the bundle folder; there are: {there}"
                )
            served = self._open(self._folder / bundle)
            key = (served.name, served.version)
            old = self._served.get(key)
            self._publish({**self._served, key: served})
        if old is not None:
            old.graphs.close()
        return served

    def unload(self, name: str, version: str = "") -> None:
        """Drops a model; calls that hold it end normally. Raises UnknownModel."""
        with self._changing:
            served = self.get(name, version)
            key = (served.name, served.version)
            self._publish({k: s for k, s in self._served.items() if k != key})
        served.graphs.close()

    def close(self) -> None:
        """Drops every model."""
        for served in self.all():
            self.unload(served.name, served.version)

    def _publish(self, served: Mapping[tuple[str, str], Served]) -> None:
        self._served = served
        self._changed(self.all())


def version_key(version: str) -> list[tuple[bool, int, str]]:
    """Orders versions by their numbers, as people do: 1.9 before 1.10."""
    parts = re.findall(r"\d+|[^\d.]+", version)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _is_bundle(path: Path) -> bool:
    return path.suffix == ".tar" if path.is_file() else (path / MANIFEST).is_file()
