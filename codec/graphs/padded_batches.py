"""Batches padded to one of a few sizes."""

from collections.abc import Callable, Mapping

import numpy as np

from codec.arrays import Array

Function = Callable[[Array], list[Array]]


class PaddedBatches:
    """A function of batches, made of functions that each take one batch size.

    A batch is padded to the next size, or cut if it is larger than all. The outputs for a row must
    not depend on the other rows.
    """

    def __init__(self, functions: Mapping[int, Function]) -> None:
        self._functions = dict(sorted(functions.items()))
        self._most = max(functions)

    def __call__(self, x: Array) -> list[Array]:
        """The outputs for x `[B, ...]`, B > 0: arrays `[B, ...]`."""
        starts = range(0, len(x), self._most)
        parts = [self._padded(x[start : start + self._most]) for start in starts]
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _padded(self, x: Array) -> list[Array]:
        rows = len(x)
        size = next(size for size in self._functions if size >= rows)
        if size > rows:
            x = np.concatenate([x, np.repeat(x[-1:], size - rows, axis=0)])
        return [output[:rows] for output in self._functions[size](x)]
