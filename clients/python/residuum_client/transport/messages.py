"""Requests and responses about images and records, as pure functions for both clients."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from PIL import Image as PillowImage

from residuum_client.arrays import F32, U8
from residuum_client.errors import InvalidInput, ResiduumError, ServerError
from residuum_client.inputs import image_list, image_weight, load_image, load_record, record_list
from residuum_client.options import EncodeOptions, check_flag, check_options, check_value
from residuum_client.results import Box, Compressed, ModelInfo, Region, Restored, Score
from residuum_client.schedule import MESSAGE_ITEMS, Message, Pace, Retries, Schedule
from residuum_client.transport.failures import of_item
from residuum_client.v1 import anomaly_pb2, codec_pb2, images_pb2

# A record does not say how large its image is; images have 50 to 300 pixels per byte of record.
PIXELS_PER_RECORD_BYTE = 64
# Records of images of any size in one message: as many as a server restores in one call.
RECORDS_OF_ANY_SIZE = 16


class Response(Protocol):
    """A response to a partial request."""

    @property
    def errors(self) -> Iterable[images_pb2.ItemError]:
        """The items that failed."""


I = TypeVar("I", bound=U8 | bytes)  # noqa: E741 - item of a message
Q = TypeVar("Q")  # request
A = TypeVar("A", bound=Response)  # response
R = TypeVar("R")  # result


@dataclass(frozen=True, slots=True)
class Exchange(Generic[I, Q, A, R]):
    """One kind of call: how to load and weigh items, ask for several, and read the response."""

    noun: str
    listed: Callable[[object], Iterable[object]]
    load: Callable[[object], I]
    weigh: Callable[[I], int]
    ask: Callable[[list[I]], Q]
    read: Callable[[A], list[R]]
    items: int = MESSAGE_ITEMS

    def schedule(self, timeout: float, retries: Retries) -> Schedule[I, R]:
        """A new schedule of its messages."""
        return Schedule(self.noun, Pace(timeout, items=self.items), retries)

    def add(self, schedule: Schedule[I, R], element: object) -> None:
        """Loads the next element of the caller."""
        try:
            value = self.load(element)
            schedule.add(value, self.weigh(value))
        except InvalidInput as error:
            schedule.add_failed(error)

    def outcomes(self, message: Message[I], response: A) -> list[R | ResiduumError]:
        """One outcome per item. Raises ServerError if the response has more or fewer."""
        results = iter(self.read(response))
        errors = {error.index: of_item(error.code, error.message) for error in response.errors}
        expected = len(message.items)
        outcomes = [errors[i] if i in errors else next(results, None) for i in range(expected)]
        given = [one for one in outcomes if one is not None]
        if len(given) < expected or next(results, None) is not None or len(errors) > expected:
            raise ServerError(f"the response has {len(given)} results for {expected} items")
        return given


ReadEncoded = Callable[[codec_pb2.EncodeResponse], list[R]]
ReadDecoded = Callable[[codec_pb2.DecodeResponse], list[R]]
Encoding = Exchange[U8 | bytes, codec_pb2.EncodeRequest, codec_pb2.EncodeResponse, R]
Decoding = Exchange[bytes, codec_pb2.DecodeRequest, codec_pb2.DecodeResponse, R]
Scoring = Exchange[U8 | bytes, anomaly_pb2.ScoreRequest, anomaly_pb2.ScoreResponse, Score]


def encoding(
    model: images_pb2.ModelRef,
    options: EncodeOptions,
    read: ReadEncoded[R],
) -> Encoding[R]:
    """Compresses images; `read` is `records` or `compressed`. Raises InvalidInput for options."""
    options = check_options(options)
    keep = codec_pb2.ON_ANOMALY_EVIDENCE if options.get("evidence") else codec_pb2.ON_ANOMALY_NONE

    def ask(items: list[U8 | bytes]) -> codec_pb2.EncodeRequest:
        pixels, files = _payload(items)
        return codec_pb2.EncodeRequest(
            model=model,
            pixels=pixels,
            files=files,
            quality=options.get("quality"),
            target_bytes=options.get("target_bytes"),
            target_psnr=options.get("target_psnr"),
            on_anomaly=keep,
            false_alarm_rate=options.get("false_alarm_rate"),
            partial=True,
        )

    return Exchange("image", image_list, load_image, image_weight, ask, read)


def decoding(
    model: images_pb2.ModelRef,
    info: ModelInfo,
    read: ReadDecoded[R],
) -> Decoding[R]:
    """Restores records; `read` is `images` or `restored`.

    Images come as pixels if the model has one size, as PNG files if their sizes may differ.
    """
    one_size = info.fit in ("exact", "resize")
    form = codec_pb2.IMAGE_FORMAT_PIXELS if one_size else codec_pb2.IMAGE_FORMAT_PNG
    weight = (info.height or 1) * (info.width or 1) * info.channels
    most = MESSAGE_ITEMS if one_size else RECORDS_OF_ANY_SIZE

    def ask(records: list[bytes]) -> codec_pb2.DecodeRequest:
        return codec_pb2.DecodeRequest(model=model, records=records, format=form, partial=True)

    def weigh(record: bytes) -> int:
        return max(weight, PIXELS_PER_RECORD_BYTE * len(record))

    return Exchange("record", record_list, load_record, weigh, ask, read, most)


def scoring(model: images_pb2.ModelRef, false_alarm_rate: float | None, heatmaps: bool) -> Scoring:
    """Scores images, with heat maps on request. Raises InvalidInput for options."""
    false_alarm_rate = check_value("false_alarm_rate", false_alarm_rate)
    heatmaps = check_flag("heatmaps", heatmaps)

    def ask(items: list[U8 | bytes]) -> anomaly_pb2.ScoreRequest:
        pixels, files = _payload(items)
        return anomaly_pb2.ScoreRequest(
            model=model,
            pixels=pixels,
            files=files,
            false_alarm_rate=false_alarm_rate,
            heatmaps=heatmaps,
            partial=True,
        )

    return Exchange("image", image_list, load_image, image_weight, ask, _scores)


def _payload(
    items: Sequence[U8 | bytes],
) -> tuple[images_pb2.Pixels | None, images_pb2.Files | None]:
    arrays = [item for item in items if isinstance(item, np.ndarray)]
    if not arrays:
        return None, images_pb2.Files(files=[item for item in items if isinstance(item, bytes)])
    height, width, channels = arrays[0].shape
    data = arrays[0].tobytes() if len(arrays) == 1 else np.stack(arrays).tobytes()
    pixels = images_pb2.Pixels(
        count=len(arrays), height=height, width=width, channels=channels, data=data
    )
    return pixels, None


def records(response: codec_pb2.EncodeResponse) -> list[bytes]:
    """The records only."""
    return list(response.records)


def compressed(response: codec_pb2.EncodeResponse) -> list[Compressed]:
    """The records with their levels and bytes of evidence. Raises ServerError."""
    counts = {len(response.records), len(response.qualities), len(response.evidence_bytes)}
    if len(counts) > 1:
        raise ServerError(f"the response has lists of {sorted(counts)} items, expected one length")
    parts = zip(response.records, response.qualities, response.evidence_bytes, strict=True)
    return [Compressed(record=r, quality=q, evidence_bytes=e) for r, q, e in parts]


def restored(response: codec_pb2.DecodeResponse) -> list[Restored]:
    """The images with the boxes of their evidence. Raises ServerError."""
    decoded = images(response)
    if len(response.evidence) != len(decoded):
        raise ServerError(
            f"the response has {len(decoded)} images, but evidence of {len(response.evidence)}"
        )
    return [
        Restored(
            image=image,
            evidence=tuple(map(_box, evidence.boxes)),
        )
        for image, evidence in zip(decoded, response.evidence, strict=True)
    ]


def images(response: codec_pb2.DecodeResponse) -> list[U8]:
    """The images only, uint8 `[H, W, C]`. Raises ServerError."""
    if response.WhichOneof("images") == "files":
        return [_png(data) for data in response.files.files]
    pixels = response.pixels
    shape = (pixels.count, pixels.height, pixels.width, pixels.channels)
    if len(pixels.data) != pixels.count * pixels.height * pixels.width * pixels.channels:
        raise ServerError(f"the response has {len(pixels.data)} bytes of pixels for {list(shape)}")
    return list(np.frombuffer(pixels.data, np.uint8).reshape(shape).copy())


def _png(data: bytes) -> U8:
    try:
        with PillowImage.open(io.BytesIO(data), formats=["PNG"]) as file:
            image = np.array(file.convert("L" if file.mode in ("1", "L") else "RGB"))
    except (OSError, ValueError, SyntaxError, PillowImage.DecompressionBombError) as error:
        raise ServerError(f"cannot read an image of the response: {error}") from error
    return image.reshape(*image.shape[:2], -1)


def _scores(response: anomaly_pb2.ScoreResponse) -> list[Score]:
    return [
        Score(
            value=result.score,
            p_value=result.p_value,
            anomalous=result.anomalous,
            scores=dict(sorted(result.scores.items())),
            record_bytes=result.record_bytes,
            heatmap_vmax=response.heat_scale,
            heatmap=_heatmap(result.heatmap) if result.HasField("heatmap") else None,
            regions=tuple(map(_region, result.regions)),
        )
        for result in response.results
    ]


def _region(region: anomaly_pb2.Region) -> Region:
    return Region(
        box=_box(region),
        area=region.area,
        value=region.score,
        p_value=region.p_value if region.HasField("p_value") else None,
    )


def _box(box: codec_pb2.Box | anomaly_pb2.Region) -> Box:
    return Box(top=box.top, left=box.left, height=box.height, width=box.width)


def _heatmap(heatmap: anomaly_pb2.Heatmap) -> F32:
    shape = (heatmap.height, heatmap.width)
    if len(heatmap.data) != 4 * heatmap.height * heatmap.width:
        raise ServerError(
            f"the response has {len(heatmap.data)} bytes of heat map for {list(shape)}"
        )
    return np.frombuffer(heatmap.data, "<f4").reshape(shape).astype(np.float32)
