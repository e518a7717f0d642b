# Generated from anomaly.proto, SHA-256 def2d5cbf595b6b49d0923cb037433d78e062e8df7afd5f23dd1c7ed5852f1ce
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
