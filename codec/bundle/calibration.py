"""What held-out normal images have shown a model: `calibration.npz` of a bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from codec.arrays import F32, F64, Array
from codec.errors import BundleError

# The single scores of an image (codec.scores.scores), in the order of arrays.
SCORE_NAMES = ("residual", "peak", "structure", "rate", "latent")
# Names of arrays in the file that are not those of their fields.
_KEYS = {"heatmap_vmax": "heat_scale"}


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Statistics of held-out normal images.

    residual_variance `[C, H, W]` or `[C, 1, 1]`, of pixels in [0, 1]; latent_mean and
    latent_variance `[D]`; score_mean and score_std `[5]` in the order of SCORE_NAMES; fused `[n]`,
    ascending; heatmap_vmax `[1]`, the heat-map value in nats per pixel that one normal image in ten
    reaches anywhere.
    """

    residual_variance: F32
    latent_mean: F32
    latent_variance: F32
    score_mean: F64
    score_std: F64
    fused: F64
    heatmap_vmax: F64

    def to_arrays(self) -> dict[str, Array]:
        """The arrays of `calibration.npz`."""
        return {key: getattr(self, name) for name, key in _keys().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> "Calibration":
        """Undoes `to_arrays`. Raises BundleError for missing, misshapen or non-finite arrays."""
        keys = _keys()
        if arrays.keys() != set(keys.values()):
            raise BundleError(f"calibration has {sorted(arrays)}, expected {sorted(keys.values())}")
        for key, array in arrays.items():
            if array.dtype.kind != "f" or array.size == 0 or not np.isfinite(array).all():
                raise BundleError(f"calibration: {key} must hold finite floats")
        for key in ("score_mean", "score_std"):
            if arrays[key].shape != (len(SCORE_NAMES),):
                raise BundleError(f"calibration: expected {len(SCORE_NAMES)} scores")
        return cls(**{name: arrays[key] for name, key in keys.items()})


def check_score_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of scores to fuse. Raises BundleError for an unknown one."""
    if unknown := sorted(set(names) - set(SCORE_NAMES)):
        there = ", ".join(SCORE_NAMES)
        raise BundleError(f"no score is called {', '.join(unknown)}; there are {there}")
    return tuple(names)


def _keys() -> dict[str, str]:
    """The array of each field."""
    return {field.name: _KEYS.get(field.name, field.name) for field in fields(Calibration)}
