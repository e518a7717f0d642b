"""Tensors of the Open Inference Protocol to numpy arrays and back.

The elements of a tensor are in its `contents`, in one field for its data type, or in the raw
contents of the message: row-major, little-endian, each element of BYTES after its length. Arrays of
BYTES have the dtype object, of `bytes`. What a message says about a tensor is checked against its
specification, and the amount of data against its shape, before an array is made.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from codec.arrays import Array
from codec.errors import InvalidInput
from protos.inference.open_inference_pb2 import ModelInferRequest, ModelInferResponse

Datatype = Literal["BOOL", "UINT8", "INT32", "FP32", "FP64", "BYTES"]
# For each data type the elements of raw contents, and the field for contents that are not raw.
_FORMS: dict[str, tuple[np.dtype[Any], str]] = {
    "BOOL": (np.dtype("?"), "bool_contents"),
    "UINT8": (np.dtype("u1"), "uint_contents"),
    "INT32": (np.dtype("<i4"), "int_contents"),
    "FP32": (np.dtype("<f4"), "fp32_contents"),
    "FP64": (np.dtype("<f8"), "fp64_contents"),
    "BYTES": (np.dtype("O"), "bytes_contents"),
}
_LENGTH = struct.Struct("<I")
# Characters of a name, and numbers of a shape, of a client in an error.
_SHOWN, _SHOWN_DIMS = 60, 8


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, data type and shape of an input or output; -1 is a dimension of any size."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]


def read_input(request: ModelInferRequest, specs: Sequence[TensorSpec]) -> tuple[str, Array]:
    """Name and elements of the input of a request, never empty; `specs` are those that it may be.

    Raises InvalidInput.
    """
    expected = " or ".join(repr(spec.name) for spec in specs)
    if len(request.inputs) != 1:
        raise InvalidInput(f"the request has {len(request.inputs)} inputs, expected {expected}")
    tensor, raw = request.inputs[0], request.raw_input_contents
    spec = next((one for one in specs if one.name == tensor.name), None)
    if spec is None:
        raise InvalidInput(f"there is no input {shown(tensor.name)}, expected {expected}")
    count = _checked(tensor, spec)
    if len(raw) > 1:
        raise InvalidInput(f"raw_input_contents has {len(raw)} entries, expected one for one input")
    if raw and tensor.contents.ListFields():
        raise InvalidInput(
            f"input {tensor.name!r} has contents, and there are raw_input_contents: expected one "
            "of the two"
        )
    flat = _from_raw(raw[0], tensor, count) if raw else _from_contents(tensor, count)
    return spec.name, flat.reshape(tuple(tensor.shape))


def add_output(response: ModelInferResponse, spec: TensorSpec, array: Array, *, raw: bool) -> None:
    """Adds an output to a response that is raw as a whole or not at all."""
    dtype, field = _FORMS[spec.datatype]
    output = response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
    if not raw:
        getattr(output.contents, field).extend(array.ravel().tolist())
    elif spec.datatype == "BYTES":
        parts = [part for one in array.ravel() for part in (_LENGTH.pack(len(one)), one)]
        response.raw_output_contents.append(b"".join(parts))
    else:
        response.raw_output_contents.append(array.astype(dtype, copy=False).tobytes())


def bytes_array(elements: Sequence[bytes]) -> Array:
    """An array `[N]` of BYTES."""
    array = np.empty(len(elements), object)
    array[:] = elements
    return array


def shown(name: str) -> str:
    """A name from a request in an error."""
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")


def _checked(tensor: ModelInferRequest.InferInputTensor, spec: TensorSpec) -> int:
    """The number of elements, as the shape says. Raises InvalidInput."""
    shape, expected = list(tensor.shape), list(spec.shape)
    if tensor.datatype != spec.datatype:
        raise InvalidInput(
            f"input {spec.name!r} has the datatype {shown(tensor.datatype)}, "
            f"expected {spec.datatype!r}"
        )
    listed = f"{shape if len(shape) <= _SHOWN_DIMS else f'of {len(shape)} dimensions'}"
    if len(shape) != len(expected) or any(
        want not in (-1, size) for size, want in zip(shape, expected, strict=True)
    ):
        raise InvalidInput(
            f"input {spec.name!r} has the shape {listed}, expected {expected}, where -1 is any size"
        )
    if min(shape) < 1:
        raise InvalidInput(
            f"input {spec.name!r} has the shape {listed}, expected dimensions of at least 1"
        )
    return math.prod(shape)


def _from_raw(data: bytes, tensor: ModelInferRequest.InferInputTensor, count: int) -> Array:
    if tensor.datatype == "BYTES":
        return bytes_array(_split(data, tensor.name, count))
    dtype = _FORMS[tensor.datatype][0]
    if len(data) != count * dtype.itemsize:
        raise InvalidInput(
            f"input {tensor.name!r} has {len(data)} bytes, expected {count * dtype.itemsize} for "
            f"{tensor.datatype} of the shape {list(tensor.shape)}"
        )
    return np.frombuffer(data, dtype)


def _split(data: bytes, name: str, count: int) -> list[bytes]:
    """The elements of raw BYTES."""
    elements: list[bytes] = []
    at = 0
    while len(elements) < count:
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack_from(data, at)[0] if start <= len(data) else start
        if at > len(data):
            raise InvalidInput(
                f"the {len(data)} bytes of input {name!r} end inside element {len(elements)}, "
                f"expected {count} elements, each after its length as uint32"
            )
        elements.append(data[start:at])
    if at != len(data):
        raise InvalidInput(
            f"input {name!r} has {len(data) - at} bytes after its {count} elements, expected none"
        )
    return elements


def _from_contents(tensor: ModelInferRequest.InferInputTensor, count: int) -> Array:
    dtype, field = _FORMS[tensor.datatype]
    for descriptor, _ in tensor.contents.ListFields():
        if descriptor.name != field:
            raise InvalidInput(
                f"input {tensor.name!r} of the datatype {tensor.datatype} has {descriptor.name}, "
                f"expected {field}"
            )
    values = getattr(tensor.contents, field)
    if len(values) != count:
        raise InvalidInput(
            f"input {tensor.name!r} has {len(values)} elements in {field}, expected {count} for "
            f"the shape {list(tensor.shape)}"
        )
    if tensor.datatype == "BYTES":
        return bytes_array(list(values))
    if tensor.datatype != "UINT8":
        return np.fromiter(values, dtype, count)
    wide = np.fromiter(values, np.uint32, count)
    if wide.max() > np.iinfo(np.uint8).max:
        raise InvalidInput(f"input {tensor.name!r} has the value {wide.max()}, expected 0 to 255")
    return wide.astype(np.uint8)
