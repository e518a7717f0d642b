"""How both clients connect: retries, load balancing over replicas, message sizes, proxies."""

import json

import grpc

from residuum_client.errors import InvalidInput
from residuum_client.transport.address import is_local

# A server that is being stopped answers UNAVAILABLE, and CANCELLED to calls that it did not finish.
RETRIES = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
# Calls about models are small. A refused message of images is sent again by the schedule, which can
# also make it smaller and wait for the other messages of this client.
RETRIES_OF_MODELS = RETRIES | {
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED"]
}
# The empty name matches every other method; all of them can be repeated safely.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {"name": [{}], "retryPolicy": RETRIES},
        {"name": [{"service": "residuum.v1.ModelService"}], "retryPolicy": RETRIES_OF_MODELS},
    ],
}
MAX_RESPONSE_BYTES = 256 << 20
# gRPC never repeats a call whose messages exceed this, without a warning; its default is 256 KiB.
RETRY_BUFFER_BYTES = 64 << 20
# By default gRPC waits 1 s for the second attempt to connect, up to 120 s for later ones, and 30 s
# until it resolves a name again: longer than a server takes to be replaced.
RECONNECT_MS, LONGEST_RECONNECT_MS, RESOLUTION_MS = 100, 500, 2_000


def options(target: str) -> list[tuple[str, str | int]]:
    """The options of a channel to this address."""
    return [
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ("grpc.per_rpc_retry_buffer_size", RETRY_BUFFER_BYTES),
        ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
        # The server limits what is sent.
        ("grpc.max_send_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", LONGEST_RECONNECT_MS),
        ("grpc.dns_min_time_between_resolutions_ms", RESOLUTION_MS),
        # A proxy cannot reach this machine under a name that means the machine itself.
        ("grpc.enable_http_proxy", int(not is_local(target))),
    ]


def check_credentials(credentials: object) -> None:
    """Raises InvalidInput for anything but the credentials of a channel or None."""
    if credentials is not None and not isinstance(credentials, grpc.ChannelCredentials):
        raise InvalidInput(
            f"credentials is of type {type(credentials).__name__}, expected "
            "grpc.ssl_channel_credentials(...) or None"
        )
