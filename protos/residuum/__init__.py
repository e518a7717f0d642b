"""The protobuf package `residuum`."""

__all__: list[str] = []
