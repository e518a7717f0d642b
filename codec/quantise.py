"""Step-size quantisation of Gaussian posterior means.

The step of a dimension is tied to the posterior's own standard deviation,

    step_d = 2 ** ((8 - quality) / 4) * sqrt(12) * sigma_d

At level 8 the quantisation noise step²/12 equals the posterior variance, where rate and distortion
of a calibrated decoder balance. One checkpoint serves all levels.
"""

import numpy as np
import numpy.typing as npt

from codec.arrays import F32, I32

# Far inside int32, so that sums and differences of codes cannot overflow.
MAX_CODE = 2**20


def steps(sigma: npt.NDArray[np.floating], quality: int) -> F32:
    """Quantisation steps `[D]` float32 of a level, from posterior standard deviations `[D]`.

    They are computed once, at export, and stored: decoders read them from the bundle.
    """
    scale = 2.0 ** log2_step_scale(quality) * np.sqrt(12.0)
    return np.asarray(scale * np.asarray(sigma, np.float64), np.float32)


def log2_step_scale(quality: int) -> float:
    """log2 of the step multiplier of a level: 2 at level 0, the coarsest, and 0 at level 8."""
    return (8 - quality) / 4


def quantise(mu: F32, step: F32) -> I32:
    """Codes `[R, D, ...]` int32: `mu` in units of `step [D]`, rounded, within ±MAX_CODE."""
    codes = np.rint(mu / _columns(step, mu.ndim))
    return np.asarray(np.clip(codes, -MAX_CODE, MAX_CODE), np.int32)


def dequantise(codes: I32, step: F32) -> F32:
    """Latents `[R, D, ...]` float32, the same bits on every machine: one IEEE multiplication.

    `step` is `[D]`, or `[R, D]` for rows of several levels.
    """
    return codes.astype(np.float32) * _columns(step, codes.ndim)


def _columns(step: F32, ndim: int) -> F32:
    return np.asarray(step.reshape(-1, step.shape[-1], *([1] * (ndim - 2))))
