"""The layouts of public data sets, in the order in which they are tried."""

from training.data.layouts.divisions import TEST_GOOD, TEST_KINDS, TRAIN_ALL, TRAIN_GOOD, VALIDATION
from training.data.layouts.rules import Layout, Rule

_MVTEC = "train/good, test/good, test/KIND, ground_truth/KIND/NAME[_mask].png"
_LIGHT = r"(\d+)_image_\d+\.\w+"

PUBLIC_SETS = (
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
        rules=(*TRAIN_GOOD, *VALIDATION, *TEST_KINDS),
        twins=True,
    ),
    Layout(
        name="mvtec",
        tree="train/NAME.png, test/good, test/KIND, ground_truth/KIND/NAME[_mask].png",
        rules=(*TRAIN_ALL, *VALIDATION, *TEST_GOOD),
        twins=True,
    ),
    Layout(
        name="mvtec",
        tree="test/good, test/KIND: nothing to train on",
        rules=(*VALIDATION, *TEST_GOOD),
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
            Rule(r"group\d+/\d+", "normal", needed=True, files=r".+_temp\.\w+"),
            Rule(r"group\d+/\d+", "defect", files=r".+_test\.\w+"),
        ),
    ),
    Layout(
        name="deeppcb",
        tree="PCBData with these folders",
        rules=(
            Rule(r"pcbdata/group\d+/\d+", "normal", needed=True, files=r".+_temp\.\w+"),
            Rule(r"pcbdata/group\d+/\d+", "defect", files=r".+_test\.\w+"),
        ),
    ),
)
