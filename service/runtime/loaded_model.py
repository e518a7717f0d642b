"""A model loaded from a bundle: its graphs opened and warmed up."""

from dataclasses import dataclass
from pathlib import Path

from codec import Codec, Scorer
from codec.bundle.bundle import Bundle, load_bundle
from codec.errors import BundleError
from codec.graphs.onnx import Provider, open_graphs
from codec.warm_up import warm_up


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedModel:
    """A model in service; `provider` is where its graphs run, cpu or cuda."""

    name: str
    version: str
    bundle: Bundle
    codec: Codec
    scorer: Scorer
    provider: str


def open_model(path: Path, provider: Provider, threads: int) -> LoadedModel:
    """Loads a bundle and warms up its graphs. Raises BundleError, which names the path."""
    bundle = load_bundle(path)
    try:
        graphs = open_graphs(bundle, provider, threads)
        codec = Codec(bundle, graphs)
        warm_up(codec)
    except BundleError as error:
        raise BundleError(f"bundle {path}: {error}") from error
    return LoadedModel(
        name=bundle.manifest.name,
        version=bundle.manifest.version,
        bundle=bundle,
        codec=codec,
        scorer=Scorer(codec),
        provider=graphs.provider,
    )
