"""Bundles: written whole, read verified, refused in words."""

import hashlib
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codec.bundle.bundle import MANIFEST, REQUIRED, Bundle, load_bundle, model_id, write_bundle
from codec.bundle.manifest import Kind, LatentSpec, from_json, to_json
from codec.bundle.npz import pack_arrays, unpack_arrays
from codec.errors import BundleError, InvalidInput
from codec.graphs.onnx import open_graphs
from codec.images.input_spec import InputSpec


@pytest.fixture
def copy(tiny_path: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may damage."""
    return Path(shutil.copytree(tiny_path, tmp_path / "copy"))


SCORE = {
    "definition": 1,
    "blur": 13,
    "peak_blur": 3,
    "fused": ["peak"],
    "false_alarm_rate": 0.05,
}


def members(path: Path) -> dict[str, bytes]:
    """All files of a bundle folder but its manifest."""
    return {file.name: file.read_bytes() for file in path.iterdir() if file.name != MANIFEST}


def edit(path: Path, **changes: object) -> None:
    """Changes fields of a bundle's manifest."""
    manifest = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps(manifest | changes))


@pytest.mark.parametrize("name", ["again", "again.tar"])
def test_a_written_bundle_reads_the_same(tiny_path: Path, tmp_path: Path, name: str) -> None:
    bundle = load_bundle(tiny_path)
    write_bundle(tmp_path / name, bundle.manifest, members(tiny_path))
    again = load_bundle(tmp_path / name)
    assert again.manifest == bundle.manifest
    assert again.model_id == bundle.model_id
    assert (again.steps == bundle.steps).all()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_id_hashes_what_decoding_depends_on(tiny_path: Path) -> None:
    """Computed anew from the manifest's own text."""
    raw = json.loads((tiny_path / MANIFEST).read_text())
    facts = {
        "input": raw["input"],
        "latent": raw["latent"],
        "decoder": raw["members"]["decoder.onnx"]["sha256"],
        "tables": raw["members"]["tables.npz"]["sha256"],
    }
    expected = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).digest()
    assert load_bundle(tiny_path).model_id == expected


def test_the_id_depends_on_the_receptive_field_radius(bundle: Bundle) -> None:
    spec = InputSpec(channels=1, height=None, width=None, stride=8, fit="pad")
    ids = {
        model_id(replace(bundle.manifest, input=replace(spec, reach=reach)))
        for reach in (None, 8, 16)
    }
    assert len(ids) == 3


def test_a_manifest_without_a_receptive_field_radius_is_read(bundle: Bundle) -> None:
    raw = json.loads(to_json(bundle.manifest))
    assert raw["input"].pop("reach") is None
    assert from_json(json.dumps(raw)) == bundle.manifest


@pytest.mark.parametrize(("side", "reach"), [(None, -1), (None, 16385), (16, 8)])
def test_an_impossible_receptive_field_radius_is_refused(side: int | None, reach: int) -> None:
    with pytest.raises(BundleError, match=f"reach={reach}, expected 0..16384 and only in models"):
        InputSpec(
            channels=1,
            height=side,
            width=side,
            stride=8 if side is None else 1,
            fit="pad" if side is None else "exact",
            reach=reach,
        )


def test_the_id_depends_on_the_codebook(bundle: Bundle) -> None:
    ids = {
        model_id(replace(bundle.manifest, latent=LatentSpec(kind="indices", dims=2, **size)))
        for size in ({"codebook": 8, "grid": (1, 1)}, {"codebook": 9, "grid": (1, 1)})
    }
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("kind", "codebook", "complaint"),
    [
        ("gaussian", 8, "codebook=8 with kind='gaussian'"),
        ("indices", None, "codebook=None with kind='indices'"),
        ("indices", 1, r"codebook=1, expected 2\.\.65535"),
        ("indices", 65536, "codebook=65536"),
    ],
)
def test_only_indices_have_a_codebook(kind: Kind, codebook: int, complaint: str) -> None:
    with pytest.raises(BundleError, match=complaint):
        LatentSpec(kind=kind, dims=3, codebook=codebook, grid=None)


def test_an_existing_bundle_is_never_overwritten(tiny_path: Path, copy: Path) -> None:
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(copy, load_bundle(tiny_path).manifest, members(tiny_path))


def test_an_incomplete_bundle_is_never_written(tiny_path: Path, tmp_path: Path) -> None:
    parts = members(tiny_path)
    del parts["decoder.onnx"]
    with pytest.raises(BundleError, match=r"decoder\.onnx"):
        write_bundle(tmp_path / "new", load_bundle(tiny_path).manifest, parts)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_flipped_bit_in_any_member_is_noticed(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"{name} is damaged"):
        load_bundle(copy)


@pytest.mark.parametrize("name", [*sorted(REQUIRED), MANIFEST])
def test_a_missing_member_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        load_bundle(copy)


def test_a_truncated_member_is_recognised_by_its_size(copy: Path) -> None:
    (copy / "card.md").write_bytes(b"short")
    with pytest.raises(BundleError, match=r"card\.md has 5 bytes, the manifest says"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format 2, this software reads 1"),
        ({"surprise": 1}, "surprise"),
        ({"quality_default": 99}, "quality_default=99"),
        ({"name": "../up"}, "is not a name"),
        ({"members": []}, "members"),
        ({"family": 3}, "family=3, expected a string"),
        ({"input": None}, "InputSpec"),
        ({"quality_levels": "many"}, "cannot be read"),
        ({"score": SCORE | {"definition": 0}}, "definition 0, this software computes 1"),
    ],
)
def test_an_impossible_manifest_is_refused(
    copy: Path, changes: dict[str, object], words: str
) -> None:
    edit(copy, **changes)
    with pytest.raises(BundleError, match=words):
        load_bundle(copy)


def test_a_fused_score_that_does_not_exist_is_refused(copy: Path) -> None:
    score = json.loads((copy / MANIFEST).read_text())["score"]
    edit(copy, score=score | {"fused": ["residual", "strucure"]})
    with pytest.raises(BundleError, match="no score is called strucure; there are residual, peak"):
        load_bundle(copy)


def test_a_manifest_that_is_not_json_is_refused(copy: Path) -> None:
    (copy / MANIFEST).write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        load_bundle(copy)
    (copy / MANIFEST).write_text("[" * 100_000)
    with pytest.raises(BundleError, match="not JSON"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("fused", lambda a: a[:, None], r"fused has the shape \[\d+, 1\]"),
        ("residual_variance", np.ravel, "residual_variance has the shape"),
        ("residual_variance", np.zeros_like, "residual_variance must be above 0"),
        ("latent_variance", lambda a: -a, "latent_variance must be above 0"),
        ("score_std", np.zeros_like, "score_std must be above 0"),
        ("latent_mean", lambda a: np.repeat(a, 2), "differ in length"),
        ("score_weight", lambda _: -np.ones(5), "score_weight must not be below 0"),
        ("score_weight", lambda _: np.ones(6), "expected 5 scores"),
        ("heatmap_peaks", lambda _: np.ones(3), "fused and heatmap_peaks differ in length"),
    ],
)
def test_a_calibration_that_cannot_be_computed_with_is_refused(
    tiny_path: Path, tmp_path: Path, name: str, change, words: str
) -> None:
    parts = members(tiny_path)
    arrays = unpack_arrays(parts["calibration.npz"], "calibration.npz")
    parts["calibration.npz"] = pack_arrays({**arrays, name: change(arrays.get(name))})
    with pytest.raises(BundleError, match=words):
        write_bundle(tmp_path / "other", load_bundle(tiny_path).manifest, parts)


def test_peaks_of_heat_maps_are_optional_ascending_and_kept(
    tiny_path: Path, tmp_path: Path
) -> None:
    old, parts = load_bundle(tiny_path), members(tiny_path)
    assert old.calibration.heatmap_peaks is None
    assert pack_arrays(old.calibration.to_arrays()) == parts["calibration.npz"]
    peaks = np.linspace(1, 2, len(old.calibration.fused))
    for name, values in {"good": peaks, "bad": peaks[::-1]}.items():
        calibration = replace(old.calibration, heatmap_peaks=values)
        parts["calibration.npz"] = pack_arrays(calibration.to_arrays())
        if name == "bad":
            with pytest.raises(BundleError, match="heatmap_peaks must be ascending"):
                write_bundle(tmp_path / name, old.manifest, parts)
        else:
            write_bundle(tmp_path / name, old.manifest, parts)
    new = load_bundle(tmp_path / "good")
    assert new.model_id == old.model_id
    np.testing.assert_array_equal(new.calibration.heatmap_peaks, peaks)


def test_a_calibration_or_a_graph_of_another_size_is_refused(
    tiny_path: Path, tmp_path: Path
) -> None:
    parts, manifest = members(tiny_path), load_bundle(tiny_path).manifest
    arrays = unpack_arrays(parts["calibration.npz"], "calibration.npz")
    longer = {name: np.repeat(arrays[name], 2) for name in ("latent_mean", "latent_variance")}
    mixed = parts | {"calibration.npz": pack_arrays(arrays | longer)}
    with pytest.raises(BundleError, match="latents, the manifest says"):
        write_bundle(tmp_path / "mixed", manifest, mixed)
    channels = 4 - manifest.input.channels
    other = replace(manifest, input=replace(manifest.input, channels=channels))
    write_bundle(tmp_path / "other", other, parts)
    with pytest.raises(BundleError, match=f"channels, the manifest says {channels}"):
        open_graphs(load_bundle(tmp_path / "other"), "cpu")


def test_the_manifest_survives_json(tiny_path: Path) -> None:
    manifest = load_bundle(tiny_path).manifest
    assert from_json(to_json(manifest)) == manifest


def test_a_path_without_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere"):
        load_bundle(tmp_path / "nowhere")
    (tmp_path / "file.tar").write_bytes(b"not a tar at all")
    with pytest.raises(BundleError, match="neither a folder nor an uncompressed tar"):
        load_bundle(tmp_path / "file.tar")


def test_a_compressed_tar_is_refused(tiny_path: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bundle.tar", "w:gz") as archive:
        archive.add(tiny_path, ".")
    with pytest.raises(BundleError, match="uncompressed"):
        load_bundle(tmp_path / "bundle.tar")


def test_packed_arrays_are_the_same_bytes_every_time() -> None:
    arrays = {"b": np.arange(5), "a": np.ones((2, 3), np.float32)}
    packed = pack_arrays(arrays)
    assert packed == pack_arrays(dict(reversed(arrays.items())))
    for name, array in unpack_arrays(packed, "test").items():
        assert (array == arrays[name]).all()


def test_pickled_objects_are_refused() -> None:
    import io

    out = io.BytesIO()
    np.savez(out, a=np.array([object()]))
    with pytest.raises(BundleError, match="not an npz file of plain arrays"):
        unpack_arrays(out.getvalue(), "tables.npz")


def test_arrays_that_decompress_to_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codec.bundle.npz.MAX_ARRAY_BYTES", 2**16)
    bomb = pack_arrays({"a": np.zeros(2**16, np.uint8)})
    with pytest.raises(BundleError, match="holds arrays of"):
        unpack_arrays(bomb, "tables.npz")


def test_a_graph_with_other_names_is_refused(tiny_path: Path, tmp_path: Path) -> None:
    parts = members(tiny_path)
    parts["encoder.onnx"] = parts["decoder.onnx"]
    write_bundle(tmp_path / "swapped", load_bundle(tiny_path).manifest, parts)
    with pytest.raises(BundleError, match="expected"):
        open_graphs(load_bundle(tmp_path / "swapped"), "cpu")


def test_a_missing_provider_is_an_error_without_a_silent_fallback(tiny_path: Path) -> None:
    bundle = load_bundle(tiny_path)
    with pytest.raises((InvalidInput, BundleError), match="cuda"):
        open_graphs(bundle, "cuda")
    assert open_graphs(bundle, "auto").provider in ("cpu", "cuda")
