"""From a caller's images or records to batches of one message each."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from residuum_client.errors import InvalidInput

U8 = NDArray[np.uint8]
Image = U8 | bytes | str | PathLike[str]
"""uint8 [H, W] or [H, W, C] with C 1 or 3; or the bytes of an image file; or its path."""

# Where throughput peaks: larger messages wait longer than they save, smaller ones pay per call.
# Below 1 MiB with all framing, the smallest limit that a server can be given.
MESSAGE_BYTES = 1_000_000
MESSAGE_ITEMS = 256

T = TypeVar("T", bound=U8 | bytes)
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Neighbours that travel together; `first` is the place of items[0] in the caller's list."""

    first: int
    items: list[T]


class Packing(Generic[T]):
    """Cuts a sequence into batches of like items, none beyond the limits unless it holds one item.

    `load` turns the caller's element and its place into an item, or raises InvalidInput; `weigh`
    gives an item's share of `max_weight`.
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
        """Takes one element; returns the batch that had to be closed before it, if any."""
        item = self._load(element, self._first + len(self._items))
        weight = self._weigh(item)
        full = None if self._fits(item, weight) else self.rest()
        self._items.append(item)
        self._weight += weight
        return full

    def rest(self) -> Batch[T] | None:
        """Closes the batch begun, if any."""
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
    """All batches of an iterable, each as soon as it is full."""
    for element in sequence(elements):
        if batch := packing.add(element):
            yield batch
    if batch := packing.rest():
        yield batch


def load_image(element: object, index: int) -> U8 | bytes:
    """An image as it travels: uint8 [H, W, C], or the bytes of its file. Raises InvalidInput."""
    if isinstance(element, np.ndarray):
        return _load_array(element, index)
    if isinstance(element, bytes | bytearray | memoryview):
        return bytes(element)
    if isinstance(element, str | PathLike):
        return _load_file(Path(element), index)
    raise _wrong("image", index, f"{type(element).__name__}; expected an array, bytes or a path")


def load_record(element: object, index: int) -> bytes:
    """A record as it travels. Raises InvalidInput."""
    if isinstance(element, bytes | bytearray | memoryview):
        return bytes(element)
    raise _wrong("record", index, f"{type(element).__name__}; expected bytes")


def image_weight(image: U8 | bytes) -> int:
    """Bytes of an array; bytes of a file, or its pixels if they are more.

    A file of few bytes may unfold into much work, of which a message shall not hold too much.
    """
    if isinstance(image, np.ndarray):
        return image.nbytes
    try:
        with PillowImage.open(io.BytesIO(image)) as file:
            return max(len(image), file.width * file.height)
    except Exception:  # noqa: BLE001 - whatever is wrong with the file, the server shall say it
        return len(image)


def sequence(elements: Iterable[E]) -> Iterable[E]:
    """Refuses one image or record where several are expected, before it is taken for a sequence."""
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


def _shape(item: U8 | bytes) -> tuple[int, ...]:
    return item.shape if isinstance(item, np.ndarray) else ()
