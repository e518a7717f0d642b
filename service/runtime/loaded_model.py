"""A model loaded from a bundle: its graphs opened, warmed up and batched."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codec import Codec, Scorer
from codec.bundle.bundle import Bundle, load_bundle
from codec.errors import BundleError
from codec.graphs.onnx import Provider, open_graphs
from codec.warm_up import warm_up
from service.metrics import ModelMetrics
from service.runtime.batched_graphs import BatchedGraphs
from service.runtime.batching import BatchObserver, Limits

# A CPU is saturated by a few rows, a GPU needs many.
BATCH_ROWS = {"cpu": 32, "cuda": 256}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """How models are run.

    Without `batch_rows`, the provider decides. `window` is the longest wait of an image for others
    to share its run, in seconds.
    """

    provider: Provider
    threads: int
    batch_rows: int | None
    window: float
    queue_rows: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedModel:
    """A model in service; `provider` is where its graphs run, cpu or cuda."""

    name: str
    version: str
    bundle: Bundle
    codec: Codec
    scorer: Scorer
    graphs: BatchedGraphs
    provider: str


def open_model(
    path: Path, config: RuntimeConfig, metrics: ModelMetrics, calls_in_progress: Callable[[], float]
) -> LoadedModel:
    """Loads a bundle and warms up its graphs. Raises BundleError, which names the path."""
    bundle = load_bundle(path)
    manifest = bundle.manifest
    try:
        graphs = open_graphs(bundle, config.provider, config.threads)
        warm_up(Codec(bundle, graphs))
    except BundleError as error:
        raise BundleError(f"bundle {path}: {error}") from error
    limits = Limits(
        batch_rows=config.batch_rows or BATCH_ROWS[graphs.provider],
        window=config.window,
        queue_rows=config.queue_rows,
    )
    names = ["encoder", "decoder", *(["segmenter"] if bundle.segmenter is not None else [])]
    observers = [
        BatchObserver(
            batch_rows=metrics.batch_rows.labels(manifest.name, graph).observe,
            queue_rows=metrics.queue_rows.labels(manifest.name, graph).set,
            calls_in_progress=calls_in_progress,
        )
        for graph in names
    ]
    batched = BatchedGraphs(graphs, limits, *observers)
    codec = Codec(bundle, batched)
    return LoadedModel(
        name=manifest.name,
        version=manifest.version,
        bundle=bundle,
        codec=codec,
        scorer=Scorer(codec),
        graphs=batched,
        provider=graphs.provider,
    )
