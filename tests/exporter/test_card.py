from dataclasses import replace
from pathlib import Path

import pytest

from codec.bundle.bundle import load_bundle
from exporter.card import write_card

MANIFEST = load_bundle(Path(__file__).parents[1] / "data" / "tiny_bundle").manifest
POSTERIOR = {"epoch": 7, "rec": 17.25, "psnr": 16.5, "rate": 14.0, "active_units": 5}
INFORMATION = {"mi": 7.5, "mi_cap": 7.62, "collapsed_units": 2}
CODES = {"epoch": 7, "rec": 17.25, "code_usage": 0.75, "perplexity_top": 9.5}


def card(metrics):
    return write_card(replace(MANIFEST, provenance={"metrics": metrics}), {"bytes": 5})


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


def test_a_run_without_records_has_a_card_without_that_table():
    assert "| measure |" not in card({})
    assert "No test image was used.\n\n## Limitations" in card({})
