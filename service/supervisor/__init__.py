"""The first process of a server: starts serving processes, watches them, answers about them."""

__all__: list[str] = []
