"""A bundle fitted to other images keeps its networks and gets new tables and scores."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codec import Codec
from codec.bundle.bundle import load_bundle
from codec.errors import BundleError
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
