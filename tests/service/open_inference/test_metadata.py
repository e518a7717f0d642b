"""What clients learn about the server and its models."""

import grpc
import pytest

from protos.inference import open_inference_pb2 as pb
from service.servicers.open_inference import OpenInferenceServicer


def tensors(described):
    return {one.name: (one.datatype, list(one.shape)) for one in described}


@pytest.fixture
def metadata(oip):
    return lambda name, version="": oip.stub.ModelMetadata(
        pb.ModelMetadataRequest(name=name, version=version), timeout=5
    )


@pytest.fixture
def model_ready(oip):
    return lambda name, version="": (
        oip.stub.ModelReady(pb.ModelReadyRequest(name=name, version=version), timeout=5).ready
    )


def test_the_server_is_live_and_ready(oip):
    assert oip.stub.ServerLive(pb.ServerLiveRequest(), timeout=5).live
    assert oip.stub.ServerReady(pb.ServerReadyRequest(), timeout=5).ready


def test_a_server_that_shuts_down_is_live_but_not_ready():
    servicer = OpenInferenceServicer(None, None, None, lambda: False)
    assert servicer.ServerLive(pb.ServerLiveRequest(), None).live
    assert not servicer.ServerReady(pb.ServerReadyRequest(), None).ready


def test_the_server_says_what_it_is(oip):
    answer = oip.stub.ServerMetadata(pb.ServerMetadataRequest(), timeout=5)
    assert answer.name == "residuum"
    assert answer.version
    assert list(answer.extensions) == []


def test_a_model_is_ready_under_each_of_its_names(model_ready, tiny):
    for name in ("tiny", "tiny/encode", "tiny/decode", "tiny/score"):
        assert model_ready(name)
        assert model_ready(name, tiny.manifest.version)
        assert not model_ready(name, "99")
    for name in ("absent", "tiny/train", "tiny/", "tiny/encode/", "/encode"):
        assert not model_ready(name) if name[0] != "/" else True


def test_encoding_has_images_or_files_and_records(metadata, tiny):
    answer = metadata("tiny/encode")
    assert answer.name == "tiny/encode"
    assert list(answer.versions) == [tiny.manifest.version]
    assert answer.platform == "residuum_bundle"
    assert tensors(answer.inputs) == {
        "image": ("UINT8", [-1, 16, 16, 1]),
        "file": ("BYTES", [-1]),
    }
    latent = tiny.manifest.latent
    assert tensors(answer.outputs) == {
        "record": ("BYTES", [-1]),
        "quality": ("INT32", [-1]),
        "record_bytes": ("INT32", [-1]),
        "evidence_bytes": ("INT32", [-1]),
        "codes": ("INT32", [-1, 1, latent.dims, *latent.grid]),
    }


def test_decoding_has_records_and_images(metadata):
    answer = metadata("tiny/decode")
    assert tensors(answer.inputs) == {"record": ("BYTES", [-1])}
    assert tensors(answer.outputs) == {
        "image": ("UINT8", [-1, 16, 16, 1]),
        "file": ("BYTES", [-1]),
    }


@pytest.mark.parametrize("name", ["tiny", "tiny/score"])
def test_the_name_alone_means_scoring(metadata, name):
    answer = metadata(name)
    assert answer.name == name
    assert tensors(answer.outputs) == {
        "score": ("FP64", [-1]),
        "p_value": ("FP64", [-1]),
        "anomalous": ("BOOL", [-1]),
        "heatmap": ("FP32", [-1, 16, 16]),
    }


def test_a_model_of_any_size_has_shapes_of_any_size(metadata):
    assert tensors(metadata("tiny-map/encode").inputs)["image"] == ("UINT8", [-1, -1, -1, 1])
    assert tensors(metadata("tiny-map/encode").outputs)["codes"][1][3:] == [-1, -1]
    assert tensors(metadata("tiny-map/decode").outputs)["image"] == ("UINT8", [-1, -1, -1, 1])
    assert tensors(metadata("tiny-map").outputs)["heatmap"] == ("FP32", [-1, -1, -1])


@pytest.mark.parametrize(
    ("name", "version", "sentence"),
    [
        ("absent", "", "model 'absent' is not loaded; loaded models: tiny"),
        ("absent/encode", "", "model 'absent' is not loaded"),
        ("tiny", "99", "model 'tiny 99' is not loaded"),
        ("tiny/train", "", "expected one of tiny/encode, tiny/decode, tiny/score"),
    ],
)
def test_an_unknown_model_is_not_found(metadata, name, version, sentence):
    with pytest.raises(grpc.RpcError) as caught:
        metadata(name, version)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert sentence in caught.value.details()
