"""Parameters of the Open Inference Protocol: checked by name and type.

Clients add parameters of their own protocol extensions. Those that change nothing here are ignored,
all others refused: a parameter that is spelled wrongly must not be taken for its default.
"""

from collections.abc import Mapping
from typing import Any

from codec.errors import InvalidInput
from protos.inference.open_inference_pb2 import InferParameter, ModelInferRequest
from service.servicers.open_inference.tensors import shown

Parameters = Mapping[str, InferParameter]

# Sent by clients, and without meaning here: responses are always binary, calls have a deadline from
# gRPC, there is one queue, and no model has a state between requests.
_IGNORED = {
    "binary_data_output",
    "content_type",
    "priority",
    "sequence_end",
    "sequence_id",
    "sequence_start",
    "timeout",
}
_IGNORED_OF_TENSORS = {"binary_data", "binary_data_size", "content_type"}
# Whether the client of a stream wants to see which response to a request is the last.
WANTS_FINAL = "triton_enable_empty_final_response"
_KINDS = {bool: "a bool", int: "an integer", float: "a number", str: "a string"}


def read_parameters(parameters: Parameters, kinds: Mapping[str, type]) -> dict[str, Any]:
    """The parameters of a request that a model has, `kinds` by their names: bool, int or float.

    Raises InvalidInput for a parameter of another name or type.
    """
    values: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if name in kinds:
            values[name] = _typed(name, parameter, kinds[name])
        elif name not in _IGNORED and name != WANTS_FINAL:
            known = f"expected {', '.join(kinds)}" if kinds else "this model has none"
            raise InvalidInput(f"there is no parameter {shown(name)}, {known}")
    return values


def check_tensor_parameters(request: ModelInferRequest) -> None:
    """Raises InvalidInput for a parameter of an input or output that would change something."""
    for noun, tensors in (("input", request.inputs), ("output", request.outputs)):
        for tensor in tensors:
            for name in tensor.parameters:
                if name not in _IGNORED_OF_TENSORS:
                    raise InvalidInput(
                        f"{noun} {shown(tensor.name)} has the parameter {shown(name)}, which this "
                        "server does not support"
                    )


def wants_final(parameters: Parameters) -> bool:
    """Whether responses of the stream should say that they are the last for their request."""
    return parameters[WANTS_FINAL].bool_param if WANTS_FINAL in parameters else False


def _typed(name: str, parameter: InferParameter, kind: type) -> Any:
    choice = parameter.WhichOneof("parameter_choice")
    value = None if choice is None else getattr(parameter, choice)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        found = "without a value" if value is None else _KINDS[type(value)]
        raise InvalidInput(f"parameter {name!r} is {found}, expected {_KINDS[kind]}")
    return value
