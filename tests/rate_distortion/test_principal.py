"""PCA as a codec, on images whose numbers can be worked out otherwise."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rate_distortion import ours, principal, sets, tasks
from rate_distortion.cache import recalled
from rate_distortion.measurement import SINGLE, Measurement
from rate_distortion.principal import Candidate, hull

RNG = np.random.default_rng(2)


@pytest.fixture
def faces(tmp_path: Path) -> tuple[sets.ImageSet, Path]:
    """Smooth random images of 12x12 pixels in folders like those of the faces."""
    waves = np.sin(np.outer(np.arange(1, 7), np.linspace(0, 3, 12)))
    for split, count in (("train", 300), ("test", 40)):
        folder = tmp_path / "faces_lfw_gray64" / split
        folder.mkdir(parents=True)
        for index in range(count):
            weights = RNG.normal(0, 18, (6, 6)) / np.add.outer(np.arange(1, 7), np.arange(1, 7))
            pixels = np.clip(128 + waves.T @ weights @ waves, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{index:03}.png")
    return sets.load(sets.SPECS["faces"], tmp_path, 10_000), tmp_path


def test_pca_gives_records_of_ours_and_archives_of_them(
    faces: tuple[sets.ImageSet, Path], tmp_path: Path
) -> None:
    images, data = faces
    found = principal.measure(images, data, tmp_path / "kept", [1, 16, 40])
    singles = {setting: m for (layout, setting), m in found.items() if layout == SINGLE}
    assert len(singles) >= 3
    for setting, single in singles.items():
        assert (single.stored - single.payload).tolist() == [2.0] * 40
        assert single.model > 0
        shared = [found[layout, setting].stored.mean() for layout in (1, 16, 40)]
        assert shared[0] > single.stored.mean() > shared[2] - 4
        assert shared == sorted(shared, reverse=True)
    errors = [m.errors.mean() for m in singles.values()]
    rates = [m.payload.mean() for m in singles.values()]
    assert errors == sorted(errors, reverse=True)
    assert rates == sorted(rates)


def test_a_second_run_recalls_the_components(
    faces: tuple[sets.ImageSet, Path], tmp_path: Path
) -> None:
    images, data = faces
    first = principal.measure(images, data, tmp_path / "kept", [])
    again = principal.measure(images, data, tmp_path / "kept", [])
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[key].stored, again[key].stored) for key in first)


def test_blocks_of_a_photograph_come_back_as_the_photograph() -> None:
    image = RNG.integers(0, 256, (32, 48, 3), dtype=np.uint8)
    spec = sets.SPECS["kodak"]
    rows = principal.vectors([image], spec)
    assert rows.shape == (6, 16 * 16 * 3)
    assert np.array_equal(rows[1].reshape(16, 16, 3), image[:16, 16:32])
    assert np.array_equal(principal._unblocked(rows, image, 16), image)


def test_payloads_are_as_long_as_the_tables_say() -> None:
    codes = np.rint(RNG.normal(0, 3, (400, 20))).astype(np.int32)
    tables = ours.fit_tables(codes)
    payloads = ours.payloads(tables, codes[:, :, None])
    bits = ours.table_bits(tables, codes).sum() / len(codes)
    assert bits / 8 < np.mean([len(p) for p in payloads]) < bits / 8 + 0.6


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(1e-5, 0.9)), min_size=1, max_size=30))
def test_no_candidate_lies_below_the_hull(pairs: list[tuple[float, float]]) -> None:
    candidates = [Candidate(i, 1.0, bits, error) for i, (bits, error) in enumerate(pairs)]
    kept = hull(candidates)
    x = [-10 * np.log10(one.error) for one in kept]
    y = [one.bits for one in kept]
    assert x == sorted(x)
    assert y == sorted(y)
    assert min(one.bits for one in candidates) == y[0]
    for one in candidates:
        at = -10 * np.log10(one.error)
        assert at <= x[-1] + 1e-9
        assert one.bits >= np.interp(at, x, y) * (1 - 1e-9) - 1e-6


def test_results_are_recalled_under_the_same_facts_only(tmp_path: Path) -> None:
    def once(value: float) -> dict[tuple[int, str], Measurement]:
        calls.append(value)
        return {(16, "level 3|x"): Measurement(np.full(3, value), np.ones(3), np.zeros(3), 7)}

    calls: list[float] = []
    first = recalled(tmp_path, {"quality": 3}, lambda: once(5.0))
    again = recalled(tmp_path, {"quality": 3}, lambda: once(6.0))
    other = recalled(tmp_path, {"quality": 4}, lambda: once(7.0))
    assert calls == [5.0, 7.0]
    assert first.keys() == again.keys() == {(16, "level 3|x")}
    assert again[16, "level 3|x"].stored.tolist() == [5.0] * 3
    assert again[16, "level 3|x"].model == 7
    assert other[16, "level 3|x"].stored.tolist() == [7.0] * 3


def test_the_part_is_spread_evenly_over_the_split() -> None:
    assert sets.spread(10, 4).tolist() == [0, 2, 5, 7]
    assert sets.spread(3, 9).tolist() == [0, 1, 2]
    assert len(set(sets.spread(10_000, 1024).tolist())) == 1024


def test_a_set_knows_its_images_by_their_bytes(faces: tuple[sets.ImageSet, Path]) -> None:
    import hashlib

    images, data = faces
    files = sorted((data / "faces_lfw_gray64/test").glob("*.png"))
    joined = b"".join(np.asarray(Image.open(file)).tobytes() for file in files)
    assert images.digest == hashlib.sha256(joined).hexdigest()
    assert images.pixels == 144


def test_a_classical_codec_is_measured_once_per_setting(
    faces: tuple[sets.ImageSet, Path], tmp_path: Path
) -> None:
    images, data = faces
    place = tasks.Workplace({"faces": images}, data, tmp_path / "kept")
    work: list[tasks.Task] = [
        tasks.Classic("faces", "JPEG", layout, 10) for layout in (SINGLE, 16, 40)
    ]
    found, _ = tasks.run_all(work, place, 1, print)
    again, _ = tasks.run_all(work, place, 1, print)
    assert len(list((tmp_path / "kept").iterdir())) == 3
    for task in work:
        results = found[task]
        assert not isinstance(results, tasks.Failure)
        assert list(results) == [(task.layout, "10")]
        assert results[task.layout, "10"].stored.shape == (40,)
        repeated = again[task]
        assert not isinstance(repeated, tasks.Failure)
        assert np.array_equal(results[task.layout, "10"].errors, repeated[task.layout, "10"].errors)
    sizes = [found[task][task.layout, "10"].stored.mean() for task in work]  # type: ignore[index]
    assert sizes == sorted(sizes, reverse=True)


def test_a_bundle_that_cannot_be_read_is_a_failure_with_a_reason(
    faces: tuple[sets.ImageSet, Path], tmp_path: Path
) -> None:
    images, data = faces
    place = tasks.Workplace({"faces": images}, data, tmp_path / "kept")
    task = tasks.Ours("faces", tmp_path / "nothing")
    found, _ = tasks.run_all([task], place, 1, print)
    assert isinstance(found[task], tasks.Failure)
    assert "nothing" in found[task].reason  # type: ignore[union-attr]
