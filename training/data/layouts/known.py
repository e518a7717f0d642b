"""The known layouts of data sets: one table, in the order in which they are tried.

`training/data/layouts/rules.py` explains the patterns. A new layout is an entry here, and its name
one of `LayoutName` in `training/config/run.py`.
"""

from __future__ import annotations

from training.data.layouts.rules import Layout, Rule

_TRAIN_GOOD = (
    Rule("TRAIN/**/NOPICTURES/**", "other"),
    Rule("TRAIN/negative/**", "unclear"),
    Rule("TRAIN/GOOD/**", "normal", "train", needed=True),
    Rule("TRAIN/**", "other"),
)
_TRAIN_ALL = (
    Rule("TRAIN/**/BAD/**", "unclear"),
    Rule("TRAIN/**/GOOD/**", "unclear"),
    Rule("TRAIN/**/TRUTH/**", "unclear"),
    Rule("TRAIN/**/NOPICTURES/**", "other"),
    Rule("TRAIN/**", "normal", "train", needed=True),
)
_VALIDATION = (
    Rule("VALIDATION/**/NOPICTURES/**", "other"),
    Rule("VALIDATION/GOOD/**", "normal", "validation"),
    Rule("VALIDATION", "normal", "validation"),
    Rule("VALIDATION/**", "other"),
)
_TRUTH = (Rule("TRUTH/**", "mask"), Rule("TEST/**/TRUTH/**", "mask"))
_TEST_KINDS = (
    *_TRUTH,
    Rule("TEST/**/NOPICTURES/**", "other"),
    Rule("TEST/GOOD/**", "normal", "test"),
    Rule("TEST/*/**", "defect", "test"),
)
_TEST_GOOD = (*_TRUTH, Rule("TEST/GOOD/**", "normal", "test", needed=True), *_TEST_KINDS)
_MVTEC = "train/good, test/good, test/KIND, ground_truth/KIND/NAME[_mask].png"
_LIGHT = r"(\d+)_image_\d+\.\w+"
_NORMAL_ABNORMAL = "good, bad (or normal, abnormal and the like), mask/[bad/]NAME.png"

LAYOUTS = (
    Layout(
        name="visa",
        tree="image_anno.csv, or ../split_csv/1cls.csv: object, split, label, image, mask",
        tables=("../split_csv/1cls.csv", "split_csv/1cls.csv", "1cls.csv", "image_anno.csv"),
    ),
    Layout(
        name="visa",
        tree="Data/Images/Normal, Data/Images/Anomaly, Data/Masks/Anomaly/NAME.png",
        rules=(
            Rule("data/TRUTH/**", "mask"),
            Rule("data/IMAGES/GOOD/**", "normal", needed=True),
            Rule("data/IMAGES/*/**", "defect"),
        ),
    ),
    Layout(
        name="mvtec",
        also=("mvtec_loco", "mvtec_3d", "btad", "mpdd"),
        tree=_MVTEC,
        rules=(*_TRAIN_GOOD, *_VALIDATION, *_TEST_KINDS),
    ),
    Layout(
        name="mvtec",
        tree="train/NAME.png, test/good, test/KIND, ground_truth/KIND/NAME[_mask].png",
        rules=(*_TRAIN_ALL, *_VALIDATION, *_TEST_GOOD),
    ),
    Layout(
        name="mvtec",
        tree="test/good, test/KIND: nothing to train on",
        rules=(*_VALIDATION, *_TEST_GOOD),
    ),
    Layout(
        name="eyecandies",
        tree="train/data/000_image_0.png, val/data, test_public/data with 000_mask.png",
        rules=(
            Rule("TRAIN/data", "normal", "train", needed=True, files=_LIGHT),
            Rule("VALIDATION/data", "normal", "validation", files=_LIGHT),
            Rule("TEST/data", "judged", "test", files=_LIGHT),
            Rule("TEST/data", "mask", files=r"(\d+)_mask\.\w+"),
            Rule("**", "other"),
        ),
    ),
    Layout(
        name="kolektor",
        tree="kos01/Part0.jpg with kos01/Part0_label.bmp",
        rules=(Rule(r"kos\d+", "judged", needed=True),),
        needs_masks=True,
    ),
    Layout(
        name="kolektor2",
        tree="train/NAME.png with train/NAME_GT.png, and the same in test",
        rules=(Rule("TRAIN", "judged", "train", needed=True), Rule("TEST", "judged", "test")),
        needs_masks=True,
    ),
    Layout(
        name="magnetic_tile",
        tree="MT_Free/Imgs/NAME.jpg, MT_KIND/Imgs/NAME.jpg with NAME.png",
        rules=(Rule("mtfree/**", "normal", needed=True), Rule("mt[a-z]+/**", "defect")),
        twins=True,
    ),
    Layout(
        name="deeppcb",
        tree="group00041/00041/NAME_temp.jpg and NAME_test.jpg",
        rules=(
            Rule(r"**/group\d+/\d+", "normal", needed=True, files=r".+_temp\.\w+"),
            Rule(r"**/group\d+/\d+", "defect", files=r".+_test\.\w+"),
        ),
    ),
    Layout(
        name="normal_abnormal",
        tree="good and bad; positive and negative can mean either",
        rules=(
            Rule("positive/**", "unclear", needed=True),
            Rule("negative/**", "unclear", needed=True),
        ),
    ),
    Layout(
        name="normal_abnormal",
        also=("real_iad",),
        tree=_NORMAL_ABNORMAL,
        rules=(
            Rule("TRUTH/**", "mask"),
            Rule("BAD/**/TRUTH/**", "mask"),
            Rule("GOOD/**", "normal", needed=True),
            Rule("BAD/**", "defect", needed=True),
        ),
        twins=True,
    ),
    Layout(
        name="normal_abnormal",
        tree="good, KIND, ground_truth/KIND/NAME.png",
        rules=(
            Rule("TRUTH/**", "mask"),
            Rule("*/**/TRUTH/**", "mask"),
            Rule("TRAIN/**", "unclear"),
            Rule("VALIDATION/**", "unclear"),
            Rule("TEST/**", "unclear"),
            Rule("IMAGES/**", "unclear"),
            Rule("GOOD/**", "normal", needed=True),
            Rule("*/**", "defect", needed=True),
        ),
        twins=True,
    ),
    Layout(
        name="normal_abnormal",
        tree="images/good, images/bad, masks/[bad/]NAME.png",
        rules=(
            Rule("TRUTH/**", "mask"),
            Rule("IMAGES/GOOD/**", "normal", needed=True),
            Rule("IMAGES/*/**", "defect", needed=True),
        ),
        twins=True,
    ),
    Layout(
        name="csv",
        tree="one csv file with the columns path, label, and if known mask and split",
        tables=("*.csv",),
    ),
    Layout(
        name="images_masks",
        tree="images/NAME.jpg, masks/NAME.png; without a mask an image is normal",
        rules=(
            Rule("IMAGES/**", "judged", needed=True),
            Rule("TRUTH/**", "mask", needed=True),
        ),
    ),
    Layout(
        name="images_masks",
        tree="train/images, train/masks, test/images, test/masks",
        rules=(
            Rule("TRAIN/IMAGES/**", "judged", "train", needed=True),
            Rule("TRAIN/TRUTH/**", "mask", needed=True),
            Rule("TEST/IMAGES/**", "judged", "test"),
            Rule("TEST/TRUTH/**", "mask"),
        ),
    ),
    Layout(
        name="train_test",
        tree="train, test and ground_truth/NAME.png; a mask marks a defect",
        rules=(
            *_TRAIN_ALL,
            *_VALIDATION,
            Rule("TRUTH/**", "mask", needed=True),
            Rule("TEST/**", "judged", "test", needed=True),
        ),
    ),
    Layout(
        name="train_test",
        tree="train and test, all normal but test/bad",
        rules=(
            *_TRAIN_ALL,
            *_VALIDATION,
            *_TRUTH,
            Rule("TEST/BAD/**", "defect", "test"),
            Rule("TEST/**", "normal", "test"),
        ),
    ),
    Layout(
        name="train_test",
        tree="test, all normal: nothing to train on",
        rules=(Rule("TEST/**/BAD/**", "unclear"), Rule("TEST/**", "normal", "test", needed=True)),
    ),
    Layout(
        name="flat",
        tree="normal images, in subfolders or not",
        rules=(
            Rule("**/BAD/**", "unclear"),
            Rule("**/TRUTH/**", "unclear"),
            Rule("TRAIN/**", "unclear"),
            Rule("TEST/**", "unclear"),
            Rule("**", "normal", "train"),
        ),
    ),
)
NAMES = tuple(dict.fromkeys(name for entry in LAYOUTS for name in (entry.name, *entry.also)))
