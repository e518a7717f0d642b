"""Everything that is fitted to data at export: steps, tables, default quality, calibration."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from codec import Codec, Scorer
from codec.arrays import F32, I32, U8
from codec.bundle.bundle import Bundle
from codec.bundle.manifest import InputSpec, LatentSpec
from codec.bundle.tables_npz import prior_name
from codec.errors import BundleError, InvalidInput
from codec.graphs.protocol import Graphs
from codec.images.files import fit as fit_image
from codec.priors.base import Prior
from codec.priors.factorised import FactorisedPrior
from codec.priors.tables import index_tables
from codec.quantise import octaves, steps
from codec.scores import scores as anomaly
from codec.scores.scores import NAMES, Calibration
from exporter.fit.index_map import can_fit, fit_index_prior
from exporter.fit.latent_map import fit_map_priors
from exporter.fit.latents import Latents, encode_all, enough, statistics
from exporter.fit.mixture import fit_global_priors
from training.metrics import latents as diagnostics
from training.metrics.images import squared_error

QUALITY_LEVELS = 17
PRIOR_PIXELS = 100.0
CALL_PIXELS = 2**18
WIDTH_TRIALS = 5

Say = Callable[[str], None]


def fit_bundle(
    draft: Bundle,
    graphs: Graphs,
    training: Sequence[U8],
    held_out: Sequence[U8],
    *,
    target_psnr: float | None,
    registered: bool,
    say: Say,
) -> Bundle:
    """A bundle whose tables fit the training images and whose calibration the held-out ones, both
    `[H, W, C]`; with the default quality that reaches `target_psnr`, dB, if that is given.
    """
    manifest = draft.manifest
    chosen = enough(training, manifest)
    say(f"encoding {len(chosen)} training images and fitting {manifest.quality_levels} tables")
    latents = encode_all(graphs, batches(chosen, manifest.input), manifest.latent)
    bundle = with_tables(draft, latents)
    if target_psnr is not None:
        level = choose_quality(bundle, graphs, held_out, target_psnr)
        say(f"quality level {level} reaches {target_psnr:g} dB")
        bundle = replace(bundle, manifest=replace(manifest, quality_default=level))
        wider = widest_steps(bundle, graphs, held_out, target_psnr)
        bundle = with_tables(bundle, replace(latents, sigma=wider * latents.sigma))
    manifest = bundle.manifest
    seen = statistics(latents, manifest.latent, bundle.steps[manifest.quality_default])
    blank = blank_calibration(*seen, manifest.input.channels)
    bundle = replace(bundle, calibration=blank)
    say(f"calibrating on {len(held_out)} held-out images")
    return replace(bundle, calibration=calibrate(bundle, graphs, held_out, registered))


def with_tables(draft: Bundle, latents: Latents) -> Bundle:
    """A bundle with steps and priors for these latents of training images."""
    all_steps, priors = fit_levels(latents, draft.manifest.latent)
    latent = replace(draft.manifest.latent, prior=prior_name(priors))
    manifest = replace(draft.manifest, latent=latent)
    return replace(draft, manifest=manifest, steps=all_steps, priors=priors)


def batches(images: Iterable[U8], spec: InputSpec) -> Iterator[U8]:
    """Images `[H, W, C]` as the pipeline hands them to the encoder, uint8 `[B, C, H, W]`;
    neighbours of one shape together.
    """
    held: list[U8] = []
    for image in images:
        rows = fit_image(image, spec).rows
        if held and (held[0].shape != rows.shape or len(held) * rows.size >= CALL_PIXELS):
            yield np.concatenate(held)
            held = []
        held.append(rows)
    if held:
        yield np.concatenate(held)


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
    """The coarsest level whose decoded records reach this PSNR, dB, on held-out images.

    Raises BundleError if no level does.
    """
    codec, reached = Codec(bundle, graphs), -np.inf
    for level in range(bundle.manifest.quality_levels):
        reached = psnr(images, codec.decompress(codec.compress(images, level)))
        if reached >= target:
            return level
    raise BundleError(f"no quality level reaches {target:g} dB; the finest has {reached:.2f} dB")


def widest_steps(bundle: Bundle, graphs: Graphs, images: Sequence[U8], target: float) -> float:
    """How much wider, up to a level, steps can be that still reach this PSNR, dB.

    Levels lie a fifth apart in bytes, and nobody asks for more than the target.
    """
    manifest = bundle.manifest
    level, fits, fails = manifest.quality_default, 0.0, octaves(0) - octaves(1)
    if manifest.latent.kind == "indices":
        return 1.0
    for _ in range(WIDTH_TRIALS):
        trial = (fits + fails) / 2
        codec = Codec(replace(bundle, steps=np.float32(2**trial) * bundle.steps), graphs)
        reached = psnr(images, codec.decompress(codec.compress(images, level)))
        fits, fails = (trial, fails) if reached >= target else (fits, trial)
    return float(2**fits)


def psnr(images: Sequence[U8], restored: Sequence[U8]) -> float:
    """PSNR, dB, of the mean squared error over all images."""
    errors = [squared_error(a, b) for a, b in zip(images, restored, strict=True)]
    return diagnostics.psnr(float(np.mean(errors)))


def calibrate(
    bundle: Bundle, graphs: Graphs, images: Sequence[U8], registered: bool
) -> Calibration:
    """Calibration from held-out normal images `[H, W, C]`, scored by the pipeline that serves.

    `registered` keeps a variance per pixel, for cameras that always see the same scene.
    """
    codec = Codec(bundle, graphs)
    variance = residual_variance(images, codec.decompress(codec.compress(images)), registered)
    first = replace(bundle.calibration, residual_variance=variance)
    scorer = Scorer(Codec(replace(bundle, calibration=first), graphs))
    results = list(scorer.raw_scores(images))
    table = np.array([[raw.scores[name] for name in NAMES] for raw in results])
    heats = np.array([float(raw.heatmap.max()) for raw in results])
    mean, std, fused, scale = anomaly.calibrate(table, bundle.manifest.score.fused, heats)
    return replace(first, score_mean=mean, score_std=std, fused=fused, heat_scale=scale)


def residual_variance(images: Sequence[U8], restored: Sequence[U8], registered: bool) -> F32:
    """`[C, 1, 1]`, or `[C, H, W]` if registered, of pixels in [0, 1], over their masking.

    Per pixel it is shrunk towards the mean over all pixels, worth PRIOR_PIXELS images. Raises
    InvalidInput for registered images of several sizes.
    """
    errors = [_masked_error(a, b) for a, b in zip(images, restored, strict=True)]
    channel = np.mean([e.mean((0, 1)) for e in errors], axis=0)[:, None, None]
    floor = np.float32(1e-6)
    if not registered:
        return np.asarray(np.maximum(channel, floor), np.float32)
    if len(sizes := {e.shape for e in errors}) != 1:
        raise InvalidInput(f"a registered camera gives images of one size; these have {len(sizes)}")
    pixel = np.mean(errors, axis=0).transpose(2, 0, 1)
    weight = len(errors) / (len(errors) + PRIOR_PIXELS)
    shrunk = weight * pixel + (1.0 - weight) * channel
    return np.asarray(np.maximum(shrunk, floor), np.float32)


def _masked_error(image: U8, restored: U8) -> F32:
    """`[H, W, C]`: (x - y)² / m, whose mean is the residual variance of codec.scores.scores."""
    x, y = (pixels.astype(np.float32) / np.float32(255.0) for pixels in (image, restored))
    return np.asarray((x - y) ** 2 / anomaly.masking(y.transpose(2, 0, 1))[..., None], np.float32)


def blank_calibration(mean: F32, variance: F32, channels: int) -> Calibration:
    """A calibration before any image was scored; its verdicts mean nothing."""
    return Calibration(
        residual_variance=np.full((channels, 1, 1), 0.01, np.float32),
        latent_mean=mean,
        latent_variance=variance,
        score_mean=np.zeros(len(NAMES)),
        score_std=np.ones(len(NAMES)),
        fused=np.zeros(1),
        heat_scale=np.ones(1),
    )
