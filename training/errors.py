"""The one error of this package that is somebody else's to mend: data, options, a run folder."""


class TrainingError(Exception):
    """Training cannot start or go on; `str(error)` is one finished sentence for the user."""
