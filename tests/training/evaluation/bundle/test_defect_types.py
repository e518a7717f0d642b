import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from training.data.labelled import LabelledImages
from training.evaluation.bundle import defect_types
from training.evaluation.bundle.pixels import PixelCounts

SIDE = 12


def labelled(kinds, masks=None):
    count = len(kinds)
    return LabelledImages(
        images=[np.zeros((1, SIDE, SIDE), np.uint8)] * count,
        defect=np.array([kind != "good" for kind in kinds], np.bool_),
        masks=masks or [None] * count,
        names=[f"test/{kind}/{i}.png" for i, kind in enumerate(kinds)],
        kinds=list(kinds),
    )


def test_each_type_is_measured_against_all_normal_images():
    rng = np.random.default_rng(0)
    kinds = ["good"] * 6 + ["bent"] * 4 + ["scratch"] * 5
    masks = [None] * 6 + [rng.random((SIDE, SIDE)) < 0.2 for _ in range(9)]
    masks[7] = None  # a bent part whose defect is not marked
    test = labelled(kinds, masks)
    value, flagged = rng.normal(size=15), np.arange(15) % 3 == 0
    maps = rng.gamma(1.0, 1.0, (15, SIDE, SIDE)).astype(np.float32)
    pixels = PixelCounts()
    for i, kind in enumerate(kinds):
        if i != 7:
            pixels.add([maps[i]], [masks[i]], None if kind == "good" else kind)
    rows = defect_types.by_type(defect_types.types_of(test), test, value, flagged, pixels)
    assert [(row.name, row.images, row.masks) for row in rows] == [
        ("bent", 4, 3),
        ("scratch", 5, 5),
    ]
    for row, places in zip(rows, ([6, 7, 8, 9], range(10, 15)), strict=True):
        both = [*range(6), *places]
        expected = roc_auc_score([i >= 6 for i in both], value[both])
        assert row.image_auroc == pytest.approx(expected)
        known = [i for i in both if i != 7]
        truth = [np.zeros((SIDE, SIDE), np.bool_) if i < 6 else masks[i] for i in known]
        expected = roc_auc_score(np.ravel(truth), maps[known].ravel())
        assert row.pixel_auroc == pytest.approx(expected, abs=1e-3)
        assert row.detections == flagged[[*places]].sum()
        interval = binomtest(row.detections, row.images).proportion_ci(0.95, "exact")
        assert row.detection_interval == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_a_type_without_masks_has_no_pixel_auroc():
    test = labelled(["good", "bent"])
    pixels = PixelCounts()
    pixels.add([np.ones((SIDE, SIDE), np.float32)], [None], None)
    (row,) = defect_types.by_type(
        defect_types.types_of(test), test, np.arange(2.0), np.ones(2, np.bool_), pixels
    )
    assert (row.masks, row.pixel_auroc, row.image_auroc) == (0, None, 1.0)


def test_the_rarest_of_very_many_types_are_counted_together():
    frequent = [f"type {i:02d}" for i in range(defect_types.MAX_TYPES)]
    types = defect_types.types_of(labelled(["good", *frequent * 2, "rare", "once"]))
    assert types == [None, *frequent * 2, defect_types.OTHER, defect_types.OTHER]
    test = labelled(["zebra", "good", "rare", *frequent * 2])
    rows = defect_types.by_type(
        defect_types.types_of(test), test, np.arange(35.0), np.ones(35, np.bool_), PixelCounts()
    )
    assert [row.name for row in rows] == [*frequent, defect_types.OTHER]
    assert rows[-1].images == 2


def test_images_without_names_of_types_are_all_normal():
    test = labelled(["good"] * 3)
    test.kinds.clear()
    assert defect_types.types_of(test) == [None] * 3
