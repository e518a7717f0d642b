"""The one place that knows the interface of codec/: all that the benchmark asks of ours.

The encoder runs once per image for all levels: the graphs are wrapped in a memory of what they
have encoded, and the model asks them again for every level.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from codec import Codec, archive
from codec.arrays import F32, I32, U8
from codec.bundle.bundle import Bundle, load_bundle
from codec.bundle.npz import pack_arrays
from codec.entropy.range_coder import RangeCoder
from codec.graphs.onnx import OnnxGraphs, open_graphs
from codec.priors.base import FactorisedPrior
from codec.priors.tables import Tables, fit_tables
from codec.quantise import quantise
from codec.record.frame import Record, pack, unpack
from rate_distortion.atlas import groups
from rate_distortion.cache import Results
from rate_distortion.measurement import Measurement, squared_error

CODEC = Path(archive.__file__).resolve().parents[1]
CHUNK_VALUES, CHUNK_IMAGES, CHUNK_ROWS = 2**22, 256, 4096
NO_MODEL = bytes(32)

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
        """As codec.graphs.protocol.Graphs."""
        key = hashlib.sha256(str(x.shape).encode() + x.tobytes()).digest()
        if key not in self._encoded:
            self._encoded[key] = self._graphs.encode(x)
        return self._encoded[key]

    def decode(self, latent: npt.NDArray[Any]) -> F32:
        """As codec.graphs.protocol.Graphs."""
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


def measure(path: Path, images: Sequence[U8], *, few: bool = False) -> Results:
    """The levels of a bundle, as single records and in an archive. Raises ResiduumError.

    `few` is for a bundle trained for one rate: its default level and the neighbours of that.
    """
    bundle = load_bundle(path)
    codec = Codec(bundle, RememberingGraphs(open_graphs(bundle, "cpu", 1)))
    results: Results = {}
    for level in _levels(bundle.manifest.quality_levels, bundle.manifest.quality_default, few=few):
        records, errors = _round_trip(codec, images, level)
        found = Measurement(
            stored=np.array([len(record) for record in records], np.float64),
            payload=np.array([_payload_bytes(record, bundle) for record in records], np.float64),
            errors=errors,
            model=_decoder_bytes(bundle),
        )
        results |= in_layouts(found, records, bundle.model_id, f"level {level}")
    return results


def in_layouts(
    single: Measurement, records: Sequence[bytes], model_id: bytes, setting: str
) -> Results:
    """The measurement of single records, and the same with all records in one archive.

    All that the archive holds but the bodies, less the tails that it leaves out, is shared evenly.
    """
    shared = (archive_bytes(records, model_id) - sum(map(len, records))) / len(records)
    together = replace(single, stored=single.stored + shared)
    return {("single", setting): single, ("together", setting): together}


def archive_bytes(records: Sequence[bytes], model_id: bytes) -> int:
    """Bytes of an archive of the records, without names, as it lies on the disk."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "all.rsa"
        archive.create(path, model_id, name="benchmark", version="1")
        with archive.ArchiveWriter(path, sync=False) as writer:
            for record in records:
                writer.append(record)
        return path.stat().st_size


def _levels(levels: int, default: int, *, few: bool) -> list[int]:
    """Every second level, the default one among them: their steps differ by a factor of sqrt(2)."""
    if few:
        return [level for level in range(default - 1, default + 2) if 0 <= level < levels]
    return [level for level in range(levels) if (level - default) % 2 == 0]


def framed(payload: bytes, size: tuple[int, int] | None) -> bytes:
    """A record of ours around a payload, of the model NO_MODEL."""
    return pack(Record(0, size, payload), NO_MODEL)


def payloads(tables: Tables, codes: I32) -> list[bytes]:
    """Payloads of images' codes `[N, D, n]` with one static table per dimension.

    This is the coding of a bundle with the factorised prior.
    """
    return RangeCoder(FactorisedPrior(tables)).encode_all(codes[:, None, :, :, None])


def table_bits(tables: Tables, codes: I32) -> npt.NDArray[np.float64]:
    """Ideal bits of each dimension `[D]`, summed over codes `[N, D]`."""
    rows = np.arange(codes.shape[1])
    parts = [codes[first : first + CHUNK_ROWS] for first in range(0, len(codes), CHUNK_ROWS)]
    total = np.zeros(codes.shape[1])
    for part in parts:
        total += tables.bits(part, np.broadcast_to(rows, part.shape)).sum(0)
    return total


def first_dimensions(tables: Tables, count: int) -> Tables:
    """The tables of the first dimensions alone."""
    return Tables(tables.low[:count], tables.frequencies[:count])


def as_arrays(tables: Tables) -> dict[str, npt.NDArray[Any]]:
    """Tables as a bundle stores them, by name."""
    return {"low": tables.low, "frequencies": tables.frequencies}


def packed_bytes(arrays: dict[str, npt.NDArray[Any]]) -> int:
    """Bytes of arrays as a bundle stores them."""
    return len(pack_arrays(arrays))


def sources() -> str:
    """SHA-256 of the modules of codec/: results of other code are not recalled."""
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted(CODEC.rglob("*.py")))).hexdigest()


def _decoder_bytes(bundle: Bundle) -> int:
    members = bundle.manifest.members
    return members["decoder.onnx"].size + members["tables.npz"].size


def _payload_bytes(record: bytes, bundle: Bundle) -> int:
    return len(unpack(record, bundle.model_id, sized=bundle.manifest.input.sized).payload)


def _round_trip(
    codec: Codec, images: Sequence[U8], level: int
) -> tuple[list[bytes], npt.NDArray[np.float64]]:
    records: list[bytes] = []
    errors: list[float] = []
    size = max(1, min(CHUNK_IMAGES, CHUNK_VALUES // images[0].size))
    for chunk in groups(images, size, 2**31):
        made = codec.compress(chunk, level)
        back = codec.decompress(made)
        errors += [squared_error(a, b) for a, b in zip(chunk, back, strict=True)]
        records += made
    return records, np.array(errors)
