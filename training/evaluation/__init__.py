"""Runs and bundles measured at images that they did not learn from, and the reports about it."""
