"""Fits a bundle to data: steps, tables, default quality and calibration."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from codec import Codec, EncodedImage, Scorer
from codec.arrays import F32, I32, U8
from codec.bundle.bundle import Bundle, model_id
from codec.bundle.manifest import LatentSpec, Manifest, Member
from codec.bundle.npz import SCORE_NAMES, Calibration, prior_name, score_names
from codec.errors import BundleError, InvalidInput
from codec.graphs.protocol import Graphs
from codec.images import comparison
from codec.images.files import restore_geometry, to_pixels
from codec.priors.base import FactorisedPrior, Prior
from codec.priors.tables import index_tables
from codec.quantise import log2_step_scale, steps
from codec.scores import scores as formulas
from exporter.fit.fused import with_chosen_scores
from exporter.fit.index_map import can_fit, fit_index_prior
from exporter.fit.latent_map import fit_map_priors
from exporter.fit.latents import Latents, batches, encode_all, statistics, thin_out
from exporter.fit.mixture import fit_global_priors

QUALITY_LEVELS = 17
# Images that the mean over all pixels counts as in a variance per pixel.
PRIOR_IMAGES = 100.0
# Bisections of the width of the steps between two levels.
WIDTH_TRIALS = 5

# Takes one line about the progress.
Log = Callable[[str], None]


def draft_bundle(manifest: Manifest, encoder: bytes, decoder: bytes) -> Bundle:
    """A bundle in memory without tables, which is enough to run the graphs."""
    dims = manifest.latent.dims
    members = {
        name: Member(size=len(graph), sha256="")
        for name, graph in {"decoder.onnx": decoder, "tables.npz": b""}.items()
    }
    zero, one = np.zeros(dims, np.float32), np.ones(dims, np.float32)
    return Bundle(
        manifest=manifest,
        model_id=model_id(replace(manifest, members=members)),
        encoder=encoder,
        decoder=decoder,
        steps=np.ones((manifest.quality_levels, dims), np.float32),
        priors=(),
        calibration=blank_calibration(zero, one, manifest.input.channels),
        card="",
    )


def fit_bundle(
    draft: Bundle,
    graphs: Graphs,
    training: Sequence[U8],
    held_out: Sequence[U8],
    *,
    target_psnr: float | None,
    registered: bool,
    log: Log,
    choose_scores: bool = False,
) -> Bundle:
    """A bundle with tables fitted to training images and calibrated on held-out ones.

    Images are `[H, W, C]`. With `target_psnr`, in dB, the default quality is the coarsest that
    reaches it on the held-out images. With `choose_scores` the scores that decide are those that
    find drawn defects best, which needs 20 held-out images; otherwise those of the draft. Raises
    BundleError if no level has the PSNR, InvalidInput for registered images of several sizes.
    """
    manifest = draft.manifest
    drawn = thin_out(training, manifest)
    log(f"encoding {len(drawn)} training images and fitting {manifest.quality_levels} tables")
    latents = encode_all(graphs, batches(drawn, manifest.input), manifest.latent)
    bundle = with_tables(draft, latents)
    if target_psnr is not None:
        level = choose_quality(bundle, graphs, held_out, target_psnr)
        log(f"quality level {level} reaches {target_psnr:g} dB")
        bundle = replace(bundle, manifest=replace(manifest, quality_default=level))
        width = widest_steps(bundle, graphs, held_out, target_psnr)
        bundle = with_tables(bundle, replace(latents, sigma=width * latents.sigma))
    step = bundle.steps[bundle.manifest.quality_default]
    mean, variance = statistics(latents, manifest.latent, step)
    blank = blank_calibration(mean, variance, manifest.input.channels)
    bundle = replace(bundle, calibration=blank)
    bundle = with_residual_variance(bundle, graphs, held_out, registered)
    if choose_scores:
        return with_chosen_scores(bundle, graphs, training, held_out, log)
    log(f"calibrating on {len(held_out)} held-out images")
    return replace(bundle, calibration=calibrate(bundle, graphs, held_out))


def with_tables(draft: Bundle, latents: Latents) -> Bundle:
    """A bundle with steps and priors for these latents of training images."""
    all_steps, priors = fit_levels(latents, draft.manifest.latent)
    latent = replace(draft.manifest.latent, prior=prior_name(priors))
    manifest = replace(draft.manifest, latent=latent)
    return replace(draft, manifest=manifest, steps=all_steps, priors=priors)


def fit_levels(latents: Latents, latent: LatentSpec) -> tuple[F32, tuple[Prior, ...]]:
    """Steps `[Q, D]` and priors of all quality levels, from the latents of training images."""
    if latent.codebook is not None:
        prior = _index_prior(latents, latent.codebook, latent)
        return np.ones((1, latent.dims), np.float32), (prior,)
    all_steps = np.stack([steps(latents.sigma, level) for level in range(QUALITY_LEVELS)])
    if latent.grid != (1, 1):
        maps = [values.astype(np.float32) for values in latents.maps]
        return all_steps, fit_map_priors(maps, all_steps)
    mu = latents.flat()[0].T.astype(np.float32)
    return all_steps, fit_global_priors(mu, all_steps)


def _index_prior(latents: Latents, codebook: int, latent: LatentSpec) -> Prior:
    if can_fit(latent.dims, codebook):
        maps = [values.astype(np.int32) for values in latents.maps]
        return fit_index_prior(maps, codebook, latent.grid)
    codes: I32 = latents.flat().astype(np.int32)
    return FactorisedPrior(index_tables(codes, codebook))


def choose_quality(bundle: Bundle, graphs: Graphs, images: Sequence[U8], target: float) -> int:
    """The coarsest level at which restored images reach this PSNR, dB.

    Raises BundleError if no level does.
    """
    codec = Codec(bundle, graphs)
    encoded, reached = codec.run_encoder(images), -np.inf
    for level in range(bundle.manifest.quality_levels):
        reached = psnr(images, restored_images(codec, encoded, level))
        if reached >= target:
            return level
    raise BundleError(f"no quality level reaches {target:g} dB; the finest has {reached:.2f} dB")


def widest_steps(bundle: Bundle, graphs: Graphs, images: Sequence[U8], target: float) -> float:
    """The factor, less than one level, by which the steps can grow and still reach this PSNR, dB.

    From one level to the next finer one records grow by a fifth, often more than a target needs.
    """
    manifest = bundle.manifest
    if manifest.latent.kind == "indices":
        return 1.0
    encoded = Codec(bundle, graphs).run_encoder(images)
    fits, fails = 0.0, log2_step_scale(0) - log2_step_scale(1)
    for _ in range(WIDTH_TRIALS):
        trial = (fits + fails) / 2
        codec = Codec(replace(bundle, steps=np.float32(2**trial) * bundle.steps), graphs)
        reached = psnr(images, restored_images(codec, encoded, manifest.quality_default))
        fits, fails = (trial, fails) if reached >= target else (fits, trial)
    return float(2**fits)


def restored_images(codec: Codec, encoded: Sequence[EncodedImage], level: int) -> list[U8]:
    """What the records of encoded images at a level decode to, `[H, W, C]` each."""
    coded, spec = [codec.quantise(one, level) for one in encoded], codec.manifest.input
    return [
        to_pixels(restore_geometry(tiles, one.size, spec))
        for one, tiles in zip(coded, codec.decode(coded), strict=True)
    ]


def psnr(images: Sequence[U8], restored: Sequence[U8]) -> float:
    """PSNR, dB, of the mean squared error over all images; at most 120 dB."""
    errors = [comparison.squared_error(a, b) for a, b in zip(images, restored, strict=True)]
    return comparison.psnr(max(float(np.mean(errors)), 1e-12))


def with_residual_variance(
    bundle: Bundle, graphs: Graphs, images: Sequence[U8], registered: bool
) -> Bundle:
    """The bundle with the residual variance of held-out normal images `[H, W, C]`.

    `registered` keeps a variance per pixel, for cameras that always see the same scene. Raises
    InvalidInput for registered images of several sizes.
    """
    codec = Codec(bundle, graphs)
    encoded, level = codec.run_encoder(images), bundle.manifest.quality_default
    variance = residual_variance(images, restored_images(codec, encoded, level), registered)
    return replace(bundle, calibration=replace(bundle.calibration, residual_variance=variance))


def calibrate(bundle: Bundle, graphs: Graphs, images: Sequence[U8]) -> Calibration:
    """Calibration from held-out normal images `[H, W, C]`, scored as a server scores them."""
    results = list(Scorer(Codec(bundle, graphs)).raw_scores(images))
    spec = bundle.manifest.score
    names = score_names(spec)
    table = np.array([[raw.scores[name] for name in names] for raw in results])
    peaks = np.array([float(raw.heatmap.max()) for raw in results])
    mean, std, fused, vmax = formulas.calibrate(table, spec.fused, peaks, names)
    return replace(
        bundle.calibration,
        score_mean=mean,
        score_std=std,
        fused=fused,
        heatmap_vmax=vmax,
        heatmap_peaks=np.sort(peaks),
    )


def residual_variance(images: Sequence[U8], restored: Sequence[U8], registered: bool) -> F32:
    """Variance `[C, 1, 1]`, or `[C, H, W]` if registered, of pixels in [0, 1] over their masking.

    Per pixel it is shrunk towards the mean over all pixels, which counts as PRIOR_IMAGES images.
    Raises InvalidInput for registered images of several sizes.
    """
    errors = [_masked_error(a, b) for a, b in zip(images, restored, strict=True)]
    channel = np.mean([e.mean((0, 1)) for e in errors], axis=0)[:, None, None]
    floor = np.float32(1e-6)
    if not registered:
        return np.asarray(np.maximum(channel, floor), np.float32)
    if len(sizes := {e.shape for e in errors}) != 1:
        raise InvalidInput(
            f"a registered camera gives images of one size; these have {len(sizes)} sizes"
        )
    pixel = np.mean(errors, axis=0).transpose(2, 0, 1)
    weight = len(errors) / (len(errors) + PRIOR_IMAGES)
    shrunk = weight * pixel + (1.0 - weight) * channel
    return np.asarray(np.maximum(shrunk, floor), np.float32)


def _masked_error(image: U8, restored: U8) -> F32:
    """`[H, W, C]`: (x - y)² / m, whose mean is the residual variance of codec.scores.scores."""
    x, y = (pixels.astype(np.float32) / np.float32(255.0) for pixels in (image, restored))
    return np.asarray((x - y) ** 2 / formulas.masking(y.transpose(2, 0, 1))[..., None], np.float32)


def blank_calibration(mean: F32, variance: F32, channels: int) -> Calibration:
    """A calibration before any image is scored; its verdicts mean nothing."""
    return Calibration(
        residual_variance=np.full((channels, 1, 1), 0.01, np.float32),
        latent_mean=mean,
        latent_variance=variance,
        score_mean=np.zeros(len(SCORE_NAMES)),
        score_std=np.ones(len(SCORE_NAMES)),
        fused=np.zeros(1),
        heatmap_vmax=np.ones(1),
    )
