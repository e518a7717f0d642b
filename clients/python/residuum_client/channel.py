"""How a client connects: retries, balancing over replicas, message sizes, stubs."""

import json
from typing import Any

from residuum_client.v1 import anomaly_pb2_grpc, codec_pb2_grpc, models_pb2_grpc

RETRIES = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
}
# The empty name stands for every method; all of ours may be repeated without harm.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [{"name": [{}], "retryPolicy": RETRIES}],
}
MAX_ANSWER_BYTES = 256 << 20
# gRPC silently never repeats a call whose messages exceed this; its default is 256 KiB.
RETRY_BUFFER_BYTES = 64 << 20
# Messages under way at once: enough that the server never waits for the next one.
IN_FLIGHT = 4

OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.per_rpc_retry_buffer_size", RETRY_BUFFER_BYTES),
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # The limit of what is sent is the server's to set.
    ("grpc.max_send_message_length", -1),
]


class Stubs:
    """The services of one server, over a channel of either kind, `grpc` or `grpc.aio`.

    The generated stubs are typed for the first kind only, hence Any.
    """

    def __init__(self, channel: Any) -> None:
        self.codec = codec_pb2_grpc.CodecServiceStub(channel)
        self.anomaly = anomaly_pb2_grpc.AnomalyServiceStub(channel)
        self.models = models_pb2_grpc.ModelServiceStub(channel)
