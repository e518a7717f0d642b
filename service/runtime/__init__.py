"""What runs models: the loaded models, the queue of jobs, the executor, and memory."""
