"""Many small images as one large one, row by row, edge to edge, and back."""

from collections.abc import Iterator, Sequence

import numpy as np

from codec.arrays import U8


def join(images: Sequence[U8]) -> U8:
    """One image of the images `[H, W, C]`, in a grid as square as it can be, the rest black.

    An image that lies on its side (`[W, H, C]`) is mirrored at its diagonal.
    """
    height, width, channels = images[0].shape
    down, across = grid(len(images))
    sheet = np.zeros((down, across, height, width, channels), np.uint8)
    for index, image in enumerate(images):
        sheet[index // across, index % across] = _upright(image, (height, width))
    return np.ascontiguousarray(
        sheet.transpose(0, 2, 1, 3, 4).reshape(down * height, across * width, channels)
    )


def cut(sheet: U8, like: Sequence[U8]) -> list[U8]:
    """Undoes `join` for images of the same shapes as `like`."""
    height, width, channels = like[0].shape
    down, across = grid(len(like))
    tiles = sheet.reshape(down, height, across, width, channels).transpose(0, 2, 1, 3, 4)
    return [
        _upright(tiles[index // across, index % across], image.shape[:2])
        for index, image in enumerate(like)
    ]


def grid(count: int) -> tuple[int, int]:
    """Rows and columns of a grid for `count` images: the fewest places, then the squarest."""
    side = int(np.ceil(np.sqrt(count)))
    rows = range(max(1, side - 2), side + 1)
    return min(
        ((down, -(-count // down)) for down in rows),
        key=lambda shape: (shape[0] * shape[1], abs(shape[0] - shape[1])),
    )


def groups(images: Sequence[U8], size: int, limit: int) -> Iterator[Sequence[U8]]:
    """Runs of `size` images, the last one shorter; fewer where a side would pass `limit` pixels."""
    longest = max(max(image.shape[:2]) for image in images)
    size = min(size, (limit // longest) ** 2)
    for first in range(0, len(images), size):
        yield images[first : first + size]


def _upright(image: U8, shape: tuple[int, ...]) -> U8:
    return image if image.shape[:2] == shape else image.transpose(1, 0, 2)
