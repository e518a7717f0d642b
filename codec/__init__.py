"""Bundles, records and scores: what training, exporter, service and offline clients share.

    from codec import Codec, Scorer, load_bundle
    from codec.graphs.onnx import open_graphs

    bundle = load_bundle("bundles/fashion")
    codec = Codec(bundle, open_graphs(bundle))
    records = codec.compress(images)
    images = codec.decompress(records)
    scores = Scorer(codec).score(images)

Nothing here needs torch, and only `codec.graphs.onnx` needs onnxruntime.
"""

from codec.bundle.bundle import Bundle, load_bundle
from codec.codec import Codec
from codec.errors import (
    ArchiveError,
    BundleError,
    InvalidInput,
    Overloaded,
    RecordError,
    ResiduumError,
    UnknownModel,
)
from codec.rate_control import Rate
from codec.results import Compressed, EncodedImage, Restored
from codec.scorer import RawScore, Scorer
from codec.scores.scores import Score

__all__ = [
    "ArchiveError",
    "Bundle",
    "BundleError",
    "Codec",
    "Compressed",
    "EncodedImage",
    "InvalidInput",
    "Overloaded",
    "Rate",
    "RawScore",
    "RecordError",
    "ResiduumError",
    "Restored",
    "Score",
    "Scorer",
    "UnknownModel",
    "load_bundle",
]
