"""Rates and evidence over a real connection."""

import io
import urllib.request

import grpc
import numpy as np
import pytest
from PIL import Image

from codec import Rate
from codec.images.comparison import psnr, squared_error
from protos.residuum.v1 import anomaly_pb2
from protos.residuum.v1 import codec_pb2 as pb
from protos.residuum.v1.images_pb2 import ModelRef

TINY = ModelRef(name="tiny")
KEEP = pb.ON_ANOMALY_EVIDENCE


def hills_and_noise(seed=5, side=16):
    """Ten images like those of the training set, then ten of noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side]
    images = []
    for _ in range(10):
        row, column, spread, top = rng.uniform((3, 3, 2, 60), (13, 13, 5, 150))
        hill = top * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * spread**2))
        noise = rng.normal(0, 2, (side, side))
        images.append(np.clip(60 + hill + noise, 0, 255).astype(np.uint8)[..., None])
    noise = rng.integers(0, 256, (10, side, side, 1), dtype=np.uint8)
    return np.concatenate([np.stack(images), noise])


@pytest.fixture
def images():
    return hills_and_noise()


@pytest.fixture
def ask(connection, pixels):
    """Encode with options."""

    def encode(images, model=TINY, **options):
        request = pb.EncodeRequest(model=model, pixels=pixels(images), **options)
        return connection.codec.Encode(request, timeout=20)

    return encode


def rejected(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return caught.value.details()


def decoded(connection, records, model=TINY):
    """Images and boxes of records."""
    request = pb.DecodeRequest(model=model, records=records, format=pb.IMAGE_FORMAT_PNG)
    answer = connection.codec.Decode(request, timeout=20)
    images = [np.array(Image.open(io.BytesIO(file)))[..., None] for file in answer.files.files]
    return images, [list(one.boxes) for one in answer.evidence]


def inside(box):
    return slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)


def test_the_response_has_the_quality_of_each_record(ask, tiny, images):
    assert list(ask(images, quality=3).qualities) == [3] * 20
    default = ask(images)
    assert list(default.qualities) == [tiny.manifest.quality_default] * 20
    assert list(default.evidence_bytes) == [0] * 20


@pytest.mark.parametrize("target", [7, 9, 40])
def test_records_fit_in_the_target_size(ask, tiny, images, target):
    """At the next finer level they would not."""
    hills = images[:10]
    answer = ask(hills, target_bytes=target)
    assert list(answer.records) == [
        one.record for one in tiny.compress_at(list(hills), Rate(target_bytes=target))
    ]
    assert max(map(len, answer.records)) <= target
    for image, quality in zip(hills, answer.qualities, strict=True):
        assert quality == 16 or len(tiny.compress([image], quality + 1)[0]) > target


def test_images_reach_the_target_psnr(connection, ask, tiny, images):
    """At the next coarser level they would not."""
    hills = images[:10]
    finest = tiny.decompress(tiny.compress(list(hills), 16))
    target = min(psnr(squared_error(a, b)) for a, b in zip(hills, finest, strict=True)) - 0.5
    answer = ask(hills, target_psnr=target)
    restored, _ = decoded(connection, answer.records)
    for image, back, quality in zip(hills, restored, answer.qualities, strict=True):
        assert psnr(squared_error(image, back)) >= target
        if quality:
            coarser = tiny.decompress(tiny.compress([image], quality - 1))[0]
            assert psnr(squared_error(image, coarser)) < target
    assert len(set(answer.qualities)) > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": 17}, "quality is 17, the model has levels 0..16"),
        ({"target_bytes": 0}, "target_bytes is 0, expected at least 1"),
        ({"target_psnr": -3.0}, "target_psnr is -3.0, expected decibels above 0"),
        ({"target_psnr": float("nan")}, "target_psnr is nan, expected decibels above 0"),
        ({"on_anomaly": 9}, "on_anomaly is 9, expected a value of OnAnomaly"),
        (
            {"false_alarm_rate": 0.1},
            "false_alarm_rate is set, but on_anomaly is not ON_ANOMALY_EVIDENCE",
        ),
        (
            {"on_anomaly": pb.ON_ANOMALY_NONE, "false_alarm_rate": 0.1},
            "false_alarm_rate is set, but on_anomaly is not ON_ANOMALY_EVIDENCE",
        ),
    ],
)
def test_an_invalid_option_is_rejected_with_a_message(ask, images, options, message):
    assert rejected(lambda: ask(images, **options)) == message


def test_an_invalid_false_alarm_rate_is_rejected(ask, images):
    message = rejected(lambda: ask(images, on_anomaly=KEEP, false_alarm_rate=1.0))
    assert "false-alarm rate" in message


def test_an_unreachable_target_names_the_image_and_the_best_value(ask, tiny, images):
    smallest = [min(len(tiny.compress([one], q)[0]) for q in range(17)) for one in images]
    place = next(i for i, size in enumerate(smallest) if size > min(smallest))
    message = rejected(lambda: ask(images, target_bytes=smallest[place] - 1))
    sentence = f"the smallest record of this image has {smallest[place]} bytes, at quality "
    assert message.startswith(f"image {place}: {sentence}")
    assert message.endswith(f"; target_bytes is {smallest[place] - 1}")
    message = rejected(lambda: ask(images, target_psnr=90.0))
    assert message.startswith("image 0: the best PSNR of this image is ")
    assert message.endswith("; target_psnr is 90 dB")


def test_only_records_of_anomalous_images_grow(connection, ask, images, pixels):
    plain = ask(images)
    kept = ask(images, on_anomaly=KEEP, false_alarm_rate=0.05)
    request = anomaly_pb2.ScoreRequest(model=TINY, pixels=pixels(images), false_alarm_rate=0.05)
    verdicts = [one.anomalous for one in connection.anomaly.Score(request).results]
    assert 8 <= sum(verdicts) < 20
    assert [size > 0 for size in kept.evidence_bytes] == verdicts
    assert kept.qualities == plain.qualities
    for record, bare, size in zip(kept.records, plain.records, kept.evidence_bytes, strict=True):
        assert len(record) == len(bare) + size
        assert size or record == bare


def test_an_image_is_lossless_in_its_boxes_and_lossy_elsewhere(connection, ask, images):
    noise = images[10:]
    kept, plain = ask(noise, on_anomaly=KEEP), ask(noise)
    restored, boxes = decoded(connection, kept.records)
    coded, none = decoded(connection, plain.records)
    assert none == [[]] * 10
    for image, back, lossy, found in zip(noise, restored, coded, boxes, strict=True):
        assert found
        expected = lossy.copy()
        for box in found:
            expected[inside(box)] = image[inside(box)]
        np.testing.assert_array_equal(back, expected)
        assert not np.array_equal(back, lossy)


def test_a_defect_in_an_image_of_any_size_comes_back_exactly(connection, ask):
    images = hills_and_noise(side=64)[:1].copy()
    images[0, 40:46, 10:16] = 255 - images[0, 40:46, 10:16]
    model = ModelRef(name="tiny-map")
    answer = ask(images, model, on_anomaly=KEEP, false_alarm_rate=0.25, target_psnr=25.0)
    (restored,), (boxes,) = decoded(connection, answer.records, model)
    np.testing.assert_array_equal(restored[40:46, 10:16], images[0, 40:46, 10:16])
    assert sum(box.height * box.width for box in boxes) < 64 * 64


def test_a_damaged_record_with_evidence_is_rejected(connection, ask, images):
    (record,) = ask(images[10:11], on_anomaly=KEEP).records
    for damaged in (record[:-1], record[:20] + bytes([record[20] ^ 4]) + record[21:]):
        with pytest.raises(grpc.RpcError) as caught:
            decoded(connection, [damaged])
        assert caught.value.code() is grpc.StatusCode.DATA_LOSS
        assert "checksum" in caught.value.details()


def test_each_request_of_a_stream_can_have_a_different_rate(connection, tiny, images, pixels):
    rates = [{"quality": 2}, {"target_bytes": 60}, {"target_psnr": 8.0}, {}]
    requests = (pb.EncodeRequest(model=TINY, pixels=pixels(images), **rate) for rate in rates)
    answers = list(connection.codec.EncodeStream(requests))
    for rate, answer in zip(rates, answers, strict=True):
        made = tiny.compress_at(list(images), Rate(**rate))
        assert list(answer.records) == [one.record for one in made]
        assert list(answer.qualities) == [one.quality for one in made]


def test_the_metrics_page_counts_records_with_evidence(bundles, running, images, pixels):
    with running(bundles) as connection:
        connection.codec.Encode(pb.EncodeRequest(model=TINY, pixels=pixels(images)))
        request = pb.EncodeRequest(model=TINY, pixels=pixels(images), on_anomaly=KEEP)
        kept = sum(size > 0 for size in connection.codec.Encode(request).evidence_bytes)
        url = f"http://127.0.0.1:{connection.server.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as page:
            text = page.read().decode()
    assert kept > 0
    assert f'residuum_evidence_records_total{{model="tiny"}} {float(kept)}\n' in text
