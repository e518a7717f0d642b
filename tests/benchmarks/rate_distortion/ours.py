"""The one place that knows the interface of codec/: all that the benchmark asks of ours.

The encoder runs once per image for all levels: the graphs are wrapped in a memory of what they
have encoded, and the model asks them again for every level.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import codec
from codec.bundle import Bundle, load_bundle, pack_arrays
from codec.entropy import RangeCoder
from codec.onnx import OnnxGraphs, open_graphs
from codec.pipeline import Model
from codec.quantise import quantise
from codec.record import Record, pack, unpack
from codec.tables import Tables, fit_tables
from rate_distortion.atlas import groups
from rate_distortion.cache import Results
from rate_distortion.measurement import U8, Measurement, squared_error

I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
CODEC = Path(codec.__file__).resolve().parent
CHUNK_VALUES, CHUNK_IMAGES = 2**22, 256
_ANY_MODEL = bytes(32)

__all__ = ["Tables", "fit_tables", "quantise"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report says of a bundle; bytes of what a decoder needs of it."""

    name: str
    model_id: str
    levels: int
    default: int
    decoder_bytes: int


def encoder_digest(path: Path) -> str:
    """SHA-256 of the encoder, which the model id leaves out."""
    return load_bundle(path).manifest.members["encoder.onnx"].sha256


class RememberingGraphs:
    """Graphs that encode equal inputs once."""

    def __init__(self, graphs: OnnxGraphs) -> None:
        self._graphs = graphs
        self._encoded: dict[bytes, tuple[Any, Any]] = {}

    def encode(self, x: U8) -> tuple[Any, Any]:
        """See codec.pipeline.Graphs."""
        key = hashlib.sha256(str(x.shape).encode() + x.tobytes()).digest()
        if key not in self._encoded:
            self._encoded[key] = self._graphs.encode(x)
        return self._encoded[key]

    def decode(self, latent: npt.NDArray[Any]) -> F32:
        """See codec.pipeline.Graphs."""
        return self._graphs.decode(latent)


def facts(path: Path) -> Facts:
    """What there is to know of a bundle. Raises BundleError."""
    bundle = load_bundle(path)
    manifest = bundle.manifest
    return Facts(
        name=manifest.name,
        model_id=bundle.model_id.hex(),
        levels=manifest.quality_levels,
        default=manifest.quality_default,
        decoder_bytes=_decoder_bytes(bundle),
    )


def measure(
    path: Path, images: Sequence[U8], part: npt.NDArray[np.int64], layouts: Sequence[int]
) -> Results:
    """The levels, single and in archives of `layouts` images, 0 for all of them.

    Archives of a few images are made of the part, as the atlases are. Raises ResiduumError.
    """
    bundle = load_bundle(path)
    model = Model(bundle, RememberingGraphs(open_graphs(bundle, "cpu", 1)))
    results: Results = {}
    size = _decoder_bytes(bundle)
    for level in chosen_levels(bundle.manifest.quality_levels, bundle.manifest.quality_default):
        records, errors = _round_trip(model, images, level)
        stored = np.array([len(record) for record in records], np.float64)
        payload = np.array([_payload_bytes(record, bundle) for record in records], np.float64)
        results[1, str(level)] = Measurement(stored, payload, errors, size)
        for layout in layouts:
            chosen = part if layout else np.arange(len(images))
            shared = _archived([records[i] for i in chosen], layout or len(images), bundle)
            if shared is not None:
                found = Measurement(shared, payload[chosen], errors[chosen], size)
                results[layout or len(images), str(level)] = found
    return results


def _archived(
    records: Sequence[bytes], size: int, bundle: Bundle
) -> npt.NDArray[np.float64] | None:
    """Bytes of each of the records `[n]` in archives of `size`, evenly shared; None as below."""
    runs = [records[first : first + size] for first in range(0, len(records), size)]
    archives = [archive_bytes(run, bundle) for run in runs]
    known = [archive for archive in archives if archive is not None]
    return np.full(len(records), sum(known) / len(records)) if len(known) == len(runs) else None


def chosen_levels(levels: int, default: int) -> list[int]:
    """Every second level, the default one among them: neighbours differ by a factor of sqrt(2)."""
    return [level for level in range(levels) if (level - default) % 2 == 0]


def archive_bytes(records: Sequence[bytes], bundle: Bundle) -> int | None:
    """Size of the records in one archive with random access; None while there is no archive."""
    return None


def framed_payload(payload: bytes, size: tuple[int, int] | None) -> int:
    """Bytes of a record of ours around a payload."""
    return len(pack(Record(0, size, payload), _ANY_MODEL))


class TableCoder:
    """Our range coder with one static table per dimension, for codes that no bundle made."""

    def __init__(self, tables: Tables) -> None:
        self._coder = RangeCoder(tables)

    def payload(self, codes: I32) -> bytes:
        """The payload of codes `[D, n]`."""
        return self._coder.encode(codes)


def table_bits(tables: Tables, codes: I32) -> npt.NDArray[np.float64]:
    """Ideal bits of each dimension `[D]` summed over codes `[R, D]`, escapes counted as symbols."""
    cost = 24.0 - np.log2(tables.frequencies.astype(np.float64))
    symbols = tables.symbols(codes)
    return np.array([cost[d][symbols[:, d]].sum() for d in range(codes.shape[1])])


def first_dimensions(tables: Tables, count: int) -> Tables:
    """The tables of the first dimensions alone."""
    return Tables(tables.low[:count], tables.frequencies[:count])


def packed_bytes(arrays: dict[str, npt.NDArray[Any]]) -> int:
    """Bytes of arrays as a bundle stores them."""
    return len(pack_arrays(arrays))


def sources(*names: str) -> str:
    """SHA-256 of modules of codec/: results of an older format are not recalled."""
    paths = [CODEC / name for name in names] or sorted(CODEC.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _decoder_bytes(bundle: Bundle) -> int:
    members = bundle.manifest.members
    return members["decoder.onnx"].size + members["tables.npz"].size


def _payload_bytes(record: bytes, bundle: Bundle) -> int:
    return len(unpack(record, bundle.model_id, sized=bundle.manifest.input.sized).payload)


def _round_trip(
    model: Model, images: Sequence[U8], level: int
) -> tuple[list[bytes], npt.NDArray[np.float64]]:
    records: list[bytes] = []
    errors: list[float] = []
    size = max(1, min(CHUNK_IMAGES, CHUNK_VALUES // images[0].size))
    for chunk in groups(images, size, 2**31):
        made = model.compress(chunk, level)
        back = model.decompress(made)
        errors += [squared_error(a, b) for a, b in zip(chunk, back, strict=True)]
        records += made
    return records, np.array(errors)
