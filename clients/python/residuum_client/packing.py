"""Splits a caller's images or records into batches, one for each message."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from residuum_client.arrays import U8
from residuum_client.errors import InvalidInput

# uint8 `[H, W]` or `[H, W, C]` with C 1 or 3; or the bytes of an image file; or its path.
Image = U8 | bytes | str | PathLike[str]

# Throughput peaks here: larger messages wait longer, smaller ones cost more per image. With framing
# it stays below 1 MiB, the lowest limit that a server can be configured with.
MESSAGE_BYTES = 1_000_000
MESSAGE_ITEMS = 256

T = TypeVar("T")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Consecutive items for one call; `first` is the index of items[0] in the caller's list."""

    first: int
    items: list[T]


class Packing(Generic[T]):
    """Splits a sequence into batches of items of one shape, within limits of number and weight.

    `load` turns the caller's element and its index into an item, or raises InvalidInput. `weigh`
    gives the weight of an item, in bytes; an item heavier than `max_weight` is a batch by itself.
    """

    def __init__(
        self,
        load: Callable[[object, int], T],
        *,
        weigh: Callable[[T], int],
        max_weight: int = MESSAGE_BYTES,
        max_items: int = MESSAGE_ITEMS,
    ) -> None:
        self._load, self._weigh = load, weigh
        self._max_weight, self._max_items = max_weight, max_items
        self._first = 0
        self._items: list[T] = []
        self._weight = 0

    def add(self, element: object) -> Batch[T] | None:
        """Adds one element. Returns the batch before it, if it had to be closed."""
        item = self._load(element, self._first + len(self._items))
        weight = self._weigh(item)
        full = None if self._fits(item, weight) else self.rest()
        self._items.append(item)
        self._weight += weight
        return full

    def rest(self) -> Batch[T] | None:
        """Closes and returns the current batch, if it has any items."""
        if not self._items:
            return None
        batch = Batch(self._first, self._items)
        self._first, self._items, self._weight = self._first + len(self._items), [], 0
        return batch

    def _fits(self, item: T, weight: int) -> bool:
        if not self._items:
            return True
        return (
            _shape(item) == _shape(self._items[0])
            and len(self._items) < self._max_items
            and self._weight + weight <= self._max_weight
        )


def packed(packing: Packing[T], elements: Iterable[object]) -> Iterator[Batch[T]]:
    """The batches of an iterable, each as soon as it is full."""
    for element in sequence(elements):
        if batch := packing.add(element):
            yield batch
    if batch := packing.rest():
        yield batch


def load_image(element: object, index: int) -> U8 | bytes:
    """The image in the form that is sent: uint8 `[H, W, C]`, or the bytes of its file.

    Raises InvalidInput.
    """
    if isinstance(element, np.ndarray):
        return _load_array(element, index)
    if isinstance(element, bytes | bytearray | memoryview):
        return bytes(element)
    if isinstance(element, str | PathLike):
        return _load_file(Path(element), index)
    raise _wrong("image", index, f"{type(element).__name__}; expected an array, bytes or a path")


def load_record(element: object, index: int) -> bytes:
    """The record as bytes. Raises InvalidInput."""
    if isinstance(element, bytes | bytearray | memoryview):
        return bytes(element)
    raise _wrong("record", index, f"{type(element).__name__}; expected bytes")


def image_weight(image: U8 | bytes) -> int:
    """Bytes of an array; for a file its bytes or its pixels, whichever are more.

    A small file may hold a large image, and one message must not ask for too much work.
    """
    if isinstance(image, np.ndarray):
        return image.nbytes
    try:
        with PillowImage.open(io.BytesIO(image)) as file:
            return max(len(image), file.width * file.height)
    except Exception:  # noqa: BLE001 - the server says what is wrong with the file
        return len(image)


def sequence(elements: Iterable[E]) -> Iterable[E]:
    """The iterable itself. Raises InvalidInput for one image or record in place of a list."""
    if isinstance(elements, str | bytes | bytearray | memoryview | PathLike):
        raise InvalidInput(f"one {type(elements).__name__} was given; expected a list of them")
    return elements


def _load_array(array: NDArray[np.generic], index: int) -> U8:
    image = array[..., np.newaxis] if array.ndim == 2 else array
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size:
        found = f"an array {array.dtype} {list(array.shape)}"
        raise _wrong("image", index, f"{found}; expected uint8 [H, W] or [H, W, C] with C 1 or 3")
    return np.ascontiguousarray(image, dtype=np.uint8)


def _load_file(path: Path, index: int) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _wrong("image", index, f"{path} cannot be read: {reason}") from error


def _wrong(kind: str, index: int, reason: str) -> InvalidInput:
    return InvalidInput(f"{kind} {index}: {reason}", index=index)


def _shape(item: object) -> tuple[int, ...]:
    return item.shape if isinstance(item, np.ndarray) else ()
