"""Training of models: data, networks, objectives, the loop and its checkpoints."""
