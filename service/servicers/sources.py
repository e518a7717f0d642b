"""The images and records of a request: limits and memory are checked before anything is decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.arrays import U8
from codec.bundle.bundle import Bundle
from codec.errors import InvalidInput, RecordError
from codec.image_reader import read_header
from codec.images.files import check_size
from codec.images.input_spec import InputSpec
from codec.outcomes import attempt, succeeded
from codec.record.frame import unpack
from codec.scores.bands import BAND_PIXELS, MAX_WHOLE_PIXELS
from protos.residuum.v1.anomaly_pb2 import ScoreRequest
from protos.residuum.v1.codec_pb2 import DecodeRequest, EncodeRequest
from protos.residuum.v1.images_pb2 import Pixels
from service.runtime.job_queue import SLICE_PIXELS
from service.runtime.memory import Need
from service.status import ExceedsRequest

# Most pixels in the images of one request, however small their files or records are.
MAX_REQUEST_PIXELS = 2**26
# The same for several images with heat maps, which take four bytes a pixel in a response.
MAX_HEATMAP_PIXELS = 2**25
# Bytes per pixel that the decoders take, as measured on images of 8190 x 8190 pixels.
_DECODER = 4
_DECODERS = {"JPEG": 7, "AVIF": 12, "WebP": 16}
# Bytes per pixel and channel, and per pixel: of what the images of a slice become (tiles, decoded
# pixels as float32, codes, heat maps), and of the image that is being scored. Then bytes per pixel
# of a heat map in the response, and per pixel and channel of a decoded image: each is there twice.
_WORK, _SCORING = (12, 8), (28, 12)
HEATMAP_BYTES, IMAGE_BYTES = 12, 2
# The images of a message are taken out of it as a copy.
_MESSAGE_COPIES = 2


@dataclass(frozen=True, slots=True)
class Source:
    """An image file or a record, the number of pixels that it decodes to, 0 for records without
    their size, and the bytes that its decoder takes in addition to them.
    """

    data: bytes
    pixels: int
    decoding: int = 0


def check_images(
    request: EncodeRequest | ScoreRequest, spec: InputSpec, limit: int
) -> list[Source | U8 | InvalidInput]:
    """The images of a request, files not decoded yet; an error for each that the model does not
    take, or that exceeds the pixels of a request.

    Raises InvalidInput unless there are 1 to `limit` images.
    """
    kind = request.WhichOneof("images")
    if kind == "pixels":
        return list(_from_pixels(request.pixels, limit))
    if kind != "files":
        raise InvalidInput("the request has no images, expected pixels or files")
    files = request.files.files
    _check_count(len(files), "images", limit)
    sources = [attempt(InvalidInput, _check_file, data, spec) for data in files]
    with_heatmaps = isinstance(request, ScoreRequest) and request.heatmaps
    most = MAX_HEATMAP_PIXELS if with_heatmaps else MAX_REQUEST_PIXELS
    return list(_within_limit(sources, "images", "have", most))


def check_records(
    request: DecodeRequest, bundle: Bundle, limit: int
) -> list[Source | InvalidInput]:
    """The records of a request; an error for each that exceeds the pixels of a request.

    Raises InvalidInput unless there are 1 to `limit` records, and for too many pixels unless the
    request is partial.
    """
    _check_count(len(request.records), "records", limit)
    sources = [Source(record, _record_pixels(record, bundle)) for record in request.records]
    pixels = sum(source.pixels for source in sources)
    if pixels > MAX_REQUEST_PIXELS and not request.partial:
        raise InvalidInput(
            f"the records decode to {pixels} pixels, expected at most {MAX_REQUEST_PIXELS}"
        )
    return _within_limit(sources, "records", "decode to", MAX_REQUEST_PIXELS)


def items_of(sources: Sequence[Source | U8]) -> list[bytes | U8]:
    """What the tasks take: files and records as bytes, images as they are."""
    return [one.data if isinstance(one, Source) else one for one in sources]


def sizes_of(sources: Sequence[Source | U8], spec: InputSpec) -> list[int]:
    """The pixels of each image or record as the model takes it, at least 1."""
    return [max(1, _model_pixels(one, spec)) for one in sources]


def decoded_bytes(sources: Sequence[Source | U8 | InvalidInput], spec: InputSpec) -> int:
    """The bytes that the images of a request have as pixels, without those that are broken."""
    good: list[Source | U8] = succeeded(sources)
    return sum(
        spec.channels * one.pixels if isinstance(one, Source) else one.nbytes for one in good
    )


def needed(
    message: int,
    sources: Sequence[Source | U8],
    spec: InputSpec,
    *,
    scored: bool = False,
    output: int = 0,
) -> Need:
    """Estimate of the memory that a call takes for a message of this many bytes.

    `output` is the number of bytes per pixel of the model that the response holds. Images are
    decoded and computed in slices.
    """
    files = [one for one in sources if isinstance(one, Source)]
    pixels = sizes_of(sources, spec)
    decoding = max((one.decoding + spec.channels * one.pixels for one in files), default=0)
    largest = max(pixels, default=0)
    in_slice = max(largest, min(sum(pixels), SLICE_PIXELS))
    work = decoding + _per_pixel(_WORK, spec) * in_slice
    if scored:
        work += _per_pixel(_SCORING, spec) * _at_once(largest)
    return Need(_MESSAGE_COPIES * message + output * sum(pixels), work)


def _at_once(pixels: int) -> int:
    """The pixels of an image that are scored together; a band with its margins of a large one."""
    return pixels if pixels <= MAX_WHOLE_PIXELS else 2 * BAND_PIXELS


def _per_pixel(parts: tuple[int, int], spec: InputSpec) -> int:
    per_channel, fixed = parts
    return per_channel * spec.channels + fixed


def _model_pixels(one: Source | U8, spec: InputSpec) -> int:
    """The pixels of an image as the model takes it."""
    if spec.height is not None and spec.width is not None and spec.fit != "tile":
        return spec.height * spec.width
    return one.pixels if isinstance(one, Source) else one.shape[0] * one.shape[1]


def _from_pixels(pixels: Pixels, limit: int) -> list[U8]:
    _check_count(pixels.count, "images", limit)
    shape = (pixels.count, pixels.height, pixels.width, pixels.channels)
    size = f"{pixels.height}x{pixels.width}x{pixels.channels}"
    expected = pixels.count * pixels.height * pixels.width * pixels.channels
    if expected == 0:
        raise InvalidInput(f"images of {size} are empty")
    if len(pixels.data) != expected:
        raise InvalidInput(
            f"pixels.data has {len(pixels.data)} bytes, expected {expected} "
            f"for {pixels.count} images of {size}"
        )
    return list(np.frombuffer(pixels.data, np.uint8).reshape(shape))


def _check_file(data: bytes, spec: InputSpec) -> Source:
    header = read_header(data)
    check_size(header.height, header.width, spec)
    pixels = header.height * header.width
    return Source(data, pixels, pixels * _DECODERS.get(header.format, _DECODER))


def _within_limit(
    sources: Sequence[Source | InvalidInput], noun: str, verb: str, most: int
) -> list[Source | InvalidInput]:
    """The sources, those with an error that exceed the pixels of a request; never the first."""
    total = 0
    outcomes: list[Source | InvalidInput] = []
    for one in sources:
        pixels = one.pixels if isinstance(one, Source) else 0
        if total and total + pixels > most:
            outcomes.append(
                ExceedsRequest(
                    f"the {noun} up to this one {verb} {total + pixels} pixels, "
                    f"expected at most {most}"
                )
            )
        else:
            outcomes.append(one)
            total += pixels
    return outcomes


def _record_pixels(record: bytes, bundle: Bundle) -> int:
    try:
        size = unpack(record, bundle.model_id, sized=bundle.manifest.input.sized).size
    except RecordError:
        return 0  # the codec rejects the record, and names it
    return size[0] * size[1] if size else 0


def _check_count(count: int, noun: str, limit: int) -> None:
    if not 1 <= count <= limit:
        raise InvalidInput(f"the request has {count} {noun}, expected 1 to {limit}")
