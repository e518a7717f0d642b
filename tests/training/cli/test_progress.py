import dataclasses
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from training.cli.progress import RunLog, describe, gap_warning, write_samples
from training.data.batches import make_batches
from training.loop import loop
from training.loop.decoded_images import decoded_images
from training.run.start import new_state

RECORD = {
    "loss": 1.0,
    "rec": 5.0,
    "psnr": 20.0,
    "rate": 2.0,
    "active_units": 3,
    "skipped": 0,
}
PICTURES = np.random.default_rng(0).integers(0, 255, (12, 1, 16, 16), np.uint8)


def run(config, folder, *, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=140)
    state = new_state(config, torch.device("cpu"))
    with RunLog(console, folder, PICTURES[:3]) as log:
        loop.train(
            state, make_batches(config, PICTURES), PICTURES[:3], log=log, save=lambda *_: None
        )
    return console.file.getvalue()


def test_without_a_terminal_there_is_one_plain_line_for_each_epoch(tiny, tmp_path):
    lines = run(tiny["reslag"], tmp_path, terminal=False).splitlines()
    assert len(lines) == 2
    assert "\x1b" not in "".join(lines)
    assert lines[0].startswith("epoch 1/2  loss ")
    for word in ("dB", "nats", "active", "images/s", "left"):
        assert word in lines[0]


def test_a_terminal_gets_a_bar_with_the_losses_and_the_time_left(tiny, tmp_path):
    shown = run(tiny["sigma_vae_map"], tmp_path, terminal=True)
    assert "nats" in shown
    assert "images/s" in shown
    assert "0:00:00" in shown


def test_the_lines_of_a_vq_vae_show_how_the_codebook_is_used(tiny, tmp_path):
    line = run(tiny["vq_vae"], tmp_path, terminal=False).splitlines()[-1]
    assert "codes " in line
    assert "perplexity " in line


def test_skipped_steps_are_shown():
    assert describe({**RECORD, "skipped": 4}).endswith("skipped 4")
    assert "skipped" not in describe(RECORD)


def test_mutual_information_and_collapse_are_shown_if_they_were_measured():
    found = describe({**RECORD, "mi": 5.125, "mi_cap": 7.625, "collapsed_units": 2})
    assert found.endswith(
        "rec 5.00  psnr 20.00 dB  rate 2.0 nats  active 3  mi 5.12 of 7.62 nats  collapsed 2"
    )
    assert not {"mi", "collapsed"} & set(describe(RECORD).split())


DECODED = {**RECORD, "psnr_sample": 31.3, "psnr_decoded": 22.6, "rec_decoded": 9.0}


def test_samples_and_decoded_images_are_shown_in_the_same_units():
    assert describe(DECODED).startswith(
        "loss 1.00  rec 5.00 sample, 9.00 decoded  psnr 31.30 dB sample, 22.60 dB decoded  rate"
    )


def test_a_gap_is_warned_about_with_its_remedy():
    found = gap_warning(DECODED, 0.0)
    assert found.startswith("records decode 8.7 dB worse than the samples")
    assert "--decoded-fraction 0.1 trains it on codes as they are decoded" in found
    assert "more than --decoded-fraction 0.2" in gap_warning(DECODED, 0.2)


@pytest.mark.parametrize("change", [{"psnr_decoded": 30.4}, {"psnr_decoded": math.nan}])
def test_a_small_gap_or_none_is_no_reason_to_warn(change):
    assert gap_warning(DECODED | change, 0.0) == ""
    assert gap_warning(RECORD, 0.0) == ""


@pytest.mark.parametrize(("fraction", "warned_in"), [(0.0, [1, 4]), (0.1, [4])])
def test_the_warning_comes_once_and_at_the_end(fraction, warned_in, tiny, tmp_path):
    """Not before the decoder has had its turn, if it gets one."""
    console = Console(file=io.StringIO(), width=140)
    config = dataclasses.replace(tiny["reslag"], epochs=4, decoded_fraction=fraction)
    state = new_state(config, torch.device("cpu"))
    with RunLog(console, tmp_path, PICTURES[:3]) as log:
        for state.epoch in range(1, 5):
            log.epoch(state, {**DECODED, "skipped": 0}, False)
    lines = console.file.getvalue().splitlines()
    found = [int(lines[i - 1][6]) for i, line in enumerate(lines) if "records decode" in line]
    assert found == warned_in


@pytest.mark.parametrize("kind", ["reslag", "vq_vae"])
def test_a_sample_sheet_has_decoded_images_in_its_lower_half(kind, tiny, tmp_path):
    state = new_state(tiny[kind], torch.device("cpu"))
    x = torch.from_numpy(PICTURES[:5])
    if kind == "vq_vae":
        state.ema_model.seed_codebooks(x.float() / 255, state.noise)
    write_samples(tmp_path / "a.png", state, PICTURES[:5])
    lower = np.asarray(Image.open(tmp_path / "a.png"))[16:]
    expected = torch.cat(list(decoded_images(state, x.float() / 255)), dim=2)[0].numpy()
    np.testing.assert_allclose(lower / 255, expected, atol=0.51 / 255)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sample_sheet_has_originals_in_its_upper_half(channels, tiny, tmp_path):
    config = tiny["reslag"]
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, channels=channels))
    examples = np.random.default_rng(1).integers(0, 255, (5, channels, 16, 16), np.uint8)
    path = tmp_path / "samples" / "a.png"
    write_samples(path, new_state(config, torch.device("cpu")), examples)
    sheet = np.asarray(Image.open(path)).reshape(32, 80, channels)
    for i, example in enumerate(examples):
        upper = sheet[:16, 16 * i : 16 * (i + 1)]
        np.testing.assert_array_equal(upper, example.transpose(1, 2, 0))
