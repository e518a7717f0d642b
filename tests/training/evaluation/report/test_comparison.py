from training.evaluation.report import comparison
from training.evaluation.report.comparison import Row


def test_a_row_that_is_not_a_bundle_has_dashes_for_what_it_lacks():
    section = comparison.section(
        [
            Row(name="ours 1", image_auroc=0.98765, false_alarm_rate=0.05, bytes_mean=1572.25),
            Row(name="PCA, 60 components", image_auroc=0.9, aupro=0.5, images_per_second=1000),
        ]
    )
    ours, baseline = (dict(zip(section.head, row, strict=True)) for row in section.rows)
    assert (ours["model"], ours["image AUROC"], ours["asked"]) == ("ours 1", "0.988", "0.05")
    assert (ours["bytes"], ours["AUPRO"]) == ("1572.2", "-")
    assert (baseline["AUPRO"], baseline["speed"]) == ("0.500", "1000.0")
    assert {baseline[name] for name in ("asked", "realised", "detected", "bytes")} == {"-"}
