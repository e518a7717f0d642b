"""The tables of a run's report: every number with its unit, no two splits in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from training.evaluation.report.section import Section

PIXEL = "squared units of [0, 1]"


class Row(NamedTuple):
    """A number of a record: key, title and unit; the title may hold other keys in {}."""

    key: str
    title: str
    unit: str


RECONSTRUCTION = (
    Row("images", "images", "count"),
    Row("rec_mean", "Rec, squared error per image, of the posterior mean", PIXEL),
    Row("rec", "Rec, squared error per image, of codes as in training", PIXEL),
    Row("psnr", "PSNR of the mean squared error", "dB"),
    Row("psnr_image", "PSNR of an image, mean", "dB"),
    Row("ssim", "SSIM, mean of {ssim_images} images", "at most 1"),
)
LIKELIHOOD = (
    Row("loss", "loss of the run's objective", "nats per image"),
    Row("distortion", "distortion, without 2 pi", "nats per image"),
    Row("rate", "Lat, KL of posterior and prior", "nats per image"),
    Row("rate_bits", "Lat, KL of posterior and prior", "bits per image"),
    Row("commitment", "commitment, squared distance of latents to codes", "nats per image"),
    Row("sigma", "standard deviation of the pixel noise", "units of [0, 1]"),
    Row("total_legacy", "Total with s = {data_variance:.4f}, Var(x) of training", "nats per image"),
    Row("total_true", "Total with s = the mean squared error", "nats per image"),
    Row("total_beta", "Total, Rec + beta Lat", PIXEL),
    Row("total_mmd", "Total, Rec + lambda MMD", PIXEL),
    Row("elbo", "ELBO, with 2 pi", "nats per image"),
    Row("bits_per_dimension", "negative ELBO of 8-bit values", "bits per value"),
)
LATENTS = (
    Row("latents", "latents of an image, or of a position of its map", "count"),
    Row("active_units", "active: Var(E[z|x]) > 0.01", "latents"),
    Row("collapsed_units", "collapsed: KL < 0.01 nats in 99 % of images", "latents"),
    Row("mi", "mutual information of image and latents, at most {mi_cap:.2f}", "nats"),
    Row("mmd", "MMD of {mmd_images} posterior samples and the prior", "0 to 2"),
    Row("code_bits", "codes of an image under their own frequencies", "bits per image"),
    Row("code_usage", "part of the codebook in use", "0 to 1"),
    Row("perplexity", "perplexity of the codes", "codes"),
    Row("perplexity_top", "perplexity of the top codes", "codes"),
    Row("perplexity_bottom", "perplexity of the bottom codes", "codes"),
)
PCA = (
    Row("pca_rec", "Rec of PCA with {pca_components} components", PIXEL),
    Row("rec_mean", "Rec of this model with {latents} latents", PIXEL),
    Row("pca_psnr", "PSNR of PCA with {pca_components} components", "dB"),
    Row("psnr", "PSNR of this model with {latents} latents", "dB"),
)
LARGE = 1000
HEAD = ("measure", "value", "unit")


def tables(metrics: Mapping[str, Any], pca: str | None) -> list[Section]:
    """The tables of the test images; `pca` says why PCA is missing, or is None."""
    return [
        table(
            "Test images: reconstruction",
            RECONSTRUCTION,
            metrics,
            "Pixels are in [0, 1]; a squared error is summed over all values of an image. PSNR and "
            "SSIM are those of the posterior mean; in training a VAE decodes a posterior sample.",
        ),
        table(
            "Test images: likelihood",
            LIKELIHOOD,
            metrics,
            "A posterior sample, as in training. Totals are those of the ResLag report's Table 1: "
            "(D/2) ln s + Rec / (2 s) + Lat, without 2 pi. The ELBO has the noise of the run's "
            "own objective, or of its training error where that has none.",
        ),
        table(
            "Test images: latents",
            LATENTS,
            metrics,
            "How much of the code is used. The estimate of mutual information cannot be above ln N "
            "of N images: at that bound it only says that the images can be distinguished.",
        ),
        _pca_baseline(metrics, pca),
    ]


def held_out(record: Mapping[str, Any]) -> Section:
    """The table of the epoch whose weights are evaluated."""
    return table(
        f"Held-out images after epoch {record.get('epoch', '?')}",
        RECONSTRUCTION + LIKELIHOOD + LATENTS,
        record,
        "Measured during training. They chose the epoch, so they are optimistic.",
    )


def table(title: str, rows: tuple[Row, ...], numbers: Mapping[str, Any], text: str) -> Section:
    """A section with the rows whose number is in `numbers`."""
    return Section(
        title=title,
        text=text,
        head=HEAD,
        rows=[
            (row.title.format(**numbers), words(numbers[row.key]), row.unit)
            for row in rows
            if row.key in numbers
        ],
    )


def _pca_baseline(metrics: Mapping[str, Any], missing: str | None) -> Section:
    title = "Test images: PCA baseline"
    if missing is not None:
        return Section(title=title, text=f"Omitted: {missing}.")
    gain = 1 - metrics["rec_mean"] / metrics["pca_rec"]
    verdict = (
        f"The model's error is {gain:.1%} below that of PCA."
        if gain > 0
        else f"PCA is better: the model's error is {-gain:.1%} above that of PCA."
    )
    text = f"A linear code of as many numbers, fitted on the run's training images. {verdict}"
    return table(title, PCA, metrics, text)


def words(value: float) -> str:
    """A number in words: counts exactly, others to five digits, large ones to one decimal."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.1f}" if abs(value) >= LARGE else f"{value:.5g}"
