"""The graph of a bundle as a model of MLServer. Runs in the environment of MLServer, without ours.

python mlserver_runtime.py IMAGE    prints a serialised request with the pixels of the file
"""

import sys
from pathlib import Path

import mlserver.grpc.dataplane_pb2 as pb
import numpy as np
import onnxruntime
from mlserver import MLModel, types
from mlserver.codecs import NumpyCodec


class Graph(MLModel):
    """The encoder: images `[B, 1, 28, 28]` uint8 to means `[B, D]`."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        return True

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        images = NumpyCodec.decode_input(payload.inputs[0])
        means = self._session.run(["mu"], {"x": images})[0]
        outputs = [NumpyCodec.encode_output("mu", means)]
        return types.InferenceResponse(model_name=self.name, outputs=outputs)


def request(pixels: bytes) -> bytes:
    """A request with one image of 28 times 28 pixels."""
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype="UINT8", shape=[1, 1, 28, 28])
    message = pb.ModelInferRequest(
        model_name="graph",
        inputs=[tensor],
        raw_input_contents=[np.frombuffer(pixels, np.uint8).tobytes()],
    )
    return message.SerializeToString()


if __name__ == "__main__":
    sys.stdout.buffer.write(request(Path(sys.argv[1]).read_bytes()))
