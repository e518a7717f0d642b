"""Images between messages and arrays: checked first, copied as little as can be."""

from collections.abc import Iterator, Sequence

import numpy as np

from codec.bundle.bundle import Bundle
from codec.errors import InvalidInput, RecordError
from codec.images.files import U8, read_image, write_png
from codec.record.frame import unpack
from protos.residuum.v1.anomaly_pb2 import ScoreRequest
from protos.residuum.v1.codec_pb2 import EncodeRequest
from protos.residuum.v1.images_pb2 import Files, Pixels

# What the images of one call may unfold into, however small their files or records are.
MAX_CALL_PIXELS = 2**26


def images_of(request: EncodeRequest | ScoreRequest, channels: int, most: int) -> list[U8]:
    """The images `[H, W, C]` of a request, at most `most`; files are decoded to `channels`.

    Raises InvalidInput.
    """
    kind = request.WhichOneof("images")
    if kind == "pixels":
        return _from_pixels(request.pixels, most)
    if kind == "files":
        return list(_from_files(request.files.files, channels, most))
    raise InvalidInput("the request holds no images: neither pixels nor files")


def count_images(request: EncodeRequest | ScoreRequest) -> int:
    """How many images a request says that it holds."""
    files = request.WhichOneof("images") == "files"
    return len(request.files.files) if files else request.pixels.count


def pixels_of(images: Sequence[U8]) -> Pixels:
    """Images of one size as a message. Raises InvalidInput where the sizes differ."""
    height, width, channels = images[0].shape
    for index, image in enumerate(images):
        if image.shape != images[0].shape:
            raise InvalidInput(
                f"image {index} is {image.shape[0]}x{image.shape[1]}, image 0 is {height}x{width}: "
                "images of several sizes travel as PNG only"
            )
    return Pixels(
        count=len(images),
        height=height,
        width=width,
        channels=channels,
        data=b"".join(image.tobytes() for image in images),
    )


def files_of(images: Sequence[U8]) -> Files:
    """Images as PNG files."""
    return Files(files=[write_png(image) for image in images])


def check_records(records: Sequence[bytes], bundle: Bundle, most: int) -> None:
    """Raises InvalidInput for no records, for more than `most`, for too many pixels in them."""
    _check_count(len(records), "records", most)
    pixels = sum(_record_pixels(record, bundle) for record in records)
    if pixels > MAX_CALL_PIXELS:
        raise InvalidInput(
            f"the records unfold into {pixels} pixels, at most {MAX_CALL_PIXELS} per call"
        )


def _from_pixels(pixels: Pixels, most: int) -> list[U8]:
    _check_count(pixels.count, "images", most)
    shape = (pixels.count, pixels.height, pixels.width, pixels.channels)
    expected = pixels.count * pixels.height * pixels.width * pixels.channels
    if expected == 0:
        raise InvalidInput(f"images of {pixels.height}x{pixels.width}x{pixels.channels} are empty")
    if len(pixels.data) != expected:
        raise InvalidInput(
            f"pixels hold {len(pixels.data)} bytes, but {pixels.count} images of "
            f"{pixels.height}x{pixels.width}x{pixels.channels} are {expected} bytes"
        )
    return list(np.frombuffer(pixels.data, np.uint8).reshape(shape))


def _from_files(files: Sequence[bytes], channels: int, most: int) -> Iterator[U8]:
    _check_count(len(files), "images", most)
    pixels = 0
    for index, data in enumerate(files):
        image = _read(index, data, channels)
        pixels += image.shape[0] * image.shape[1]
        if pixels > MAX_CALL_PIXELS:
            raise InvalidInput(f"image {index}: the call has more than {MAX_CALL_PIXELS} pixels")
        yield image


def _read(index: int, data: bytes, channels: int) -> U8:
    try:
        return read_image(data, channels)
    except InvalidInput as error:
        raise InvalidInput(f"image {index}: {error}") from error


def _record_pixels(record: bytes, bundle: Bundle) -> int:
    try:
        size = unpack(record, bundle.model_id, sized=bundle.manifest.input.sized).size
    except RecordError:
        return 0  # the pipeline refuses it, and names it
    return size[0] * size[1] if size else 0


def _check_count(count: int, what: str, most: int) -> None:
    if not 1 <= count <= most:
        raise InvalidInput(f"the request holds {count} {what}, expected 1 to {most}")
