# Generated from anomaly.proto, SHA-256 2d5d6cf1f75f19d6cd5f9dd610ffc67dd7cb1adf9daa5d652e3508f227c373f3
# fmt: off
# ruff: noqa
from collections.abc import Iterator
import grpc
from . import anomaly_pb2 as pb2

class AnomalyServiceStub:
    def __init__(self, channel: grpc.Channel) -> None: ...
    Score: grpc.UnaryUnaryMultiCallable[pb2.ScoreRequest, pb2.ScoreResponse]
    ScoreStream: grpc.StreamStreamMultiCallable[pb2.ScoreRequest, pb2.ScoreResponse]

class AnomalyServiceServicer:
    def Score(self, request: pb2.ScoreRequest, context: grpc.ServicerContext) -> pb2.ScoreResponse: ...
    def ScoreStream(self, request_iterator: Iterator[pb2.ScoreRequest], context: grpc.ServicerContext) -> Iterator[pb2.ScoreResponse]: ...

def add_AnomalyServiceServicer_to_server(
    servicer: AnomalyServiceServicer, server: grpc.Server
) -> None: ...
