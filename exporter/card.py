"""The model card: what a person should know before trusting the model, with pictures."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from codec import Codec, Scorer
from codec.arrays import U8
from codec.bundle.manifest import LatentSpec, Manifest
from codec.images.files import draw_heatmap
from training.evaluation.run import tables as run_tables

PICTURES = "card-samples.png"
DIAGNOSTICS = (
    "rec",
    "psnr",
    "rate",
    "active_units",
    "collapsed_units",
    "mi",
    "code_usage",
    "perplexity",
    "perplexity_top",
    "perplexity_bottom",
)
"""what the record of an epoch tells about the health of a model"""
_SHOWN, _GAP = 6, 4


def write_card(manifest: Manifest, facts: Mapping[str, Any]) -> str:
    """The card as Markdown. `facts` are measured figures by their label."""
    spec, latent = manifest.input, manifest.latent
    padded = f"any size, padded to multiples of {spec.stride}"
    size = f"{spec.height}x{spec.width}" if spec.height else padded
    rows = "\n".join(f"| {label} | {value} |" for label, value in facts.items())
    fused = ", ".join(manifest.score.fused)
    return f"""# {manifest.name} {manifest.version}

A `{manifest.family}` model that turns {"gray" if spec.channels == 1 else "RGB"} images ({size})
into records of a few bytes, and scores them by what their reconstruction leaves over.

![Originals, their decoded records, and heat maps]({PICTURES})

Held-out images, their decoded records, their heat maps.

| fact | value |
|---|---|
| latent | {_latent(latent)} |
| default quality | {manifest.quality_default} of 0..{manifest.quality_levels - 1} |
| scores in the verdict | {fused} |
| default false-alarm rate | {manifest.score.false_alarm_rate:g} |
{rows}

Measured on the held-out images that also chose the checkpoint and calibrate the scores; test
images were not used.
{_diagnostics(manifest.provenance.get("metrics", {}))}
## Limits

- The model knows images like those it was trained on, and no others: another kind of image costs
  more bytes, comes back worse, and scores as anomalous.
- p-values hold for images drawn like the calibration images. A new camera, lens or product needs
  a new calibration.
- A defect that the latent code can express is not seen; one that it cannot express is not stored.

## Origin

```json
{json.dumps(manifest.provenance, indent=1, sort_keys=True)}
```
"""


def _latent(latent: LatentSpec) -> str:
    if latent.codebook is None:
        return f"gaussian, {latent.dims} dimensions"
    return f"indices, {latent.dims} per position, each one of {latent.codebook}"


def _diagnostics(record: Mapping[str, Any]) -> str:
    """A table of what training said about these weights; empty where it said nothing."""
    known = run_tables.RECONSTRUCTION + run_tables.LIKELIHOOD + run_tables.LATENTS
    rows = tuple(row for row in known if row.key in DIAGNOSTICS)
    cells = run_tables.table("", rows, record, "").rows
    if not cells:
        return ""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    epoch = f"after epoch {record.get('epoch', '?')} and before any quantisation"
    head = f"The images that training held out, {epoch}:"
    return "\n".join(["", head, "", "| measure | value | unit |", "|---|---|---|", *lines, ""])


def draw_samples(codec: Codec, images: Sequence[U8]) -> bytes:
    """A PNG of held-out images, their decoded records, and heat maps, one column each."""
    shown = [image for image in images if image.shape == images[0].shape][:_SHOWN]
    scorer = Scorer(codec)
    restored = codec.decompress(codec.compress(shown))
    maps = [raw.heatmap for raw in scorer.raw_scores(shown)]
    heat = [draw_heatmap(a, m, scorer.heatmap_vmax) for a, m in zip(shown, maps, strict=True)]
    height, width = shown[0].shape[:2]
    scale = max(1, 84 // width)
    sheet = Image.new("RGB", (len(shown) * (width * scale + _GAP), 3 * (height * scale + _GAP)))
    for row, images_of_row in enumerate((shown, restored, heat)):
        for column, image in enumerate(images_of_row):
            rgb = np.broadcast_to(image, (*image.shape[:2], 3))
            tile = Image.fromarray(np.ascontiguousarray(rgb))
            tile = tile.resize((width * scale, height * scale), Image.Resampling.NEAREST)
            sheet.paste(tile, (column * (width * scale + _GAP), row * (height * scale + _GAP)))
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()
