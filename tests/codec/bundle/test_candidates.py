"""Bundles with candidates: manifest, detectors and calibration must agree."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from detector_bundles import CANDIDATES, HEATMAP, random_detectors, write_with_detectors

from codec import Bundle, load_bundle
from codec.bundle.bundle import DETECTORS, MANIFEST, write_bundle
from codec.bundle.manifest import ScoreSpec, from_json, to_json
from codec.bundle.npz import pack_arrays, score_names, unpack_arrays
from codec.detectors import Candidate
from codec.errors import BundleError

Hills = Callable[[int, int, int], list[np.ndarray]]
ROOT = Path(__file__).parents[3]
OLD = ["deploy/bundles/fashion", "deploy/bundles/pcb"]
OLD += ["tests/data/tiny_bundle", "tests/data/tiny_map_bundle"]


@pytest.fixture(scope="module")
def path(tiny_path: Path, tmp_path_factory: pytest.TempPathFactory, hills: Hills) -> Path:
    """A bundle with candidates of all kinds."""
    out = tmp_path_factory.mktemp("bundle") / "candidates"
    write_with_detectors(tiny_path, out, hills(30, 16, 16))
    return out


def members(path: Path) -> dict[str, bytes]:
    """All files of a bundle folder but its manifest."""
    return {file.name: file.read_bytes() for file in path.iterdir() if file.name != MANIFEST}


def with_score(bundle: Bundle, **changes: object):
    """The manifest of a bundle with other fields in its part `score`."""
    return replace(bundle.manifest, score=replace(bundle.manifest.score, **changes))


@pytest.mark.parametrize("name", OLD)
def test_bundles_without_candidates_are_written_as_before(name: str, tmp_path: Path) -> None:
    old = ROOT / name
    bundle = load_bundle(old)
    assert to_json(bundle.manifest) == (old / MANIFEST).read_text()
    assert bundle.detectors.by_name == {}
    write_bundle(tmp_path / "again", bundle.manifest, members(old))
    assert (tmp_path / "again" / MANIFEST).read_bytes() == (old / MANIFEST).read_bytes()


def test_candidates_survive_the_manifest(path: Path) -> None:
    bundle = load_bundle(path)
    assert bundle.manifest.score.candidates == CANDIDATES
    assert bundle.manifest.score.heatmap == HEATMAP
    assert from_json(to_json(bundle.manifest)) == bundle.manifest
    assert score_names(bundle.manifest.score)[5:] == tuple(one.name for one in CANDIDATES)
    assert len(bundle.calibration.score_mean) == 5 + len(CANDIDATES)


def test_candidates_do_not_change_the_model_id(path: Path, bundle: Bundle) -> None:
    assert load_bundle(path).model_id == bundle.model_id


def test_a_manifest_with_empty_lists_is_one_without(bundle: Bundle) -> None:
    raw = json.loads(to_json(bundle.manifest))
    raw["score"] |= {"candidates": [], "heatmap": []}
    assert from_json(json.dumps(raw)) == bundle.manifest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("candidates", None),
        ("candidates", [3]),
        ("candidates", [{"map": "cells4"}]),
        ("candidates", {"map": "cells4"}),
        ("heatmap", 3),
        ("heatmap", [3]),
        ("heatmap", ["cells4-peak1"]),
        ("heatmap", [["residual"]]),
        ("fused", [["residual"]]),
        ("fused", ["cells4-peak1"]),
        ("fused", [None]),
    ],
)
def test_a_damaged_manifest_is_refused_in_words(
    tiny_path: Path, tmp_path: Path, field: str, value: object
) -> None:
    write_bundle(tmp_path / "b", load_bundle(tiny_path).manifest, members(tiny_path))
    raw = json.loads((tmp_path / "b" / MANIFEST).read_text())
    raw["score"][field] = value
    (tmp_path / "b" / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(BundleError, match=r"bundle .*: "):
        load_bundle(tmp_path / "b")


def test_a_candidate_occurs_once_and_so_does_a_map_of_the_heat_map() -> None:
    one = Candidate(map="cells4")
    with pytest.raises(BundleError, match="a name occurs twice"):
        ScoreSpec(candidates=(one, one))
    with pytest.raises(BundleError, match="a name occurs twice"):
        ScoreSpec(candidates=(one,), heatmap=(one.name, one.name))
    with pytest.raises(BundleError, match="129 candidates, expected at most 128"):
        ScoreSpec(candidates=tuple(Candidate(map=f"components{k}") for k in range(1, 130)))


@pytest.mark.parametrize(
    ("candidate", "complaint"),
    [
        (Candidate(map="cells16"), "cells16-peak1 needs the detector cells16"),
        (Candidate(map="neighbours", normalised=True), "needs neighbours.scale, which is missing"),
        (Candidate(map="residual", normalised=True), "needs residual.scale, which is missing"),
        (Candidate(map="segmenter"), "segmenter-peak1 needs segmenter.onnx"),
    ],
)
def test_a_candidate_without_its_arrays_is_refused(
    path: Path, tmp_path: Path, candidate: Candidate, complaint: str
) -> None:
    manifest = with_score(load_bundle(path), candidates=(*CANDIDATES[:-1], candidate))
    with pytest.raises(BundleError, match=complaint):
        write_bundle(tmp_path / "new", manifest, members(path))


def test_bundles_lack_nothing_that_their_candidates_need(path: Path, tmp_path: Path) -> None:
    parts = members(path)
    del parts[DETECTORS]
    with pytest.raises(BundleError, match="needs the detector components20, which is missing"):
        write_bundle(tmp_path / "new", load_bundle(path).manifest, parts)


def test_a_calibration_of_other_candidates_is_refused(path: Path, tmp_path: Path) -> None:
    bundle = load_bundle(path)
    manifest = with_score(bundle, candidates=CANDIDATES[:-1])
    with pytest.raises(BundleError, match="calibration: expected 14 scores"):
        write_bundle(tmp_path / "new", manifest, members(path))


def test_every_map_of_the_heat_map_has_its_range(path: Path, tmp_path: Path) -> None:
    manifest = with_score(load_bundle(path), heatmap=HEATMAP[:2])
    with pytest.raises(BundleError, match="ranges of 3 maps for a heat map of 2"):
        write_bundle(tmp_path / "new", manifest, members(path))


def test_detectors_of_other_channels_are_refused(path: Path, tmp_path: Path) -> None:
    other = {DETECTORS: pack_arrays(random_detectors(channels=3).pack())}
    with pytest.raises(BundleError, match="takes 3 channels, the manifest says 1"):
        write_bundle(tmp_path / "new", load_bundle(path).manifest, members(path) | other)


def test_a_residual_is_normalised_where_all_images_have_one_size(
    path: Path, tmp_path: Path
) -> None:
    parts, candidate = members(path), Candidate(map="residual", normalised=True)
    manifest = with_score(load_bundle(path), candidates=(*CANDIDATES[:-1], candidate))
    arrays = unpack_arrays(parts[DETECTORS], DETECTORS)
    for name, shape in (("good", (16, 16)), ("bad", (16, 17))):
        scale = {"residual.scale": np.ones(shape, np.float32)}
        parts[DETECTORS] = pack_arrays(arrays | scale)
        if name == "good":
            write_bundle(tmp_path / name, manifest, parts)
            continue
        with pytest.raises(BundleError, match=r"residual.scale is \[16, 17\]"):
            write_bundle(tmp_path / name, manifest, parts)


def test_an_array_is_not_allocated_before_its_bytes_are_there() -> None:
    import io
    import zipfile

    out = io.BytesIO()
    header = io.BytesIO()
    description = {"descr": "<f4", "fortran_order": False, "shape": (2**45,)}
    np.lib.format.write_array_header_1_0(header, description)
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("components20.mean.npy", header.getvalue() + bytes(16))
    with pytest.raises(BundleError, match="its header says 140737488355"):
        unpack_arrays(out.getvalue(), DETECTORS)


def test_a_damaged_deflate_stream_is_refused() -> None:
    data = bytearray(pack_arrays({"a": np.random.default_rng(0).random(4000)}))
    for place in range(200, len(data) - 200, 500):
        broken = bytes(data[:place]) + bytes([data[place] ^ 0xFF]) + bytes(data[place + 1 :])
        with pytest.raises(BundleError, match="not an npz file of plain arrays"):
            unpack_arrays(broken, DETECTORS)
