import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from training.evaluation.run.embedding import FEWEST, tsne


def clusters(dims, count=60):
    rng = np.random.default_rng(0)
    classes = np.arange(count) % 3
    centres = 20 * rng.normal(size=(3, dims))
    return (centres[classes] + rng.normal(size=(count, dims))).astype(np.float32), classes


@pytest.mark.parametrize("dims", [1, 2, 30])
def test_neighbours_in_the_latent_space_are_neighbours_in_the_plane(dims):
    features, classes = clusters(dims)
    points = tsne(features, threads=1)
    assert points.shape == (60, 2)
    found = KNeighborsClassifier(3).fit(points, classes).score(points, classes)
    assert found > 0.95


def test_the_same_features_give_the_same_points():
    features, _ = clusters(4, 30)
    assert np.array_equal(tsne(features, 1), tsne(features, 1))


def test_five_points_are_enough():
    assert tsne(clusters(3, FEWEST)[0], 1).shape == (FEWEST, 2)
