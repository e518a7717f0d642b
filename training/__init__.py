"""Training of the models: data, networks, objectives, the loop and its checkpoints."""
