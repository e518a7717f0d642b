"""Matrix products that stay on the thread that asks for them.

BLAS spreads a large product over all cores of the machine, and its threads wait for each other.
Where a core has other work, or a container may not use them all, a product of 0.1 ms so takes 16
(OpenBLAS 0.3.31, one of two cores busy). A small one it leaves to the thread that asked. To limit
the threads of BLAS itself (threadpoolctl) would limit the whole program that uses the codec.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Real = TypeVar("Real", np.float32, np.float64)
# OpenBLAS takes one thread up to 2**18 multiply-adds, however the factors lie in memory.
MULTIPLY_ADDS = 2**17


def product(features: npt.NDArray[Real], weights: npt.NDArray[Real]) -> npt.NDArray[Real]:
    """`features [..., K] @ weights [K, N]`, some rows at a time."""
    flat = features.reshape(-1, features.shape[-1])
    found = np.empty((len(flat), weights.shape[1]), features.dtype)
    rows = max(1, MULTIPLY_ADDS // weights.size)
    for some in (slice(start, start + rows) for start in range(0, len(flat), rows)):
        np.matmul(flat[some], weights, out=found[some])
    return found.reshape(*features.shape[:-1], weights.shape[1])
