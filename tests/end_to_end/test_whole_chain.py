"""From pictures in a folder to records, pictures and verdicts, as a person would type it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from codec import Codec, Scorer
from codec.arrays import U8
from codec.bundle.bundle import load_bundle
from codec.graphs.onnx import open_graphs
from residuum_client import Client, draw_heatmap

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("RESIDUUM_")},
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients' / 'python'}",
    "OMP_NUM_THREADS": "1",
}
SHORT = "--threads 1 --device cpu --batch-size 8 --validation-fraction 0.4 --model.widths 4 8"
MAP = "--epochs 2 --epoch-steps 60 --crop 16 --lr 0.005 --lr-warmup-steps 5"


class Chain(NamedTuple):
    """What one family goes through."""

    preset: str
    options: str
    channels: int
    sizes: list[tuple[int, int]]
    """of the pictures that are sent"""
    bundle: str


FAMILIES = {
    "reslag": Chain(
        "reslag",
        "--epochs 20 --lr 0.005 --model.latent 4 --model.height 16 --model.width 16 "
        "--model.channels 1",
        1,
        [(16, 16), (16, 16), (20, 30)],
        "reslag",
    ),
    "sigma_vae_map": Chain(
        "sigma-vae-map",
        f"{MAP} --model.latent 2 --model.channels 1",
        1,
        [(16, 24), (17, 9), (16, 24)],
        "map",
    ),
    "vq_vae": Chain(
        "vq-vae",
        f"{MAP} --model.latent 3 --model.codebook 16",
        3,
        [(24, 16), (24, 16), (33, 18)],
        "vq.tar",
    ),
}


def picture(seed: int, height: int, width: int, channels: int) -> Image.Image:
    """A disc on a slope, with a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(y - rng.uniform(4, height - 4), x - rng.uniform(4, width - 4)) < 4
    plain = 40 + 4.0 * x + 120.0 * disc
    pixels = plain[..., None] * rng.uniform(0.6, 1.0, channels)
    noisy = np.clip(pixels + rng.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(noisy[..., 0] if channels == 1 else noisy)


def draw(folder: Path, sizes: Sequence[tuple[int, int]], channels: int, seed: int) -> list[Path]:
    """Writes pictures of the given sizes."""
    folder.mkdir()
    paths = [folder / f"{i:02d}.png" for i in range(len(sizes))]
    for i, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        picture(seed + i, *size, channels).save(path)
    return paths


def pixels(path: Path) -> U8:
    """An image file as `[H, W, C]`."""
    array = np.asarray(Image.open(path))
    return array if array.ndim == 3 else array[..., None]


def module(*arguments: object) -> str:
    """Runs `python -m …`; its standard output."""
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


@contextlib.contextmanager
def serving(bundles: Path, name: str) -> Iterator[str]:
    """Address of a server of a folder of bundles, which must end as it should."""
    ports = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--metrics-port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "service", "--bundles", str(bundles), *ports],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            line = server.stdout.readline()
            ready = re.fullmatch(rf"{name} 1 on cpu: port (\d+), admin \d+, metrics \d+\n", line)
            assert ready, (line, server.poll() is not None and server.stderr.read())
            yield f"127.0.0.1:{ready[1]}"
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=30)
            assert server.returncode == 0, log
            assert "Traceback" not in log
        finally:
            server.kill()


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_go_the_whole_way_and_back(family: str, tmp_path: Path) -> None:
    preset, options, channels, sizes, name = FAMILIES[family]
    run, bundle = tmp_path / family.replace("_", "-"), tmp_path / "bundles" / name
    draw(tmp_path / "data", [(24, 24)] * 50, channels, seed=0)
    folders = ["--data", tmp_path / "data", "--out", run]
    module("training", preset, *folders, *options.split(), *SHORT.split())
    module("exporter", run, "--out", bundle, "--calibrate", tmp_path / "data")

    opened = load_bundle(bundle)
    codec = Codec(opened, open_graphs(opened, "cpu"))
    assert codec.manifest.family == family
    photos = draw(tmp_path / "photos", sizes, channels, seed=1000)
    images = [pixels(path) for path in photos]

    with serving(bundle.parent, run.name) as target:
        through_the_library(target, run.name, codec, images)
        through_the_command(["--server", target, "--model", run.name], codec, photos, tmp_path)
    offline = module("residuum_client", "score", *photos, "--bundle", bundle, "--json")
    compare_verdicts(offline, codec, photos)


def through_the_library(target: str, name: str, codec: Codec, images: list[U8]) -> None:
    """The client gets from the server what the codec computes here."""
    with Client(target, model=name) as client:
        info = client.describe().model
        assert (info.model_id, info.family) == (codec.model_id, codec.manifest.family)
        finest = codec.manifest.quality_levels - 1
        fine = client.encode(images, quality=finest)
        assert fine == codec.compress(images, finest)
        assert len(set(fine)) == len(images)
        records = client.encode(images)
        assert records == codec.compress(images)
        for found, expected in zip(client.decode(records), codec.decompress(records), strict=True):
            np.testing.assert_array_equal(found, expected)
        for found, expected in zip(
            client.score(images, heatmaps=True), Scorer(codec).score(images), strict=True
        ):
            assert (found.p_value, found.anomalous) == (expected.p_value, expected.anomalous)
            assert found.scores == pytest.approx(expected.scores, rel=1e-4)
            np.testing.assert_allclose(found.heatmap, expected.heatmap, rtol=1e-3, atol=1e-3)


def through_the_command(source: list[str], codec: Codec, photos: list[Path], folder: Path) -> None:
    """Files become records and files again, and heat maps are drawn over them."""
    images = [pixels(path) for path in photos]
    records, restored, heat = (folder / name for name in ("records", "restored", "heat"))
    module("residuum_client", "compress", photos[0].parent, "--out", records, *source)
    expected = codec.compress(images)
    assert [path.read_bytes() for path in sorted(records.iterdir())] == expected
    module("residuum_client", "decompress", records, "--out", restored, *source)
    for path, image in zip(sorted(restored.iterdir()), codec.decompress(expected), strict=True):
        np.testing.assert_array_equal(pixels(path), image)
    said = module("residuum_client", "score", *photos, "--heatmaps", heat, "--json", *source)
    compare_verdicts(said, codec, photos)
    scorer = Scorer(codec)
    scores = zip(sorted(heat.iterdir()), images, scorer.score(images), strict=True)
    for path, image, score in scores:
        drawn = draw_heatmap(image, score.heatmap, scorer.heatmap_vmax)
        assert np.abs(pixels(path).astype(int) - drawn).max() <= 1


def compare_verdicts(lines: str, codec: Codec, photos: list[Path]) -> None:
    """The JSON lines of `residuum score` are what the codec computes here."""
    images = [pixels(path) for path in photos]
    scores = Scorer(codec).score(images)
    for line, path, score in zip(lines.splitlines(), photos, scores, strict=True):
        found = json.loads(line)
        assert found["path"] == str(path)
        assert found["p_value"] == score.p_value
        assert found["anomalous"] == score.anomalous
        assert found["scores"] == pytest.approx(score.scores, rel=1e-4)
        assert found["record_bytes"] == score.record_bytes
