"""Products: right, and on one thread whatever their size."""

import time

import numpy as np
import pytest

from codec.priors.matmul import product


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (2, 3, 700), (0, 4), (900, 256)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_product_is_the_product(shape: tuple[int, ...], kind: type) -> None:
    rng = np.random.default_rng(0)
    features, weights = rng.integers(-9, 9, shape), rng.integers(-9, 9, (shape[-1], 64))
    found = product(features.astype(kind), weights.astype(kind))
    assert found.dtype == kind
    np.testing.assert_array_equal(found, features @ weights)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_product_takes_no_time_of_other_threads(order: str) -> None:
    features = np.ones((2048, 256), np.float32)
    weights = np.ones((256, 256), np.float32, order)
    everywhere, here = time.process_time(), time.thread_time()
    for _ in range(50):
        product(features, weights)
    here = time.thread_time() - here
    assert time.process_time() - everywhere < 1.4 * here + 0.03
