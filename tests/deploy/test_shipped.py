"""The shipped bundles, their sample images, and the demo."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codec import Codec, Scorer
from codec.bundle.bundle import load_bundle
from codec.entropy.range_coder import RangeCoder
from codec.graphs.onnx import open_graphs
from codec.image_reader import read_image
from codec.record.frame import unpack
from codec.reference.range_coder import ReferenceCoder

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NAMES = ["fashion", "pcb"]
MAX_BYTES = 24_000_000


@pytest.fixture(scope="module", params=NAMES)
def shipped(request) -> tuple[str, Codec, list[np.ndarray]]:
    """One shipped codec and its sample images."""
    bundle = load_bundle(DEPLOY / "bundles" / request.param)
    files = sorted((DEPLOY / "samples" / request.param).glob("*.png"))
    images = [read_image(file.read_bytes(), 1) for file in files]
    return request.param, Codec(bundle, open_graphs(bundle, "cpu")), images


def test_the_bundles_are_complete_and_small():
    bundles = [load_bundle(DEPLOY / "bundles" / name) for name in NAMES]
    assert [bundle.manifest.name for bundle in bundles] == NAMES
    assert sum(bundle.size for bundle in bundles) < MAX_BYTES


def test_each_bundle_records_how_it_was_made(shipped):
    _, codec, _ = shipped
    provenance = codec.manifest.provenance
    assert provenance["command"].startswith("residuum-train ")
    assert provenance["parity"]["equal_codes"] > 0.999
    assert provenance["export"]["false_alarm_rate"] in (None, codec.manifest.score.false_alarm_rate)
    assert not any(root in json.dumps(provenance) for root in ("/home", "/root", "/tmp", "/work"))  # noqa: S108


def test_the_samples_decode_to_the_same_codes_through_the_reference_coder(shipped):
    name, codec, images = shipped
    bundle = load_bundle(DEPLOY / "bundles" / name)
    prior = bundle.priors[bundle.manifest.quality_default]
    fast, reference = RangeCoder(prior), ReferenceCoder(prior)
    for image, record in zip(images, codec.compress(images), strict=True):
        payload = unpack(record, codec.model_id, sized=bundle.manifest.input.sized).payload
        grid = bundle.manifest.latent.grid or (image.shape[0] // 8, image.shape[1] // 8)
        shape = (1, bundle.manifest.latent.dims, *grid)
        assert (reference.decode(payload, shape) == fast.decode(payload, shape)).all()


def test_the_verdicts_on_the_samples_are_right(shipped):
    name, codec, images = shipped
    files = sorted(file.stem for file in (DEPLOY / "samples" / name).glob("*.png"))
    expected = [stem.endswith("defect") or stem == "not-fashion" for stem in files]
    assert [score.anomalous for score in Scorer(codec).score(images)] == expected


def test_the_demo_prints_a_row_for_each_sample_and_writes_pictures(tmp_path):
    command = [sys.executable, DEPLOY / "demo.py", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for name in NAMES:
        samples = sorted((DEPLOY / "samples" / name).glob("*.png"))
        assert all(sample.stem in done.stdout for sample in samples)
        assert len(list((tmp_path / name).glob("*.rsd"))) == len(samples)
        with Image.open(tmp_path / name / "picture.png") as picture:
            assert picture.height * len(samples) == picture.width * 3
