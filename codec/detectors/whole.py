"""Detectors of whole images: principal components of all, or of the nearest, training images.

Both need registered images, in which a place shows the same part every time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from codec.arrays import F32, U8, Array
from codec.detectors.checks import as_half, check_size, pair, require, require_array, require_keys

MAX_WHOLE_SIDE = 64
MAX_COMPONENTS = 512
MAX_IMAGES = 2000
# Training images that an image is explained by, and the part of their mean variance in a direction
# that is added to each direction: what hardly varies among them explains little.
NEAREST, RIDGE = 20, 0.03


class _OfPixels:
    """What both detectors have in common: a map of one value for each pixel."""

    __slots__ = ()
    size: tuple[int, int]

    @property
    def offset(self) -> float:
        """Distance of the first value of a map from the border, in steps of the map."""
        return 0.5

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of its maps."""
        return self.size


@dataclass(frozen=True, slots=True, eq=False)
class Components(_OfPixels):
    """Principal component analysis of whole images: what k components cannot explain.

    `size` is the working size (h, w), sides of 1..64; `mean [n]` float32 and `basis [k, n]` with
    orthonormal rows, of images flattened from `[C, h, w]`, n = C h w, k at most 512. The basis is
    rounded to the float16 of the file. Raises BundleError.
    """

    size: tuple[int, int]
    mean: F32
    basis: F32

    def __post_init__(self) -> None:
        check_size(self.size, 1, MAX_WHOLE_SIDE)
        require_array(self.mean, "mean", np.float32, (None,))
        object.__setattr__(self, "basis", as_half(self.basis))
        require_array(self.basis, "basis", np.float32, (None, len(self.mean)))
        require(float(np.abs(self.basis).max()) <= 1.001, "basis must be orthonormal")
        require(len(self.basis) <= MAX_COMPONENTS, f"{len(self.basis)} components, at most 512")
        _channels(len(self.mean), self.size)

    @property
    def channels(self) -> int:
        """Channels of the images that it takes."""
        return _channels(len(self.mean), self.size)

    def map(self, image: F32) -> F32:
        """Squared residual summed over channels, `[h, w]`, of a working image `[C, h, w]`."""
        residual = image.ravel() - self.mean
        residual -= (self.basis @ residual) @ self.basis
        return _squared(residual, image.shape)

    def pack(self) -> dict[str, Array]:
        """The arrays of the file: size int32, mean float32, basis float16."""
        return {
            "size": np.array(self.size, np.int32),
            "mean": self.mean,
            "basis": self.basis.astype(np.float16),
        }

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array]) -> "Components":
        """Undoes `pack`. Raises BundleError for missing, misshapen or non-finite arrays."""
        require_keys(arrays, "components", {"size", "mean", "basis"})
        size = pair(arrays["size"], "size", 1, MAX_WHOLE_SIDE)
        basis = arrays["basis"]
        require_array(basis, "basis", np.float16, (None, None))
        return cls(size, arrays["mean"], basis.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours(_OfPixels):
    """The nearest of m remembered training images: what a mixture of them cannot explain.

    `size` is the working size (h, w), sides of 1..64; `images [m, n]` uint8, flattened from
    `[C, h, w]`, m at most 2000. Raises BundleError.
    """

    size: tuple[int, int]
    images: U8
    # The images in [0, 1], and the squared length of each.
    _points: F32 = field(init=False, repr=False)
    _lengths: F32 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_size(self.size, 1, MAX_WHOLE_SIDE)
        require_array(self.images, "images", np.uint8, (None, None))
        require(len(self.images) <= MAX_IMAGES, f"{len(self.images)} images, at most {MAX_IMAGES}")
        _channels(self.images.shape[1], self.size)
        points = self.images.astype(np.float32) / np.float32(255.0)
        object.__setattr__(self, "_points", points)
        object.__setattr__(self, "_lengths", np.einsum("mn,mn->m", points, points))

    @property
    def channels(self) -> int:
        """Channels of the images that it takes."""
        return _channels(self.images.shape[1], self.size)

    def map(self, image: F32) -> F32:
        """Squared residual summed over channels, `[h, w]`, of a working image `[C, h, w]`.

        The image x is explained by its 20 nearest images (Euclidean): by their mean m and the
        directions d to each of them, as m + Σ a d with the a that minimise |x - m - Σ a d|² +
        r |a|², where r is 0.03 of the mean |d|². So near x it is a plane through normal images
        (compare Roweis and Saul, "Nonlinear dimensionality reduction by locally linear embedding",
        2000).
        """
        flat = image.ravel()
        distances = self._lengths - 2.0 * (self._points @ flat)
        near = self._points[np.argsort(distances, kind="stable")[:NEAREST]]
        mean = near.mean(0)
        directions, residual = near - mean, flat - mean
        products = (directions @ directions.T).astype(np.float64)
        # Images that are all alike have no directions.
        ridge = max(RIDGE * float(np.trace(products)) / len(near), 1e-9)
        products[np.diag_indices_from(products)] += ridge
        weights = np.linalg.solve(products, (directions @ residual).astype(np.float64))
        residual -= weights.astype(np.float32) @ directions
        return _squared(residual, image.shape)

    def pack(self) -> dict[str, Array]:
        """The arrays of the file: size int32, images uint8."""
        return {"size": np.array(self.size, np.int32), "images": self.images}

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array]) -> "Neighbours":
        """Undoes `pack`. Raises BundleError for missing or misshapen arrays."""
        require_keys(arrays, "neighbours", {"size", "images"})
        return cls(pair(arrays["size"], "size", 1, MAX_WHOLE_SIDE), arrays["images"])


def _channels(values: int, size: tuple[int, int]) -> int:
    """1 or 3, from the number of values of an image. Raises BundleError."""
    pixels = size[0] * size[1]
    require(
        values in (pixels, 3 * pixels),
        f"images of {values} values, expected {pixels} or {3 * pixels} for {size[0]}x{size[1]}",
    )
    return values // pixels


def _squared(residual: F32, shape: tuple[int, ...]) -> F32:
    return np.asarray(np.square(residual).reshape(shape).sum(0), np.float32)
