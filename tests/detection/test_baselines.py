"""Cheap baselines on toy images, against scikit-learn and plain loops."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from detection import baselines, sets

RNG = np.random.default_rng(4)


def scene(shade: float, spot: tuple[int, int] | None = None) -> np.ndarray:
    """A gradient of some brightness with a little noise, and perhaps a bright square."""
    rows, columns = np.mgrid[:128, :128] / 128
    image = 90 + 60 * rows + shade * columns + RNG.normal(0, 2, (128, 128))
    if spot:
        image[spot[0] : spot[0] + 10, spot[1] : spot[1] + 10] += 45
    return image.clip(0, 255).astype(np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set in which a bright square is the defect."""
    root = tmp_path_factory.mktemp("toy")
    for index in range(40):
        save(root / f"train/good/{index:02}.png", scene(RNG.uniform(0, 60)))
    for index in range(8):
        save(root / f"test/good/{index}.png", scene(RNG.uniform(0, 60)))
        place = tuple(RNG.integers(10, 110, 2))
        save(root / f"test/square/{index}.png", scene(RNG.uniform(0, 60), place))
        mask = np.zeros((128, 128), np.uint8)
        mask[place[0] : place[0] + 10, place[1] : place[1] + 10] = 255
        save(root / f"ground_truth/square/{index}_mask.png", mask)
    return root


def test_every_baseline_finds_an_obvious_square(folder: Path) -> None:
    found = baselines.measure(folder, seed=0)
    assert {"PCA 20, normalised maximum", "1-NN of images", "1-NN of patches"} <= found.keys()
    for name in ("PCA 20, maximum", "PCA 20, normalised maximum", "1-NN of patches"):
        assert found[name]["image"] == 1.0, name
        assert found[name]["pixel"] > 0.98, name
    assert all(figures["seconds"] > 0 for figures in found.values())


def test_more_components_than_images_are_left_out(folder: Path) -> None:
    assert not any("PCA 60" in name for name in baselines.measure(folder, seed=0))


def test_the_same_seed_gives_the_same_figures(folder: Path) -> None:
    images = sets.pictures(folder, 128, colour=True)
    first, again = ([scores for _, scores, _ in baselines.patches(images, 3)] for _ in range(2))
    assert np.array_equal(first, again)


def test_the_map_of_patches_lies_over_the_image(folder: Path) -> None:
    images = sets.pictures(folder, 128, colour=True)
    masks = sets.truth(folder, 128).masks
    (_, _, maps), *_ = baselines.patches(images, 0)
    for found, mask in zip(maps[8:], masks[8:], strict=True):
        centre = np.argwhere(found >= 0.5 * found.max()).mean(0)
        assert np.abs(centre - np.argwhere(mask).mean(0)).max() < 3


def test_nearest_rows_are_those_of_a_plain_search() -> None:
    queries, memory = RNG.random((30, 6)), RNG.random((50, 6))
    nearest, distance = baselines.closest(queries, memory)
    expected = np.square(queries[:, None] - memory[None]).sum(2)
    assert nearest.tolist() == expected.argmin(1).tolist()
    np.testing.assert_allclose(distance, expected.min(1), rtol=1e-9)


def test_areas_are_those_of_scikit_learn() -> None:
    defect = np.arange(20) >= 12
    scores, maps = RNG.random(20), RNG.random((20, 8, 8))
    masks = (RNG.random((20, 8, 8)) > 0.7) & defect[:, None, None]
    found = baselines.figures(scores, maps, sets.Truth(defect, masks))
    assert found["image"] == pytest.approx(roc_auc_score(defect, scores))
    assert found["pixel"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()))


def test_without_all_masks_there_is_only_the_area_of_images() -> None:
    truth = sets.Truth(np.array([False, True]), None)
    found = baselines.figures(np.array([0.0, 1.0]), np.zeros((2, 8, 8)), truth)
    assert found == {"image": 1.0, "pixel": None}


def test_brightness_that_betrays_the_class_is_seen(tmp_path: Path) -> None:
    for index in range(4):
        save(tmp_path / f"train/good/{index}.png", scene(20))
        save(tmp_path / f"test/good/{index}.png", scene(0))
        save(tmp_path / f"test/bad/{index}.png", scene(60))
    assert baselines.shortcuts(tmp_path)["mean gray"] == 1.0
    sets.normalise(tmp_path, tmp_path / "copy")
    images = sets.pictures(tmp_path / "copy", 128, colour=False)
    means = images.test.mean((1, 2, 3)) * 255
    assert np.ptp(means) < 0.5
    assert means.mean() == pytest.approx(images.train.mean() * 255, abs=0.5)


def test_masks_of_a_normalised_copy_are_the_same_files(folder: Path, tmp_path: Path) -> None:
    sets.normalise(folder, tmp_path / "copy")
    name = "ground_truth/square/0_mask.png"
    assert (tmp_path / "copy" / name).read_bytes() == (folder / name).read_bytes()
    files = {path.relative_to(folder) for path in folder.rglob("*.png")}
    assert {p.relative_to(tmp_path / "copy") for p in (tmp_path / "copy").rglob("*.png")} == files


def test_a_set_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert sets.find("tile", tmp_path, tmp_path / "made") is None
    assert sets.find(sets.NORMALISED, tmp_path, tmp_path / "made") is None


def test_images_smaller_than_the_maps_keep_their_size(tmp_path: Path) -> None:
    for index in range(30):
        save(tmp_path / f"train/good/{index:02}.png", scene(RNG.uniform(0, 60))[:28, :28])
    for index in range(4):
        save(tmp_path / f"test/good/{index}.png", scene(RNG.uniform(0, 60))[:28, :28])
        save(tmp_path / f"test/bad/{index}.png", scene(RNG.uniform(0, 60), (12, 9))[:28, :28])
    assert sets.longest_side(tmp_path) == 28
    found = baselines.measure(tmp_path, seed=0)
    assert found["PCA 20, maximum"]["image"] == 1.0
    assert found["1-NN of patches"]["image"] == 1.0
    (_, _, maps), *_ = baselines.patches(sets.pictures(tmp_path, 28, colour=True), 0)
    assert maps.shape == (8, 28, 28)
