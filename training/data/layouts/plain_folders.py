"""The layouts of folders as users make them, in the order in which they are tried."""

from training.data.layouts.divisions import TRAIN_ALL, TRUTH, VALIDATION_ALL
from training.data.layouts.rules import Layout, Rule

_BAD_NAME = r"bad|ng|nok|ko|not[ _.-]?(?:good|ok)|(?<!no.)defect(?:ive)?|abnormal|anomal(?:y|ous)"
_GOOD_NAME = r"good|ok|okay|normal|no[ _.-]?defects?"
_NORMAL_ABNORMAL = "good, bad (or normal, abnormal and the like), mask/[bad/]NAME.png"


def _named(words: str) -> str:
    """Regular expression of the file names that begin or end with one of the words."""
    return rf"(?:{words})(?:\d|[ _.-]).*|.*[ _.-](?:{words})\.\w+"


PLAIN_FOLDERS = (
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
        tree="good and bad; yes and no can mean either",
        rules=(
            Rule("yes/**", "unclear", needed=True),
            Rule("no/**", "unclear", needed=True),
        ),
    ),
    Layout(
        name="normal_abnormal",
        tree="good/train, good/test, bad",
        rules=(
            Rule("TRUTH/**", "mask"),
            Rule("GOOD/TRAIN/**", "normal", "train", needed=True),
            Rule("GOOD/VALIDATION/**", "normal", "validation"),
            Rule("GOOD/TEST/**", "normal", "test"),
            Rule("BAD/TRAIN/**", "defect", "train"),
            Rule("BAD/VALIDATION/**", "defect", "validation"),
            Rule("BAD/**", "defect", "test", needed=True),
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
        tables=("*.csv", "*.tsv", "*/*.csv"),
    ),
    Layout(
        name="images_masks",
        tree="images/train, images/test, masks/train, masks/test",
        rules=(
            Rule("IMAGES/=TRAIN/**", "judged", "train", needed=True),
            Rule("IMAGES/=VALIDATION/**", "judged", "validation"),
            Rule("IMAGES/=TEST/**", "judged", "test"),
            Rule("TRUTH/**", "mask", needed=True),
        ),
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
            Rule("=TRAIN/IMAGES/**", "judged", "train", needed=True),
            Rule("=TRAIN/TRUTH/**", "mask", needed=True),
            Rule("=VALIDATION/IMAGES/**", "judged", "validation"),
            Rule("=VALIDATION/TRUTH/**", "mask"),
            Rule("=TEST/IMAGES/**", "judged", "test"),
            Rule("=TEST/TRUTH/**", "mask"),
        ),
    ),
    Layout(
        name="images_masks",
        tree="train/NAME.png, train/masks, test/NAME.png, test/masks",
        rules=(
            Rule("TRAIN/**/~BAD/**", "unclear"),
            Rule("TEST/**/~BAD/**", "unclear"),
            Rule("=TRAIN/TRUTH/**", "mask", needed=True),
            Rule("=TRAIN", "judged", "train", needed=True),
            Rule("=TEST/TRUTH/**", "mask"),
            Rule("=TEST", "judged", "test"),
            Rule("TRAIN/**", "unclear"),
        ),
    ),
    Layout(
        name="normal_abnormal",
        tree="train/good_NAME.png, test/good_NAME.png, test/bad_NAME.png",
        rules=(
            Rule("TRUTH/**", "mask"),
            Rule("TRAIN/**", "defect", "train", files=_named(_BAD_NAME)),
            Rule("TRAIN/**", "normal", "train", needed=True, files=_named(_GOOD_NAME)),
            Rule("VALIDATION/**", "defect", "validation", files=_named(_BAD_NAME)),
            Rule("VALIDATION/**", "normal", "validation", files=_named(_GOOD_NAME)),
            Rule("TEST/**", "defect", "test", files=_named(_BAD_NAME)),
            Rule("TEST/**", "normal", "test", files=_named(_GOOD_NAME)),
            Rule("**", "unclear"),
        ),
    ),
    Layout(
        name="train_test",
        tree="train, test and ground_truth/NAME.png; a mask marks a defect",
        rules=(
            *TRAIN_ALL,
            *VALIDATION_ALL,
            Rule("TRUTH/**", "mask", needed=True),
            Rule("TEST/**", "judged", "test", needed=True),
        ),
    ),
    Layout(
        name="train_test",
        tree="train and test, all normal but test/bad",
        rules=(
            *TRAIN_ALL,
            *VALIDATION_ALL,
            *TRUTH,
            Rule("TEST/BAD/**", "defect", "test"),
            Rule("TEST/**/~BAD/**", "unclear"),
            Rule("TEST/**/~MASKS/**", "unclear"),
            Rule("TEST/**", "normal", "test"),
        ),
    ),
    Layout(
        name="train_test",
        tree="images/train and images/test, all normal",
        rules=(
            Rule("IMAGES/**/~BAD/**", "unclear"),
            Rule("IMAGES/TRAIN/**", "normal", "train", needed=True),
            Rule("IMAGES/VALIDATION/**", "normal", "validation"),
            Rule("IMAGES/TEST/**", "normal", "test"),
        ),
    ),
    Layout(
        name="train_test",
        tree="test, all normal: nothing to train on",
        rules=(Rule("TEST/**/~BAD/**", "unclear"), Rule("TEST/**", "normal", "test", needed=True)),
    ),
    Layout(
        name="normal_abnormal",
        tree="good_NAME.png and bad_NAME.png, or NAME_good.png and NAME_bad.png",
        rules=(
            Rule("TRUTH/**", "mask"),
            Rule("**", "defect", needed=True, files=_named(_BAD_NAME)),
            Rule("**", "normal", needed=True, files=_named(_GOOD_NAME)),
            Rule("**", "unclear"),
        ),
    ),
    Layout(
        name="flat",
        tree="normal images, in subfolders or not",
        rules=(
            Rule("**/~BAD/**", "unclear"),
            Rule("**/~MASKS/**", "unclear"),
            Rule("**/TRUTH/**", "unclear"),
            Rule("TRAIN/**", "unclear"),
            Rule("TEST/**", "unclear"),
            Rule("**", "judged"),
        ),
    ),
)
