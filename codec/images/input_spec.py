"""What images a model takes: the part `input` of a manifest."""

from dataclasses import dataclass
from typing import Literal, get_args

from codec.errors import BundleError
from codec.image_reader import MAX_SIDE

Fit = Literal["exact", "resize", "pad", "tile"]
# The largest image of a record that holds its size; checked before anything is allocated.
MAX_RECORD_PIXELS = 2**25


def require(condition: bool, sentence: str) -> None:
    """Raises BundleError unless a condition on a manifest holds."""
    if not condition:
        raise BundleError(f"manifest: {sentence}")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What images the graphs take: uint8 `[B, channels, height, width]`.

    `height` and `width` are None for convolutional models: any multiple of `stride`. `fit` says
    what happens to an image of another size: `exact` refuses it, `resize` scales it, `pad` repeats
    the edge up to the next multiple of the stride, `tile` cuts it into pieces of the fixed size.
    `reach` is the receptive-field radius of either graph in pixels, for models of any size; None
    if it was not measured. Raises BundleError.
    """

    channels: int
    height: int | None
    width: int | None
    stride: int
    fit: Fit
    reach: int | None = None

    def __post_init__(self) -> None:
        require(self.channels in (1, 3), f"channels={self.channels}, expected 1 or 3")
        require((self.height is None) == (self.width is None), "height and width go together")
        for side in (self.height, self.width):
            require(side is None or 1 <= side <= MAX_SIDE, f"side {side}, expected 1..{MAX_SIDE}")
        require(1 <= self.stride <= 256, f"stride={self.stride}, expected 1..256")
        require(self.fit in get_args(Fit), f"fit={self.fit!r}, expected one of {get_args(Fit)}")
        require(
            (self.fit == "pad") == (self.height is None),
            f"fit={self.fit!r} with height={self.height}: models of any size pad, others do not",
        )
        require(
            self.reach is None or (self.height is None and 0 <= self.reach <= MAX_SIDE),
            f"reach={self.reach}, expected 0..{MAX_SIDE} and only in models of any size",
        )

    @property
    def sized(self) -> bool:
        """Whether images keep their size, which their records then hold."""
        return self.fit in ("pad", "tile")
