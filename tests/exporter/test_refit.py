"""A bundle fitted to other images keeps its networks and gets new tables and scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx.parser
import pytest
from PIL import Image

from codec import Codec
from codec.bundle.bundle import load_bundle, write_bundle
from codec.errors import BundleError, InvalidInput
from codec.graphs.onnx import open_graphs
from exporter.options import Options
from exporter.refit import refit
from training.data import datasets as training_data
from training.errors import UsageError
from training.run.checkpoint import load_run
from training.run.files import is_run


def test_a_bundle_fitted_to_the_same_images_stays_as_it_was(bundle_path, data, tmp_path):
    refit(bundle_path, tmp_path / "again", data, Options(), str)
    old, new = load_bundle(bundle_path), load_bundle(tmp_path / "again")
    assert new.model_id == old.model_id
    np.testing.assert_array_equal(new.calibration.fused, old.calibration.fused)
    assert new.manifest.score == old.manifest.score
    arrays = new.detectors.pack()
    for name, array in old.detectors.pack().items():
        np.testing.assert_array_equal(array, arrays[name])
    assert new.manifest.provenance["refitted"] == {"target_psnr": None, "registered": False}


def test_a_target_widens_the_steps_until_held_out_images_just_reach_it(
    bundle_path, run, data, tmp_path
):
    held_out = training_data.validation_images(load_run(run)[0].data, data)
    images = [image.transpose(1, 2, 0) for image in held_out]
    old = load_bundle(bundle_path)

    def psnr(bundle, level):
        codec = Codec(bundle, open_graphs(bundle, "cpu"))
        pairs = zip(images, codec.decompress(codec.compress(images, level)), strict=True)
        mse = np.mean([((a.astype(float) - b) ** 2).mean() for a, b in pairs])
        return 10 * np.log10(255**2 / mse)

    target = (psnr(old, 4) + psnr(old, 5)) / 2
    refit(bundle_path, tmp_path / "wide", data, Options(target_psnr=target), str)
    new = load_bundle(tmp_path / "wide")
    level = new.manifest.quality_default
    assert psnr(new, level) >= target
    ratio = new.steps[level] / old.steps[level]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    assert 1.0 <= ratio[0] < 2 ** (1 / 4)


def test_an_existing_bundle_is_not_overwritten(bundle_path, data):
    with pytest.raises(BundleError, match="exists already"):
        refit(bundle_path, bundle_path, data, Options(), str)


def test_a_run_is_distinguished_from_a_bundle(bundle_path, run):
    assert is_run(run)
    assert not is_run(bundle_path)


def test_a_quality_that_the_bundle_does_not_have_is_rejected(bundle_path, data, tmp_path):
    with pytest.raises(UsageError, match=r"--quality is 99; expected 0\.\.16"):
        refit(bundle_path, tmp_path / "new", data, Options(quality=99), str)


def test_a_model_of_images_of_any_size_is_fitted_to_other_images(tmp_path):
    tiny = Path(__file__).parents[1] / "data" / "tiny_map_bundle"
    rng = np.random.default_rng(7)
    (tmp_path / "images").mkdir()
    for index in range(40):
        pixels = rng.integers(0, 256, (48, 40 + 8 * (index % 2)), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{index}.png")
    refit(tiny, tmp_path / "new", tmp_path / "images", Options(), str)
    old, new = load_bundle(tiny), load_bundle(tmp_path / "new")
    assert new.decoder == old.decoder
    assert new.model_id != old.model_id
    image = rng.integers(0, 256, (33, 50, 1), np.uint8)
    codec = Codec(new, open_graphs(new, "cpu"))
    assert codec.decompress(codec.compress([image]))[0].shape == image.shape


@pytest.fixture
def few(data, tmp_path):
    """A folder of 25 pictures, of which 10 are held out."""
    (tmp_path / "few").mkdir()
    for path in sorted(data.iterdir())[:25]:
        (tmp_path / "few" / path.name).symlink_to(path)
    return tmp_path / "few"


def rewritten(source, target, rate):
    """A copy of a bundle with another default false-alarm rate."""
    old = load_bundle(source).manifest
    members = {name: (source / name).read_bytes() for name in old.members}
    score = replace(old.score, false_alarm_rate=rate)
    write_bundle(target, replace(old, score=score), members)
    return target


def test_few_images_raise_the_false_alarm_rate_with_a_line(bundle_path, few, tmp_path):
    lines = []
    old = rewritten(bundle_path, tmp_path / "old", 0.08)
    manifest = refit(old, tmp_path / "new", few, Options(), lines.append)
    assert manifest.score.false_alarm_rate == pytest.approx(1 / 11)
    assert (
        "default false-alarm rate 0.091, for 10 held-out images; with 12 or more it is 0.08"
        in lines
    )


def test_with_few_images_the_scores_of_the_family_decide(bundle_path, few, data, tmp_path):
    """The detectors of another camera would not do; with more images there are new ones."""
    lines = []
    manifest = refit(bundle_path, tmp_path / "new", few, Options(), lines.append)
    assert manifest.score.fused == ("residual", "latent")
    assert not manifest.score.candidates
    assert "ranking" not in manifest.provenance
    assert "detectors.npz" not in manifest.members
    assert (
        "10 held-out images are too few to choose scores by drawn defects: 20 are needed; the "
        "scores of the family decide"
    ) in lines
    again = refit(tmp_path / "new", tmp_path / "again", data, Options(), str)
    assert again.score.candidates


def test_scores_that_were_chosen_by_hand_stay(bundle_path, data, tmp_path):
    old = load_bundle(bundle_path).manifest
    members = {name: (bundle_path / name).read_bytes() for name in old.members}
    chosen = replace(old, provenance={**old.provenance, "export": {"fused": ["peak"]}})
    write_bundle(tmp_path / "old", chosen, members)
    assert not refit(tmp_path / "old", tmp_path / "new", data, Options(), str).score.candidates
    options = Options(detectors="none")
    assert not refit(bundle_path, tmp_path / "none", data, options, str).score.candidates


def test_held_out_images_that_look_defective_are_named(bundle_path, data, tmp_path):
    split = load_bundle(bundle_path).manifest.provenance["config"]
    config = training_data.DataConfig(
        **{key: split[key] for key in ("seed", "validation_fraction")}
    )
    held_out = training_data.split_indices(config, 60)[1][[3, 11]]
    spoiled = [f"{i:03d}.png" for i in held_out]
    (tmp_path / "images").mkdir()
    for path in data.iterdir():
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    rng = np.random.default_rng(0)
    for name in spoiled:
        pixels = 255 * rng.integers(0, 2, (16, 16), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / name)
    lines = []
    refit(bundle_path, tmp_path / "new", tmp_path / "images", Options(), lines.append)
    found = [line for line in lines if "look defective" in line]
    assert found == [
        f"2 of 24 held-out images look defective: {', '.join(spoiled)}; if they are, remove them "
        "and export again, since they hide defects like theirs"
    ]


def test_a_raised_false_alarm_rate_falls_with_more_images(bundle_path, few, data, tmp_path):
    assert load_bundle(bundle_path).manifest.score.false_alarm_rate == 0.05
    raised = refit(bundle_path, tmp_path / "raised", few, Options(), str)
    again = refit(tmp_path / "raised", tmp_path / "again", data, Options(), str)
    assert (raised.score.false_alarm_rate, again.score.false_alarm_rate) == (1 / 11, 0.05)


def test_a_chosen_false_alarm_rate_is_kept_unless_another_is_asked_for(bundle_path, data, tmp_path):
    lines = []
    old = rewritten(bundle_path, tmp_path / "old", 0.2)
    kept = refit(old, tmp_path / "kept", data, Options(), lines.append)
    asked = refit(old, tmp_path / "asked", data, Options(false_alarm_rate=0.3), lines.append)
    assert (kept.score.false_alarm_rate, asked.score.false_alarm_rate) == (0.2, 0.3)
    assert not any("false-alarm" in line for line in lines)
    with pytest.raises(InvalidInput, match=r"0\.01 needs 99 calibration images, the model has 24"):
        refit(old, tmp_path / "small", data, Options(false_alarm_rate=0.01), str)


# Divides by the mean of the image, so black images have no latents.
FRAGILE = """
<ir_version: 10, opset_import: ["" : 20]>
fragile (uint8[batch, 1, 16, 16] x) => (float[batch, 3] mu, float[batch, 3] log_var)
<int64[2] shape = {0, -1}, int64[1] start = {0}, int64[1] stop = {3}, int64[1] axis = {1},
 float low = {-6.0}>
{
    pixels = Cast <to = 1> (x)
    flat = Reshape (pixels, shape)
    mean = ReduceMean (flat, axis)
    first = Slice (flat, start, stop, axis)
    mu = Div (first, mean)
    zero = Sub (first, first)
    log_var = Add (zero, low)
}
"""


def test_a_bundle_that_fails_the_warm_up_is_not_written(bundle_path, data, tmp_path):
    old = load_bundle(bundle_path).manifest
    members = {name: (bundle_path / name).read_bytes() for name in old.members}
    members["encoder.onnx"] = onnx.parser.parse_model(FRAGILE).SerializeToString()
    write_bundle(tmp_path / "old", old, members)
    for name in ("new", "new.tar"):
        with pytest.raises(BundleError, match=r"warm-up failed: .* not finite"):
            refit(tmp_path / "old", tmp_path / name, data, Options(), str)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
