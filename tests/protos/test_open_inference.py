"""The messages of the Open Inference Protocol have the fields of its specification."""

import pytest
from google.protobuf.descriptor import FieldDescriptor

from protos.inference import open_inference_pb2 as pb

# The gRPC specification of kserve/open-inference-protocol, with ModelStreamInferResponse of Triton.
# Fields in the order of their numbers, which begin at 1; `*` marks a repeated field, `{}` a map
# from string to InferParameter.
SPECIFIED = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "live:bool",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "ready:bool",
    "ModelReadyRequest": "name:string version:string",
    "ModelReadyResponse": "ready:bool",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "name:string version:string extensions:string*",
    "ModelMetadataRequest": "name:string version:string",
    "ModelMetadataResponse": "name:string versions:string* platform:string "
    "inputs:TensorMetadata* outputs:TensorMetadata*",
    "ModelMetadataResponse.TensorMetadata": "name:string datatype:string shape:int64*",
    "ModelInferRequest": "model_name:string model_version:string id:string parameters:{} "
    "inputs:InferInputTensor* outputs:InferRequestedOutputTensor* raw_input_contents:bytes*",
    "ModelInferRequest.InferInputTensor": "name:string datatype:string shape:int64* "
    "parameters:{} contents:InferTensorContents",
    "ModelInferRequest.InferRequestedOutputTensor": "name:string parameters:{}",
    "ModelInferResponse": "model_name:string model_version:string id:string parameters:{} "
    "outputs:InferOutputTensor* raw_output_contents:bytes*",
    "ModelInferResponse.InferOutputTensor": "name:string datatype:string shape:int64* "
    "parameters:{} contents:InferTensorContents",
    "ModelStreamInferResponse": "error_message:string infer_response:ModelInferResponse",
    "InferParameter": "bool_param:bool int64_param:int64 string_param:string "
    "double_param:double uint64_param:uint64",
    "InferTensorContents": "bool_contents:bool* int_contents:int32* int64_contents:int64* "
    "uint_contents:uint32* uint64_contents:uint64* fp32_contents:float* fp64_contents:double* "
    "bytes_contents:bytes*",
}
METHODS = {
    **{name: (name, name, False) for name in ("ServerLive", "ServerReady", "ModelReady")},
    **{name: (name, name, False) for name in ("ServerMetadata", "ModelMetadata", "ModelInfer")},
    "ModelStreamInfer": ("ModelInfer", "ModelStreamInfer", True),
}
TYPES = {
    getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name
    for name in ("bool", "bytes", "double", "float", "int32", "int64", "string", "uint32", "uint64")
}


def described(field):
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        key, value = message.fields
        assert (TYPES[key.type], value.message_type.name) == ("string", "InferParameter")
        return f"{field.name}:{{}}"
    kind = TYPES[field.type] if message is None else message.name
    return f"{field.name}:{kind}{'*' * field.is_repeated}"


def message(name):
    outer, _, inner = name.partition(".")
    found = pb.DESCRIPTOR.message_types_by_name[outer]
    return found.nested_types_by_name[inner] if inner else found


@pytest.mark.parametrize("name", SPECIFIED)
def test_a_message_has_the_fields_of_the_specification(name):
    fields = message(name).fields
    assert [field.number for field in fields] == list(range(1, len(fields) + 1))
    assert " ".join(map(described, fields)) == SPECIFIED[name]


def test_there_are_no_other_messages():
    outer = {name for name in SPECIFIED if "." not in name}
    assert set(pb.DESCRIPTOR.message_types_by_name) == outer


def test_the_service_has_the_methods_of_the_specification():
    service = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert service.full_name == "inference.GRPCInferenceService"
    found = {
        method.name: (
            method.input_type.name.removesuffix("Request"),
            method.output_type.name.removesuffix("Response"),
            method.client_streaming and method.server_streaming,
        )
        for method in service.methods
    }
    assert found == METHODS


def test_only_the_value_of_a_parameter_is_a_choice():
    choices = {one.full_name for name in SPECIFIED for one in message(name).oneofs}
    assert choices == {"inference.InferParameter.parameter_choice"}
