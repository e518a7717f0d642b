"""All that is reported of a set, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rate_distortion.accounts import Amortised, AtPsnr, Compared
from rate_distortion.curves import Difference
from rate_distortion.measurement import Curve
from rate_distortion.sets import ImageSet


@dataclass(frozen=True, slots=True, eq=False)
class Chapter:
    """A set, its curves, the tables made of them, and the picture, a PNG."""

    images: ImageSet
    curves: Sequence[Curve]
    at_targets: Sequence[AtPsnr]
    amortised: Sequence[Amortised]
    compared: Sequence[Compared]
    at_rates: Mapping[str, Sequence[float | None]]
    picture: bytes

    def difference(self, codec: str, anchor: str, account: str) -> Difference | None:
        """BD-rate by PSNR of a codec against an anchor in an accounting."""
        for row in self.compared:
            if (row.codec, row.anchor, row.account) == (codec, anchor, account):
                return row.by_psnr
        return None
