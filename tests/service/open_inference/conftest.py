"""Fixtures: a server of the Open Inference Protocol, and requests for it."""

from types import SimpleNamespace

import grpc
import numpy as np
import pytest

from protos.inference import open_inference_pb2 as pb
from protos.inference.open_inference_pb2_grpc import GRPCInferenceServiceStub


@pytest.fixture(scope="session")
def oip(connection):
    """Address and stub of a server."""
    stub = GRPCInferenceServiceStub(connection.channel)
    return SimpleNamespace(address=f"127.0.0.1:{connection.server.port}", stub=stub)


def image_input(images, **changes):
    """The input `image` of images [N, H, W, C]."""
    fields = {"name": "image", "datatype": "UINT8", "shape": images.shape, **changes}
    return pb.ModelInferRequest.InferInputTensor(**fields)


def bytes_input(name, elements, **changes):
    """An input of BYTES with contents that are not raw."""
    contents = pb.InferTensorContents(bytes_contents=elements)
    fields = {"name": name, "datatype": "BYTES", "shape": [len(elements)], "contents": contents}
    return pb.ModelInferRequest.InferInputTensor(**{**fields, **changes})


def raw_bytes(elements):
    """Raw contents of BYTES."""
    return b"".join(len(one).to_bytes(4, "little") + one for one in elements)


def parameter(value):
    kinds = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
    return pb.InferParameter(**{kinds[type(value)]: value})


def request(model, *inputs, raw=(), outputs=(), parameters=(), **fields):
    """A request; the parameters as a dictionary of plain values."""
    named = pb.ModelInferRequest.InferRequestedOutputTensor
    return pb.ModelInferRequest(
        model_name=model,
        inputs=inputs,
        raw_input_contents=raw,
        outputs=[named(name=name) for name in outputs],
        parameters={name: parameter(value) for name, value in dict(parameters).items()},
        **fields,
    )


def of_images(model, images, **options):
    """A request with raw images."""
    return request(model, image_input(images), raw=[images.tobytes()], **options)


def arrays(response):
    """The outputs of a response by name; BYTES as lists."""
    dtypes = {"INT32": "<i4", "FP32": "<f4", "FP64": "<f8", "BOOL": "?", "UINT8": "u1"}
    found = {}
    for index, output in enumerate(response.outputs):
        if response.raw_output_contents:
            raw = response.raw_output_contents[index]
            is_bytes = output.datatype == "BYTES"
            flat = elements(raw) if is_bytes else np.frombuffer(raw, dtypes[output.datatype])
        else:
            ((_, flat),) = output.contents.ListFields()
        if output.datatype == "BYTES":
            assert list(output.shape) == [len(flat)]
            found[output.name] = list(flat)
        else:
            found[output.name] = np.array(flat, dtypes[output.datatype]).reshape(output.shape)
    return found


def elements(raw):
    found = []
    while raw:
        end = 4 + int.from_bytes(raw[:4], "little")
        found.append(raw[4:end])
        raw = raw[end:]
    return found


@pytest.fixture(scope="session")
def build():
    """Functions that make requests and read responses."""
    return SimpleNamespace(
        pb=pb,
        image_input=image_input,
        bytes_input=bytes_input,
        raw_bytes=raw_bytes,
        parameter=parameter,
        request=request,
        of_images=of_images,
        arrays=arrays,
    )


@pytest.fixture
def infer(oip):
    """Sends a request, and returns its response."""
    return lambda request: oip.stub.ModelInfer(request, timeout=20)


@pytest.fixture
def refused(oip):
    """The sentence that refuses a request, whose status is compared."""

    def send(request, code=grpc.StatusCode.INVALID_ARGUMENT):
        with pytest.raises(grpc.RpcError) as caught:
            oip.stub.ModelInfer(request, timeout=20)
        assert caught.value.code() is code, caught.value.details()
        return caught.value.details()

    return send
