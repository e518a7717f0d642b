"""Images to records and back, on two tiny real models."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec import Codec
from codec.bundle.bundle import Bundle
from codec.errors import InvalidInput, RecordError
from codec.graphs.batches import MAX_CALL_BATCH
from codec.graphs.onnx import open_graphs
from codec.record.frame import Record, pack
from codec.record_coder import RecordCoder
from codec.reference.range_coder import ReferenceCoder

shared = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

Hills = Callable[[int, int, int], list[np.ndarray]]


def total_error(images: list[np.ndarray], restored: list[np.ndarray]) -> float:
    """Sum of squared differences, in gray levels."""
    pairs = zip(images, restored, strict=True)
    return sum(float(((a.astype(float) - b) ** 2).sum()) for a, b in pairs)


def test_images_come_back_better_than_their_mean(tiny: Codec, hills: Hills) -> None:
    images = hills(20, 16, 16)
    restored = tiny.decompress(tiny.compress(images, 16))
    error = total_error(images, restored) / sum(image.size for image in images)
    assert error < 0.2 * np.mean([image.astype(float).var() for image in images])


def test_a_finer_quality_costs_more_bytes_and_errs_less(tiny: Codec, hills: Hills) -> None:
    images = hills(30, 16, 16)
    sizes, errors = [], []
    for quality in (0, 8, 16):
        records = tiny.compress(images, quality)
        restored = tiny.decompress(records)
        sizes.append(sum(map(len, records)))
        errors.append(total_error(images, restored))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_an_image_has_the_same_record_alone_and_in_a_batch(tiny: Codec, hills: Hills) -> None:
    images = hills(MAX_CALL_BATCH + 7, 16, 16)
    together = tiny.compress(images)
    assert [tiny.compress([image])[0] for image in images[::40]] == together[::40]


def test_images_of_many_sizes_keep_their_order_and_size(tiny_map: Codec, hills: Hills) -> None:
    images = [hills(1, h, w)[0] for h, w in ((9, 30), (40, 8), (9, 30), (1, 1), (64, 65))]
    restored = tiny_map.decompress(tiny_map.compress(images))
    assert [image.shape for image in restored] == [image.shape for image in images]


@shared
@given(data=st.data())
def test_images_of_many_sizes_and_levels_have_the_records_and_pixels_that_they_have_alone(
    tiny_map: Codec, hills: Hills, data: st.DataObject
) -> None:
    sizes = st.sampled_from([(16, 16), (9, 30), (15, 16), (1, 1)])
    chosen = data.draw(st.lists(st.tuples(sizes, st.integers(0, 16)), max_size=8))
    images, levels = [hills(1, *size)[0] for size, _ in chosen], [level for _, level in chosen]
    together = list(zip(tiny_map.run_encoder(images), levels, strict=True))
    coded, records = tiny_map.records.quantise(together), tiny_map.records.compress(together)
    pairs = zip(images, levels, strict=True)
    alone = [tiny_map.compress([image], level)[0] for image, level in pairs]
    assert records == tiny_map.records.write(coded) == alone
    bits = tiny_map.records.bits(coded)
    assert tiny_map.records.write_with_bits(coded) == list(zip(records, bits, strict=True))
    restored = [tiny_map.decompress([record])[0] for record in alone]
    for image, expected in zip(tiny_map.decompress(records), restored, strict=True):
        assert np.abs(image.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("global_latent", [False, True])
def test_the_decoder_is_given_the_rate_of_each_image(
    tiny: Codec, tiny_map: Codec, global_latent: bool
) -> None:
    bundle = (tiny if global_latent else tiny_map).bundle
    latent = replace(bundle.manifest.latent, rate_aware=True)
    aware = replace(bundle, manifest=replace(bundle.manifest, latent=latent))
    codes = np.ones((3, latent.dims, 1, 1), np.int32)
    latents = RecordCoder(aware).latents(codes, [8, 0, 16])
    assert latents.shape == (3, latent.dims + 1, *([] if global_latent else [1, 1]))
    assert latents.dtype == np.float32
    assert (latents.reshape(3, -1)[:, :-1] == bundle.steps[[8, 0, 16]]).all()
    assert latents.reshape(3, -1)[:, -1].tolist() == [0.0, 2.0, -2.0]


def test_no_images_give_no_records_and_the_reverse(tiny: Codec) -> None:
    assert tiny.compress([]) == tiny.decompress([]) == []


def test_the_reference_coder_reads_the_records_codes(
    bundle: Bundle, tiny: Codec, hills: Hills
) -> None:
    level = bundle.manifest.quality_default
    reference = ReferenceCoder(bundle.priors[level])
    graphs = open_graphs(bundle, "cpu")
    images = hills(10, 16, 16)
    for image, record in zip(images, tiny.compress(images), strict=True):
        codes = reference.decode(record[:-2], (1, 8, 1, 1))
        mu = graphs.encode(image.transpose(2, 0, 1)[None])[0]
        assert (codes[0, :, 0, 0] == np.rint(mu[0] / bundle.steps[level])).all()


@shared
@given(junk=st.binary(max_size=60))
def test_arbitrary_bytes_are_decoded_or_refused(tiny: Codec, tiny_map: Codec, junk: bytes) -> None:
    for codec in (tiny, tiny_map):
        with contextlib.suppress(RecordError):
            assert len(codec.decompress([junk])) == 1


@shared
@given(data=st.data())
def test_a_record_with_a_right_checksum_and_a_wrong_body_never_crashes(
    tiny_map: Codec, data: st.DataObject
) -> None:
    size = data.draw(st.tuples(st.integers(1, 80), st.integers(1, 80)))
    body = Record(data.draw(st.integers(0, 30)), size, data.draw(st.binary(max_size=40)))
    with contextlib.suppress(RecordError):
        assert tiny_map.decompress([pack(body, tiny_map.model_id)])[0].shape[:2] == size


def test_a_record_of_another_model_is_refused(tiny: Codec, tiny_map: Codec, hills: Hills) -> None:
    record = tiny.compress(hills(1, 16, 16))
    with pytest.raises(RecordError, match="another model"):
        tiny_map.decompress(record)


def test_an_error_names_the_image_that_caused_it(tiny: Codec, hills: Hills) -> None:
    images = [*hills(3, 16, 16), hills(1, 15, 16)[0]]
    with pytest.raises(InvalidInput, match="image 3: image is 15x16; "):
        tiny.compress(images)


@pytest.mark.parametrize("quality", [-1, 17])
def test_an_unknown_quality_is_refused(tiny: Codec, quality: int, hills: Hills) -> None:
    with pytest.raises(InvalidInput, match=r"levels 0\.\.16"):
        tiny.compress(hills(1, 16, 16), quality)
