"""A plane in which the neighbours of a latent space stay neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERPLEXITY = 30.0
ROUNDS = 600
SEED = 0
FEWEST = 5
"""points"""


def tsne(features: NDArray[np.float32], threads: int) -> NDArray[np.float64]:
    """Features [N, D] to points [N, 2] (van der Maaten & Hinton 2008); N at least `FEWEST`."""
    # Imported here: a second that every other command would wait for in vain.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    start = "pca" if features.shape[1] > 1 else "random"
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    with threadpool_limits(threads):  # its OpenMP threads wait for each other on a busy machine
        points = TSNE(
            perplexity=perplexity, init=start, max_iter=ROUNDS, random_state=SEED, n_jobs=threads
        ).fit_transform(features)
    return np.asarray(points, np.float64)
