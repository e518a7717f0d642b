"""The command `residuum`: one module per subcommand, and what they share."""
