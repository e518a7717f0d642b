import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.evaluation.bundle.pixels import PixelCounts
from training.metrics.detection import auroc_of_counts


def test_maps_of_different_sizes_and_types_are_counted_together():
    rng = np.random.default_rng(0)
    maps = [rng.gamma(1.0, 1.0, shape).astype(np.float32) for shape in ((8, 6), (10, 12), (8, 6))]
    masks = [None, rng.random((10, 12)) < 0.3, rng.random((8, 6)) < 0.3]
    together, apart = PixelCounts(), PixelCounts()
    together.add(maps[:1], masks[:1], None)
    together.add(maps[1:], masks[1:], "scratch")
    for values, mask, kind in zip(maps, masks, (None, "bent", "scratch"), strict=True):
        apart.add([values], [mask], kind)
    assert np.array_equal(together.total(), apart.total())
    assert together.aupro() == pytest.approx(apart.aupro())
    truth = np.concatenate([np.zeros(48, np.bool_), masks[1].ravel(), masks[2].ravel()])
    values = np.concatenate([m.ravel() for m in maps])
    expected = roc_auc_score(truth, values)
    assert auroc_of_counts(together.total()) == pytest.approx(expected, abs=1e-3)


def test_a_mask_is_brought_to_the_size_of_its_map():
    mask = np.zeros((20, 20), np.bool_)
    mask[:10] = True
    values = np.zeros((4, 4), np.float32)
    values[:2] = 1
    counts = PixelCounts()
    counts.add([values], [mask], "scratch")
    assert counts.total().sum(1).tolist() == [8, 8]
    assert counts.aupro() == pytest.approx(1.0)


def test_without_any_map_nothing_is_counted():
    assert PixelCounts().total().sum() == 0
    assert np.isnan(PixelCounts().aupro())
