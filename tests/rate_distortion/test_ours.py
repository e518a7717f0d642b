"""Ours as the benchmark measures it, against the codec used by hand."""

from pathlib import Path

import numpy as np
import pytest

from codec import Codec, archive
from codec.bundle.bundle import load_bundle
from codec.graphs.onnx import open_graphs
from rate_distortion import ours

DATA = Path(__file__).resolve().parents[1] / "data"
RNG = np.random.default_rng(3)


def hills(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    row, column, wide = RNG.uniform((3, 3, 2), (height - 3, width - 3, 5))
    found = 60 + 120 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * wide**2))
    return found.astype(np.uint8)[..., None]


def test_records_and_errors_are_those_of_the_codec(tmp_path: Path) -> None:
    images = [hills(16, 16) for _ in range(20)]
    bundle = load_bundle(DATA / "tiny_bundle")
    found = ours.measure(DATA / "tiny_bundle", images)
    assert [setting for layout, setting in found if layout == "single"] == [
        f"level {level}" for level in range(0, 17, 2)
    ]
    codec = Codec(bundle, open_graphs(bundle, "cpu", 1))
    records = codec.compress(images, 8)
    back = codec.decompress(records)
    one, all_ = found["single", "level 8"], found["together", "level 8"]
    assert one.stored.tolist() == [len(record) for record in records]
    assert one.payload.tolist() == [len(record) - 2 for record in records]
    squares = [((a / 255 - b / 255) ** 2).mean() for a, b in zip(images, back, strict=True)]
    assert one.errors.tolist() == pytest.approx(squares)
    archive.create(tmp_path / "a.rsa", bundle.model_id, name="benchmark", version="1")
    with archive.ArchiveWriter(tmp_path / "a.rsa") as writer:
        for record in records:
            writer.append(record)
    assert all_.stored.sum() == pytest.approx((tmp_path / "a.rsa").stat().st_size)
    assert (
        one.model
        == all_.model
        == sum(bundle.manifest.members[name].size for name in ("decoder.onnx", "tables.npz"))
    )


def test_finer_levels_cost_more_and_give_more() -> None:
    images = [hills(16, 16) for _ in range(20)]
    found = ours.measure(DATA / "tiny_bundle", images)
    rates = [one.payload.mean() for (layout, _), one in found.items() if layout == "single"]
    errors = [one.errors.mean() for (layout, _), one in found.items() if layout == "single"]
    assert rates == sorted(rates)
    assert errors[0] > errors[-1]


def test_a_bundle_for_one_rate_is_measured_about_its_default_level() -> None:
    found = ours.measure(DATA / "tiny_bundle", [hills(16, 16)], few=True)
    assert [s for layout, s in found if layout == "single"] == ["level 7", "level 8", "level 9"]


def test_images_on_their_side_are_measured_with_the_others() -> None:
    images = [hills(24, 40), hills(40, 24), hills(24, 40)]
    found = ours.measure(DATA / "tiny_map_bundle", images, few=True)
    one = found["single", "level 8"]
    assert one.stored.shape == (3,)
    assert (one.stored - one.payload).tolist() == [4.0] * 3  # two of tail, one for each side
    assert ours.encoder_digest(DATA / "tiny_map_bundle") != ours.encoder_digest(
        DATA / "tiny_bundle"
    )
