"""What a first version of a server looks like: asyncio, one job of an executor per request.

    python -m serving.others.naive BUNDLE

The bundle and the codec are ours; nothing is batched, admitted or counted.
"""

# ruff: noqa: N802 - gRPC prescribes the names of these methods.

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grpc.aio
import numpy as np

from codec import Codec
from codec.bundle.bundle import load_bundle
from codec.graphs.onnx import open_graphs
from protos.residuum.v1 import codec_pb2, codec_pb2_grpc


class Servicer(codec_pb2_grpc.CodecServiceServicer):
    """Encodes the pixels of a request."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    async def Encode(
        self, request: codec_pb2.EncodeRequest, context: object
    ) -> codec_pb2.EncodeResponse:
        return await asyncio.get_running_loop().run_in_executor(None, self._encode, request)

    def _encode(self, request: codec_pb2.EncodeRequest) -> codec_pb2.EncodeResponse:
        given = request.pixels
        shape = (given.count, given.height, given.width, given.channels)
        images = np.frombuffer(given.data, np.uint8).reshape(shape)
        return codec_pb2.EncodeResponse(records=self._codec.compress(list(images)))


async def main() -> None:
    """Serves until it is killed."""
    bundle = load_bundle(Path(sys.argv[1]))
    server = grpc.aio.server()
    servicer = Servicer(Codec(bundle, open_graphs(bundle, "cpu", 1)))
    codec_pb2_grpc.add_CodecServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"naive: port {port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
