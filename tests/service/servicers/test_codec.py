"""Encode and Decode over a real connection."""

import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from PIL import Image

from protos.residuum.v1 import codec_pb2 as pb
from protos.residuum.v1.images_pb2 import Files, ModelRef, Pixels

TINY = ModelRef(name="tiny")
CODE = grpc.StatusCode


def png(image):
    out = io.BytesIO()
    Image.fromarray(image[..., 0]).save(out, "PNG")
    return out.getvalue()


def encode(connection, images, pixels, **options):
    request = pb.EncodeRequest(model=TINY, pixels=pixels(images), **options)
    return connection.codec.Encode(request, timeout=20)


def rejected(call, request):
    """Status code and message of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=20)
    return caught.value.code(), caught.value.details()


def failed(call):
    """Status code and message of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


def test_records_are_those_of_the_codec_itself(connection, tiny, pictures, pixels):
    images = pictures(5)
    response = encode(connection, images, pixels, id=7)
    assert list(response.records) == tiny.compress(list(images))
    assert response.model_id == tiny.model_id
    assert (response.model.name, response.model.version) == ("tiny", tiny.manifest.version)
    assert response.id == 7


def test_images_are_those_of_the_codec_itself(connection, tiny, pictures, pixels):
    records = encode(connection, pictures(5), pixels).records
    response = connection.codec.Decode(pb.DecodeRequest(model=TINY, records=records, id=8))
    shape = (5, 16, 16, 1)
    sent = response.pixels
    assert (sent.count, sent.height, sent.width, sent.channels) == shape
    decoded = np.frombuffer(sent.data, np.uint8).reshape(shape)
    np.testing.assert_array_equal(decoded, np.stack(tiny.decompress(list(records))))
    assert response.id == 8


@pytest.mark.parametrize("quality", [0, 16])
def test_the_requested_quality_is_used(connection, tiny, pictures, pixels, quality):
    images = pictures(3)
    response = encode(connection, images, pixels, quality=quality)
    assert list(response.records) == tiny.compress(list(images), quality)


def test_files_give_the_records_of_their_pixels(connection, tiny, pictures):
    images = pictures(3)
    files = Files(files=[png(image) for image in images])
    response = connection.codec.Encode(pb.EncodeRequest(model=TINY, files=files))
    assert list(response.records) == tiny.compress(list(images))


def test_images_of_different_sizes_come_back_as_png(connection, tiny_map, pictures):
    model = ModelRef(name=tiny_map.manifest.name)
    images = [pictures(1, 24, 40)[0], pictures(1, 33, 17)[0]]
    files = Files(files=[png(image) for image in images])
    records = connection.codec.Encode(pb.EncodeRequest(model=model, files=files)).records
    assert list(records) == tiny_map.compress(images)
    request = pb.DecodeRequest(model=model, records=records, format=pb.IMAGE_FORMAT_PNG)
    decoded = connection.codec.Decode(request).files.files
    for file, expected in zip(decoded, tiny_map.decompress(list(records)), strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(file))), expected[..., 0])


def test_images_of_different_sizes_are_rejected_as_pixels(connection, tiny_map, pictures):
    model = ModelRef(name=tiny_map.manifest.name)
    records = tiny_map.compress([pictures(1, 24, 40)[0], pictures(1, 33, 17)[0]])
    request = pb.DecodeRequest(model=model, records=records)
    code, message = rejected(connection.codec.Decode, request)
    assert code is CODE.INVALID_ARGUMENT
    assert message == (
        "image 1 is 33x17, image 0 is 24x40; request IMAGE_FORMAT_PNG for images of different sizes"
    )


def test_streams_answer_in_order(connection, tiny, pictures, pixels):
    batches = [pictures(1 + n % 3, seed=n) for n in range(20)]
    requests = (
        pb.EncodeRequest(model=TINY, pixels=pixels(batch), id=n) for n, batch in enumerate(batches)
    )
    encoded = list(connection.codec.EncodeStream(requests))
    assert [response.id for response in encoded] == list(range(20))
    for response, batch in zip(encoded, batches, strict=True):
        assert list(response.records) == tiny.compress(list(batch))
    requests = (pb.DecodeRequest(model=TINY, records=r.records, id=r.id) for r in encoded)
    decoded = list(connection.codec.DecodeStream(requests))
    assert [response.id for response in decoded] == list(range(20))


def test_a_bad_message_gets_its_status_and_the_stream_goes_on(connection, pictures, pixels):
    good = pb.EncodeRequest(model=TINY, pixels=pixels(pictures(1)), id=1)
    requests = [good, pb.EncodeRequest(model=TINY, id=2), pb.EncodeRequest(id=3), good]
    first, empty, no_model, last = connection.codec.EncodeStream(iter(requests))
    assert len(first.records) == len(last.records) == 1
    assert not first.HasField("status")
    assert (empty.id, empty.status.code) == (2, CODE.INVALID_ARGUMENT.value[0])
    assert empty.status.message == "the request has no images, expected pixels or files"
    assert (no_model.id, no_model.status.code) == (3, CODE.INVALID_ARGUMENT.value[0])


def test_batching_does_not_change_the_records(bundles, running, tiny, pictures, pixels):
    """Sixteen callers at once get the same bytes as each caller alone."""
    images = pictures(64, seed=3)
    alone = tiny.compress(list(images))
    together = threading.Barrier(16)
    with (
        running(bundles, batch_window_ms=50, max_batch_rows=32) as connection,
        ThreadPoolExecutor(16) as pool,
    ):

        def caller(n):
            together.wait(10)
            return [
                encode(connection, images[k : k + 1], pixels).records[0] for k in range(n, 64, 16)
            ]

        for n, records in enumerate(pool.map(caller, range(16))):
            assert records == alone[n::16]


def test_a_cancelled_call_does_not_affect_the_others(connection, tiny, pictures, pixels):
    images = pictures(8)
    expected = tiny.compress(list(images))
    request = pb.EncodeRequest(model=TINY, pixels=pixels(images))
    for _ in range(20):
        stay, leave = (
            connection.codec.Encode.future(request),
            connection.codec.Encode.future(request),
        )
        leave.cancel()
        assert list(stay.result(20).records) == expected


def zeros(count, height, width, channels=1, short=0):
    data = bytes(count * height * width * channels - short)
    return Pixels(count=count, height=height, width=width, channels=channels, data=data)


BAD_IMAGES = {
    "no images at all": ({}, "the request has no images, expected pixels or files"),
    "no pixels": ({"pixels": zeros(0, 16, 16)}, "the request has 0 images, expected 1 to 64"),
    "no files": ({"files": Files()}, "the request has 0 images, expected 1 to 64"),
    "too many images": ({"pixels": zeros(65, 16, 16)}, "has 65 images, expected 1 to 64"),
    "a byte too few": (
        {"pixels": zeros(2, 16, 16, short=1)},
        "pixels.data has 511 bytes, expected 512 for 2 images of 16x16x1",
    ),
    "sides that multiply beyond 64 bits": (
        {"pixels": Pixels(count=2, height=2**32 - 1, width=2**32 - 1, channels=3)},
        "for 2 images of 4294967295x4294967295x3",
    ),
    "another size": (
        {"pixels": zeros(1, 16, 15)},
        "image is 16x15; the model takes exactly 16x16",
    ),
    "an image without area": ({"pixels": zeros(1, 0, 16)}, "images of 0x16x1 are empty"),
    "endless rows without area": (
        {"pixels": Pixels(count=64, height=0, width=2**32 - 1, channels=2**32 - 1)},
        "images of 0x4294967295x4294967295 are empty",
    ),
    "colour for a gray model": ({"pixels": zeros(1, 16, 16, 3)}, "16x16 RGB"),
    "four channels": ({"pixels": zeros(1, 16, 16, 4)}, "4 channels"),
    "a file that is not an image": ({"files": Files(files=[b"not an image"])}, "image 0: "),
    "an empty file": ({"files": Files(files=[b""])}, "image 0: the file is empty"),
    "a quality too high": ({"pixels": zeros(1, 16, 16), "quality": 17}, "quality is 17"),
    "no model named": (
        {"model": ModelRef(), "pixels": zeros(1, 16, 16)},
        "the request names no model; loaded models: tiny ",
    ),
}


@pytest.mark.parametrize(("fields", "message"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_an_invalid_request_is_rejected_with_a_message(connection, fields, message):
    request = pb.EncodeRequest(**{"model": TINY, **fields})
    code, details = rejected(connection.codec.Encode, request)
    assert code is CODE.INVALID_ARGUMENT
    assert message in details


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ModelRef(name="huge"), "model 'huge' is not loaded; loaded models: tiny "),
        (
            ModelRef(name="tiny", version="0.0"),
            "model 'tiny 0.0' is not loaded; loaded models: tiny ",
        ),
        (ModelRef(name="x" * 100_000), "model 'xxx"),
    ],
    ids=["unknown name", "unknown version", "endless name"],
)
def test_a_model_that_is_not_loaded_is_not_found(connection, pictures, pixels, model, message):
    request = pb.EncodeRequest(model=model, pixels=pixels(pictures(1)))
    code, details = rejected(connection.codec.Encode, request)
    assert code is CODE.NOT_FOUND
    assert message in details


def test_damaged_records_are_data_loss(connection, tiny, pictures):
    good = tiny.compress(list(pictures(2)))
    damaged = bytes([good[1][0], good[1][1] ^ 1]) + good[1][2:]
    for bad in (damaged, good[1][:-1], b"", b"\xff" * 8):
        request = pb.DecodeRequest(model=TINY, records=[good[0], bad])
        code, message = rejected(connection.codec.Decode, request)
        assert code is CODE.DATA_LOSS
        assert message.startswith("record 1: ")


def test_a_record_of_another_model_is_data_loss(connection, tiny_map, pictures):
    records = tiny_map.compress(list(pictures(1)))
    code, _ = rejected(connection.codec.Decode, pb.DecodeRequest(model=TINY, records=records))
    assert code is CODE.DATA_LOSS


def test_no_records_and_too_many_are_rejected(connection):
    for count in (0, 65):
        request = pb.DecodeRequest(model=TINY, records=[b"abc"] * count)
        code, message = rejected(connection.codec.Decode, request)
        assert code is CODE.INVALID_ARGUMENT
        assert message == f"the request has {count} records, expected 1 to 64"


def test_a_request_beyond_the_message_limit_is_rejected(connection):
    request = pb.EncodeRequest(model=TINY, pixels=zeros(64, 200, 200))
    code, _ = rejected(connection.codec.Encode, request)
    assert code is CODE.RESOURCE_EXHAUSTED


def test_records_that_decode_to_too_many_pixels_are_rejected(running, bundles, tiny_map, pictures):
    """Small records of large flat images must not exhaust the memory of the server."""
    (record,) = tiny_map.compress([np.full((2048, 2048, 1), 128, np.uint8)])
    request = pb.DecodeRequest(model=ModelRef(name="tiny-map"), records=[record] * 17)
    with running(bundles) as connection:
        code, message = rejected(connection.codec.Decode, request)
    assert code is CODE.INVALID_ARGUMENT
    assert message == f"the records decode to {17 * 2**22} pixels, expected at most {2**26}"


def test_under_overload_a_call_is_answered_in_full_or_rejected(
    bundles, running, tiny, pictures, pixels
):
    images = pictures(8)
    expected = tiny.compress(list(images))
    rejections, rejected_once = [], threading.Event()

    def caller(connection):
        while not rejected_once.is_set():
            try:
                assert list(encode(connection, images, pixels).records) == expected
            except grpc.RpcError as error:
                rejections.append(error)
                rejected_once.set()

    with (
        running(bundles, max_queue_rows=1, max_batch_rows=1) as connection,
        ThreadPoolExecutor(16) as pool,
    ):
        for done in [pool.submit(caller, connection) for _ in range(16)]:
            done.result(60)
        assert list(encode(connection, images, pixels).records) == expected
    for error in rejections:
        assert error.code() is CODE.RESOURCE_EXHAUSTED
        assert re.fullmatch(
            r"server busy: \d+ images queued, limit 1; retry later", error.details()
        )
        metadata = dict(error.trailing_metadata())
        assert 10 <= int(metadata["grpc-retry-pushback-ms"]) <= 5000
        status, info = Status.FromString(metadata["grpc-status-details-bin"]), RetryInfo()
        assert status.code == CODE.RESOURCE_EXHAUSTED.value[0]
        assert status.details[0].Unpack(info)


def test_a_call_beyond_the_limit_is_rejected_at_once(bundles, running, pictures, pixels):
    request = pb.EncodeRequest(model=TINY, pixels=pixels(pictures(1)))

    def caller(connection):
        while True:
            try:
                connection.codec.Encode(request)
            except grpc.RpcError as error:
                return error.code(), error.details()

    with running(bundles, workers=1) as connection, ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(caller, connection) for _ in range(2)]
        answer = next(as_completed(answers)).result(60)
        connection.server.drain(0)
    expected = "server busy: 1 calls open, limit 1; retry later"
    assert answer == (CODE.RESOURCE_EXHAUSTED, expected)


def test_a_stream_beyond_the_limit_is_rejected_and_calls_are_not(
    bundles, running, pictures, pixels
):
    with running(bundles, max_streams=1) as connection:
        more = threading.Event()
        request = pb.EncodeRequest(model=TINY, pixels=pixels(pictures(1)))

        def requests():
            yield request
            more.wait(10)

        stream = connection.codec.EncodeStream(requests())
        next(stream)
        answer = failed(lambda: next(connection.codec.EncodeStream(iter([request]))))
        assert answer == (
            CODE.RESOURCE_EXHAUSTED,
            "server busy: 1 streams open, limit 1; retry later",
        )
        assert len(connection.codec.Encode(request).records) == 1
        more.set()
        assert list(stream) == []


def test_a_stream_whose_client_sends_nothing_is_cancelled(bundles, running, pictures, pixels):
    with running(bundles, stream_idle_seconds=0.05) as connection:
        never = threading.Event()
        stream = connection.codec.EncodeStream(iter(lambda: never.wait(30), None))
        code, _ = failed(lambda: next(stream))
        assert code is CODE.CANCELLED
        never.set()


def test_bytes_that_are_no_message_are_an_invalid_argument(connection, caplog):
    call = connection.channel.unary_unary("/residuum.v1.CodecService/Encode")
    code, message = failed(lambda: call(b"\xff" * 100, timeout=20))
    assert code == CODE.INVALID_ARGUMENT
    assert message.startswith("the request of 100 bytes is not a valid message")
    assert not caplog.records


def test_bytes_that_are_no_message_do_not_end_a_stream(connection, pictures, pixels):
    call = connection.channel.stream_stream(
        "/residuum.v1.CodecService/EncodeStream",
        response_deserializer=pb.EncodeResponse.FromString,
    )
    good = pb.EncodeRequest(model=TINY, pixels=pixels(pictures(1))).SerializeToString()
    bad, answer = call(iter([b"\xff" * 100, good]), timeout=20)
    assert bad.status.message.startswith("the request of 100 bytes is not a valid message")
    assert len(answer.records) == 1


@pytest.mark.parametrize("form", [3, 99, -1])
def test_an_unknown_image_format_is_rejected(connection, pictures, pixels, form):
    records = encode(connection, pictures(1), pixels).records
    request = pb.DecodeRequest(model=TINY, records=records, format=form)
    expected = f"format is {form}, expected a value of ImageFormat"
    assert rejected(connection.codec.Decode, request) == (CODE.INVALID_ARGUMENT, expected)
