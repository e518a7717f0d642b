"""What runs models: the loaded models, the queue of jobs, the executor, and memory.

Nothing is imported here: the supervisor uses some of these modules, and never onnxruntime.
"""

__all__: list[str] = []
