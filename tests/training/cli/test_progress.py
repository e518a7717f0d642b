import dataclasses
import io

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from training.cli.progress import RunLog, describe, write_samples
from training.data.batches import make_batches
from training.loop import loop
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
