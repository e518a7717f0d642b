"""Requests, serialised once: a load generator must not spend its time on them."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from codec.arrays import U8
from residuum_client.v1 import codec_pb2, images_pb2
from serving.server import ROOT

ENCODE = "/residuum.v1.CodecService/Encode"
ENCODE_STREAM = "/residuum.v1.CodecService/EncodeStream"


@cache
def samples(model: str) -> list[U8]:
    """The shipped samples of a model: `[H, W, 1]` each."""
    files = sorted((ROOT / "deploy/samples" / model).glob("*.png"))
    return [np.asarray(Image.open(file).convert("L"))[..., None] for file in files]


def images(count: int, model: str = "fashion") -> U8:
    """The shipped samples, shifted sideways at random: `[count, H, W, 1]`."""
    rng = np.random.default_rng(0)
    given = samples(model)
    shifted = [
        np.roll(given[rng.integers(len(given))], int(rng.integers(-3, 4)), axis=1)
        for _ in range(count)
    ]
    return np.stack(shifted)


def pixels(given: U8) -> images_pb2.Pixels:
    """The images `[B, H, W, C]` as a message."""
    count, height, width, channels = given.shape
    return images_pb2.Pixels(
        count=count, height=height, width=width, channels=channels, data=given.tobytes()
    )


@cache
def encode(count: int, model: str = "fashion") -> bytes:
    """A request to encode this number of sample images."""
    request = codec_pb2.EncodeRequest(
        model=images_pb2.ModelRef(name=model), pixels=pixels(images(count, model))
    )
    return request.SerializeToString()
