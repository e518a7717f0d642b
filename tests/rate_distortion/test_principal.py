"""PCA as a codec, on images whose numbers can be worked out otherwise."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rate_distortion import classic, ladders, ours, principal, sets, tasks
from rate_distortion.cache import Timed, recalled
from rate_distortion.measurement import Layout, Measurement
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
    found = principal.measure(images, data, tmp_path / "kept")
    settings = [setting for layout, setting in found if layout == "single"]
    assert len(settings) >= 3
    for setting in settings:
        single, together = found["single", setting], found["together", setting]
        assert (single.stored - single.payload).tolist() == [2.0] * 40
        assert single.model == together.model > 0
        assert np.array_equal(single.errors, together.errors)
        # a length for each record and the tails left out, and a header and an index for all
        assert 0 < (together.stored - single.stored)[0] * 40 < 200
    errors = [found["single", setting].errors.mean() for setting in settings]
    rates = [found["single", setting].payload.mean() for setting in settings]
    assert errors == sorted(errors, reverse=True)
    assert rates == sorted(rates)


def test_a_second_run_recalls_the_components(
    faces: tuple[sets.ImageSet, Path], tmp_path: Path
) -> None:
    images, data = faces
    first = principal.measure(images, data, tmp_path / "kept")
    again = principal.measure(images, data, tmp_path / "kept")
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
    def once(value: float) -> dict[tuple[Layout, str], Measurement]:
        calls.append(value)
        found = Measurement(np.full(3, value), np.ones(3), np.zeros(3), 7)
        return {("together", "level 3|x"): found}

    calls: list[float] = []
    first = recalled(tmp_path, {"quality": 3}, lambda: once(5.0))
    again = recalled(tmp_path, {"quality": 3}, lambda: once(6.0))
    other = recalled(tmp_path, {"quality": 4}, lambda: once(7.0))
    assert calls == [5.0, 7.0]
    assert (first.recalled, again.recalled, other.recalled) == (False, True, False)
    assert again.seconds == first.seconds > 0
    assert first.results.keys() == again.results.keys() == {("together", "level 3|x")}
    assert again.results["together", "level 3|x"].stored.tolist() == [5.0] * 3
    assert again.results["together", "level 3|x"].model == 7
    assert other.results["together", "level 3|x"].stored.tolist() == [7.0] * 3


def test_chosen_images_are_spread_evenly_over_the_split() -> None:
    assert sets.spread(10, 4).tolist() == [0, 2, 5, 7]
    assert sets.spread(3, 9).tolist() == [0, 1, 2]
    assert len(set(sets.spread(10_000, 1024).tolist())) == 1024


def test_the_digest_of_a_set_depends_on_the_bytes_of_its_images(
    faces: tuple[sets.ImageSet, Path],
) -> None:
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
    layouts: list[Layout] = ["single", "together"]
    work: list[tasks.Task] = [tasks.Classic("faces", "JPEG", layout, 10) for layout in layouts]
    found = tasks.run_all(work, place, 1, print)
    again = tasks.run_all(work, place, 1, print)
    assert len(list((tmp_path / "kept").iterdir())) == 2
    stored = []
    for task, layout in zip(work, layouts, strict=True):
        first, second = found[task], again[task]
        assert isinstance(first, Timed)
        assert isinstance(second, Timed)
        assert (first.recalled, second.recalled) == (False, True)
        assert list(first.results) == [(layout, "quality 10")]
        one, other = first.results[layout, "quality 10"], second.results[layout, "quality 10"]
        assert np.array_equal(one.errors, other.errors)
        assert one.stored.shape == (40,)
        stored.append(one.stored)
    assert len(set(stored[0])) > 1
    assert len(set(stored[1])) == 1
    assert stored[1].mean() < stored[0].mean() / 2


def test_an_atlas_is_one_file_and_its_errors_are_those_of_its_tiles(
    faces: tuple[sets.ImageSet, Path],
) -> None:
    images, _ = faces
    codec = next(c for c in classic.codecs(1) if c.name == "JPEG")
    found = tasks.encoded(codec, tasks.Classic("faces", "JPEG", "together", 50), images.images)
    one = found["together", "quality 50"]
    rows = [np.concatenate(images.images[i : i + 8], axis=1) for i in range(0, 40, 8)]
    sheet = np.concatenate(rows)  # 5 rows of 8
    data = codec.encode(sheet, 50)
    assert one.stored.sum() == pytest.approx(len(data))
    error = ((codec.decode(data).astype(float) - sheet) ** 2).mean() / 255**2
    assert one.errors.mean() == pytest.approx(error)


def test_every_set_has_qualities_for_every_format_in_each_layout() -> None:
    layouts: list[Layout] = ["single", "together"]
    for spec in sets.SPECS.values():
        for layout in layouts:
            ladder = {
                codec.name: ladders.qualities(spec.name, codec.name, layout)
                for codec in classic.codecs(spec.channels)
            }
            assert {name.split(" 4")[0] for name, chosen in ladder.items() if chosen} == {
                *("JPEG", "WebP", "AVIF", "JPEG XL")
            }
            assert min(len(chosen) for chosen in ladder.values() if chosen) >= (
                4 if layout == "together" else 3
            )


def test_a_bundle_that_cannot_be_read_is_a_failure_with_a_reason(
    faces: tuple[sets.ImageSet, Path], tmp_path: Path
) -> None:
    images, data = faces
    place = tasks.Workplace({"faces": images}, data, tmp_path / "kept")
    task = tasks.Ours("faces", tmp_path / "nothing")
    found = tasks.run_all([task], place, 1, print)[task]
    assert isinstance(found, tasks.Failure)
    assert "nothing" in found.reason
