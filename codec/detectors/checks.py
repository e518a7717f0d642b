"""Checks of the arrays of a detector, and their rounding to what the file holds."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from codec.arrays import F32, Array
from codec.errors import BundleError

LARGEST = 65504.0  # of float16


def require(condition: bool, sentence: str) -> None:
    """Raises BundleError unless a condition on a detector holds."""
    if not condition:
        raise BundleError(sentence)


def require_array(
    array: Array, name: str, dtype: npt.DTypeLike, shape: tuple[int | None, ...]
) -> None:
    """Raises BundleError for an array of another type or shape, or of values beyond those of
    float16, so that no square overflows. None in the shape is any length above 0.
    """
    fits = array.ndim == len(shape) and all(
        found == wanted if wanted is not None else found > 0
        for found, wanted in zip(array.shape, shape, strict=True)
    )
    wanted = ["any" if side is None else side for side in shape]
    require(
        fits and array.dtype == np.dtype(dtype),
        f"{name} is {array.dtype} {list(array.shape)}, expected {np.dtype(dtype)} {wanted}",
    )
    # False for values that are not numbers, too.
    bounded = array.size == 0 or bool(np.abs(array).max() <= LARGEST)
    require(bounded, f"{name} must be finite and within {LARGEST:g} of 0")


def require_keys(arrays: Mapping[str, Array], kind: str, expected: set[str]) -> None:
    """Raises BundleError unless the arrays of a detector have exactly these names."""
    require(arrays.keys() == expected, f"{kind} has {sorted(arrays)}, expected {sorted(expected)}")


def as_half(array: F32) -> F32:
    """Rounded to float16, still as float32: a detector gives equal maps before and after writing.

    Values beyond 65504 become infinite, which the checks then refuse.
    """
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float32)


def pair(array: Array, name: str, smallest: int, largest: int) -> tuple[int, int]:
    """A working size (h, w) from its array. Raises BundleError for one out of bounds."""
    require_array(array, name, np.int32, (2,))
    height, width = int(array[0]), int(array[1])
    check_size((height, width), smallest, largest)
    return height, width


def check_size(size: tuple[int, int], smallest: int, largest: int) -> None:
    """Raises BundleError for a working size out of bounds, before anything is allocated for it."""
    require(
        all(smallest <= side <= largest for side in size),
        f"working size {size[0]}x{size[1]}, expected sides of {smallest}..{largest}",
    )
