"""What the handlers of a process share: models, executor, memory, and limits."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from service.call import current_call
from service.runtime.executor import Executor
from service.runtime.jobs import Job, Task
from service.runtime.memory import MemoryBudget
from service.runtime.models import ModelStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """`max_images` is the most images or records of a call."""

    models: ModelStore
    executor: Executor
    memory: MemoryBudget
    max_images: int

    def refuse_late(self, context: grpc.ServicerContext) -> None:
        """Raises Busy if a call cannot be in time. Comes first, so that refusals cost little."""
        self.executor.refuse_late(time.monotonic() + context.time_remaining())

    def compute(
        self,
        task: Task,
        items: Sequence[Any],
        pixels: Sequence[int],
        context: grpc.ServicerContext,
        *,
        first_error_only: bool,
    ) -> list[Any]:
        """The outcomes of the items of a call, none for none. Raises what Executor.run raises."""
        if not items:
            return []
        job = Job(
            task=task,
            items=items,
            pixels=pixels,
            deadline=time.monotonic() + context.time_remaining(),
            first_error_only=first_error_only,
            still_wanted=context.is_active,
        )
        try:
            return self.executor.run(job)
        finally:
            if (call := current_call()) is not None:
                call.times = (job.arrived, job.started, time.monotonic())
