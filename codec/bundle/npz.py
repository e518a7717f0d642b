"""The arrays of a bundle: `tables.npz`, `calibration.npz` and `detectors.npz`.

`tables.npz` holds the quantisation steps and priors of all quality levels:

    steps   [Q, D] float32
    ...     the arrays of the priors: `pack` of the class in PRIORS has their names and types

`calibration.npz` holds what held-out normal images have shown: the fields of `Calibration`.
codec.detectors.detectors has the arrays of `detectors.npz`.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from codec.arrays import F32, F64, Array
from codec.bundle.manifest import Manifest, PriorName, ScoreSpec
from codec.errors import BundleError
from codec.priors.base import FactorisedPrior, Prior, require
from codec.priors.index_map import IndexPrior
from codec.priors.latent_map import MapPrior
from codec.priors.mixture import MixturePrior

# Most bytes of the arrays of one npz member, decompressed.
MAX_ARRAY_BYTES = 2**28
# The single scores of an image (codec.scores.scores), in the order of arrays.
SCORE_NAMES = ("residual", "peak", "structure", "rate", "latent")
# Names of arrays in the file that are not those of their fields.
_KEYS = {"heatmap_vmax": "heat_scale"}
# The array that a calibration has only if its scores are weighted, and the one that bundles of
# earlier versions do not have.
_WEIGHT, _PEAKS = "score_weight", "heatmap_peaks"
# Arrays that scores are divided by.
_DIVISORS = ("residual_variance", "latent_variance", "score_std")
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# What reading a damaged npz file may raise; RuntimeError for members that seem encrypted,
# NotImplementedError for methods of compression that zipfile does not know.
_DAMAGE = (
    *(ValueError, OSError, KeyError, EOFError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
PRIORS: Mapping[PriorName, type[Prior]] = MappingProxyType(
    {
        "factorised": FactorisedPrior,
        "mixture": MixturePrior,
        "map": MapPrior,
        "neighbours": IndexPrior,
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Statistics of held-out normal images.

    residual_variance `[C, H, W]` or `[C, 1, 1]`, of pixels in [0, 1]; latent_mean and
    latent_variance `[D]`; score_mean and score_std in the order of `score_names`; fused `[n]`,
    ascending; heatmap_vmax `[1]`, the heat-map value that one normal image in ten reaches at one
    pixel or more. With a score_weight, at least 0, in the order of `score_names`, scores are fused
    as weighted squares (codec.scores.scores), and score_mean and score_std are of logarithms.
    heatmap_peaks `[n]`, ascending, are the largest heat-map values of the images; regions have
    p-values only with them.
    """

    residual_variance: F32
    latent_mean: F32
    latent_variance: F32
    score_mean: F64
    score_std: F64
    fused: F64
    heatmap_vmax: F64
    score_weight: F64 | None = None
    heatmap_peaks: F64 | None = None

    def to_arrays(self) -> dict[str, Array]:
        """The arrays of `calibration.npz`."""
        arrays = {key: getattr(self, name) for name, key in _keys().items()}
        return {key: array for key, array in arrays.items() if array is not None}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, Array], scores: int = len(SCORE_NAMES)
    ) -> "Calibration":
        """Undoes `to_arrays` for this number of scores. Raises BundleError for missing, misshapen
        or non-finite arrays.
        """
        keys = _keys()
        expected = set(keys.values()) - {_WEIGHT, _PEAKS}
        if arrays.keys() - {_WEIGHT, _PEAKS} != expected:
            raise BundleError(f"calibration has {sorted(arrays)}, expected {sorted(expected)}")
        for key, array in arrays.items():
            if array.dtype.kind != "f" or array.size == 0 or not np.isfinite(array).all():
                raise BundleError(f"calibration: {key} must hold finite floats")
            if array.ndim != (3 if key == "residual_variance" else 1):
                raise BundleError(f"calibration: {key} has the shape {list(array.shape)}")
        for key in _DIVISORS:
            if arrays[key].min() <= 0:
                raise BundleError(f"calibration: {key} must be above 0")
        _check_scores(arrays, scores)
        _check_peaks(arrays)
        if arrays["latent_mean"].shape != arrays["latent_variance"].shape:
            raise BundleError("calibration: latent_mean and latent_variance differ in length")
        return cls(**{name: arrays[key] for name, key in keys.items() if key in arrays})


def _check_scores(arrays: Mapping[str, Array], scores: int) -> None:
    for key in {"score_mean", "score_std", _WEIGHT} & arrays.keys():
        if arrays[key].shape != (scores,):
            raise BundleError(f"calibration: expected {scores} scores")
    if _WEIGHT in arrays and arrays[_WEIGHT].min() < 0:
        raise BundleError(f"calibration: {_WEIGHT} must not be below 0")


def _check_peaks(arrays: Mapping[str, Array]) -> None:
    if _PEAKS not in arrays:
        return
    if arrays[_PEAKS].shape != arrays["fused"].shape:
        raise BundleError(f"calibration: fused and {_PEAKS} differ in length")
    if (np.diff(arrays[_PEAKS]) < 0).any():
        raise BundleError(f"calibration: {_PEAKS} must be ascending")


def score_names(spec: ScoreSpec) -> tuple[str, ...]:
    """All scores of a bundle, in the order of arrays: SCORE_NAMES, then its candidates."""
    return (*SCORE_NAMES, *(candidate.name for candidate in spec.candidates))


def check_score_names(names: Sequence[str], known: Sequence[str] = SCORE_NAMES) -> tuple[str, ...]:
    """The names of scores to fuse. Raises BundleError for an unknown one."""
    if unknown := sorted(set(names) - set(known)):
        there = ", ".join(known)
        raise BundleError(f"no score is called {', '.join(unknown)}; there are {there}")
    return tuple(names)


def _keys() -> dict[str, str]:
    """The array of each field."""
    return {field.name: _KEYS.get(field.name, field.name) for field in fields(Calibration)}


def prior_name(priors: tuple[Prior, ...]) -> PriorName:
    """The name of the priors in a manifest."""
    return next(name for name, kind in PRIORS.items() if type(priors[0]) is kind)


def pack_tables(steps: F32, priors: tuple[Prior, ...]) -> dict[str, Array]:
    """The arrays of `tables.npz` from steps `[Q, D]` and a prior per quality level."""
    return {"steps": steps, **type(priors[0]).pack(priors)}


def unpack_tables(manifest: Manifest, arrays: Mapping[str, Array]) -> tuple[F32, tuple[Prior, ...]]:
    """Undoes `pack_tables`. Raises BundleError for arrays that do not match the manifest."""
    levels, latent = manifest.quality_levels, manifest.latent
    try:
        steps = arrays["steps"]
        require(steps, "steps", np.float32, (levels, latent.dims))
        priors = PRIORS[latent.prior].unpack(arrays, latent.dims, levels)
    except KeyError as error:
        raise BundleError(f"tables.npz lacks {error} for {levels} quality levels") from error
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise BundleError("steps must be positive and finite")
    return steps, priors


def pack_arrays(arrays: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    """Arrays as a reproducible npz file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.asarray(arrays[name]), allow_pickle=False)
            # A fixed date, so that the digest does not depend on the time of writing.
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, entry.getvalue())
    return out.getvalue()


def unpack_arrays(data: bytes, name: str) -> dict[str, npt.NDArray[np.generic]]:
    """Undoes `pack_arrays`. Raises BundleError for anything but an npz file of plain arrays.

    No array is allocated before its header agrees with the bytes that the file holds for it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(info.file_size for info in archive.infolist())
            if size > MAX_ARRAY_BYTES:
                raise BundleError(f"{name} holds arrays of {size} bytes, at most {MAX_ARRAY_BYTES}")
            for info in archive.infolist():
                _check_header(archive, info)
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return dict(arrays)
    except _DAMAGE as error:
        raise BundleError(f"{name} is not an npz file of plain arrays ({error})") from error


def _check_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Raises ValueError unless the header of an array announces as many bytes as follow it."""
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"{info.filename} has the version {version}")
        shape, _, dtype = _HEADERS[version](stream)
        announced = math.prod(shape) * dtype.itemsize + stream.tell()
    if announced != info.file_size and not dtype.hasobject:
        raise ValueError(f"{info.filename} has {info.file_size} bytes, its header says {announced}")
