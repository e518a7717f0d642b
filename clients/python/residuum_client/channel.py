"""How both clients connect: retries, load balancing over replicas, message sizes."""

import json

RETRIES = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
}
# The empty name matches every method; all of them can be repeated safely.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [{"name": [{}], "retryPolicy": RETRIES}],
}
MAX_RESPONSE_BYTES = 256 << 20
# gRPC never repeats a call whose messages exceed this, without a warning; its default is 256 KiB.
RETRY_BUFFER_BYTES = 64 << 20
# Messages in progress at once: enough that the server never waits for the next one.
IN_FLIGHT = 4

OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.per_rpc_retry_buffer_size", RETRY_BUFFER_BYTES),
    ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
    # The server limits what is sent.
    ("grpc.max_send_message_length", -1),
]
