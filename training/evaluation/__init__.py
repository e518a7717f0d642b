"""Evaluation of runs and bundles on images they were not trained on, and the reports about it.

`evaluate` is the command, `run` and `bundle` measure, `report` writes the page.
"""

__all__: list[str] = []
