# Generated from codec.proto, SHA-256 24f8a99abbba84b570f83c172d73d9eec312b4d1961afeea79924fb6fcdf609a
# fmt: off
# ruff: noqa
from collections.abc import Iterator
import grpc
from . import codec_pb2 as pb2

class CodecServiceStub:
    def __init__(self, channel: grpc.Channel) -> None: ...
    Encode: grpc.UnaryUnaryMultiCallable[pb2.EncodeRequest, pb2.EncodeResponse]
    Decode: grpc.UnaryUnaryMultiCallable[pb2.DecodeRequest, pb2.DecodeResponse]
    EncodeStream: grpc.StreamStreamMultiCallable[pb2.EncodeRequest, pb2.EncodeResponse]
    DecodeStream: grpc.StreamStreamMultiCallable[pb2.DecodeRequest, pb2.DecodeResponse]

class CodecServiceServicer:
    def Encode(self, request: pb2.EncodeRequest, context: grpc.ServicerContext) -> pb2.EncodeResponse: ...
    def Decode(self, request: pb2.DecodeRequest, context: grpc.ServicerContext) -> pb2.DecodeResponse: ...
    def EncodeStream(self, request_iterator: Iterator[pb2.EncodeRequest], context: grpc.ServicerContext) -> Iterator[pb2.EncodeResponse]: ...
    def DecodeStream(self, request_iterator: Iterator[pb2.DecodeRequest], context: grpc.ServicerContext) -> Iterator[pb2.DecodeResponse]: ...

def add_CodecServiceServicer_to_server(
    servicer: CodecServiceServicer, server: grpc.Server
) -> None: ...
