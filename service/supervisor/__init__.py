"""The first process of a server: starts serving processes, watches them, and answers about them."""
