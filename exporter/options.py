"""What a user can choose about a bundle, and how it is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

from codec.images.input_spec import Fit
from codec.scores.conformal import check_false_alarm_rate
from exporter.fit.ranking import LEAST_IMAGES
from training.config.run import DataConfig, LayoutName
from training.errors import UsageError

FALSE_ALARM_RATE = 0.01
# With few held-out images, three exceed the default threshold: otherwise a single odd image would
# decide it. For that the rate is not raised above RAISED.
EXCEEDING, RAISED = 3, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can be chosen about a bundle; the defaults suit most models."""

    name: str = ""
    """model name; the name of the run's folder if empty"""
    version: str = "1"
    """version of the model; a server can hold several"""
    layout: LayoutName | None = None
    """how the images for calibration are arranged; that of the run, or recognised, if absent"""
    fit: Fit | None = None
    """exact, resize, pad or tile; chosen from the data if absent"""
    quality: int | None = None
    """default quality level, 0 (coarsest) to 16; 8 if absent, 0 if the model has only one"""
    target_psnr: float | None = None
    """choose the coarsest level that reaches this PSNR in dB on held-out images"""
    false_alarm_rate: float | None = None
    """share of normal images that may be flagged by default; if absent, 0.01 (for a bundle, what it
    had), or more if there are few held-out images"""
    fused: tuple[str, ...] = ()
    """scores that decide whether an image is anomalous; if empty, those that find drawn defects
    best on the held-out images, or with --detectors none those of the family"""
    detectors: Literal["auto", "none"] = "auto"
    """auto: fit detectors to the training images and choose the scores that find drawn defects
    best, if there are 20 held-out images and no --fused; none: only the scores of the records"""
    blur: int = 13
    """side of the heat map's smoothing window, pixels, odd"""
    peak_blur: int = 3
    """side of the smoothing window of the peak and structure scores, pixels, odd"""
    registered: bool = False
    """the camera always sees the same scene: keep a residual variance per pixel"""
    threads: int = 1
    """CPU threads of onnxruntime"""

    def __post_init__(self) -> None:
        rate = self.false_alarm_rate
        if rate is not None and not 0 < rate < 1:
            raise UsageError(f"--false-alarm-rate is {rate}; expected a number between 0 and 1")


def read_as(config: DataConfig, options: Options) -> DataConfig:
    """How the images for calibration are read: as `config` says, but in the layout of an option."""
    return config if options.layout is None else replace(config, layout=options.layout)


def check_quality(asked: int | None, usual: int, levels: int) -> int:
    """The default quality: the level that was asked for, or the usual one. Raises UsageError."""
    if asked is not None and not 0 <= asked < levels:
        raise UsageError(f"--quality is {asked}; expected 0..{levels - 1}")
    return usual if asked is None else asked


def default_false_alarm_rate(
    asked: float | None, held_out: int, usual: float = FALSE_ALARM_RATE
) -> float:
    """The rate that was asked for, else the usual one, or a larger one for few held-out images.

    Raises InvalidInput if it needs more images.
    """
    if asked is None:
        return max(usual, 1 / (held_out + 1), min(RAISED, EXCEEDING / (held_out + 1)))
    return check_false_alarm_rate(asked, held_out)


def raised_rate(rate: float, held_out: int, usual: float = FALSE_ALARM_RATE) -> str:
    """A line about a default false-alarm rate that few held-out images have raised."""
    images = "image" if held_out == 1 else "images"
    enough = ceil((EXCEEDING if usual < RAISED else 1) / usual) - 1
    return (
        f"default false-alarm rate {rate:.3f}, for {held_out} held-out {images}; "
        f"with {enough} or more it is {usual:g}"
    )


def chooses_scores(options: Options, held_out: int, log: Callable[[str], None]) -> bool:
    """Whether scores are chosen by drawn defects; a line says why not, if few images are."""
    if options.fused or options.detectors == "none":
        return False
    if held_out < LEAST_IMAGES:
        images = "image is" if held_out == 1 else "images are"
        log(
            f"{held_out} held-out {images} too few to choose scores by drawn defects: "
            f"{LEAST_IMAGES} are needed; the scores of the family decide"
        )
        return False
    return True


def rate_before_raised(rate: float, held_out: int) -> float:
    """The usual rate for a bundle with this default: 0.01 if few held-out images have raised it."""
    raised = {1 / (held_out + 1), default_false_alarm_rate(None, held_out)}
    return min(rate, FALSE_ALARM_RATE) if rate in raised else rate
