"""The outcomes of a request's images or records, with the memory that they take counted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc

from codec.arrays import U8
from codec.errors import InvalidInput
from codec.images.input_spec import InputSpec
from codec.outcomes import merge, required, succeeded
from service.call import current_call
from service.runtime.jobs import Task
from service.runtime.runtime import Runtime
from service.servicers.sources import Source, items_of, needed, sizes_of


@contextmanager
def computed(
    runtime: Runtime,
    task: Task,
    sources: Sequence[Source | U8 | InvalidInput],
    spec: InputSpec,
    request: Any,
    context: grpc.ServicerContext,
    *,
    scored: bool = False,
    output: int = 0,
) -> Iterator[list[Any]]:
    """The outcomes for a block; `output` is the number of bytes per pixel in the response.

    Raises the first error unless the request is partial, and what Runtime.compute raises.
    """
    if (call := current_call()) is not None:
        call.model, call.images = task.cost_key[0], len(sources)
    noun = "record" if hasattr(request, "records") else "image"
    if not request.partial:
        required(sources, noun)
    good: list[Source | U8] = succeeded(sources)
    need = needed(request.ByteSize(), good, spec, scored=scored, output=output)
    with runtime.memory.hold(need):
        computed = runtime.compute(
            task,
            items_of(good),
            sizes_of(good, spec),
            context,
            first_error_only=not request.partial,
        )
        if not request.partial:
            required(computed, noun)
        yield merge(sources, computed, InvalidInput)
