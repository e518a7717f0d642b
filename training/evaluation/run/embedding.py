"""t-SNE of latents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERPLEXITY = 30.0
ROUNDS = 600
SEED = 0
# The fewest points that can be embedded.
FEWEST = 5


def tsne(features: NDArray[np.float32], threads: int) -> NDArray[np.float64]:
    """Points [N, 2] of features [N, D], N at least `FEWEST` (van der Maaten & Hinton 2008)."""
    # Imported here because it takes a second, which other reports need not wait for.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    start = "pca" if features.shape[1] > 1 else "random"
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    with threadpool_limits(threads):  # more OpenMP threads than cores slow each other down
        points = TSNE(
            perplexity=perplexity, init=start, max_iter=ROUNDS, random_state=SEED, n_jobs=threads
        ).fit_transform(features)
    return np.asarray(points, np.float64)
