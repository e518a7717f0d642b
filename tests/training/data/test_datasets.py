import dataclasses
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codec.image_reader import read_image
from training.data import datasets as data
from training.data.datasets import CIFAR_JPEG
from training.data.image_files import digest
from training.data.labelled import labelled_test
from training.errors import TrainingError
from training.presets import PRESETS


@given(
    count=st.integers(2, 500),
    fraction=st.floats(0.001, 0.99),
    seed=st.integers(0, 100),
)
def test_every_image_is_either_learned_from_or_held_out(count, fraction, seed):
    config = dataclasses.replace(PRESETS["fashion"], validation_fraction=fraction, seed=seed)
    training, held_out = data.split_indices(config.data, count)
    assert sorted([*training, *held_out]) == list(range(count))
    assert len(training) >= 1
    assert len(held_out) >= 1
    again = data.split_indices(config.data, count)
    np.testing.assert_array_equal(again[0], training)


@pytest.fixture
def mvtec(make_folder, tmp_path):
    """An MVTec folder: 6 good images to learn from; 2 good ones and a scratch to test."""
    make_folder(6, name="set/train/good")
    make_folder(2, name="set/test/good")
    make_folder(1, name="set/test/scratch")
    mask = np.zeros((16, 16), np.uint8)
    mask[3, 4] = 255
    path = tmp_path / "set" / "ground_truth" / "scratch" / "000_mask.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(mask).save(path)
    return tmp_path / "set"


def test_only_good_training_images_of_an_mvtec_folder_are_learned_from(mvtec, tiny, make_folder):
    make_folder(3, name="set/train/unsorted")
    assert len(data.images(tiny["reslag"].data, mvtec)) == 6


def test_test_images_come_with_labels_and_masks(mvtec, tiny):
    test = labelled_test(tiny["reslag"].data, mvtec)
    assert test.defect.tolist() == [False, False, True]
    assert test.masks[:2] == [None, None]
    assert np.argwhere(test.masks[2]).tolist() == [[3, 4]]
    assert len(test.images) == 3


def test_training_never_opens_a_test_image(mvtec, tiny):
    for path in (mvtec / "test").rglob("*.png"):
        path.write_bytes(b"unreadable")
    training, held_out = data.training_and_validation(tiny["reslag"].data, mvtec)
    assert (len(training), len(held_out)) == (4, 2)
    with pytest.raises(TrainingError, match="cannot be used"):
        labelled_test(tiny["reslag"].data, mvtec)


def test_images_are_resized_to_a_fixed_model_and_keep_their_size_for_crops(make_folder, tiny):
    folder = make_folder(4, height=20, width=30)
    assert data.images(tiny["reslag"].data, folder).shape == (4, 1, 16, 16)
    assert [image.shape for image in data.images(tiny["sigma_vae_map"].data, folder)] == [
        (1, 20, 30)
    ] * 4


def test_a_folder_with_train_and_test_is_not_read_as_a_whole(make_folder, tiny):
    folder = make_folder(5, name="set/train").parent
    make_folder(2, name="set/test")
    assert len(data.images(tiny["reslag"].data, folder)) == 5
    test = labelled_test(tiny["reslag"].data, folder)
    assert test.defect.tolist() == [False, False]


def test_an_image_smaller_than_half_a_crop_is_refused(make_folder, tiny):
    config = dataclasses.replace(tiny["sigma_vae_map"], crop=64)
    with pytest.raises(TrainingError, match="has 16x16 pixels; crop=64 needs at least 32 a side"):
        data.images(config.data, make_folder(4))


def test_empty_and_missing_folders_are_one_clear_sentence(tmp_path, tiny):
    with pytest.raises(TrainingError, match=r"holds no image files; their names end in \.apng"):
        data.images(tiny["reslag"].data, tmp_path)
    with pytest.raises(TrainingError, match="does not exist"):
        data.images(tiny["reslag"].data, tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TrainingError, match="is a special file; expected a folder, or a csv file"):
        data.images(tiny["reslag"].data, tmp_path / "pipe")
    with pytest.raises(TrainingError, match="holds no train-images-idx3-ubyte file"):
        data.images(dataclasses.replace(tiny["reslag"].data, source="idx"), tmp_path)


def test_one_image_is_not_enough(make_folder, tiny):
    with pytest.raises(TrainingError, match="holds 1 train images; at least 2 are needed"):
        data.images(tiny["reslag"].data, make_folder(1))


def test_a_joined_jpeg_archive_is_recognised_and_decoded(tmp_path, tiny):
    pictures = []
    for value in (10, 200, 90):
        buffer = io.BytesIO()
        Image.new("RGB", (32, 32), (value, value, value)).save(buffer, "jpeg")
        pictures.append(buffer.getvalue())
    joined = np.frombuffer(b"".join(pictures), np.uint8)
    offsets = np.cumsum([0, *map(len, pictures)])
    np.savez(tmp_path / CIFAR_JPEG, jpeg_train=joined, offsets_train=offsets)
    found = data.images(tiny["reslag"].data, tmp_path)
    assert found.shape == (3, 1, 16, 16)
    assert found.mean((1, 2, 3)).round().tolist() == [10, 200, 90]


def test_absent_cifar_batches_are_reported_and_never_downloaded(tmp_path, tiny):
    config = dataclasses.replace(tiny["reslag"], source="cifar100")
    with pytest.raises(TrainingError, match="cifar100 cannot be read from"):
        data.images(config.data, tmp_path)


@pytest.mark.slow
def test_torchvision_is_imported_only_when_it_is_needed_and_more_than_once():
    program = (
        "import sys, training.data.torchvision_sets as d; assert 'torchvision' not in sys.modules\n"
        "d.import_torchvision_datasets().CIFAR10; d.import_torchvision_datasets().CelebA"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_the_digest_sees_every_byte_and_the_shapes():
    images = np.zeros((2, 1, 4, 6), np.uint8)
    digests = {digest(images), digest(images.reshape(2, 1, 6, 4))}
    images[1, 0, 3, 5] = 1
    digests.add(digest(images))
    assert len(digests) == 3
    assert digest(images) == digest(list(images))


def test_fashion_mnist_is_read_whole(real_data):
    training, held_out = data.training_and_validation(
        PRESETS["fashion"].data, real_data / "fashion_mnist"
    )
    assert (len(training), len(held_out)) == (57_000, 3_000)
    assert training.shape[1:] == (1, 28, 28)
    assert np.var(training[:10_000] / 255) == pytest.approx(0.1246, abs=0.003)
    test = labelled_test(PRESETS["fashion"].data, real_data / "fashion_mnist")
    assert len(test.images) == 10_000
    assert not test.defect.any()


def test_deep_pcb_has_as_many_defects_as_masks(real_data):
    folder = real_data / "deeppcb" / "pcb"
    assert len(data.validation_images(PRESETS["pcb"].data, folder)) == 100
    test = labelled_test(PRESETS["pcb"].data, folder)
    assert (len(test.images), test.defect.sum()) == (500, 250)
    masked = [mask is not None and bool(mask.any()) for mask in test.masks]
    assert masked == test.defect.tolist()


def test_idx_files_are_found_anywhere_below_and_must_be_in_one_place(tmp_path):
    assert data.find_idx(tmp_path, data.IMAGES["train"]) is None
    deep = tmp_path / "raw" / "x"
    deep.mkdir(parents=True)
    (deep / f"{data.IMAGES['train']}.gz").write_bytes(b"")
    assert data.find_idx(tmp_path, data.IMAGES["train"]) == deep / f"{data.IMAGES['train']}.gz"
    (tmp_path / data.IMAGES["train"]).write_bytes(b"")
    with pytest.raises(TrainingError, match="holds several"):
        data.find_idx(tmp_path, data.IMAGES["train"])


def test_a_transparent_training_image_is_what_the_codec_reads(tmp_path, tiny):
    rng = np.random.default_rng(0)
    for i in range(3):
        pixels = rng.integers(0, 256, (16, 16, 4), np.uint8)
        (tmp_path / "train" / "good").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels, "RGBA").save(tmp_path / "train" / "good" / f"{i}.png")
    found = data.images(tiny["sigma_vae_map"].data, tmp_path)
    for i in range(3):
        file = (tmp_path / "train" / "good" / f"{i}.png").read_bytes()
        np.testing.assert_array_equal(found[i], read_image(file, 1).transpose(2, 0, 1))


def test_images_of_16_bits_are_refused_with_the_reason(tmp_path, tiny):
    for i in range(3):
        Image.fromarray(np.full((16, 16), 300 + i, np.uint16)).save(tmp_path / f"{i}.png")
    with pytest.raises(TrainingError, match=r"3 of 3 .*0.png, 1.png, 2.png \(the PNG image has 16"):
        data.images(tiny["reslag"].data, tmp_path)


def test_a_validation_folder_is_held_out_and_everything_else_learned_from(mvtec, tiny, make_folder):
    make_folder(3, name="set/validation/good")
    said: list[str] = []
    training, held_out = data.training_and_validation(tiny["reslag"].data, mvtec, said.append)
    assert (len(training), len(held_out)) == (6, 3)
    assert said[0] == (
        "layout mvtec: 6 normal for training, 3 normal for validation, 2 normal and 1 defect for "
        "testing, 1 with mask"
    )


def test_what_is_wrong_with_a_folder_is_said_before_training(make_folder, tiny):
    folder = make_folder(4)
    rows = [f"{path.name},good" for path in sorted(folder.iterdir())]
    (folder / "list.csv").write_text("\n".join(["path,label", *rows, "gone.png,bad"]))
    said: list[str] = []
    data.training_and_validation(tiny["reslag"].data, folder, said.append)
    assert said == [
        "layout csv: 4 normal for training, none for testing",
        "1 of 5 images do not exist: gone.png",
    ]


@pytest.mark.parametrize("value", [1, 3, 255])
def test_masks_of_any_value_mark_the_same_pixels(mvtec, tiny, value):
    mask = np.zeros((16, 16), np.uint8)
    mask[3, 4] = value
    Image.fromarray(mask).save(mvtec / "ground_truth" / "scratch" / "000_mask.png")
    test = labelled_test(tiny["reslag"].data, mvtec)
    assert np.argwhere(test.masks[2]).tolist() == [[3, 4]]


def test_masks_of_no_use_are_reported_in_one_line_a_kind(mvtec, tiny, make_folder):
    make_folder(4, name="set/test/scratch")
    truth = mvtec / "ground_truth" / "scratch"
    for i in (1, 2):
        Image.new("L", (16, 16)).save(truth / f"00{i}_mask.png")
    (truth / "003_mask.png").write_bytes(b"broken")
    make_folder(1, name="set/test/hole")
    said: list[str] = []
    test = labelled_test(tiny["reslag"].data, mvtec, said.append)
    assert sum(mask is not None for mask in test.masks) == 1
    assert said[1:] == [
        "1 masks cannot be read: mask 003_mask.png: the file is not an image of a known format: "
        "JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP",
        "2 masks mark no pixel and are ignored: test/scratch/001.png, test/scratch/002.png",
        "1 defect images have no mask: test/hole/000.png",
    ]


def test_a_folder_without_test_images_says_so_when_it_is_evaluated(make_folder, tiny):
    with pytest.raises(TrainingError, match=r"evaluation needs test images: .* expected for exam"):
        labelled_test(tiny["reslag"].data, make_folder(3))


def test_a_folder_without_normal_images_says_so_when_it_is_trained_on(make_folder, tiny, tmp_path):
    make_folder(3, name="set/test/good")
    with pytest.raises(TrainingError, match="has no train images: layout mvtec: 0 normal for tra"):
        data.images(tiny["reslag"].data, tmp_path / "set")


def test_an_image_that_no_record_can_hold_is_refused_before_training(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(data, "MAX_RECORD_PIXELS", 20 * 16)
    for i in range(2):
        Image.new("L", (16 + 8 * i, 16)).save(tmp_path / f"{i}.png")
    sentence = r"1 of 2 .*: 1.png \(it has 16x24 pixels; a record holds at most 320 pixels"
    with pytest.raises(TrainingError, match=sentence):
        data.training_and_validation(tiny["sigma_vae_map"].data, tmp_path)


def test_a_layout_that_is_named_is_for_image_files(tiny):
    with pytest.raises(TrainingError, match="layout 'mvtec' is for image files, but source is"):
        dataclasses.replace(tiny["reslag"].data, source="idx", layout="mvtec")
