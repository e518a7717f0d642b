"""Small trees of folders, and what is recognised in each."""

import re
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from training.config.run import LayoutName
from training.data.layouts import NAMES, recognise
from training.errors import TrainingError

TRAIN = "train/good/{0-5}.png"
TREES = {
    # name: (files, layout, train, validation, normal and defect for testing, with mask)
    "MVTec AD": (
        f"{TRAIN} test/good/{{0-2}}.png test/hole/{{0-1}}.png ground_truth/hole/{{0-1}}_mask.png",
        ("mvtec", 6, 0, 3, 2, 2),
    ),
    "BTAD": (
        "train/ok/{0-5}.bmp test/ok/0.bmp test/ko/20.bmp ground_truth/ko/20.png",
        ("mvtec", 6, 0, 1, 1, 1),
    ),
    "capitals, masks with another ending and suffix": (
        "train/OK/{0-5}.JPG test/OK/0.JPG test/NG/{0-1}.JPG Ground_Truth/NG/{0-1}-mask.bmp",
        ("mvtec", 6, 0, 1, 2, 2),
    ),
    "other words for good and bad": (
        "training/defect-free/{0-5}.png testing/Normal/0.png testing/Anomaly/0.png",
        ("mvtec", 6, 0, 1, 1, 0),
    ),
    "positive as the word for good": (
        "train/positive/{0-5}.png test/positive/0.png test/negative/0.png",
        ("mvtec", 6, 0, 1, 1, 0),
    ),
    "images below good that are sorted further": (
        "train/good/a/{0-2}.png train/good/b/{0-2}.png test/good/a/0.png test/hole/b/0.png",
        ("mvtec", 6, 0, 1, 1, 0),
    ),
    "defects and unsorted images below train": (
        f"{TRAIN} train/bad/{{0-3}}.png train/unsorted/0.png",
        ("mvtec", 6, 0, 0, 0, 0),
    ),
    "MVTec LOCO: a folder of masks for each image, validation": (
        f"{TRAIN} validation/good/{{0-2}}.png test/good/0.png test/logical/{{0-1}}.png "
        "ground_truth/logical/0/{000-002}.png ground_truth/logical/1/000.png",
        ("mvtec", 6, 3, 1, 2, 2),
    ),
    "MVTec 3D: rgb, gt and xyz": (
        "train/good/rgb/{0-5}.png train/good/xyz/{0-5}.tiff validation/good/rgb/0.png "
        "test/good/rgb/0.png test/good/gt/0.png test/hole/rgb/{0-1}.png test/hole/gt/{0-1}.png "
        "test/hole/xyz/{0-1}.tiff",
        ("mvtec", 6, 1, 1, 2, 2),
    ),
    "cameras": (
        "train/good/cam1/{0-1}.png train/good/cam2/{0-1}.png test/good/cam1/0.png "
        "test/hole/cam1/0.png test/hole/cam2/0.png ground_truth/hole/cam2/0_mask.png",
        ("mvtec", 4, 0, 1, 2, 1),
    ),
    "val with good and bad": (
        f"{TRAIN} val/good/{{0-1}}.png val/bad/{{0-1}}.png test/good/0.png test/bad/0.png",
        ("mvtec", 6, 2, 1, 1, 0),
    ),
    "masks next to the images of a test folder": (
        f"{TRAIN} test/good/0.png test/hole/0.png test/hole/0_mask.png",
        ("mvtec", 6, 0, 1, 1, 1),
    ),
    "masks without a folder for the kind": (
        f"{TRAIN} test/good/0.png test/hole/{{1-2}}.png masks/{{1-2}}.png",
        ("mvtec", 6, 0, 1, 2, 2),
    ),
    "train without subfolders, test with": (
        "train/{0-5}.png test/good/0.png test/hole/{0-1}.png ground_truth/hole/0.png",
        ("mvtec", 6, 0, 1, 2, 1),
    ),
    "defects alone below train": ("train/ng/0.png test/ok/0.png", ("mvtec", 0, 0, 1, 0, 0)),
    "test alone": ("test/good/{0-2}.png test/hole/0.png", ("mvtec", 0, 0, 3, 1, 0)),
    "Eyecandies": (
        "train/data/{000-003}_image_0.png train/data/{000-003}_depth.png val/data/000_image_0.png "
        "test_public/data/{000-001}_image_0.png test_public/data/000_mask.png",
        ("eyecandies", 4, 1, 1, 1, 1),
    ),
    "KolektorSDD": (
        "kos01/Part{0-2}.jpg kos01/Part0_label.bmp kos02/Part{0-2}.jpg kos02/Part0_label.bmp",
        ("kolektor", 3, 0, 1, 2, 2),
    ),
    "KolektorSDD2": (
        "train/{10-15}.png train/10_GT.png test/{20-22}.png test/20_GT.png",
        ("kolektor2", 5, 0, 2, 1, 1),
    ),
    "magnetic tile": (
        "MT_Free/Imgs/{0-4}.jpg MT_Free/Imgs/{0-4}.png MT_Crack/Imgs/{0-1}.jpg "
        "MT_Crack/Imgs/{0-1}.png",
        ("magnetic_tile", 4, 0, 1, 2, 2),
    ),
    "DeepPCB": (
        "group1/00041/{0-4}_temp.jpg group1/00041/{0-4}_test.jpg",
        ("deeppcb", 4, 0, 1, 5, 0),
    ),
    "DeepPCB as it is cloned": (
        "PCBData/group1/00041/{0-4}_temp.jpg PCBData/group1/00041/{0-4}_test.jpg",
        ("deeppcb", 4, 0, 1, 5, 0),
    ),
    "VisA without its csv": (
        "Data/Images/Normal/{0-5}.JPG Data/Images/Anomaly/{0-1}.JPG Data/Masks/Anomaly/{0-1}.png",
        ("visa", 5, 0, 1, 2, 2),
    ),
    "normal, abnormal and mask": (
        "normal/{0-5}.png abnormal/{0-5}.png mask/{0-5}.png",
        ("normal_abnormal", 5, 0, 1, 6, 6),
    ),
    "good and bad alone": ("good/{0-5}.png bad/0.png", ("normal_abnormal", 5, 0, 1, 1, 0)),
    "good and kinds of defects": (
        "good/{0-5}.png hole/0.png crack/0.png ground_truth/crack/0_mask.png",
        ("normal_abnormal", 5, 0, 1, 2, 1),
    ),
    "Real-IAD: masks next to the images of other suffix": (
        "OK/S1/{0-5}_C1.jpg NG/hole/S2/0_C1.jpg NG/hole/S2/0_C1.png",
        ("normal_abnormal", 5, 0, 1, 1, 1),
    ),
    "images and masks": (
        "images/{0-6}.jpg masks/{0-1}.png",
        ("images_masks", 4, 0, 1, 2, 2),
    ),
    "images and masks, divided": (
        "train/images/{0-5}.png test/images/{0-2}.png train/masks/0.png test/masks/0.png",
        ("images_masks", 5, 0, 2, 1, 1),
    ),
    "train and test": ("train/{0-5}.png test/{0-2}.png", ("train_test", 6, 0, 3, 0, 0)),
    "train and test with masks": (
        "train/{0-5}.png test/{0-2}.png ground_truth/1.png",
        ("train_test", 6, 0, 2, 1, 1),
    ),
    "classes below train and test": (
        "train/cat/{0-2}.png train/dog/{0-2}.png test/cat/0.png test/bad/0.png",
        ("train_test", 6, 0, 1, 1, 0),
    ),
    "a flat folder": ("{0-5}.png", ("flat", 6, 0, 0, 0, 0)),
    "a folder of folders": ("a/{0-5}.png b/c/{0-5}.png", ("flat", 12, 0, 0, 0, 0)),
    "masks next to the images of a flat folder": (
        "{0-5}.png 0_mask.png 1_GT.png",
        ("flat", 3, 0, 1, 2, 2),
    ),
    "hidden files and folders": (
        ".a.png .b/0.png {0-5}.png .thumbnails/{0-5}.png",
        ("flat", 6, 0, 0, 0, 0),
    ),
    "a folder of masks next to that of its images": (
        f"{TRAIN} test/good/0.png test/bad/{{0-1}}.png test/bad_mask/{{0-1}}.png",
        ("mvtec", 6, 0, 1, 2, 2),
    ),
    "folders of masks next to bad and in front of its name": (
        "OK/{0-5}.png NG/{0-1}.png gt_NG/{0-1}.png",
        ("normal_abnormal", 5, 0, 1, 2, 2),
    ),
    "DAGM: masks below train and test": (
        "Train/{1-6}.PNG Train/Label/1_label.PNG Test/{1-4}.PNG Test/Label/2_label.PNG",
        ("images_masks", 5, 0, 3, 1, 1),
    ),
    "names with good and bad in them": (
        "Good_Images/{0-5}.png BadImages/{0-1}.png bad-2/0.png masks/bad-2/0.png",
        ("normal_abnormal", 5, 0, 1, 3, 1),
    ),
    "casting: views of good and bad": (
        "train/ok_front/{0-5}.jpeg train/def_front/{0-5}.jpeg test/ok_front/0.jpeg "
        "test/def_front/0.jpeg",
        ("mvtec", 6, 0, 1, 1, 0),
    ),
    "good divided into train and test": (
        "good/train/{0-5}.png good/test/{0-1}.png bad/{0-2}.png",
        ("normal_abnormal", 6, 0, 2, 3, 0),
    ),
    "good and bad in the names of files": (
        "OK_{0-5}.png NG_{0-1}.png no_defect_0.png x_not_good.png",
        ("normal_abnormal", 6, 0, 1, 3, 0),
    ),
    "good and bad in the names of files, divided": (
        "train/good_{0-5}.png train/bad_{0-1}.png test/good_0.png test/bad_0.png",
        ("normal_abnormal", 6, 0, 1, 1, 0),
    ),
    "YOLO: train, valid and test with images and labels": (
        "train/images/{0-5}.jpg train/labels/0.txt valid/images/{0-1}.jpg test/images/0.jpg",
        ("train_test", 6, 2, 1, 0, 0),
    ),
    "YOLO: images with train, val and test": (
        "images/train/{0-5}.jpg images/val/{0-1}.jpg images/test/0.jpg labels/train/0.txt",
        ("train_test", 6, 2, 1, 0, 0),
    ),
    "classes below train and val": (
        "train/cat/{0-2}.png train/dog/{0-2}.png val/cat/0.png val/bad/0.png",
        ("train_test", 6, 1, 0, 0, 0),
    ),
    "images and masks, divided below": (
        "images/train/{0-5}.png images/test/{0-2}.png masks/train/0.png masks/test/1.png",
        ("images_masks", 5, 0, 2, 1, 1),
    ),
    "masks of one name for training and testing": (
        "train/images/{0-5}.png test/images/{0-2}.png train/masks/0.png test/masks/1.png",
        ("images_masks", 5, 0, 2, 1, 1),
    ),
    "masks in PNG next to images in JPEG": (
        f"{TRAIN} test/good/0.png test/hole/{{0-1}}.jpg test/hole/{{0-1}}.png",
        ("mvtec", 6, 0, 1, 2, 2),
    ),
    "masks that begin with a word": (
        f"{TRAIN} test/good/0.png test/hole/{{0-1}}.jpg ground_truth/hole/mask_{{0-1}}.png",
        ("mvtec", 6, 0, 1, 2, 2),
    ),
    "folders of systems and viewers": (
        "good/{0-5}.png good/@eaDir/0.png/a.jpg bad/0.png __MACOSX/bad/0.png thumbs/0.png",
        ("normal_abnormal", 5, 0, 1, 1, 0),
    ),
    "photographs with such words in their names": (
        "normal/free_{0-2}.png normal/{0-2}.png fault_line.png",
        ("flat", 7, 0, 0, 0, 0),
    ),
    "classes with such words in their names": (
        "with_mask/{0-2}.png without_mask/{0-2}.png",
        ("flat", 6, 0, 0, 0, 0),
    ),
    "good alone": ("good/{0-5}.png", ("flat", 6, 0, 0, 0, 0)),
}
REFUSED = {
    "nothing": ("notes.txt a.heic", "holds no image files; their names end in .*skipped 1 .heic"),
    "a root of data sets": (
        "bottle/train/good/{0-1}.png bottle/test/hole/0.png cable/train/good/{0-1}.png",
        "holds several data sets; give one of: bottle, cable",
    ),
    "a root of roots": ("a/b/good/0.png a/b/bad/0.png", "not a data set, but .* give .*/a/b"),
    "data sets of which one has a rare layout": (
        "pcb/group1/00041/0_temp.jpg pcb/group1/00041/0_test.jpg bottle/train/good/0.png",
        "give one of: bottle, pcb",
    ),
    "cameras above the layout": (
        "cam1/train/good/0.png cam2/train/good/0.png",
        "give one of: cam1, cam2",
    ),
    "defects alone": ("bad/{0-5}.png", "does not have the images in bad"),
    "defects next to loose images": ("{0-5}.png ng/{0-5}.png", "does not have the images in ng"),
    "masks next to loose images": ("{0-5}.png masks/0.png", "does not have the images in masks"),
    "kinds above good": (
        "train/bottle/good/0.png test/bottle/bad/0.png",
        "the images in test/bottle/bad, train/bottle/good",
    ),
    "positive and negative": ("positive/0.png negative/0.png", "the images in negative, positive"),
    "yes and no": ("yes/0.png no/0.png", "the images in no, yes"),
    "bad within a name": (
        "train_ok/0.png test_ok/0.png test_bad_1/0.png",
        "the images in test_bad_1",
    ),
    "bad within a name below test": (
        "train/a/0.png test/very_bad/0.png",
        "images in test/very_bad",
    ),
    "masks in a folder next to images": ("img/0.jpg img_mask/0.png", "the images in img_mask"),
    "masks of Pascal VOC": (
        "JPEGImages/0.jpg SegmentationClass/0.png",
        "the images in SegmentationClass",
    ),
    "negative below train": (
        "train/positive/0.png train/negative/0.png",
        "the images in train/negative",
    ),
}


def make(folder, tree):
    """Writes the files of a tree; files named like masks mark their first pixel."""
    for pattern in tree.split():
        span = re.search(r"\{(\d+)-(\d+)\}", pattern)
        numbers = range(int(span[1]), int(span[2]) + 1) if span else [0]
        for number in numbers:
            name = pattern if not span else pattern.replace(span[0], f"{number:0{len(span[1])}}")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.zeros((8, 8), np.uint8)
            pixels[0, 0] = 1
            if path.suffix.lower() in (".txt", ".heic"):
                path.write_text("no image")
            else:
                Image.fromarray(pixels).save(path, {".JPG": "jpeg"}.get(path.suffix))
    return folder


def counts(found):
    defect = [item for item in found.test if item.defect]
    return (
        found.layout,
        len(found.train),
        len(found.validation),
        len(found.test) - len(defect),
        len(defect),
        sum(bool(item.masks) for item in found.test),
    )


@pytest.mark.parametrize("name", TREES)
def test_a_layout_is_recognised(name, tmp_path):
    tree, expected = TREES[name]
    found = recognise(make(tmp_path, tree))
    assert counts(found) == expected
    assert not any(item.defect for item in [*found.train, *found.validation])
    assert recognise(tmp_path, expected[0]) == found
    for item in found.test:
        assert not item.masks or item.defect


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_without_a_layout_is_refused_with_what_was_found(name, tmp_path):
    tree, sentence = REFUSED[name]
    with pytest.raises(TrainingError, match=sentence):
        recognise(make(tmp_path, tree))


def test_the_names_of_the_option_are_those_of_the_table():
    assert get_args(LayoutName) == ("auto", *NAMES)


def test_a_layout_that_is_asked_for_but_not_there_is_refused(tmp_path):
    make(tmp_path, "good/{0-2}.png bad/0.png")
    with pytest.raises(TrainingError, match=r"does not have the layout mvtec: found .*3 in good.*"):
        recognise(tmp_path, "mvtec")
    with pytest.raises(TrainingError, match=r"does not have the images in bad"):
        recognise(tmp_path, "flat")
    with pytest.raises(TrainingError, match=r"expected one csv file with the columns path, label"):
        recognise(tmp_path, "csv")


def test_the_masks_of_an_image_are_those_of_its_kind_and_camera(tmp_path):
    make(
        tmp_path,
        f"{TRAIN} test/hole/cam1/0.png test/hole/cam2/0.png test/crack/0.png test/good/0.png "
        "ground_truth/hole/cam2/0_mask.png ground_truth/crack/0_mask_{1-2}.png "
        "ground_truth/gone/7_mask.png",
    )
    found = recognise(tmp_path)
    masks = {i.name: [m.relative_to(tmp_path).as_posix() for m in i.masks] for i in found.test}
    assert masks == {
        "test/crack/0.png": [f"ground_truth/crack/0_mask_{i}.png" for i in (1, 2)],
        "test/good/0.png": [],
        "test/hole/cam1/0.png": [],
        "test/hole/cam2/0.png": ["ground_truth/hole/cam2/0_mask.png"],
    }
    assert found.warnings == ["1 mask files belong to no image: ground_truth/gone/7_mask.png"]


def test_a_mask_that_may_belong_to_two_images_belongs_to_none(tmp_path):
    make(tmp_path, f"{TRAIN} test/hole/0.png test/crack/0.png test/crack/1.png masks/{{0-1}}.png")
    found = recognise(tmp_path)
    assert [item.name for item in found.test if item.masks] == ["test/crack/1.png"]
    assert found.warnings == ["1 mask files belong to no image: masks/0.png"]


def test_one_line_says_what_was_recognised_and_what_was_skipped(tmp_path):
    make(tmp_path, f"{TRAIN} train/new/0.png test/good/0.png test/bad/{{0-1}}.png a.heic")
    make(tmp_path, "ground_truth/bad/0.png")
    assert recognise(tmp_path).sentence() == (
        "layout mvtec: 6 normal for training, 1 normal and 2 defect for testing, 1 with mask; "
        "skipped 1 .heic, 1 elsewhere (train/new)"
    )
    (tmp_path / "plain").mkdir()
    make(tmp_path / "plain", "{0-2}.png")
    assert recognise(tmp_path / "plain").sentence() == (
        "layout flat: 3 normal for training, none for testing"
    )


def test_pictures_that_a_run_a_bundle_or_a_report_holds_are_no_data(tmp_path):
    make(tmp_path, "{0-5}.png run/samples/0.png a/b/report/0.png")
    (tmp_path / "run" / "last.safetensors").touch()
    (tmp_path / "a" / "b" / "report" / "report.json").touch()
    assert recognise(tmp_path).sentence() == (
        "layout flat: 6 normal for training, none for testing; "
        "skipped 2 in folders of runs, bundles or reports, 1 .json, 1 .safetensors"
    )


def test_undivided_images_are_held_out_by_their_names_alone(tmp_path):
    make(tmp_path, "good/{00-49}.png bad/0.png")
    found = recognise(tmp_path)
    assert len(found.train) == 45
    held_out = [item.name for item in found.test if not item.defect]
    (tmp_path / "bad" / "1.png").write_bytes((tmp_path / "bad" / "0.png").read_bytes())
    assert [item.name for item in recognise(tmp_path).test if not item.defect] == held_out
    assert not {item.name for item in found.train} & set(held_out)


def test_linked_folders_are_followed_and_files_keep_the_names_of_their_links(tmp_path):
    make(tmp_path / "store", "{0-5}.png")
    (tmp_path / "set" / "train").mkdir(parents=True)
    (tmp_path / "set" / "train" / "good").symlink_to(tmp_path / "store")
    found = recognise(tmp_path / "set")
    assert [item.name for item in found.train] == [f"train/good/{i}.png" for i in range(6)]
