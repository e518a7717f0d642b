"""Encoding, decoding and scoring give what the library gives."""

import io

import numpy as np
import pytest
from PIL import Image

from codec import Rate


@pytest.fixture
def images(pictures):
    return pictures(3)


@pytest.fixture
def odd_one_out(pictures):
    """Nine smooth images and one of noise."""
    noise = np.random.default_rng(3).integers(0, 256, (1, 16, 16, 1), np.uint8)
    return np.concatenate([pictures(9, seed=4), noise])


@pytest.fixture
def ask(infer, build):
    """The outputs of a request with raw images."""
    return lambda *args, **options: build.arrays(infer(build.of_images(*args, **options)))


def png(image):
    out = io.BytesIO()
    Image.fromarray(image[..., 0]).save(out, "PNG")
    return out.getvalue()


def test_encoding_gives_the_records_of_the_library(ask, tiny, images):
    found = ask("tiny/encode", images)
    records = tiny.compress(images)
    assert list(found) == ["record", "quality", "record_bytes", "evidence_bytes"]
    assert found["record"] == records
    assert found["quality"].tolist() == [tiny.manifest.quality_default] * 3
    assert found["record_bytes"].tolist() == [len(record) for record in records]
    assert found["evidence_bytes"].tolist() == [0] * 3


def test_the_codes_come_if_they_are_asked_for(ask, tiny, tiny_map, images, pictures):
    found = ask("tiny/encode", images, outputs=["codes"])
    encoded = tiny.run_encoder(images)
    expected = [tiny.quantise(one, tiny.manifest.quality_default).codes for one in encoded]
    assert list(found) == ["codes"]
    assert np.array_equal(found["codes"], np.stack(expected))
    maps = pictures(2, 24, 16)
    codes = ask("tiny-map/encode", maps, outputs=["codes"], parameters={"quality": 3})["codes"]
    expected = [tiny_map.quantise(one, 3).codes for one in tiny_map.run_encoder(maps)]
    assert np.array_equal(codes, np.stack(expected))


@pytest.mark.parametrize(
    "rate", [{"quality": 0}, {"quality": 16}, {"target_bytes": 13}, {"target_psnr": 11.5}]
)
def test_a_rate_is_a_parameter(ask, tiny, images, rate):
    found = ask("tiny/encode", images, parameters=rate)
    assert found["record"] == [one.record for one in tiny.compress_at(images, Rate(**rate))]


def test_an_integer_is_a_number_too(ask, tiny, images):
    found = ask("tiny/encode", images, parameters={"target_psnr": 11})
    assert found["record"] == [one.record for one in tiny.compress_at(images, Rate(target_psnr=11))]


def test_no_record_is_too_large_for_a_target_beyond_all_records(ask, tiny, images):
    found = ask("tiny/encode", images, parameters={"target_bytes": 2**62})
    assert found["quality"].tolist() == [tiny.manifest.quality_levels - 1] * 3


def test_evidence_is_kept_if_it_is_asked_for(ask, tiny_scorer, odd_one_out):
    parameters = {"evidence": True, "false_alarm_rate": 0.1}
    found = ask("tiny/encode", odd_one_out, parameters=parameters)
    expected = tiny_scorer.compress_with_evidence(odd_one_out, Rate(), 0.1)
    assert found["record"] == [one.record for one in expected]
    assert found["evidence_bytes"].tolist() == [one.evidence_bytes for one in expected]
    assert found["evidence_bytes"][-1] > 0
    assert found["record"] != ask("tiny/encode", odd_one_out, parameters={"evidence": False})


def test_files_are_read_like_arrays(infer, build, tiny, images):
    files = [png(image) for image in images]
    raw = build.request(
        "tiny/encode", build.bytes_input("file", files, contents=None), raw=[build.raw_bytes(files)]
    )
    plain = build.request("tiny/encode", build.bytes_input("file", files))
    for request in (raw, plain):
        assert build.arrays(infer(request))["record"] == tiny.compress(images)


def test_decoding_gives_the_images_of_the_library(infer, build, tiny, images):
    records = tiny.compress(images)
    request = build.request(
        "tiny/decode",
        build.bytes_input("record", records, contents=None),
        raw=[build.raw_bytes(records)],
    )
    found = build.arrays(infer(request))
    assert list(found) == ["image"]
    assert np.array_equal(found["image"], np.stack(tiny.decompress(records)))


@pytest.mark.parametrize("outputs", [["file"], ["file", "image"]])
def test_decoding_gives_png_files_if_they_are_asked_for(infer, build, tiny, images, outputs):
    records = tiny.compress(images)
    request = build.request("tiny/decode", build.bytes_input("record", records), outputs=outputs)
    response = infer(request)
    assert [output.name for output in response.outputs] == outputs
    files = response.outputs[0].contents.bytes_contents
    decoded = [np.array(Image.open(io.BytesIO(one)))[..., None] for one in files]
    assert np.array_equal(decoded, tiny.decompress(records))


def test_records_of_different_sizes_decode_to_files(infer, build, tiny_map, pictures):
    images = [pictures(1)[0], pictures(1, 24, 16)[0]]
    tensor = build.bytes_input("record", tiny_map.compress(images))
    response = infer(build.request("tiny-map/decode", tensor, outputs=["file"]))
    files = response.outputs[0].contents.bytes_contents
    assert [Image.open(io.BytesIO(one)).size for one in files] == [(16, 16), (16, 24)]


@pytest.mark.parametrize("model", ["tiny", "tiny/score"])
def test_scoring_gives_the_scores_of_the_library(ask, tiny_scorer, odd_one_out, model):
    found = ask(model, odd_one_out, parameters={"false_alarm_rate": 0.1})
    expected = tiny_scorer.score(odd_one_out, 0.1)
    assert list(found) == ["score", "p_value", "anomalous"]
    assert found["score"].tolist() == [one.value for one in expected]
    assert found["p_value"].tolist() == [one.p_value for one in expected]
    assert found["anomalous"].tolist() == [one.anomalous for one in expected]
    assert found["anomalous"][-1]


def test_the_heat_map_comes_if_it_is_asked_for(infer, build, tiny_scorer, images):
    response = infer(build.of_images("tiny", images, outputs=["heatmap", "score"]))
    found = build.arrays(response)
    expected = tiny_scorer.score(images)
    assert list(found) == ["heatmap", "score"]
    assert np.array_equal(found["heatmap"], np.stack([one.heatmap for one in expected]))
    assert response.parameters["heat_scale"].double_param == tiny_scorer.heatmap_vmax


def test_contents_that_are_not_raw_get_an_answer_that_is_not_raw(infer, build, tiny_scorer, images):
    contents = build.pb.InferTensorContents(uint_contents=images.ravel().tolist())
    response = infer(build.request("tiny", build.image_input(images, contents=contents)))
    expected = tiny_scorer.score(images)
    assert list(response.raw_output_contents) == []
    score, p_value, anomalous = response.outputs
    assert list(score.contents.fp64_contents) == [one.value for one in expected]
    assert list(p_value.contents.fp64_contents) == [one.p_value for one in expected]
    assert list(anomalous.contents.bool_contents) == [one.anomalous for one in expected]


def test_the_response_says_who_answered_what(infer, build, tiny, images):
    response = infer(build.of_images("tiny/encode", images, id="seven"))
    assert (response.model_name, response.id) == ("tiny/encode", "seven")
    assert response.model_version == tiny.manifest.version
    infer(build.of_images("tiny/encode", images, model_version=tiny.manifest.version))


def test_parameters_without_a_meaning_here_are_ignored(infer, build, images):
    request = build.of_images(
        "tiny",
        images,
        outputs=["score"],
        parameters={"priority": 1, "timeout": 5, "binary_data_output": True, "sequence_id": "a"},
    )
    request.inputs[0].parameters["content_type"].string_param = "np"
    request.outputs[0].parameters["binary_data"].bool_param = True
    assert build.arrays(infer(request))["score"].shape == (3,)
