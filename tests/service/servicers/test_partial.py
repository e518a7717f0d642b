"""Partial requests over a real connection: what fails is listed, all else is answered."""

import io
import struct
import urllib.request
import zlib

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from codec.outcomes import succeeded
from codec.record.frame import Record, pack
from protos.residuum.v1 import anomaly_pb2
from protos.residuum.v1 import codec_pb2 as pb
from protos.residuum.v1.images_pb2 import Files, ModelRef, Pixels
from service.servicers.message_conversion import item_errors
from service.servicers.sources import check_images, check_records

TINY, TINY_MAP = ModelRef(name="tiny"), ModelRef(name="tiny-map")
KEEP = pb.ON_ANOMALY_EVIDENCE
INVALID, EXHAUSTED, LOSS = 3, 8, 15
shared = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def png(image):
    out = io.BytesIO()
    Image.fromarray(image[..., 0]).save(out, "PNG")
    return out.getvalue()


def png_header(height, width):
    """A gray PNG file of this size whose pixels are missing."""
    chunks = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    for kind, data in ((b"IHDR", header), (b"IDAT", b"")):
        chunks += struct.pack(">I", len(data)) + kind + data
        chunks += struct.pack(">I", zlib.crc32(kind + data))
    return chunks


def bad_files():
    """Files that fail, with the beginnings of their errors."""
    noise = png(np.random.default_rng(2).integers(0, 256, (16, 16, 1), np.uint8))
    return {
        "empty": (b"", "the file is empty"),
        "not an image": (b"not an image", "the file is not an image"),
        "cut": (noise[:-99], "the image file is damaged"),
        "another size": (
            png(np.zeros((15, 16, 1), np.uint8)),
            "image is 15x16; the model takes exactly 16x16 gray: resize it",
        ),
        "a huge canvas": (
            png_header(8190, 8190),
            "image is 8190x8190; the model takes exactly 16x16 gray: resize it",
        ),
    }


BAD = bad_files()


@pytest.fixture
def encode(connection):
    def call(files, model=TINY, **options):
        request = pb.EncodeRequest(model=model, files=Files(files=files), partial=True, **options)
        return connection.codec.Encode(request, timeout=20)

    return call


@pytest.fixture
def score(connection):
    def call(files, **options):
        images = Files(files=files)
        request = anomaly_pb2.ScoreRequest(model=TINY, files=images, partial=True, **options)
        return connection.anomaly.Score(request, timeout=20)

    return call


@pytest.fixture
def decode(connection):
    def call(records, **options):
        request = pb.DecodeRequest(model=TINY, records=records, partial=True, **options)
        return connection.codec.Decode(request, timeout=20)

    return call


@pytest.fixture
def good(pictures):
    return [png(image) for image in pictures(3)]


def rejected(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details()


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize(("bad", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_image_among_good_ones_costs_itself_alone(
    encode, score, good, place, bad, sentence
) -> None:
    files = [*good[:place], bad, *good[place:]]
    for options in ({}, {"on_anomaly": KEEP}, {"target_bytes": 12}, {"target_psnr": 9.0}):
        answer, expected = encode(files, **options), encode(good, **options)
        assert list(answer.records) == list(expected.records)
        assert list(answer.qualities) == list(expected.qualities)
        assert list(answer.evidence_bytes) == list(expected.evidence_bytes)
        assert [(error.index, error.code) for error in answer.errors] == [(place, INVALID)]
        assert answer.errors[0].message.startswith(sentence)
    scored = score(files)
    assert list(scored.results) == list(score(good).results)
    assert [(error.index, error.code) for error in scored.errors] == [(place, INVALID)]
    assert scored.errors[0].message.startswith(sentence)


def test_without_errors_a_partial_request_is_answered_like_any(connection, pictures, pixels):
    for images in ({"pixels": pixels(pictures(4))}, {"files": Files(files=map(png, pictures(4)))}):
        fields = {"model": TINY, "id": 7, **images}
        encoded = connection.codec.Encode(pb.EncodeRequest(**fields))
        assert connection.codec.Encode(pb.EncodeRequest(**fields, partial=True)) == encoded
        fields["heatmaps"] = True
        scored = connection.anomaly.Score(anomaly_pb2.ScoreRequest(**fields))
        partial = anomaly_pb2.ScoreRequest(**fields, partial=True)
        assert connection.anomaly.Score(partial) == scored
    for form in (pb.IMAGE_FORMAT_PIXELS, pb.IMAGE_FORMAT_PNG):
        fields = {"model": TINY, "records": encoded.records, "format": form}
        decoded = connection.codec.Decode(pb.DecodeRequest(**fields))
        assert connection.codec.Decode(pb.DecodeRequest(**fields, partial=True)) == decoded


@shared
@given(names=st.lists(st.sampled_from(["0", "1", "2", *BAD]), min_size=1, max_size=10))
def test_every_outcome_is_that_of_the_image_alone(encode, good, names):
    known = {name: bad for name, (bad, _) in BAD.items()} | dict(zip("012", good, strict=True))
    answer, alone = encode([known[n] for n in names]), [encode([known[n]]) for n in names]
    assert list(answer.records) == [record for one in alone for record in one.records]
    assert [(error.index, error.message) for error in answer.errors] == [
        (index, error.message) for index, one in enumerate(alone) for error in one.errors
    ]


@shared
@given(junk=st.lists(st.binary(max_size=40), min_size=1, max_size=8), cut=st.integers(0, 200))
def test_arbitrary_bytes_are_errors_of_their_items(encode, decode, good, junk, cut):
    """None is an internal error, which would fail the call."""
    files = [good[0], *junk, good[1][:cut], good[2]]
    answer = encode(files)
    assert len(answer.records) + len(answer.errors) == len(files)
    assert {error.code for error in answer.errors} <= {INVALID}
    records = [*answer.records, *junk]
    decoded = decode(records)
    assert decoded.pixels.count + len(decoded.errors) == len(records)
    assert {error.code for error in decoded.errors} <= {LOSS}


def test_a_target_that_some_images_miss_is_their_error_alone(encode, tiny, pictures):
    flat = np.full((16, 16, 1), 90, np.uint8)
    wild = np.random.default_rng(2).integers(0, 256, (16, 16, 1), dtype=np.uint8)
    answer = encode([png(wild), png(flat), png(wild), b""], target_psnr=30.0)
    alone = encode([png(flat)], target_psnr=30.0)
    assert (answer.records, answer.qualities) == (alone.records, alone.qualities)
    assert len(answer.records) == 1
    assert [error.index for error in answer.errors] == [0, 2, 3]
    assert answer.errors[0].message.startswith("the best PSNR of this image is ")
    assert answer.errors[0].message == answer.errors[1].message


def test_damaged_records_among_good_ones_cost_themselves_alone(encode, decode, tiny_map, pictures):
    noise = np.random.default_rng(2).integers(0, 256, (2, 16, 16, 1), dtype=np.uint8)
    records = list(encode([png(one) for one in [*pictures(2), *noise]], on_anomaly=KEEP).records)
    foreign = tiny_map.compress(list(pictures(1)))[0]
    expected = decode(records, format=pb.IMAGE_FORMAT_PNG)
    assert any(one.boxes for one in expected.evidence)
    for bad in (b"", records[0][:-1], records[3][:-1], b"\xff" * 9, foreign):
        for place in range(5):
            mixed = [*records[:place], bad, *records[place:]]
            answer = decode(mixed, format=pb.IMAGE_FORMAT_PNG)
            assert answer.files == expected.files
            assert list(answer.evidence) == list(expected.evidence)
            assert [(error.index, error.code) for error in answer.errors] == [(place, LOSS)]
            assert answer.errors[0].message
            assert decode(mixed).pixels == decode(records).pixels


def test_a_request_of_bad_items_alone_has_only_errors(encode, score, decode):
    files = [bad for bad, _ in BAD.values()]
    for answer in (encode(files), encode(files, on_anomaly=KEEP, target_bytes=9)):
        assert not answer.records
        assert not answer.qualities
        assert [error.index for error in answer.errors] == list(range(len(files)))
        assert answer.model.name == "tiny"
    assert not score(files).results
    assert len(score(files).errors) == len(files)
    for form in (pb.IMAGE_FORMAT_PIXELS, pb.IMAGE_FORMAT_PNG):
        answer = decode([b"", b"?"], format=form)
        assert not answer.pixels.count
        assert not answer.files.files
        assert [error.index for error in answer.errors] == [0, 1]


def test_each_image_of_pixels_has_its_own_error(connection, pixels, pictures):
    def call(images, **options):
        request = pb.EncodeRequest(model=TINY, pixels=pixels(images), partial=True, **options)
        return connection.codec.Encode(request)

    answer = call(pictures(3, 15, 16))
    assert [error.index for error in answer.errors] == [0, 1, 2]
    assert not answer.records
    images = pictures(3)
    images[1] = np.random.default_rng(2).integers(0, 256, (16, 16, 1))
    images[[0, 2]] = 90
    answer = call(images, target_psnr=30.0)
    assert list(answer.records) == list(call(images[[0, 2]], target_psnr=30.0).records)
    assert [error.index for error in answer.errors] == [1]


@pytest.mark.parametrize(("bad", "sentence"), BAD.values(), ids=BAD)
def test_without_partial_the_first_error_fails_the_call(connection, good, bad, sentence):
    images = Files(files=[good[0], bad, good[1], bad, good[2]])
    requests = {
        connection.codec.Encode: pb.EncodeRequest(model=TINY, files=images),
        connection.anomaly.Score: anomaly_pb2.ScoreRequest(model=TINY, files=images),
    }
    for call, request in requests.items():
        code, message = rejected(lambda call=call, request=request: call(request))
        assert code == "INVALID_ARGUMENT"
        assert message.startswith(f"image 1: {sentence}")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "the request has no images, expected pixels or files"),
        ({"files": Files()}, "the request has 0 images, expected 1 to 64"),
        ({"files": Files(files=[b""] * 65)}, "the request has 65 images, expected 1 to 64"),
        ({"pixels": Pixels(count=2, height=16, width=16, channels=1)}, "pixels.data has 0 bytes"),
        ({"files": Files(files=[b""]), "quality": 17}, "quality is 17, the model has levels 0..16"),
        ({"files": Files(files=[b""]), "target_bytes": 0}, "target_bytes is 0"),
        ({"files": Files(files=[b""]), "on_anomaly": 9}, "on_anomaly is 9"),
    ],
)
def test_what_is_wrong_with_the_whole_request_fails_the_call(connection, fields, message):
    request = pb.EncodeRequest(model=TINY, partial=True, **fields)
    code, details = rejected(lambda: connection.codec.Encode(request))
    assert code == "INVALID_ARGUMENT"
    assert details.startswith(message)


def test_each_message_of_a_stream_may_be_partial(connection, encode, good):
    requests = [
        pb.EncodeRequest(model=TINY, files=Files(files=files), partial=True, id=number)
        for number, files in enumerate([[good[0], b""], [b"", b""], good, [b"?", *good]])
    ]
    answers = list(connection.codec.EncodeStream(iter(requests)))
    assert [answer.id for answer in answers] == [0, 1, 2, 3]
    for answer, request in zip(answers, requests, strict=True):
        alone = connection.codec.Encode(request)
        assert (answer.records, answer.errors) == (alone.records, alone.errors)


def test_a_large_image_is_refused_by_its_header(tiny_map, pictures):
    """Its pixels are missing here, so decoding it would give another error."""
    files = [png_header(2**13, 2**12 + 1), png(pictures(1, 9, 30)[0])]
    request = pb.EncodeRequest(files=Files(files=files), partial=True)
    refused, taken = check_images(request, tiny_map.manifest.input, 64)
    assert str(refused) == f"image is 8192x4097, at most {2**25} pixels"
    assert taken.pixels == 9 * 30


@pytest.mark.parametrize(("heatmaps", "refused"), [(True, [2]), (False, [])])
def test_heat_maps_halve_the_pixels_of_a_request(tiny_map, heatmaps, refused):
    files = Files(files=[png_header(2**12, 2**12)] * 3)
    request = anomaly_pb2.ScoreRequest(files=files, heatmaps=heatmaps, partial=True)
    errors = item_errors(check_images(request, tiny_map.manifest.input, 64))
    assert [error.index for error in errors] == refused


def test_images_that_exceed_the_pixels_of_a_request_may_come_in_another(tiny_map):
    header, small = png_header(2**12, 2**13), png_header(8, 8)
    request = pb.EncodeRequest(files=Files(files=[header, b"", header, header, small]))
    request.partial = True
    outcomes = check_images(request, tiny_map.manifest.input, 64)
    errors = item_errors(outcomes)
    assert [(error.index, error.code) for error in errors] == [
        (1, INVALID),
        (3, EXHAUSTED),
        (4, EXHAUSTED),
    ]
    assert errors[1].message == (
        f"the images up to this one have {3 * 2**25} pixels, expected at most {2**26}"
    )
    assert sum(one.pixels for one in succeeded(outcomes)) == 2**26


def test_records_that_exceed_the_pixels_of_a_request_may_come_in_another(tiny_map):
    record = pack(Record(8, (2**12, 2**13), b""), tiny_map.model_id)
    request = pb.DecodeRequest(records=[record, b"?", record, record], partial=True)
    outcomes = check_records(request, tiny_map.bundle, 64)
    assert [(error.index, error.code) for error in item_errors(outcomes)] == [(3, EXHAUSTED)]
    assert sum(one.pixels for one in succeeded(outcomes)) == 2**26


def test_every_good_image_is_computed_once_and_errors_are_counted(bundles, running, good):
    with running(bundles) as connection:

        def counted(name):
            url = f"http://127.0.0.1:{connection.server.metrics_port}/metrics"
            with urllib.request.urlopen(url, timeout=10) as page:
                lines = dict(line.rsplit(" ", 1) for line in page.read().decode().splitlines())
            return float(lines.get(name, 0))

        rows = 'residuum_batch_images_sum{{method="{}",model="tiny"}}'
        images = Files(files=[*good, *(bad for bad, _ in BAD.values())])
        connection.codec.Encode(pb.EncodeRequest(model=TINY, files=images, partial=True))
        # The headers of some bad files are right.
        assert len(good) <= counted(rows.format("encode")) < len(good) + len(BAD)
        connection.anomaly.Score(anomaly_pb2.ScoreRequest(model=TINY, files=images, partial=True))
        assert counted(rows.format("score")) == counted(rows.format("encode"))
        connection.codec.Decode(pb.DecodeRequest(model=TINY, records=[b"", b"?"], partial=True))
        for method, code, count in (
            ("Encode", "INVALID_ARGUMENT", len(BAD)),
            ("Score", "INVALID_ARGUMENT", len(BAD)),
            ("Decode", "DATA_LOSS", 2),
        ):
            labels = f'{{code="{code}",method="{method}",model="tiny"}}'
            assert counted(f"residuum_item_errors_total{labels}") == count
