"""The model card: what to know before trusting a model, with pictures."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from codec import Codec, Scorer
from codec.arrays import U8
from codec.bundle.manifest import LatentSpec, Manifest
from codec.images.comparison import draw_heatmap
from exporter.fit.bundle import psnr, restored_images
from exporter.fit.fused import RANKING

PICTURES = "card-samples.png"
# Figures of a training epoch that show whether a model is healthy: label and unit.
DIAGNOSTICS = {
    "rec": ("squared error per image", "squared units of [0, 1]"),
    "rec_decoded": ("squared error per image, decoded at level 8", "squared units of [0, 1]"),
    "psnr": ("PSNR of the mean squared error", "dB"),
    "psnr_sample": ("PSNR of a posterior sample, as in training", "dB"),
    "psnr_decoded": ("PSNR of an image decoded at level 8", "dB"),
    "rate": ("KL divergence of the posterior from the prior", "nats per image"),
    "active_units": ("active latents: Var(E[z|x]) > 0.01", "latents"),
    "collapsed_units": ("collapsed latents: KL < 0.01 nats in 99 % of images", "latents"),
    "mi": ("mutual information of image and latents", "nats"),
    "code_usage": ("share of the codebook in use", "0 to 1"),
    "perplexity": ("perplexity of the codes", "codes"),
    "perplexity_top": ("perplexity of the top codes", "codes"),
    "perplexity_bottom": ("perplexity of the bottom codes", "codes"),
}
# Images shown; between them a gap, and the least width of one, both in pixels.
SHOWN, GAP, MIN_WIDTH = 6, 4, 84


def write_card(manifest: Manifest, facts: Mapping[str, str]) -> str:
    """The card as Markdown; `facts` are measured figures by their label."""
    rows = "\n".join(f"| {label} | {value} |" for label, value in facts.items())
    return f"""# {manifest.name} {manifest.version}

A `{manifest.family}` model for {_images(manifest)}.
It compresses an image to a small record, and scores anomalies by comparing the image with its
reconstruction.

![Held-out images, their reconstructions and heat maps]({PICTURES})

From top to bottom: held-out images, what their records decode to, and heat maps of anomalies.

| property | value |
|---|---|
| latent | {_latent(manifest.latent)} |
| default quality | {manifest.quality_default} of 0..{manifest.quality_levels - 1} |
| scores that decide | {", ".join(manifest.score.fused)} |
| default false-alarm rate | {manifest.score.false_alarm_rate:g} |
{rows}

All figures were measured on the held-out images that also selected the checkpoint and calibrated
the scores, so they are optimistic. No test image was used.
{_diagnostics(manifest.provenance.get("metrics", {}))}{_ranking(manifest)}
## Limitations

- The model is meant for images like its training images. Other images need more bytes, are
  reconstructed less accurately, and score as anomalous.
- p-values are valid for images from the same source as the calibration images. Recalibrate after
  changing the camera, the lens or the product.
- A defect that the latent code can represent goes undetected. A defect that it cannot represent is
  lost in the record, unless it is kept as evidence.

## Provenance

```json
{json.dumps(_without_ranking(manifest), indent=1, sort_keys=True)}
```
"""


def _images(manifest: Manifest) -> str:
    spec = manifest.input
    colour = "gray" if spec.channels == 1 else "RGB"
    if spec.height is None:
        return f"{colour} images of any size, padded to multiples of {spec.stride} pixels"
    return f"{colour} images of {spec.height}x{spec.width} pixels"


def _latent(latent: LatentSpec) -> str:
    if latent.codebook is None:
        return f"Gaussian, {latent.dims} dimensions"
    return f"indices into a codebook of {latent.codebook}, {latent.dims} per position"


def _diagnostics(record: Mapping[str, Any]) -> str:
    """A table of the training's figures for these weights; empty if there are none."""
    lines = []
    for key, (label, unit) in DIAGNOSTICS.items():
        if key in record:
            cell = label.replace("|", "\\|")
            lines.append(f"| {cell} | {record[key]:.5g} | {unit} |")
    if not lines:
        return ""
    epoch = record.get("epoch", "?")
    if "psnr_decoded" in record:
        when = "rounded codes where it says decoded"
    else:
        when = "before quantisation"
    head = f"Figures of the network on the same images, after epoch {epoch}, {when}:"
    return "\n".join(["", head, "", "| measure | value | unit |", "|---|---|---|", *lines, ""])


def _ranking(manifest: Manifest) -> str:
    """A table of the best scores for drawn defects; empty if none were ranked."""
    ranking = manifest.provenance.get(RANKING)
    if not ranking:
        return ""
    groups = sorted(ranking["scores"][0]["auroc"])
    head = ["score", *groups, "weight in the verdict", "heat map"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for one in ranking["scores"]:
        figures = [f"{one['auroc'][group]:.3f}" for group in groups]
        weight = f"{one['weight']:.2f}" if one["weight"] else ""
        shown = "yes" if one["heatmap"] else ""
        lines.append(f"| {' | '.join([one['name'], *figures, weight, shown])} |")
    table = "\n".join(lines)
    return f"""
## Scores

AUROC of single scores: {ranking["images"]} held-out normal images against
{ranking["drawn"]} copies with drawn defects of each group. These defects are drawn, not real: the
figures choose scores, and do not say how many real defects are found.

{table}
"""


def _without_ranking(manifest: Manifest) -> dict[str, Any]:
    return {key: value for key, value in manifest.provenance.items() if key != RANKING}


def held_out_facts(codec: Codec, images: Sequence[U8]) -> dict[str, str]:
    """Figures of held-out images `[H, W, C]` at the default quality."""
    encoded, level = codec.run_encoder(images), codec.manifest.quality_default
    records = codec.records.write([codec.quantise(one, level) for one in encoded])
    size = np.mean([len(record) for record in records])
    raw = np.mean([image.size for image in images])
    restored = restored_images(codec, encoded, level)
    bound = Scorer(codec).false_alarm_rate_bound
    return {
        "held-out images": f"{len(images)}",
        "normal images flagged at the default rate": f"at most {bound:.2g}, with 95 % confidence",
        "bytes per record, framing and checksum included": f"{size:.2f}",
        "compression ratio to 8-bit pixels": f"{raw / size:.1f}",
        "PSNR of the mean squared error": f"{psnr(images, restored):.2f} dB",
    }


def draw_samples(codec: Codec, images: Sequence[U8]) -> bytes:
    """A PNG of held-out images, their reconstructions and heat maps, one column each."""
    shown = [image for image in images if image.shape == images[0].shape][:SHOWN]
    scorer = Scorer(codec)
    restored = restored_images(codec, codec.run_encoder(shown), codec.manifest.quality_default)
    heatmaps = [
        draw_heatmap(image, raw.heatmap, scorer.heatmap_vmax)
        for image, raw in zip(shown, scorer.raw_scores(shown), strict=True)
    ]
    height, width = shown[0].shape[:2]
    scale = max(1, MIN_WIDTH // width)
    size = width * scale, height * scale
    sheet = Image.new("RGB", (len(shown) * (size[0] + GAP), 3 * (size[1] + GAP)))
    for row, pictures in enumerate((shown, restored, heatmaps)):
        for column, picture in enumerate(pictures):
            rgb = np.broadcast_to(picture, (*picture.shape[:2], 3))
            tile = Image.fromarray(np.ascontiguousarray(rgb))
            tile = tile.resize(size, Image.Resampling.NEAREST)
            sheet.paste(tile, (column * (size[0] + GAP), row * (size[1] + GAP)))
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()
