"""What runs models: the store of loaded models, micro-batching of their graphs, admission."""

from service.runtime.admission import Admission
from service.runtime.batching import BatchedGraphs, BatchObserver, Limits, MicroBatcher
from service.runtime.loaded_model import LoadedModel, RuntimeConfig, open_model
from service.runtime.models import ModelStore

__all__ = [
    "Admission",
    "BatchObserver",
    "BatchedGraphs",
    "Limits",
    "LoadedModel",
    "MicroBatcher",
    "ModelStore",
    "RuntimeConfig",
    "open_model",
]
