"""How small or how good records shall be, and what they keep of an anomaly."""

from typing import TypedDict

from residuum_client.errors import InvalidInput

RATES = ("quality", "target_bytes", "target_psnr")


class EncodeOptions(TypedDict, total=False):
    """Keywords of `encode` and `compress`; None is as good as leaving one out.

    At most one of `quality`, a level from 0, coarsest, up (the model's default if left out);
    `target_bytes`, the most bytes of each record, its evidence not counted; `target_psnr`, the
    least PSNR of each image in dB. An image that no level makes so small or so good is refused.

    `evidence` keeps the anomalous regions of anomalous images losslessly in their records; an image
    is anomalous at `false_alarm_rate` in (0, 1), None for the model's default, as in `score`.
    """

    quality: int | None
    target_bytes: int | None
    target_psnr: float | None
    evidence: bool
    false_alarm_rate: float | None


def check(options: EncodeOptions) -> None:
    """Raises InvalidInput for what no model takes; the model knows the rest."""
    given = [name for name in RATES if options.get(name) is not None]
    if len(given) > 1:
        raise InvalidInput(f"{' and '.join(given)} are given, expected one of them at most")
    quality, target = options.get("quality"), options.get("target_bytes")
    if quality is not None and not _fits(quality):
        raise InvalidInput(f"quality is {quality!r}; expected a level, an integer from 0 up")
    if target is not None and not _fits(target):
        raise InvalidInput(f"target_bytes is {target!r}, expected at least 1")
    psnr = options.get("target_psnr")
    if psnr is not None and not isinstance(psnr, int | float):
        raise InvalidInput(f"target_psnr is {psnr!r}, expected decibels above 0")
    if options.get("false_alarm_rate") is not None and not options.get("evidence"):
        raise InvalidInput("a false-alarm rate is given, but no evidence is asked for")


def _fits(value: object) -> bool:
    """Whether it can travel: the wire has 32 bits for it."""
    return isinstance(value, int) and 0 <= value < 2**32
