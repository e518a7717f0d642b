"""Each file is read once, computed once, and has one outcome."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codec.graphs.onnx import OnnxGraphs
from residuum_client.__main__ import FAILED, main
from residuum_client.commands.inputs import Content
from residuum_client.commands.outcomes import outcomes
from residuum_client.errors import InvalidInput

UNREADABLE = InvalidInput("cannot be read")


def reading_ahead(count: int) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    """A model whose results are its inputs, which it reads `count` ahead."""

    def call(elements: Iterable[bytes]) -> Iterator[bytes]:
        rest = iter(elements)
        ahead = list(itertools.islice(rest, count))
        for element in rest:
            ahead.append(element)
            yield ahead.pop(0)
        yield from ahead

    return call


@given(st.lists(st.booleans()), st.integers(0, 5))
def test_each_file_has_its_outcome_in_order_however_far_the_model_reads_ahead(readable, count):
    contents = [
        Content(Path(f"{i}"), b"%d" % i, None if good else UNREADABLE)
        for i, good in enumerate(readable)
    ]
    expected = [content.error or content.data for content in contents]
    assert list(outcomes(iter(contents), reading_ahead(count))) == list(
        zip(contents, expected, strict=True)
    )


def test_no_more_files_are_held_than_the_model_reads_ahead():
    held = most = 0

    def contents() -> Iterator[Content]:
        nonlocal held, most
        for i in range(1000):
            held += 1
            most = max(most, held)
            yield Content(Path(f"{i}"), b"")

    for _ in outcomes(contents(), reading_ahead(7)):
        held -= 1
    assert most == 8


@pytest.fixture
def mixture(tmp_path: Path) -> Path:
    """Eight good files and twenty broken ones, in alternation."""
    folder = tmp_path / "mixture"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (8, 16, 16), np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i}.png")
    for i in range(20):
        (folder / f"{i % 8}-{i:02}.png").write_bytes(b"\x89PNG broken")
    return folder


@pytest.mark.parametrize("command", ["compress", "score", "archive create"])
def test_broken_neighbours_cost_nothing(command, mixture, offline, tmp_path, monkeypatch, capsys):
    encode, computed = OnnxGraphs.encode, []

    def counted(graphs, images):
        computed.extend(image.tobytes() for image in images)
        return encode(graphs, images)

    read_bytes, reads = Path.read_bytes, Counter()

    def noted(path: Path) -> bytes:
        reads[path] += path.parent == mixture
        return read_bytes(path)

    monkeypatch.setattr(OnnxGraphs, "encode", counted)
    monkeypatch.setattr(Path, "read_bytes", noted)
    arguments = {
        "compress": ["compress", mixture, "--out", tmp_path / "out"],
        "score": ["score", mixture, "--heatmaps", tmp_path / "heat"],
        "archive create": ["archive", "create", tmp_path / "a.rsa", mixture],
    }[command]
    assert main([*map(str, arguments), *offline]) == FAILED
    assert len(computed) == len(set(computed)) == 8
    assert sorted(reads[path] for path in mixture.iterdir()) == [1] * 28
    *failures, summary = capsys.readouterr().err.splitlines()
    assert summary == "residuum: 8 done, 20 failed"
    assert [Path(line.split(": ")[0]).name for line in failures] == sorted(
        path.name for path in mixture.iterdir() if "-" in path.name
    )
