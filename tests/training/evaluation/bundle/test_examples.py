import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codec import Codec, Scorer
from codec.bundle.bundle import load_bundle
from codec.graphs.onnx import open_graphs
from training.data.labelled import LabelledImages
from training.evaluation.bundle import detection, examples
from training.evaluation.bundle.examples import Subject
from training.evaluation.report.outline import OUTLINE

DATA = Path(__file__).parents[3] / "data"
NORMAL, DEFECT, SIDE = 5, 4, 32


@pytest.fixture(scope="module")
def subject():
    """Ramps with noise; each defect has a larger black square, marked but for the first one."""
    bundle = load_bundle(DATA / "tiny_map_bundle")
    codec = Codec(bundle, open_graphs(bundle, "cpu", 1))
    rng, images, masks = np.random.default_rng(3), [], []
    for i in range(NORMAL + DEFECT):
        ramp = np.linspace(40, 200, SIDE).reshape(1, SIDE, 1) + rng.normal(0, 3, (SIDE, SIDE, 1))
        image, mask = np.clip(ramp, 0, 255).astype(np.uint8), np.zeros((SIDE, SIDE), np.bool_)
        if i >= NORMAL:
            mask[4 : 6 + 2 * (i - NORMAL), 16:24] = True
            image[mask] = 0
        images.append(image)
        masks.append(mask if i > NORMAL else None)
    test = LabelledImages(
        images=[image.transpose(2, 0, 1) for image in images],
        defect=np.arange(NORMAL + DEFECT) >= NORMAL,
        masks=masks,
        names=[f"image {i}" for i in range(NORMAL + DEFECT)],
        kinds=["good"] * NORMAL + ["square"] * DEFECT,
    )
    scorer = Scorer(codec)
    scored = detection.score(scorer, images, test, [0.05], lambda done, total: None)
    return Subject(codec=codec, scorer=scorer, images=images, test=test, scored=scored)


def shown(picture):
    """The numbers of the images on a sheet, and its size in rows and columns of images."""
    with Image.open(io.BytesIO(picture.png)) as image:
        columns, rows = (length // (96 + 4) for length in image.size)
    return [int(n) for n in re.findall(r"image (\d)", picture.caption)], (rows, columns)


def test_the_worst_false_alarms_the_best_detections_and_the_missed_defects_are_shown(subject):
    alarms, best, missed = examples.extremes(subject, 2)
    value = subject.scored.value
    normal = sorted(range(NORMAL), key=lambda i: -value[i])
    defect = sorted(range(NORMAL, NORMAL + DEFECT), key=lambda i: -value[i])
    assert shown(alarms) == (normal[:2], (3, 2))
    assert shown(best) == (defect[:2], (4, 2))
    assert shown(missed) == (defect[::-1][:2], (4, 2))
    verdicts = subject.scored.detection.verdicts[0]
    assert f"({verdicts.false_alarms} of {NORMAL} are flagged)" in alarms.caption
    assert f"({DEFECT - verdicts.detections} of {DEFECT} are missed)" in missed.caption


def test_no_defect_is_shown_both_as_found_best_and_as_found_worst(subject):
    _, best, missed = examples.extremes(subject, 10)
    found, lost = shown(best)[0], shown(missed)[0]
    assert sorted(found + lost) == list(range(NORMAL, NORMAL + DEFECT))


def test_captions_have_the_p_values_of_the_images(subject):
    _, best, _ = examples.extremes(subject, 2)
    p_values = [f"{subject.scored.p_value[i]:.3g}" for i in shown(best)[0]]
    assert f"p-values: {', '.join(p_values)}." in best.caption


def test_samples_are_spread_over_the_set_and_defects_have_their_masks_in_outline(subject):
    normal, defect = examples.samples(subject, 2)
    assert shown(normal) == ([0, 2], (3, 2))
    assert shown(defect) == ([5, 7], (4, 2))
    with Image.open(io.BytesIO(defect.png)) as image:
        outlined = np.asarray(image)[104:200]
    cyan = (outlined == OUTLINE).all(-1)
    assert not cyan[:, :100].any()  # the first one has no mask
    assert cyan[:, 100:].any()
