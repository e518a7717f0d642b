"""Makes the calls of a test with tritonclient, in whose environment this script runs.

Arguments: the address of a server, and the descriptor of a pipe to the test. The pipe brings the
name of a function below with its arguments, and takes its result, or the status and the message of
an error.
"""

import asyncio
import queue
import sys
from multiprocessing.connection import Connection

import tritonclient.grpc
import tritonclient.grpc.aio
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype


def main():
    address, pipe = sys.argv[1], Connection(int(sys.argv[2]))
    functions = {"method": method, "infer": infer, "later": later, "stream": stream, "aio": aio}
    with tritonclient.grpc.InferenceServerClient(address) as client:
        while True:
            try:
                name, args, options = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send((functions[name](client, *args, **options), None))
            except InferenceServerException as error:
                pipe.send((None, (error.status(), error.message())))


def method(client, name, *args, **options):
    return getattr(client, name)(*args, **options)


def infer(client, model, inputs, outputs=None, **options):
    return answer(client.infer(model, tensors(inputs), outputs=named(outputs), **options))


def later(client, model, inputs, **options):
    """The same through a callback."""
    answers = queue.Queue()
    client.async_infer(
        model, tensors(inputs), lambda result, error: answers.put((result, error)), **options
    )
    result, error = answers.get(timeout=20)
    if error:
        raise error
    return answer(result)


def stream(client, requests):
    """The answer, or the message of the error, for each of several requests in one stream."""
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for model, inputs, options in requests:
        client.async_stream_infer(model, tensors(inputs), **options)
    received = [answers.get(timeout=20) for _ in requests]
    client.stop_stream()
    return [error.message() if error else answer(result) for result, error in received]


def aio(_client, address, requests):
    """The answers of the asynchronous client to requests made at the same time."""

    async def all_at_once():
        async with tritonclient.grpc.aio.InferenceServerClient(address) as client:
            calls = [client.infer(model, tensors(inputs)) for model, inputs in requests]
            return [answer(result) for result in await asyncio.gather(*calls)]

    return asyncio.run(all_at_once())


def tensors(inputs):
    made = []
    for name, array in inputs.items():
        tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        made.append(tensor.set_data_from_numpy(array))
    return made


def named(outputs):
    return None if outputs is None else [InferRequestedOutput(name) for name in outputs]


def answer(result):
    """Name, version and id of a response, and its outputs as arrays."""
    response = result.get_response()
    arrays = {output.name: result.as_numpy(output.name) for output in response.outputs}
    return response.model_name, response.model_version, response.id, arrays


if __name__ == "__main__":
    main()
