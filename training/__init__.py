"""Training of models: data, networks, objectives, the loop and its checkpoints."""

__all__: list[str] = []
