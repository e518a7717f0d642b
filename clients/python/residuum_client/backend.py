"""What the commands need of a model, wherever it runs: `Client` and `Offline` both give it."""

from collections.abc import Iterable
from types import TracebackType
from typing import Protocol, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from residuum_client.options import EncodeOptions
from residuum_client.packing import Image
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score


class Backend(Protocol):
    """A model that compresses, restores and scores. All methods raise ResiduumError."""

    def __enter__(self) -> Self:
        """Itself; to be closed by the end of the `with` block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""

    def close(self) -> None:
        """Gives back what it holds; calls after that raise Unavailable."""

    def encode(self, images: Iterable[Image], **options: Unpack[EncodeOptions]) -> list[bytes]:
        """One record per image; see EncodeOptions for the keywords."""

    def compress(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> list[Compressed]:
        """`encode`, with the quality and the evidence of each record."""

    def decode(self, records: Iterable[bytes]) -> list[NDArray[np.uint8]]:
        """One image uint8 [H, W, C] per record."""

    def restore(self, records: Iterable[bytes]) -> list[Restored]:
        """`decode`, with the boxes of each image's evidence."""

    def score(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> list[Score]:
        """One score per image; flagged at `false_alarm_rate` in (0, 1), None for the default."""

    def models(self) -> list[ModelInfo]:
        """All models that could be asked here."""

    def describe(self) -> Description:
        """The model in full."""
