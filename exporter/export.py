"""A run becomes a bundle: the steps in reading order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codec.bundle import Bundle, model_id, pack_arrays, pack_tables, write_bundle
from codec.errors import BundleError
from codec.images import U8
from codec.manifest import Fit, InputSpec, LatentSpec, Manifest, Member, ScoreSpec
from codec.onnx import OnnxGraphs, open_graphs
from codec.pipeline import Model
from exporter import fit, parity
from exporter.card import PICTURES, draw_samples, write_card
from exporter.graphs import export_graphs
from training import data
from training.checkpoint import load_run
from training.config import ModelConfig, TrainConfig

CENTRE_QUALITY = 8
CALL_PIXELS = 2**18
PARITY_IMAGES = 64

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may decide about a bundle; the defaults are meant to be right."""

    name: str = ""
    """model name; the name of the run's folder if empty"""
    version: str = "1"
    fit: Fit | None = None
    """exact, resize, pad or tile; chosen from the data if absent"""
    quality: int | None = None
    """default quality level, 0 (coarsest) to 16; 8 if absent"""
    target_psnr: float | None = None
    """choose the coarsest level that reaches this PSNR in dB on held-out images"""
    false_alarm_rate: float = 0.01
    """share of normal images that may be flagged by default"""
    fused: tuple[str, ...] = ()
    """scores that enter the verdict; chosen from the family if empty"""
    blur: int = 9
    """side of the heat map's smoothing window, pixels, odd"""
    peak_blur: int = 3
    """side of the smoothing window of the peak and structure scores, pixels, odd"""
    registered: bool = False
    """the camera always sees the same scene: keep a residual variance per pixel"""
    threads: int = 1


def export(run: Path, out: Path, calibrate: Path, options: Options, say: Say) -> Manifest:
    """Writes the bundle of a run; `calibrate` is the data folder whose held-out part calibrates.

    Raises TrainingError for the run or the data, BundleError for the result.
    """
    if out.exists():
        raise BundleError(f"{out} exists already")
    config, network, info = load_run(run)
    say("exporting and checking the graphs")
    encoder, decoder = export_graphs(network)
    training, held_out = data.training_and_validation(config, calibrate)
    fixed = data.source_of(config, calibrate) != "folder"
    manifest = describe(config, options, options.name or run.name, exact=fixed)
    draft = _draft(manifest, encoder, decoder)
    graphs = open_graphs(draft, "cpu", options.threads)
    say(f"encoding {len(training)} training images and fitting {manifest.quality_levels} tables")
    latents = fit.encode_all(graphs, batches(training, manifest.input.stride), manifest.latent)
    steps, tables = fit.fit_levels(latents, manifest.latent)
    images = [np.ascontiguousarray(image.transpose(1, 2, 0)) for image in held_out]
    draft = replace(draft, steps=steps, tables=tables)
    if options.target_psnr is not None:
        say(f"choosing the quality for {options.target_psnr} dB")
        level = fit.choose_quality(draft, graphs, images, options.target_psnr)
        manifest = replace(manifest, quality_default=level)
    step = steps[manifest.quality_default]
    mean, variance = fit.latent_statistics(latents, manifest.latent, step)
    blank = fit.blank_calibration(mean, variance, manifest.input.channels)
    draft = replace(draft, manifest=manifest, calibration=blank)
    say(f"calibrating on {len(images)} held-out images")
    calibration = fit.calibrate(draft, graphs, images, options.registered)
    draft = replace(draft, calibration=calibration)
    first = next(iter(batches(held_out, manifest.input.stride)))[:PARITY_IMAGES]
    certificate = parity.measure(network, graphs, first, step)
    say(f"parity over {certificate.images} images: {certificate}")
    manifest = replace(
        manifest,
        provenance={
            **info["provenance"],
            "command": portable(info["provenance"].get("command", [])),
            "config": info["config"],
            "metrics": info["metrics"],
            "parity": certificate.to_json(),
            "calibration_images": len(images),
        },
    )
    return _write(out, manifest, draft, graphs, images)


def describe(config: TrainConfig, options: Options, name: str, *, exact: bool) -> Manifest:
    """The manifest that follows from a configuration, before anything is fitted.

    `exact`: the data have one size by nature, so another size is the caller's mistake.
    """
    model = config.model
    index = model.family == "vq_vae"
    free_size = model.height == 0
    levels = 1 if index else fit.QUALITY_LEVELS
    quality = 0 if index else CENTRE_QUALITY if options.quality is None else options.quality
    default_fit: Fit = "pad" if free_size else "exact" if exact else "resize"
    default_fused = ("structure",) if free_size else ("residual", "latent")
    return Manifest(
        name=name,
        version=options.version,
        family=model.family,
        input=InputSpec(
            channels=model.channels,
            height=model.height or None,
            width=model.width or None,
            stride=model.stride if free_size else 1,
            fit=options.fit or default_fit,
        ),
        latent=LatentSpec(
            kind="indices" if index else "gaussian",
            dims=model.codebook if index else model.latent,
            grid=_grid(model),
        ),
        quality_default=quality,
        quality_levels=levels,
        score=ScoreSpec(
            blur=options.blur,
            peak_blur=options.peak_blur,
            fused=options.fused or default_fused,
            false_alarm_rate=options.false_alarm_rate,
        ),
    )


def batches(images: data.Images, stride: int) -> Iterator[U8]:
    """uint8 `[B, C, H, W]`: neighbours of one shape together, sides multiples of the stride."""
    held: list[U8] = []
    for image in images:
        height, width = (side // stride * stride for side in image.shape[1:])
        cut = image[:, :height, :width]
        if held and (held[0].shape != cut.shape or len(held) * cut[0].size >= CALL_PIXELS):
            yield np.stack(held)
            held = []
        held.append(cut)
    if held:
        yield np.stack(held)


def _grid(model: ModelConfig) -> tuple[int, int] | None:
    if model.family in ("reslag", "sigma_vae"):
        return (1, 1)
    return (model.height // model.stride, model.width // model.stride) if model.height else None


def _draft(manifest: Manifest, encoder: bytes, decoder: bytes) -> Bundle:
    """A bundle in memory with nothing fitted yet: enough to run the graphs."""
    channels = manifest.latent.channels
    members = {
        name: Member(size=len(graph), sha256="")
        for name, graph in {"decoder.onnx": decoder, "tables.npz": b""}.items()
    }
    zero, one = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    return Bundle(
        manifest=manifest,
        model_id=model_id(replace(manifest, members=members)),
        encoder=encoder,
        decoder=decoder,
        steps=np.ones((manifest.quality_levels, channels), np.float32),
        tables=(),
        calibration=fit.blank_calibration(zero, one, manifest.input.channels),
        card="",
    )


def _write(
    out: Path, manifest: Manifest, draft: Bundle, graphs: OnnxGraphs, images: Sequence[U8]
) -> Manifest:
    draft = replace(draft, manifest=manifest)
    model = Model(draft, graphs)
    arrays: dict[str, npt.NDArray[np.generic]] = draft.calibration.to_arrays()
    members = {
        "encoder.onnx": draft.encoder,
        "decoder.onnx": draft.decoder,
        "tables.npz": pack_tables(draft.steps, draft.tables),
        "calibration.npz": pack_arrays(arrays),
        PICTURES: draw_samples(model, images),
        "card.md": write_card(manifest, held_out_facts(model, images)).encode(),
    }
    return write_bundle(out, manifest, members)


def held_out_facts(model: Model, images: Sequence[U8]) -> dict[str, str]:
    """Figures for the card, at the default quality."""
    records = model.compress(images)
    restored = model.decompress(records)
    error = np.mean([fit.squared_error(a, b) for a, b in zip(images, restored, strict=True)])
    size = np.mean([len(record) for record in records])
    raw = np.mean([image.size for image in images])
    return {
        "held-out images": f"{len(images)}",
        "bytes per image, framing and checksum included": f"{size:.2f}",
        "ratio to raw 8-bit pixels": f"{raw / size:.1f}",
        "PSNR of the mean squared error": f"{-10 * np.log10(error):.2f} dB",
    }


def portable(command: Sequence[str]) -> str:
    """The command that trained a run, without the paths of the machine where it ran."""
    words = list(command)
    for option, word in (("--data", "DIR"), ("--out", "RUN")):
        if option in words[:-1]:
            words[words.index(option) + 1] = word
    return " ".join(words)
