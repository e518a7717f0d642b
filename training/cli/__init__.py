"""The command `residuum-train`: its options, its output, and a run from start to exit status."""

__all__: list[str] = []
