"""A serving process: its data port, and the commands that it takes from the supervisor."""

__all__: list[str] = []
