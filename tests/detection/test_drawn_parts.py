"""The set of drawn parts: the same from the same seed, and masks where a defect is."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from detection.drawn_parts import folder
from detection.drawn_parts.defects import KINDS
from detection.drawn_parts.folder import Sizes, defective, images, scene, write
from training.data.defects import TRAINING_KINDS
from training.data.layouts import recognise

SMALL = Sizes(train=3, good=2, of_each_kind=2, drift=3, lots=2)


@pytest.fixture(scope="module")
def small() -> dict[str, np.ndarray]:
    return dict(images(5, SMALL))


def test_the_same_seed_gives_the_same_images_and_another_one_others(
    small: dict[str, np.ndarray],
) -> None:
    again, other = dict(images(5, SMALL)), dict(images(6, SMALL))
    assert list(again) == list(small) == list(other)
    assert all(np.array_equal(again[name], small[name]) for name in small)
    assert not any(
        np.array_equal(other[name], small[name]) for name in small if "ground_truth" not in name
    )


def test_no_image_is_there_twice(small: dict[str, np.ndarray]) -> None:
    pixels = [p.tobytes() for name, p in small.items() if "ground_truth" not in name]
    assert len(set(pixels)) == len(pixels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [0, 12, 24])
def test_a_mask_covers_what_differs_from_the_same_part_without_its_defect(
    kind: str, number: int
) -> None:
    found, part, mask = defective(3, kind, number, Sizes())
    differs = np.abs(found.image(part).astype(int) - found.image().astype(int))
    # Rounding, and noise that grows with the light, add a level to what is not visible.
    assert differs[~mask].max() <= folder.VISIBLE + 1
    assert differs[mask].max() > folder.VISIBLE
    assert folder.LEAST <= mask.sum() < 0.1 * mask.size


@pytest.mark.parametrize("kind", KINDS)
def test_defects_of_a_kind_get_fainter(kind: str) -> None:
    def changed(numbers: range) -> float:
        total = 0.0
        for number in numbers:
            found, part, _ = defective(1, kind, number, Sizes())
            total += float(np.abs(found.levels(part) - found.levels()).sum())
        return total

    assert changed(range(6)) > 1.5 * changed(range(19, 25))


def test_no_kind_is_one_that_is_trained_with() -> None:
    assert not set(KINDS) & set(TRAINING_KINDS)


def test_sound_parts_are_registered_to_a_few_pixels() -> None:
    views = [scene(0, "train/good", number, 25).view for number in range(100)]
    shifts = np.array([view.shift for view in views])
    assert np.abs(shifts).max() < 4
    assert 0.5 < shifts.std() < 1.5


def test_light_fades_and_noise_grows_over_a_day() -> None:
    sizes = Sizes()
    last = sizes.drift - 1
    day = [
        scene(0, "drift", n, sizes.lots, n / last) for n in (*range(8), *range(last - 7, last + 1))
    ]
    light = [float(found.levels().mean()) for found in day]
    noise = [float((found.image() - found.levels()).std()) for found in day]
    assert np.mean(light[8:]) < 0.85 * np.mean(light[:8])
    assert np.mean(noise[8:]) > 1.4 * np.mean(noise[:8])


def test_the_folder_is_read_as_mvtec_with_masks_and_without_the_drift(tmp_path: Path) -> None:
    write(tmp_path, 5, SMALL)
    found = recognise(tmp_path)
    assert found.layout == "mvtec"
    assert (len(found.train), len(found.test)) == (3, 2 + 2 * len(KINDS))
    kinds = Counter(item.kind for item in found.test if item.defect and item.masks)
    assert kinds == dict.fromkeys(KINDS, 2)
    assert "drift" in found.skipped
