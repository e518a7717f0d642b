"""How small or how good, and what to keep of an anomaly: options that several commands share."""

from dataclasses import dataclass

import tyro

from residuum_client.commands.source import UsageError
from residuum_client.options import RATES, EncodeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """At most one of the first three; the model's default quality without any."""

    quality: int | None = None
    """Level from 0, the coarsest, up; the model's default if left out."""
    target_bytes: int | None = None
    """Most bytes of each record, its evidence not counted."""
    target_psnr: float | None = None
    """Least PSNR of each image, dB."""
    evidence: tyro.conf.FlagCreatePairsOff[bool] = False
    """Keep the anomalous regions of anomalous images losslessly in their records."""
    false_alarm_rate: float | None = None
    """With --evidence: share of normal images that may be flagged; the model's if left out."""

    def keywords(self) -> EncodeOptions:
        """For `encode` and `compress`. Raises UsageError for options that exclude each other."""
        given = [_option(name) for name in RATES if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} are given; leave out all but one")
        if self.false_alarm_rate is not None and not self.evidence:
            raise UsageError("--false-alarm-rate is for --evidence, which is not given")
        return EncodeOptions(
            quality=self.quality,
            target_bytes=self.target_bytes,
            target_psnr=self.target_psnr,
            evidence=self.evidence,
            false_alarm_rate=self.false_alarm_rate,
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
