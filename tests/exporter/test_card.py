"""The model card, of new bundles and of those in this repository."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from codec.bundle.bundle import load_bundle
from exporter.card import write_card

ROOT = Path(__file__).parents[2]
MANIFEST = load_bundle(ROOT / "tests" / "data" / "tiny_bundle").manifest
POSTERIOR = {"epoch": 7, "rec": 17.25, "psnr": 16.5, "rate": 14.0, "active_units": 5}
INFORMATION = {"mi": 7.5, "mi_cap": 7.62, "collapsed_units": 2}
CODES = {"epoch": 7, "rec": 17.25, "code_usage": 0.75, "perplexity_top": 9.5}
# First digits of the model id, and of the SHA-256 over the digests of all members but the card.
COMMITTED = {
    "deploy/bundles/fashion": ("aba4f5b8e0c464af", "d20679ba67428c8b"),
    "deploy/bundles/pcb": ("39667b50a5b4a78a", "356ffa277bc7d1bf"),
    "tests/data/tiny_bundle": ("81229951cca0102e", "1cb25afc85b175f4"),
    "tests/data/tiny_map_bundle": ("986c4aaf52363c2c", "34652aa711dac6d7"),
}
FACTS = (
    "held-out images",
    "bytes per record, framing and checksum included",
    "compression ratio to 8-bit pixels",
    "PSNR of the mean squared error",
)


def card(metrics):
    return write_card(replace(MANIFEST, provenance={"metrics": metrics}), {"bytes": "5"})


@pytest.mark.parametrize(
    ("metrics", "rows"),
    [
        (
            POSTERIOR | INFORMATION,
            ["16.5 | dB", "14 | nats per image", "| 5 | latents", "| 2 | latents", "| 7.5 | nats"],
        ),
        (POSTERIOR, ["17.25 | squared units of [0, 1]"]),
        (CODES, ["| 0.75 | 0 to 1", "perplexity of the top codes | 9.5 | codes"]),
    ],
    ids=["posterior", "older run", "codes"],
)
def test_the_card_shows_the_health_of_the_weights(metrics, rows):
    text = card(metrics)
    assert "after epoch 7, before quantisation" in text
    assert all(row in text for row in rows)
    table = text[text.index("| measure |") : text.index("## Limitations")].strip().splitlines()
    assert {line.replace("\\|", "").count("|") for line in table} == {4}


def test_the_card_shows_samples_and_decoded_images_in_the_same_units():
    decoded = {"psnr_sample": 16.25, "psnr_decoded": 15.75, "rec_decoded": 18.5}
    text = card(POSTERIOR | decoded)
    assert "after epoch 7, rounded codes where it says decoded:" in text
    for row in (
        "decoded at level 8 | 18.5 | squared units of [0, 1]",
        "PSNR of a posterior sample, as in training | 16.25 | dB",
        "PSNR of an image decoded at level 8 | 15.75 | dB",
    ):
        assert row in text


def test_a_run_without_records_has_a_card_without_that_table():
    assert "| measure |" not in card({})
    assert "No test image was used.\n\n## Limitations" in card({})


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_card_is_what_the_exporter_writes_today(name):
    bundle = load_bundle(ROOT / name)
    cells = [line.strip("| ").split(" | ") for line in bundle.card.splitlines()]
    properties = dict(cell for cell in cells if len(cell) == 2)
    assert write_card(bundle.manifest, {fact: properties[fact] for fact in FACTS}) == bundle.card


@pytest.mark.parametrize("name", COMMITTED)
def test_a_new_card_leaves_a_committed_model_as_it_was(name):
    bundle = load_bundle(ROOT / name)
    digests = [m.sha256 for key, m in sorted(bundle.manifest.members.items()) if key != "card.md"]
    members = hashlib.sha256("".join(digests).encode()).hexdigest()
    assert (bundle.model_id.hex()[:16], members[:16]) == COMMITTED[name]
