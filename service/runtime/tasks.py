"""What calls have computed: the tasks of the executor for each method."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from codec import Compressed, Rate, Score
from codec.arrays import U8
from codec.errors import InvalidInput
from codec.image_reader import read_image
from codec.outcomes import attempt, merge, succeeded
from service.runtime.jobs import Task
from service.runtime.loaded_model import LoadedModel

# An image or an image file.
Image = U8 | bytes
_NO_HEATMAP = np.zeros((0, 0), np.float32)


def encode_task(loaded: LoadedModel, rate: Rate) -> Task:
    """Images or image files to `Compressed`. Raises InvalidInput for a rate it does not have."""
    loaded.codec.check_rate(rate)

    def run(images: Sequence[Image]) -> list[Compressed | InvalidInput]:
        return _each(loaded, images, lambda read: loaded.codec.compress_each(read, rate))

    return Task((loaded, "encode", rate), (*_name(loaded), "encode", _kind(rate)), run)


def evidence_task(loaded: LoadedModel, rate: Rate, false_alarm_rate: float | None) -> Task:
    """Like `encode_task`, with anomalous regions kept as evidence. Raises InvalidInput."""
    loaded.codec.check_rate(rate)
    loaded.scorer.check_rate(false_alarm_rate)

    def run(images: Sequence[Image]) -> list[Compressed | InvalidInput]:
        return _each(
            loaded,
            images,
            lambda read: loaded.scorer.compress_with_evidence_each(read, rate, false_alarm_rate),
        )

    key = (loaded, "evidence", rate, false_alarm_rate)
    return Task(key, (*_name(loaded), "evidence", _kind(rate)), run)


def score_task(loaded: LoadedModel, false_alarm_rate: float | None, *, heatmaps: bool) -> Task:
    """Images or image files to `Score`; without `heatmaps` theirs are empty, to save memory.

    Raises InvalidInput for a false-alarm rate that the calibration does not support.
    """
    loaded.scorer.check_rate(false_alarm_rate)

    def score(images: Sequence[U8]) -> list[Score | InvalidInput]:
        scores = loaded.scorer.score_each(images, false_alarm_rate)
        return scores if heatmaps else [_without_heatmap(one) for one in scores]

    def run(images: Sequence[Image]) -> list[Score | InvalidInput]:
        return _each(loaded, images, score)

    key = (loaded, "score", false_alarm_rate, heatmaps)
    return Task(key, (*_name(loaded), "score"), run)


def decode_task(loaded: LoadedModel) -> Task:
    """Records to `Restored`."""

    return Task((loaded, "decode"), (*_name(loaded), "decode"), loaded.codec.restore_each)


def _each(
    loaded: LoadedModel, images: Sequence[Image], compute: Callable[[list[U8]], list[Any]]
) -> list[Any]:
    """The outcomes of images, files read first."""
    channels = loaded.bundle.manifest.input.channels
    read = [
        attempt(InvalidInput, read_image, one, channels) if isinstance(one, bytes) else one
        for one in images
    ]
    return merge(read, compute(succeeded(read)), InvalidInput)


def _without_heatmap(score: Score | InvalidInput) -> Score | InvalidInput:
    return replace(score, heatmap=_NO_HEATMAP) if isinstance(score, Score) else score


def _name(loaded: LoadedModel) -> tuple[str, str]:
    return loaded.name, loaded.version


def _kind(rate: Rate) -> str:
    """Searching for a size or a PSNR costs more than a level."""
    if rate.target_bytes is not None:
        return "target_bytes"
    return "target_psnr" if rate.target_psnr is not None else "quality"
