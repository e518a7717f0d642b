"""What runs models: the loaded models, the queue of jobs, the executor, and memory."""

from service.runtime.executor import Executor, Observer
from service.runtime.job_queue import JobQueue, Limits
from service.runtime.jobs import Job, Task
from service.runtime.loaded_model import LoadedModel, open_model
from service.runtime.memory import MemoryBudget
from service.runtime.models import ModelStore
from service.runtime.runtime import Runtime

__all__ = [
    "Executor",
    "Job",
    "JobQueue",
    "Limits",
    "LoadedModel",
    "MemoryBudget",
    "ModelStore",
    "Observer",
    "Runtime",
    "Task",
    "open_model",
]
