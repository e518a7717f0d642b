"""From pictures in a folder to records, pictures and verdicts.

One family goes the whole way through real processes, from training to the client's commands. The
others are trained, exported and asked for in this process; one server serves them all.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from processes import finished, started

from codec import Codec, Scorer
from codec.arrays import U8
from codec.bundle.bundle import load_bundle
from codec.graphs.onnx import open_graphs
from exporter.export import export
from exporter.options import Options
from residuum_client import Box, Client, draw_heatmap
from residuum_client.__main__ import main as client_main
from training.__main__ import main as train

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("RESIDUUM_")},
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients' / 'python'}",
    "OMP_NUM_THREADS": "1",
}
SHORT = "--threads 1 --device cpu --batch-size 8 --validation-fraction 0.4 --model.widths 4 8"
MAP = "--epochs 2 --epoch-steps 60 --crop 16 --lr 0.005 --lr-warmup-steps 5"


# The family that is trained, exported and asked for by processes alone.
BY_PROCESS = "vq_vae"
# Deadline of each process, and of the server, which lives through the tests of all families.
SECONDS = 240.0


class Chain(NamedTuple):
    """The training of one family, and the pictures that are sent to its model."""

    preset: str
    """also the name of the run and of its model"""
    options: str
    channels: int
    sizes: list[tuple[int, int]]
    """heights and widths of the pictures that are sent"""
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
    """A noisy disc on a slope."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(y - rng.uniform(4, height - 4), x - rng.uniform(4, width - 4)) < 4
    plain = 40 + 4.0 * x + 120.0 * disc
    pixels = plain[..., None] * rng.uniform(0.6, 1.0, channels)
    noisy = np.clip(pixels + rng.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(noisy[..., 0] if channels == 1 else noisy)


def draw(folder: Path, sizes: Sequence[tuple[int, int]], channels: int, seed: int) -> list[Path]:
    """Write pictures of the given heights and widths."""
    folder.mkdir(parents=True)
    paths = [folder / f"{i:02d}.png" for i in range(len(sizes))]
    for i, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        picture(seed + i, *size, channels).save(path)
    return paths


def pixels(path: Path) -> U8:
    """An image file as `[H, W, C]`."""
    array = np.asarray(Image.open(path))
    return array if array.ndim == 3 else array[..., None]


def module(*arguments: object) -> str:
    """Run `python -m …`; returns its standard output."""
    command = [sys.executable, "-m", *map(str, arguments)]
    done = finished(command, seconds=SECONDS, cwd=ROOT, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, b""), done.stdout
    return done.stdout.decode()


def produce(family: str, folder: Path) -> None:
    """Train and export one family: `folder` gets its run, its bundle and its data."""
    chain = FAMILIES[family]
    run, bundle = folder / "runs" / chain.preset, folder / "bundles" / chain.bundle
    data = folder / "data" / family
    draw(data, [(24, 24)] * 50, chain.channels, seed=0)
    words = [chain.preset, "--data", str(data), "--out", str(run)]
    words += [*chain.options.split(), *SHORT.split()]
    if family == BY_PROCESS:
        module("training", *words)
        module("exporter", run, "--out", bundle, "--calibrate", data)
    else:
        assert train(words) == 0
        export(run, bundle, data, Options(), lambda _: None)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory, shared_onnx_registry: None) -> Path:
    """A folder with the bundles of all families."""
    folder = tmp_path_factory.mktemp("chain")
    for family in FAMILIES:
        produce(family, folder)
    return folder / "bundles"


@pytest.fixture(scope="module")
def server(bundles: Path) -> Iterator[str]:
    """Address of a server of all bundles, which must end with status 0 after SIGTERM."""
    ports = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--metrics-port", "0"]
    command = [sys.executable, "-m", "service", "--bundles", str(bundles), *ports]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(command, seconds=SECONDS, cwd=ROOT, env=ENVIRONMENT, **pipes) as process:
        lines = [process.stdout.readline().decode() for _ in FAMILIES]
        pattern = r"(.+) 1 on cpu: port (\d+), admin \d+, metrics \d+\n"
        ready = [re.fullmatch(pattern, line) for line in lines]
        assert all(ready), (lines, process.poll() is not None and process.stderr.read())
        assert sorted(match[1] for match in ready) == sorted(c.preset for c in FAMILIES.values())
        yield f"127.0.0.1:{ready[0][2]}"
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate()
        assert process.returncode == 0, log
        assert b"Traceback" not in log


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_go_the_whole_way_and_back(
    family: str, bundles: Path, server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = FAMILIES[family]
    bundle = bundles / chain.bundle
    opened = load_bundle(bundle)
    codec = Codec(opened, open_graphs(opened, "cpu"))
    assert codec.manifest.family == family
    photos = draw(tmp_path / "photos", chain.sizes, chain.channels, seed=1000)

    def in_process(*words: object) -> str:
        assert client_main(list(map(str, words))) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    def by_process(*words: object) -> str:
        return module("residuum_client", *words)

    residuum = by_process if family == BY_PROCESS else in_process
    through_the_library(server, chain.preset, codec, [pixels(path) for path in photos])
    source = ["--server", server, "--model", chain.preset]
    through_the_command(residuum, source, codec, photos, tmp_path)
    offline = residuum("score", *photos, "--bundle", bundle, "--json")
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
            places = [(r.box.top, r.box.left, r.p_value) for r in found.regions]
            assert places == [(r.box.top, r.box.left, r.p_value) for r in expected.regions]


def through_the_command(
    residuum: Callable[..., str],
    source: list[str],
    codec: Codec,
    photos: list[Path],
    folder: Path,
) -> None:
    """Files become records and files again, and heat maps are drawn over them."""
    images = [pixels(path) for path in photos]
    records, restored, heat = (folder / name for name in ("records", "restored", "heat"))
    residuum("compress", photos[0].parent, "--out", records, *source)
    expected = codec.compress(images)
    assert [path.read_bytes() for path in sorted(records.iterdir())] == expected
    residuum("decompress", records, "--out", restored, *source)
    for path, image in zip(sorted(restored.iterdir()), codec.decompress(expected), strict=True):
        np.testing.assert_array_equal(pixels(path), image)
    verdicts = residuum("score", *photos, "--heatmaps", heat, "--json", *source)
    compare_verdicts(verdicts, codec, photos)
    scorer = Scorer(codec)
    scores = zip(sorted(heat.iterdir()), images, scorer.score(images), strict=True)
    for path, image, score in scores:
        boxes = [Box(**asdict(region.box)) for region in score.regions]
        drawn = draw_heatmap(image, score.heatmap, scorer.heatmap_vmax, boxes=boxes)
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
        places = [(region["top"], region["left"], region["p_value"]) for region in found["regions"]]
        assert places == [(r.box.top, r.box.left, r.p_value) for r in score.regions]
