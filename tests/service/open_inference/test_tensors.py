"""Messages become arrays and arrays messages, without loss for every data type."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import InvalidInput
from codec.outcomes import attempt
from protos.inference import open_inference_pb2 as pb
from service.servicers.open_inference.tensors import (
    TensorSpec,
    add_output,
    bytes_array,
    read_input,
)

Input = pb.ModelInferRequest.InferInputTensor
ELEMENTS = {
    "BOOL": (np.bool_, st.booleans()),
    "UINT8": (np.uint8, st.integers(0, 255)),
    "INT32": (np.int32, st.integers(-(2**31), 2**31 - 1)),
    "FP32": (np.float32, st.floats(width=32)),
    "FP64": (np.float64, st.floats()),
    "BYTES": (object, st.binary(max_size=20)),
}


@st.composite
def tensors(draw):
    """A data type and an array of it."""
    datatype = draw(st.sampled_from(sorted(ELEMENTS)))
    dtype, elements = ELEMENTS[datatype]
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    count = int(np.prod(shape))
    values = draw(st.lists(elements, min_size=count, max_size=count))
    flat = bytes_array(values) if datatype == "BYTES" else np.array(values, dtype)
    return datatype, flat.reshape(shape)


def written(datatype, array, raw):
    response = pb.ModelInferResponse()
    add_output(response, TensorSpec("t", datatype, (-1,) * array.ndim), array, raw=raw)
    return response


def sent_back(response):
    """The output of a response as the input of a request, byte for byte the same message."""
    tensor = Input.FromString(response.outputs[0].SerializeToString())
    return pb.ModelInferRequest(inputs=[tensor], raw_input_contents=response.raw_output_contents)


def spec_for(array, datatype):
    return [TensorSpec("t", datatype, (-1,) * array.ndim)]


@given(tensors(), st.booleans())
def test_an_array_comes_back_with_its_bits(tensor, raw):
    datatype, array = tensor
    response = written(datatype, array, raw)
    assert len(response.raw_output_contents) == raw
    name, back = read_input(sent_back(response), spec_for(array, datatype))
    assert (name, back.shape, back.dtype) == ("t", array.shape, array.dtype)
    if datatype == "BYTES":
        assert back.tolist() == array.tolist()
    else:
        assert np.array_equal(back, array, equal_nan=datatype.startswith("FP"))


@given(tensors(), st.booleans())
def test_an_element_too_few_or_too_many_is_refused(tensor, more):
    datatype, array = tensor
    for raw in (True, False):
        request = sent_back(written(datatype, array, raw))
        request.inputs[0].shape[0] += 1 if more else -1
        with pytest.raises(InvalidInput):
            read_input(request, spec_for(array, datatype))


@given(tensors(), st.data())
def test_truncated_raw_contents_are_refused(tensor, data):
    datatype, array = tensor
    request = sent_back(written(datatype, array, raw=True))
    whole = request.raw_input_contents[0]
    request.raw_input_contents[0] = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(InvalidInput):
        read_input(request, spec_for(array, datatype))


@given(st.binary(max_size=40), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6))
def test_no_message_raises_anything_but_a_sentence(raw, shape):
    for datatype in ELEMENTS:
        request = pb.ModelInferRequest(
            inputs=[Input(name="t", datatype=datatype, shape=shape)], raw_input_contents=[raw]
        )
        spec = TensorSpec("t", datatype, (-1,) * len(shape or [1]))
        outcome = attempt(InvalidInput, read_input, request, [spec])
        if isinstance(outcome, InvalidInput):
            assert 10 < len(str(outcome)) < 400
        else:
            assert outcome[1].shape == tuple(shape)


@pytest.mark.parametrize("datatype", ELEMENTS)
def test_a_shape_of_more_elements_than_memory_is_refused_before_anything_is_made(datatype):
    for shape in ([2**40, 2**22], [2**62, 4]):
        for raw in ([b"\0" * 8], []):
            request = pb.ModelInferRequest(
                inputs=[Input(name="t", datatype=datatype, shape=shape)], raw_input_contents=raw
            )
            with pytest.raises(InvalidInput, match=r"'t'"):
                read_input(request, [TensorSpec("t", datatype, (-1, -1))])


@pytest.mark.parametrize("datatype", ELEMENTS)
def test_contents_of_another_data_type_are_refused(datatype):
    """Each field of the contents holds one data type."""
    for field in pb.InferTensorContents.DESCRIPTOR.fields:
        value = b"a" if field.type == field.TYPE_BYTES else 1
        contents = pb.InferTensorContents(**{field.name: [value]})
        request = pb.ModelInferRequest(
            inputs=[Input(name="t", datatype=datatype, shape=[1], contents=contents)]
        )
        spec = [TensorSpec("t", datatype, (-1,))]
        if field.name == sole_field(datatype):
            assert read_input(request, spec)[1].shape == (1,)
        else:
            with pytest.raises(InvalidInput, match=f"has {field.name}, expected"):
                read_input(request, spec)


def sole_field(datatype):
    array = bytes_array([b"a"]) if datatype == "BYTES" else np.array([1])
    ((field, _),) = written(datatype, array, raw=False).outputs[0].contents.ListFields()
    return field.name
