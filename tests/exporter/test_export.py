"""From a run to a bundle with the command, and errors before any work is done."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codec import Codec, Scorer
from codec.bundle.bundle import REQUIRED, load_bundle
from codec.bundle.manifest import LatentSpec
from codec.errors import InvalidInput
from codec.graphs.onnx import open_graphs
from exporter.__main__ import main
from exporter.export import describe
from exporter.options import Options, raised_rate
from exporter.provenance import portable
from training.__main__ import main as train
from training.config.model import ModelConfig
from training.config.run import TrainConfig
from training.data.datasets import training_and_validation
from training.errors import TrainingError, UsageError
from training.run.checkpoint import load_run


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs residuum-export; gives its exit status, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["residuum-export", *map(str, arguments)])
        status = main()
        return status, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def held_out(run, data):
    """The images that calibrated it, `[H, W, C]`."""
    return [
        image.transpose(1, 2, 0)
        for image in training_and_validation(load_run(run)[0].data, data)[1]
    ]


def test_a_run_becomes_a_bundle_that_works(bundle_path, held_out):
    bundle = load_bundle(bundle_path)
    codec = Codec(bundle, open_graphs(bundle, "cpu"))
    assert (codec.manifest.name, codec.manifest.version) == ("discs", "1")
    assert codec.manifest.input.fit == "resize"
    restored = codec.decompress(codec.compress(held_out))
    assert [image.shape for image in restored] == [image.shape for image in held_out]
    p = np.sort([score.p_value for score in Scorer(codec).score(held_out)])
    # Each was calibrated as if it were new, so it is hardly more unusual among all of them.
    assert (p > (np.arange(1, 25) - 0.5) / 25).all()


def test_a_bundle_holds_its_members_and_nothing_else(bundle_path):
    files = {path.name for path in bundle_path.iterdir()}
    assert files == REQUIRED | {"manifest.json", "card-samples.png", "detectors.npz"}
    assert [path.name for path in bundle_path.parent.iterdir()] == ["discs"]


@pytest.mark.slow
def test_without_detectors_the_scores_of_the_family_decide(command, run, data, held_out, tmp_path):
    out = tmp_path / "plain"
    status, said, _ = command(run, "--out", out, "--calibrate", data, "--detectors", "none")
    assert status == 0
    assert "ranking" not in said
    bundle = load_bundle(out)
    assert (out / "detectors.npz").exists() is False
    assert bundle.manifest.score.fused == ("residual", "latent")
    assert (bundle.manifest.score.candidates, bundle.calibration.score_weight) == ((), None)
    scores = Scorer(Codec(bundle, open_graphs(bundle, "cpu"))).score(held_out)
    p = np.sort([score.p_value for score in scores])
    np.testing.assert_allclose(p, np.arange(2, 26) / 25)


def test_the_manifest_records_the_origin_of_the_model(bundle_path, run):
    facts = load_bundle(bundle_path).manifest.provenance
    config = json.loads((run / "config.json").read_text())
    assert facts["config"] == config["config"]
    assert facts["data_sha256"] == config["provenance"]["data_sha256"]
    assert (facts["training_images"], facts["calibration_images"]) == (36, 24)
    assert facts["metrics"]["psnr"] > 0
    assert 0 <= facts["parity"]["pixel_error"] < 1e-5


def test_no_member_names_a_folder_of_this_machine(bundle_path, run, data):
    for path in bundle_path.iterdir():
        for place in (run, data, Path(__file__).parents[2], Path.home()):
            assert str(place).encode() not in path.read_bytes(), (path.name, place)


def test_the_card_has_figures_and_pictures(bundle_path, held_out):
    bundle = load_bundle(bundle_path)
    codec = Codec(bundle, open_graphs(bundle, "cpu"))
    size = np.mean([len(record) for record in codec.compress(held_out)])
    assert "# discs 1\n" in bundle.card
    assert f"| bytes per record, framing and checksum included | {size:.2f} |" in bundle.card
    assert "| held-out images | 24 |" in bundle.card
    assert "(card-samples.png)" in bundle.card
    with Image.open(io.BytesIO((bundle_path / "card-samples.png").read_bytes())) as sheet:
        top = np.asarray(sheet.crop((0, 0, 80, 80)).resize((16, 16), Image.Resampling.NEAREST))
    assert (top == held_out[0]).all()


@pytest.mark.slow
def test_the_options_are_in_the_bundle(command, run, data, tmp_path):
    out = tmp_path / "chosen.tar"
    options = "--name other --version 2.1 --fit tile --target-psnr 3 --false-alarm-rate 0.2"
    more = "--fused peak rate --blur 5 --peak-blur 1 --registered"
    words = f"{run} --out {out} --calibrate {data} {options} {more}".split()
    status, said, _ = command(*words)
    assert status == 0
    assert said.splitlines()[-1].startswith(f"{out}: model other, version 2.1, 0.0")
    manifest = load_bundle(out).manifest
    assert (manifest.name, manifest.version, manifest.input.fit) == ("other", "2.1", "tile")
    assert manifest.quality_default == 0
    score = manifest.score
    assert (score.fused, score.false_alarm_rate) == (("peak", "rate"), 0.2)
    assert (score.blur, score.peak_blur) == (5, 1)
    assert load_bundle(out).calibration.residual_variance.shape == (1, 16, 16)


ERRORS = {
    "{data} --out {new} --calibrate {data}": "neither a run (no best.safetensors) nor a bundle",
    "nowhere --out {new} --calibrate {data}": "nowhere does not exist; expected a run or a bundle",
    "{run} --out {new} --calibrate nowhere": "nowhere does not exist; expected a folder of images",
    "{run} --out {new} --calibrate {empty}": "empty holds no image files",
    "{run} --out {empty} --calibrate {data}": "empty exists already",
    "{run} --out {file}/new --calibrate {data}": "file is not a writable folder",
    "{run} --out {new} --calibrate {data} --name A": "'A' is not a name: lower-case letters",
    "{run} --out {new} --calibrate {data} --quality 17": "--quality is 17; expected 0..16",
    "{run} --out {new} --calibrate {data} --fit pad": "models of any size pad, others do not",
    "{run} --out {new} --calibrate {data} --blur 4": "blur=4, expected odd",
    "{run} --out {new} --calibrate {data} --fused a": "no score is called a; there are residual",
    "{run} --out {new} --calibrate {data} --false-alarm-rate 2": (
        "--false-alarm-rate is 2.0; expected a number between 0 and 1"
    ),
    "{run} --out {new} --calibrate {data} --false-alarm-rate 0.01": (
        "false-alarm rate 0.01 needs 99 calibration images, the model has 24"
    ),
}


# Wrong whatever the run and the images are.
WRONG_USAGE = ("--name", "--quality", "--fit", "--blur", "--fused", "--false-alarm-rate 2")


@pytest.mark.parametrize("line", ERRORS)
def test_an_error_is_one_line_and_nothing_is_written(command, run, data, tmp_path, line):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("not a folder")
    places = {"run": run, "data": data} | {n: tmp_path / n for n in ("new", "empty", "file")}
    status, said, complaint = command(*line.format(**places).split())
    assert status == (2 if any(option in line for option in WRONG_USAGE) else 1)
    assert said in ("", "layout flat: 60 normal for training, none for testing\n")
    assert complaint.startswith("residuum-export: ")
    assert ERRORS[line] in complaint
    assert complaint.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "file"]


def test_a_run_with_a_damaged_checkpoint_is_rejected(command, run, data, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(run, damaged)
    whole = (damaged / "best.safetensors").read_bytes()
    (damaged / "best.safetensors").write_bytes(whole[: len(whole) // 2])
    status, _, complaint = command(damaged, "--out", tmp_path / "new", "--calibrate", data)
    assert status == 1
    assert "is not a readable checkpoint" in complaint
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("command", "portable_command"),
    [
        ("fashion --data /home/me/pictures --out /srv/run --lr 1", "--data DIR --out RUN --lr 1"),
        ("fashion --data=/home/me/pictures --out=/srv/run", "--data=DIR --out=RUN"),
        ("fashion --out run --epochs 3 --data .", "--out RUN --epochs 3 --data DIR"),
        ("fashion --data --out", "--data DIR"),
    ],
)
def test_the_command_is_recorded_without_paths(command, portable_command):
    recorded = portable(["residuum-train", *command.split()])
    assert recorded == f"residuum-train fashion {portable_command}"


def test_a_run_without_a_command_records_none():
    assert portable([]) == ""


def described(options=None, **model):
    config = TrainConfig(model=ModelConfig(**model), crop=0 if model.get("height") else 16)
    return describe(config, options or Options(), "m", exact=True, held_out=500)


def test_a_global_model_takes_its_own_size_and_quantises_17_levels():
    manifest = described(family="sigma_vae", height=32, width=64, latent=7, channels=3)
    assert (manifest.input.height, manifest.input.width, manifest.input.stride) == (32, 64, 1)
    assert (manifest.input.channels, manifest.input.fit) == (3, "exact")
    assert (manifest.latent.kind, manifest.latent.dims, manifest.latent.grid) == (
        "gaussian",
        7,
        (1, 1),
    )
    assert (manifest.quality_default, manifest.quality_levels) == (8, 17)
    assert (manifest.score.fused, manifest.score.false_alarm_rate) == (("residual", "latent"), 0.01)


@pytest.mark.parametrize("family", ["sigma_vae_map", "vq_vae"])
def test_a_map_model_of_any_size_pads_and_decides_by_the_peak(family):
    manifest = described(family=family, widths=(4, 8), stride=16)
    assert (manifest.input.height, manifest.input.width) == (None, None)
    assert (manifest.input.stride, manifest.input.fit) == (16, "pad")
    assert manifest.latent.grid is None
    assert manifest.score.fused == ("peak",)


def test_indices_have_one_quality_and_are_scored_by_residual_and_distance():
    manifest = described(family="vq_vae", widths=(4, 8), codebook=32, height=16, width=24)
    assert manifest.latent == LatentSpec(kind="indices", dims=1, codebook=32, grid=(2, 3))
    assert (manifest.quality_default, manifest.quality_levels) == (0, 1)
    assert manifest.score.fused == ("residual", "latent")
    with pytest.raises(UsageError, match=r"--quality is 8; expected 0\.\.0"):
        described(Options(quality=8), family="vq_vae", widths=(4, 8))


def test_a_position_has_several_symbols_with_two_levels_or_several_channels():
    two = described(family="vq_vae_2", widths=(4, 8), codebook=32)
    assert two.latent == LatentSpec(kind="indices", dims=5, codebook=32, grid=None)
    fsq = described(family="fsq", widths=(4, 8), levels=(7, 5, 3), height=16, width=24)
    assert fsq.latent == LatentSpec(kind="indices", dims=3, codebook=7, grid=(2, 3))


def test_a_map_of_one_position_is_rejected():
    with pytest.raises(TrainingError, match="train a sigma_vae instead"):
        described(family="sigma_vae_map", widths=(4, 8), height=8, width=8)


@pytest.mark.parametrize(
    ("held_out", "rate"),
    [(10, 1 / 11), (20, 0.05), (58, 0.05), (99, 0.03), (298, 3 / 299), (299, 0.01), (9999, 0.01)],
)
def test_the_default_false_alarm_rate_is_supported_by_the_images(held_out, rate):
    config = TrainConfig(model=ModelConfig(height=16, width=16, widths=(4, 8)))
    manifest = describe(config, Options(), "m", exact=True, held_out=held_out)
    assert manifest.score.false_alarm_rate == pytest.approx(rate)


def test_a_raised_false_alarm_rate_is_explained():
    assert raised_rate(1 / 11, 10) == (
        "default false-alarm rate 0.091, for 10 held-out images; with 299 or more it is 0.01"
    )
    assert raised_rate(0.5, 1) == (
        "default false-alarm rate 0.500, for 1 held-out image; with 299 or more it is 0.01"
    )


def test_a_false_alarm_rate_that_needs_more_images_is_rejected():
    with pytest.raises(InvalidInput, match="needs 9999 calibration images, the model has 500"):
        described(Options(false_alarm_rate=1e-4), family="vq_vae", widths=(4, 8))


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 10])
def test_a_few_images_are_enough_for_a_bundle_that_works(command, data, tmp_path, count):
    """Its alarm is coarse, as the line about the false-alarm rate says, but the promise holds."""
    (tmp_path / "few").mkdir()
    for path in sorted(data.iterdir())[:count]:
        (tmp_path / "few" / path.name).symlink_to(path)
    words = f"sigma-vae --data {tmp_path / 'few'} --out {tmp_path / 'run'} --epochs 1 --device cpu"
    more = "--model.channels 1 --model.height 16 --model.width 16 --model.widths 4 8 --threads 1"
    assert train([*words.split(), *more.split()]) == 0
    for source, out in (("run", "bundle"), ("bundle", "refitted")):
        places = [tmp_path / source, "--out", tmp_path / out, "--calibrate", tmp_path / "few"]
        status, said, _ = command(*places)
        assert status == 0
        assert (
            "default false-alarm rate 0.500, for 1 held-out image; with 299 or more it is 0.01"
            in said
        )
        assert "too few to choose scores by drawn defects: 20 are needed" in said
        bundle = load_bundle(tmp_path / out)
        scores = Scorer(Codec(bundle, open_graphs(bundle, "cpu"))).score(
            [np.full((16, 16, 1), value, np.uint8) for value in (0, 90)]
        )
        assert {score.p_value for score in scores} <= {0.5, 1.0}
