"""What runs models: the loaded models, micro-batching of their graphs, admission, memory."""

from service.runtime.admission import Admission
from service.runtime.batched_graphs import BatchedGraphs
from service.runtime.batching import BatchObserver, Limits, MicroBatcher
from service.runtime.loaded_model import LoadedModel, RuntimeConfig, open_model
from service.runtime.memory import MemoryBudget
from service.runtime.models import ModelStore

__all__ = [
    "Admission",
    "BatchObserver",
    "BatchedGraphs",
    "Limits",
    "LoadedModel",
    "MemoryBudget",
    "MicroBatcher",
    "ModelStore",
    "RuntimeConfig",
    "open_model",
]
