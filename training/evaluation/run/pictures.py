"""The pictures of a run's report, as sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec.arrays import U8
from training.data.image_files import Images
from training.data.labels import Labels
from training.evaluation.report.charts import scatter, training_curves
from training.evaluation.report.section import Picture, Section
from training.evaluation.report.sheet import sheet
from training.evaluation.run import embedding
from training.evaluation.run import latent_pictures as latents
from training.evaluation.run.metrics import to_float, to_u8
from training.loop.validation import whole_cells
from training.metrics.images import evenly
from training.models import GaussianModel, IndexModel
from training.run.state import State

SAMPLES, SAMPLE_COLUMNS = 16, 8
# Interpolations: images in a row, rows, and the side of the square between four images.
STEPS, PAIRS, SIDE = 8, 3, 5
TRAVERSED, TRAVERSAL_COLUMNS = 8, 7
# The side of the part of a large image that is encoded, pixels.
WINDOW = 128
ERROR_GAIN = 2
# How many images are encoded for the pictures of latents, and how many at a time.
ENCODED, ENCODED_AT_ONCE = 1000, 50
SEED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A run and the images that the pictures show."""

    state: State
    normal: Images
    """normal test images [C, H, W]"""
    test: Images
    """all test images"""
    labels: Labels | None
    """of all test images"""
    history: Sequence[Mapping[str, Any]]
    """records of the run's epochs"""
    epoch: int | None
    """the epoch of the weights"""
    count: int
    """how many reconstructions to show"""


@torch.no_grad()
def sections(subject: Subject) -> list[Section]:
    """All sections with pictures, the most important first."""
    model, x = subject.state.model, windows(subject.state, subject.normal)
    parts = [_reconstructions(subject)]
    if isinstance(model, IndexModel):
        parts.append(_index_samples(model, x))
    else:
        z = encode(model, x)
        parts += [_prior_samples(model, z, x), _interpolations(model, z, x)]
        parts += [_traversals(model, z, x), _embedding(subject, model)]
    return [*parts, _curves(subject)]


def windows(state: State, images: Images) -> Tensor:
    """Evenly spread images [N, C, H, W] in [0, 1]; of images that differ in size, the middle."""
    config = state.config
    chosen = [whole_cells(images[i], config) for i in evenly(len(images), ENCODED)]
    if config.crop:
        most = WINDOW // config.model.stride * config.model.stride
        sides = [min(most, *(image.shape[axis] for image in chosen)) for axis in (1, 2)]
        chosen = [_middle(image, *sides) for image in chosen]
    return to_float(np.stack(chosen))


def _middle(image: U8, height: int, width: int) -> U8:
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    return image[:, top : top + height, left : left + width]


def encode(model: GaussianModel, x: Tensor) -> Tensor:
    """Posterior means [N, D] or [N, D, h, w] of images [N, C, H, W]."""
    return torch.cat([model.encode(part).mu for part in torch.split(x, ENCODED_AT_ONCE)])


def _spread(x: Tensor, count: int) -> list[int]:
    """`count` evenly spread positions; if x has fewer images, positions repeat."""
    return [i * len(x) // count for i in range(count)]


def _rows(x: Tensor, columns: int) -> list[list[U8]]:
    """Images [N, C, H, W] in [0, 1] as rows of bytes [H, W, C]."""
    tiles = list(to_u8(x).transpose(0, 2, 3, 1))
    return [tiles[first : first + columns] for first in range(0, len(tiles), columns)]


def _reconstructions(subject: Subject) -> Section:
    state, columns = subject.state, []
    for i in evenly(len(subject.normal), subject.count):
        x = to_float(np.stack([whole_cells(subject.normal[i], state.config)]))
        x_hat = state.model.reconstruct(x)
        (column,) = _rows(torch.cat([x, x_hat, ERROR_GAIN * (x - x_hat).abs()]), 3)
        columns.append(column)
    caption = f"originals; reconstructions; absolute error, {ERROR_GAIN} times as bright"
    return Section(
        title="Reconstructions",
        text="Test images at regular intervals of the set, and what their codes decode to.",
        pictures=[Picture(png=sheet(list(zip(*columns, strict=True))), caption=caption)],
    )


def _prior_samples(model: GaussianModel, means: Tensor, x: Tensor) -> Section:
    noise = torch.Generator().manual_seed(SEED)
    z = latents.gaussian_samples(SAMPLES, means.shape[1:], noise)
    drawn = latents.decode(model, z, x[0].numel())
    return Section(
        title="Samples of the prior",
        text="Decoded latents that come from no image. The more they look like the data, the "
        "better the codes of the data cover the prior.",
        pictures=[Picture(png=sheet(_rows(drawn, SAMPLE_COLUMNS)), caption="z ~ N(0, I), decoded")],
    )


def _index_samples(model: IndexModel, x: Tensor) -> Section:
    noise = torch.Generator().manual_seed(SEED)
    parts = torch.split(x, ENCODED_AT_ONCE)
    indices = torch.cat([model.encode(part).indices for part in parts])
    drawn = model.decode_indices(latents.index_samples(SAMPLES, indices, noise))
    caption = "codes drawn one by one, decoded"
    return Section(
        title="Samples of the codes",
        text="Each code is drawn as often as test images use it, independently of its neighbours. "
        "Indices cannot be interpolated, so interpolations, traversals and t-SNE are left out.",
        pictures=[Picture(png=sheet(_rows(drawn, SAMPLE_COLUMNS)), caption=caption)],
    )


def _interpolations(model: GaussianModel, means: Tensor, x: Tensor) -> Section:
    ends, pixels, rows = _spread(x, 2 * PAIRS), x[0].numel(), []
    for a, b in zip(ends[:PAIRS], ends[PAIRS:], strict=True):
        drawn = latents.decode(model, latents.between(means[a], means[b], STEPS), pixels)
        rows += _rows(torch.cat([x[a, None], drawn, x[b, None]]), STEPS + 2)
    z = latents.between_four(means[_spread(x, 4)], SIDE).flatten(0, 1)
    square = _rows(latents.decode(model, z, pixels), SIDE)
    return Section(
        title="Interpolations",
        text="Decoded points on the straight line between the posterior means of two test images, "
        "and on the square between those of four.",
        pictures=[
            Picture(
                png=sheet(rows),
                caption="outermost: test images; between them their reconstructions and "
                f"{STEPS - 2} steps from one to the other",
            ),
            Picture(png=sheet(square), caption="the corners are reconstructions of test images"),
        ],
    )


def _traversals(model: GaussianModel, means: Tensor, x: Tensor) -> Section:
    chosen = latents.most_active(means, TRAVERSED)
    if not chosen:
        text = "No latent varies with the image, so there is nothing to move."
        return Section(title="Latent traversals", text=text)
    z = latents.traversals(means[len(x) // 2], chosen, means, TRAVERSAL_COLUMNS).flatten(0, 1)
    drawn = latents.decode(model, z, x[0].numel())
    names = ", ".join(map(str, chosen))
    return Section(
        title="Latent traversals",
        text=f"One test image while one latent moves by {latents.TRAVERSAL_DEVIATIONS:g} "
        "standard deviations of the posterior means to either side. The middle column is its "
        "reconstruction.",
        pictures=[
            Picture(
                png=sheet(_rows(drawn, TRAVERSAL_COLUMNS)),
                caption=f"from the most active latent downwards: {names}",
            )
        ],
    )


def _embedding(subject: Subject, model: GaussianModel) -> Section:
    title, labels, images = "t-SNE of the codes", subject.labels, subject.test
    if labels is None or len(images) < embedding.FEWEST:
        why = f"{len(images)} images are too few" if labels else "the data folder has no labels"
        return Section(title=title, text=f"Omitted: {why}.")
    x = windows(subject.state, images)
    means = encode(model, x)
    codes = means.flatten(2).mean(2) if means.dim() > 2 else means
    if not codes.isfinite().all():
        return Section(title=title, text="Omitted: there are codes that are not finite.")
    points = embedding.tsne(codes.numpy(), torch.get_num_threads())
    classes = labels.classes[evenly(len(images), ENCODED)]
    return Section(
        title=title,
        text=f"Posterior means of {len(x)} test images, at regular intervals of the set, in a "
        "plane that keeps neighbours together (maps: the mean over their positions). The colours "
        "are the labels, which training never saw.",
        pictures=[
            Picture(png=scatter(points, classes, labels.names), caption="one point for each image")
        ],
    )


def _curves(subject: Subject) -> Section:
    cropped = subject.state.config.crop > 0
    png = training_curves(subject.history, subject.epoch, cropped=cropped)
    return Section(
        title="Training",
        text="The records of all epochs, on training and held-out images, not on test images.",
        pictures=[Picture(png=png, caption="over the epochs; dotted: the epoch of the weights")],
    )
