"""How both clients connect: retries, load balancing over replicas, message sizes, proxies."""

import json
from collections.abc import Sequence
from typing import Any

from residuum_client.transport.access import Access
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
# With several addresses, a call goes on to the next one soon.
ATTEMPTS_OF_SEVERAL = 2
# No retries while failures are by half of `maxTokens` more than answers, of all channels of the
# process to an address: then retries only add to what is wrong.
THROTTLING = {"maxTokens": 1000, "tokenRatio": 1}
MAX_RESPONSE_BYTES = 256 << 20
# gRPC never repeats a call whose messages exceed this, without a warning; its default is 256 KiB.
RETRY_BUFFER_BYTES = 64 << 20
# By default gRPC waits 1 s for the second attempt to connect, up to 120 s for later ones, and 30 s
# until it resolves a name again: longer than a server takes to be replaced.
RECONNECT_MS, LONGEST_RECONNECT_MS, RESOLUTION_MS = 100, 500, 2_000


def service_config(*, alone: bool) -> dict[str, object]:
    """The behaviour of a channel to the only address, or to one of several.

    All methods can be repeated safely; the empty name matches those without another entry.
    """
    attempts = {} if alone else {"maxAttempts": ATTEMPTS_OF_SEVERAL}
    models = [{"service": "residuum.v1.ModelService"}]
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {"name": [{}], "retryPolicy": RETRIES | attempts},
            {"name": models, "retryPolicy": RETRIES_OF_MODELS | attempts},
            # Waiting for a server repeats its checks itself.
            {"name": [{"service": "grpc.health.v1.Health"}]},
        ],
        "retryThrottling": THROTTLING,
    }


def open_channels(targets: Sequence[str], access: Access, library: Any) -> list[Any]:
    """A channel for each address, of the library `grpc` or `grpc.aio`."""
    channels = []
    for target in targets:
        settings = options(target, alone=len(targets) == 1)
        if access.credentials is None:
            channels.append(library.insecure_channel(target, options=settings))
        else:
            channels.append(library.secure_channel(target, access.credentials, options=settings))
    return channels


def options(target: str, *, alone: bool = True) -> list[tuple[str, str | int]]:
    """The options of a channel to this address."""
    return [
        ("grpc.service_config", json.dumps(service_config(alone=alone))),
        ("grpc.per_rpc_retry_buffer_size", RETRY_BUFFER_BYTES),
        ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
        # A connection for each channel, so that several reach several processes of a server.
        ("grpc.use_local_subchannel_pool", 1),
        # The server limits what is sent.
        ("grpc.max_send_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", LONGEST_RECONNECT_MS),
        ("grpc.dns_min_time_between_resolutions_ms", RESOLUTION_MS),
        # A proxy cannot reach this machine under a name that means the machine itself.
        ("grpc.enable_http_proxy", int(not is_local(target))),
    ]
