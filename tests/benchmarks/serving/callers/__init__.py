"""What calls a server: callers that wait for answers or do not, probes, and trouble."""
