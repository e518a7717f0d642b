"""The one error of this package that is somebody else's to mend: data, options, a run folder."""

from codec.errors import ResiduumError


class TrainingError(ResiduumError):
    """Training cannot start or go on; `str(error)` is one finished sentence for the user."""
