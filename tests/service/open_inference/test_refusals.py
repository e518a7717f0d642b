"""Every wrong request gets one status and one sentence; the server goes on."""

import grpc
import numpy as np
import pytest

DAMAGED = grpc.StatusCode.DATA_LOSS


@pytest.fixture
def images(pictures):
    return pictures(2)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "picture"}, "there is no input 'picture', expected 'image' or 'file'"),
        ({"name": "x" * 5000}, "there is no input 'xxxx"),
        ({"datatype": "FP32"}, "input 'image' has the datatype 'FP32', expected 'UINT8'"),
        ({"datatype": "uint8"}, "input 'image' has the datatype 'uint8', expected 'UINT8'"),
        ({"shape": [2, 16, 16]}, "has the shape [2, 16, 16], expected [-1, 16, 16, 1]"),
        ({"shape": [2, 16, 16, 3]}, "has the shape [2, 16, 16, 3], expected [-1, 16, 16, 1]"),
        ({"shape": []}, "has the shape [], expected [-1, 16, 16, 1]"),
        ({"shape": [1] * 500}, "has the shape of 500 dimensions, expected [-1, 16, 16, 1]"),
        ({"shape": [-2, 16, 16, 1]}, "expected dimensions of at least 1"),
        ({"shape": [0, 16, 16, 1]}, "expected dimensions of at least 1"),
        ({"shape": [3, 16, 16, 1]}, "input 'image' has 512 bytes, expected 768 for UINT8"),
        ({"shape": [2**60, 16, 16, 1]}, "has 512 bytes, expected 295147905179352825856 for UINT8"),
    ],
)
def test_an_input_that_the_model_does_not_have(refused, build, images, changes, sentence):
    tensor = build.image_input(images, **changes)
    found = refused(build.request("tiny", tensor, raw=[images.tobytes()]))
    assert sentence in found
    assert len(found) < 300


def test_a_negative_size_of_an_image_is_refused_by_models_of_any_size(refused, build, images):
    tensor = build.image_input(images, shape=[-1, -16, 16, 2])
    found = refused(build.request("tiny-map", tensor, raw=[images.tobytes()]))
    assert found.startswith(
        "input 'image' has the shape [-1, -16, 16, 2], expected [-1, -1, -1, 1]"
    )
    tensor = build.image_input(images, shape=[-2, -16, 16, 1])
    found = refused(build.request("tiny-map", tensor, raw=[images.tobytes()]))
    assert found.endswith("has the shape [-2, -16, 16, 1], expected dimensions of at least 1")


def test_one_input_is_required(refused, build, images):
    tensor = build.image_input(images)
    sentence = "the request has {} inputs, expected 'image' or 'file'"
    assert refused(build.request("tiny")) == sentence.format(0)
    both = [tensor, build.bytes_input("file", [b"a"])]
    assert refused(build.request("tiny", *both)) == sentence.format(2)
    found = refused(build.request("tiny", tensor, raw=[b"a", b"b"]))
    assert found == "raw_input_contents has 2 entries, expected one for one input"


def test_contents_are_in_one_place_and_of_one_type(refused, build, images):
    contents = build.pb.InferTensorContents(uint_contents=[1] * 512)
    tensor = build.image_input(images, contents=contents)
    found = refused(build.request("tiny", tensor, raw=[images.tobytes()]))
    assert found == (
        "input 'image' has contents, and there are raw_input_contents: expected one of the two"
    )
    missing = refused(build.request("tiny", build.image_input(images)))
    assert missing == (
        "input 'image' has 0 elements in uint_contents, expected 512 for the shape [2, 16, 16, 1]"
    )
    contents = build.pb.InferTensorContents(uint_contents=[1] * 511 + [256])
    found = refused(build.request("tiny", build.image_input(images, contents=contents)))
    assert found == "input 'image' has the value 256, expected 0 to 255"


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "the 0 bytes of input 'record' end inside element 0, expected 2 elements"),
        (b"\1\0\0\0ab\0\0", "the 8 bytes of input 'record' end inside element 1"),
        (b"\xff\xff\xff\xffabcd", "the 8 bytes of input 'record' end inside element 0"),
        (b"\1\0\0\0a\0\0\0\0z", "input 'record' has 1 bytes after its 2 elements, expected none"),
    ],
)
def test_lengths_that_do_not_fit_the_bytes(refused, build, raw, sentence):
    tensor = build.bytes_input("record", [b"", b""], contents=None)
    assert sentence in refused(build.request("tiny/decode", tensor, raw=[raw]))


@pytest.mark.parametrize(
    ("model", "outputs", "sentence"),
    [
        ("tiny", ["codes"], "there is no output 'codes', expected some of score, p_value"),
        ("tiny", ["score", "score"], "output 'score' is requested twice"),
        ("tiny/encode", ["record", ""], "there is no output '', expected some of record"),
    ],
)
def test_an_output_that_the_model_does_not_have(refused, build, images, model, outputs, sentence):
    assert sentence in refused(build.of_images(model, images, outputs=outputs))


@pytest.mark.parametrize(
    ("model", "parameters", "sentence"),
    [
        ("tiny/encode", {"qualty": 3}, "there is no parameter 'qualty', expected quality, target_"),
        ("tiny/decode", {"quality": 3}, "there is no parameter 'quality', this model has none"),
        ("tiny", {"quality": 3}, "there is no parameter 'quality', expected false_alarm_rate"),
        ("tiny/encode", {"quality": "3"}, "parameter 'quality' is a string, expected an integer"),
        ("tiny/encode", {"quality": 3.0}, "parameter 'quality' is a number, expected an integer"),
        ("tiny/encode", {"quality": True}, "parameter 'quality' is a bool, expected an integer"),
        ("tiny/encode", {"evidence": 1}, "parameter 'evidence' is an integer, expected a bool"),
        ("tiny", {"false_alarm_rate": "a"}, "is a string, expected a number"),
        ("tiny/encode", {"quality": -1}, "quality is -1, the model has levels 0..16"),
        ("tiny/encode", {"quality": 2**62}, "the model has levels 0..16"),
        ("tiny/encode", {"target_bytes": 0}, "target_bytes is 0, expected at least 1"),
        ("tiny/encode", {"target_bytes": 1}, "image 0: the smallest record of this image has"),
        ("tiny/encode", {"target_psnr": float("nan")}, "target_psnr is nan, expected decibels"),
        ("tiny", {"false_alarm_rate": float("inf")}, "expected a number between 0 and 1"),
        ("tiny", {"false_alarm_rate": 1e-9}, "false-alarm rate"),
        (
            "tiny/encode",
            {"quality": 3, "target_bytes": 9},
            "quality and target_bytes are given, expected at most one of them",
        ),
        (
            "tiny/encode",
            {"false_alarm_rate": 0.1},
            "parameter 'false_alarm_rate' is given, but 'evidence' is not true",
        ),
    ],
)
def test_a_parameter_that_the_model_does_not_take(
    refused, build, images, model, parameters, sentence
):
    tensor = build.image_input(images)
    if model == "tiny/decode":
        request = build.request(model, build.bytes_input("record", [b"a"]), parameters=parameters)
    else:
        request = build.request(model, tensor, raw=[images.tobytes()], parameters=parameters)
    assert sentence in refused(request)


def test_a_parameter_without_a_value(refused, build, images):
    request = build.of_images("tiny/encode", images)
    request.parameters["quality"].SetInParent()
    assert refused(request) == "parameter 'quality' is without a value, expected an integer"


def test_extensions_that_the_server_lacks_are_refused(refused, build, images):
    """An answer without the data that was asked for would look like a wrong result."""
    request = build.of_images("tiny", images, outputs=["score"])
    request.outputs[0].parameters["classification"].int64_param = 3
    assert refused(request) == (
        "output 'score' has the parameter 'classification', which this server does not support"
    )
    request = build.of_images("tiny", images)
    request.inputs[0].parameters["shared_memory_region"].string_param = "a"
    assert refused(request).startswith("input 'image' has the parameter 'shared_memory_region'")


def test_models_that_are_not_loaded(refused, build, images):
    not_found = grpc.StatusCode.NOT_FOUND
    assert "'absent' is not loaded" in refused(build.of_images("absent", images), not_found)
    old = build.of_images("tiny/encode", images, model_version="0.0.0")
    assert "'tiny 0.0.0' is not loaded" in refused(old, not_found)
    assert "expected one of tiny/encode" in refused(build.of_images("tiny/fit", images), not_found)
    assert "names no model" in refused(build.of_images("", images))


def test_more_images_than_a_call_may_have(refused, build):
    many = np.zeros((65, 16, 16, 1), np.uint8)
    assert refused(build.of_images("tiny", many)) == "the request has 65 images, expected 1 to 64"
    tensor = build.bytes_input("record", [b""] * 65)
    found = refused(build.request("tiny/decode", tensor))
    assert found == "the request has 65 records, expected 1 to 64"


def test_files_and_records_that_are_broken(refused, build, tiny, images):
    tensor = build.bytes_input("file", [b"no image"])
    assert refused(build.request("tiny", tensor)).startswith("image 0: ")
    records = [*tiny.compress(images), b"broken"]
    request = build.request("tiny/decode", build.bytes_input("record", records))
    assert refused(request, DAMAGED).startswith("record 2: ")


def test_images_of_different_sizes_have_no_common_shape(refused, build, tiny_map, pictures):
    images = [pictures(1)[0], pictures(1, 24, 16)[0]]
    records = tiny_map.compress(images)
    found = refused(build.request("tiny-map/decode", build.bytes_input("record", records)))
    assert found == (
        "the records are of images of different sizes, from (16, 16) to (24, 16), which output "
        "'image' cannot hold: request output 'file', or one size at a time"
    )


def test_a_message_that_is_none_is_refused(oip):
    channel = grpc.insecure_channel(oip.address)
    call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    with channel, pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff", timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "is not a valid message" in caught.value.details()


def test_damaged_messages_never_end_in_an_internal_error(oip, build, tiny, images):
    """Single bytes of the head of a message, where its fields are, changed, dropped or added."""
    contents = build.pb.InferTensorContents(uint_contents=images.ravel().tolist())
    whole = [
        build.of_images("tiny/encode", images, outputs=["codes"], parameters={"quality": 3}),
        build.request("tiny", build.image_input(images, contents=contents)),
        build.request("tiny/decode", build.bytes_input("record", tiny.compress(images))),
    ]
    random, seen = np.random.default_rng(0), set()
    with grpc.insecure_channel(oip.address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for _ in range(300):
            data = bytearray(whole[random.integers(3)].SerializeToString())
            at, removed = random.integers(min(len(data), 80)), random.integers(2)
            data[at : at + removed] = random.bytes(random.integers(2))
            try:
                call(bytes(data), timeout=20)
            except grpc.RpcError as error:
                seen.add(error.code().name)
    assert seen == {"INVALID_ARGUMENT", "NOT_FOUND", "DATA_LOSS"}
