"""What commands need: a model, of a server or of a bundle, and a terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from residuum_client import Offline
from residuum_client.commands.terminal import Terminal


@pytest.fixture
def server(target: str) -> list[str]:
    return ["--server", target, "--model", "tiny"]


@pytest.fixture
def offline(bundle: Path) -> list[str]:
    return ["--bundle", str(bundle)]


@pytest.fixture
def opened(bundle: Path) -> Iterator[Offline]:
    """The bundle of `offline`, opened by the library."""
    with Offline(bundle) as model:
        yield model


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    """What it prints is read by `capsys`."""
    return Terminal()
