"""One blank image through a model: the proof that its bundle works on this machine."""

import numpy as np

from codec.codec import Codec
from codec.errors import BundleError, InvalidInput
from codec.scorer import Scorer
from codec.scores.conformal import check_false_alarm_rate

# Side, in strides, of the image for a model that accepts any size.
STRIDES = 8


def warm_up(codec: Codec) -> None:
    """Compresses, restores and scores a black image, as a server would.

    Raises BundleError if that fails, or if the calibration does not support the false-alarm rate of
    the model.
    """
    spec, scorer = codec.manifest.input, Scorer(codec)
    side = STRIDES * spec.stride
    image = np.zeros((spec.height or side, spec.width or side, spec.channels), np.uint8)
    try:
        check_false_alarm_rate(codec.manifest.score.false_alarm_rate, scorer.calibration_images)
    except InvalidInput as error:
        raise BundleError(
            f"default {error}; calibrate it again: residuum-export BUNDLE --out NEW --calibrate DIR"
        ) from error
    try:
        codec.decompress(codec.compress([image]))
        scorer.score([image])
    except Exception as error:
        raise BundleError(f"warm-up failed: {error}") from error
