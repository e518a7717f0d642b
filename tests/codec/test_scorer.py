"""Scores, verdicts and evidence, on two tiny real models."""

from collections.abc import Callable

import numpy as np
import pytest

from codec import Codec, Scorer
from codec.errors import InvalidInput
from codec.record.frame import SMALL_TAIL

Hills = Callable[[int, int, int], list[np.ndarray]]


def test_noise_is_anomalous_and_hills_are_not(tiny: Codec, hills: Hills) -> None:
    rng, scorer = np.random.default_rng(5), Scorer(tiny)
    noise = [rng.integers(0, 256, (16, 16, 1), dtype=np.uint8) for _ in range(30)]
    assert np.mean([s.anomalous for s in scorer.score(noise, 0.05)]) > 0.9
    assert np.mean([s.anomalous for s in scorer.score(hills(60, 16, 16), 0.05)]) < 0.2


@pytest.mark.parametrize("size", [(16, 16), (40, 300)])
def test_a_score_has_the_size_of_the_record(
    tiny: Codec, tiny_map: Codec, size: tuple[int, int], hills: Hills
) -> None:
    """Of a model of any size too, whose records remember the size of the image."""
    codec, images = tiny if size == (16, 16) else tiny_map, hills(5, *size)
    sizes = [score.record_bytes for score in Scorer(codec).score(images)]
    assert sizes == [len(record) for record in codec.compress(images)]
    assert min(sizes) > SMALL_TAIL


def test_the_heat_map_is_hottest_at_the_defect(tiny_map: Codec, hills: Hills) -> None:
    image = hills(1, 64, 64)[0].copy()
    image[40:46, 10:16] = 255 - image[40:46, 10:16]
    heatmap = Scorer(tiny_map).score([image])[0].heatmap
    row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
    assert heatmap.shape == (64, 64)
    assert abs(row - 43) <= 8
    assert abs(column - 13) <= 8


def test_only_anomalous_images_have_regions_and_old_bundles_give_no_p_values(
    tiny: Codec, hills: Hills
) -> None:
    images = [image if i % 2 else 255 - image for i, image in enumerate(hills(20, 16, 16))]
    scores = Scorer(tiny).score(images, 0.1)
    assert 0 < sum(score.anomalous for score in scores) < len(scores)
    for score in scores:
        assert bool(score.regions) == score.anomalous
        assert all(region.p_value is None for region in score.regions)
        hottest = [region.value for region in score.regions]
        assert hottest == sorted(hottest, reverse=True)
        assert not hottest or hottest[0] == score.heatmap.max()


@pytest.mark.parametrize("rate", [0.0, 1.0, 1e-6])
def test_a_false_alarm_rate_that_no_calibration_supports_is_refused(
    tiny: Codec, rate: float, hills: Hills
) -> None:
    with pytest.raises(InvalidInput, match="false-alarm rate"):
        Scorer(tiny).score(hills(1, 16, 16), rate)


def test_no_images_give_no_scores(tiny: Codec) -> None:
    assert Scorer(tiny).score([]) == []
