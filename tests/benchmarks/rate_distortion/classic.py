"""JPEG, WebP, AVIF and JPEG XL at the settings that serve PSNR best for their time."""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import PIL
from PIL import Image, features

from codec.arrays import U8
from rate_distortion.payload import avif_payload, jpeg_payload, jxl_payload, webp_payload


@dataclass(frozen=True, slots=True)
class Codec:
    """An image codec: images `[H, W, C]` uint8 and a quality to a file, and back.

    `settings` names the libraries and options, `limit` is the longest side of an image in pixels,
    `dial` what the codec calls its quality.
    """

    name: str
    settings: str
    limit: int
    encode: Callable[[U8, float], bytes]
    decode: Callable[[bytes], U8]
    payload: Callable[[bytes], int]
    dial: str = "quality"


# Of libaom, 0 to 10. With 4, an atlas of CIFAR-10 has 7 % fewer bytes, in five times the time.
AVIF_SPEED = 6


def codecs(channels: int, avif_speed: int = AVIF_SPEED) -> tuple[Codec, ...]:
    """The codecs for gray or colour images."""
    chroma = ("4:0:0",) if channels == 1 else ("4:2:0", "4:4:4")
    avif = (_avif(channels, samples, avif_speed) for samples in chroma)
    return (_jpeg(channels), _webp(channels), *avif, _jxl())


def _jpeg(channels: int) -> Codec:
    """The smaller one of a baseline file with optimised tables and a progressive one."""
    options: dict[str, Any] = {"format": "JPEG", "optimize": True}
    if channels == 3:
        options["subsampling"] = "4:2:0"
    turbo = features.version("libjpeg_turbo")

    def encode(image: U8, quality: float) -> bytes:
        files = (
            _save(image, quality=int(quality), progressive=progressive, **options)
            for progressive in (False, True)
        )
        return min(files, key=len)

    return Codec(
        name="JPEG",
        settings=f"baseline or progressive, whichever is smaller, {_described(options)}; "
        f"libjpeg-turbo {turbo}",
        limit=65535,
        encode=encode,
        decode=functools.partial(_open, channels=channels),
        payload=jpeg_payload,
    )


def _webp(channels: int) -> Codec:
    options: dict[str, Any] = {"format": "WEBP", "method": 6}
    return Codec(
        name="WebP",
        settings=f"{_described(options)}; libwebp {features.version('webp')}",
        limit=16383,
        encode=lambda image, quality: _save(image, quality=int(quality), **options),
        decode=functools.partial(_open, channels=channels),
        payload=webp_payload,
    )


def _avif(channels: int, chroma: str, speed: int) -> Codec:
    # The default tuning of libaom for still images is for the eye; PSNR is what is measured here.
    options: dict[str, Any] = {"format": "AVIF", "speed": speed, "subsampling": chroma}
    options["max_threads"] = 1
    advanced = {"tune": "psnr"}
    return Codec(
        name="AVIF" if channels == 1 else f"AVIF {chroma}",
        settings=f"{_described(options | advanced)}; libavif {features.version('avif')}",
        limit=65535,
        encode=lambda image, quality: _save(
            image, quality=int(quality), advanced=advanced, **options
        ),
        decode=functools.partial(_open, channels=channels),
        payload=avif_payload,
    )


def _jxl() -> Codec:
    options: dict[str, Any] = {"effort": 7, "usecontainer": False, "numthreads": 1}
    versions = f"imagecodecs {imagecodecs.__version__}, {imagecodecs.jpegxl_version()}"
    return Codec(
        name="JPEG XL",
        settings=f"{_described(options)}; {versions}",
        limit=65535,
        encode=lambda image, distance: bytes(
            imagecodecs.jpegxl_encode(_fewest_axes(image), distance=distance, **options)
        ),
        decode=lambda data: _three_axes(imagecodecs.jpegxl_decode(data, numthreads=1)),
        payload=jxl_payload,
        dial="distance",
    )


def _save(image: U8, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(_fewest_axes(image)).save(out, **options)
    return out.getvalue()


def _open(data: bytes, channels: int) -> U8:
    with Image.open(io.BytesIO(data)) as file:
        return _three_axes(np.asarray(file.convert("L" if channels == 1 else "RGB")))


def _fewest_axes(image: U8) -> U8:
    return image[..., 0] if image.shape[2] == 1 else image


def _three_axes(image: U8) -> U8:
    return image[..., None] if image.ndim == 2 else image


def _described(options: dict[str, Any]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in options.items() if name != "format")
    return f"{settings}; Pillow {PIL.__version__}" if "format" in options else settings
