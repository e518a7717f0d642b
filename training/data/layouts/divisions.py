"""Rules for folders such as train, validation and test, which several layouts share."""

from training.data.layouts.rules import Rule

TRAIN_GOOD = (
    Rule("TRAIN/**/NOPICTURES/**", "other"),
    Rule("TRAIN/negative/**", "unclear"),
    Rule("TRAIN/GOOD/**", "normal", "train", needed=True),
    Rule("TRAIN/**", "other"),
)
TRAIN_ALL = (
    Rule("TRAIN/**/~BAD/**", "unclear"),
    Rule("TRAIN/**/~MASKS/**", "unclear"),
    Rule("TRAIN/**/GOOD/**", "unclear"),
    Rule("TRAIN/**/TRUTH/**", "unclear"),
    Rule("TRAIN/**/NOPICTURES/**", "other"),
    Rule("TRAIN/**", "normal", "train", needed=True),
)
VALIDATION = (
    Rule("VALIDATION/**/NOPICTURES/**", "other"),
    Rule("VALIDATION/GOOD/**", "normal", "validation"),
    Rule("VALIDATION", "normal", "validation"),
    Rule("VALIDATION/IMAGES", "normal", "validation"),
    Rule("VALIDATION/**", "other"),
)
VALIDATION_ALL = (
    Rule("VALIDATION/**/~BAD/**", "other"),
    Rule("VALIDATION/**/TRUTH/**", "other"),
    Rule("VALIDATION/**/~MASKS/**", "other"),
    Rule("VALIDATION/**/NOPICTURES/**", "other"),
    Rule("VALIDATION/**", "normal", "validation"),
)
TRUTH = (Rule("TRUTH/**", "mask"), Rule("TEST/**/TRUTH/**", "mask"))
TEST_KINDS = (
    *TRUTH,
    Rule("TEST/**/NOPICTURES/**", "other"),
    Rule("TEST/GOOD/**", "normal", "test"),
    Rule("TEST/*/**", "defect", "test"),
)
TEST_GOOD = (*TRUTH, Rule("TEST/GOOD/**", "normal", "test", needed=True), *TEST_KINDS)
