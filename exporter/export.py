"""A run becomes a bundle: the steps in reading order."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from codec import Codec
from codec.arrays import U8
from codec.bundle.bundle import Bundle, model_id, pack_arrays, write_bundle
from codec.bundle.manifest import Fit, InputSpec, LatentSpec, Manifest, Member, ScoreSpec
from codec.bundle.tables_npz import pack_tables
from codec.errors import BundleError
from codec.graphs.onnx import OnnxGraphs, open_graphs
from codec.scores import scores as anomaly
from exporter import parity
from exporter import receptive_field as reach
from exporter.card import PICTURES, draw_samples, write_card
from exporter.fit import bundle as fit
from exporter.graphs import export_graphs
from training.config.run import GLOBAL_FAMILIES, INDEX_FAMILIES, ModelConfig, TrainConfig
from training.data import datasets as data
from training.models.index_model import symbols
from training.run.checkpoint import load_run

CENTRE_QUALITY = 8
FALSE_ALARM_RATE = 0.01
PARITY_IMAGES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may decide about a bundle; the defaults are meant to be right."""

    name: str = ""
    """model name; the name of the run's folder if empty"""
    version: str = "1"
    """version of the model; a server can hold several"""
    fit: Fit | None = None
    """exact, resize, pad or tile; chosen from the data if absent"""
    quality: int | None = None
    """default quality level, 0 (coarsest) to 16; 8 if absent, 0 where there is only one"""
    target_psnr: float | None = None
    """choose the coarsest level that reaches this PSNR in dB on held-out images"""
    false_alarm_rate: float | None = None
    """share of normal images that may be flagged by default; if absent 0.01, or the smallest that
    the held-out images support"""
    fused: tuple[str, ...] = ()
    """scores that enter the verdict; chosen from the family if empty"""
    blur: int = 13
    """side of the heat map's smoothing window, pixels, odd"""
    peak_blur: int = 3
    """side of the smoothing window of the peak and structure scores, pixels, odd"""
    registered: bool = False
    """the camera always sees the same scene: keep a residual variance per pixel"""
    threads: int = 1
    """CPU threads of onnxruntime"""


def export(run: Path, out: Path, calibrate: Path, options: Options, say: fit.Say) -> Manifest:
    """Writes the bundle of a run; `calibrate` is the data folder whose held-out part calibrates.

    Raises TrainingError for the run or the data, InvalidInput for an option, BundleError for the
    result.
    """
    check_target(out)
    config, network, info = load_run(run)
    training, held_out = data.training_and_validation(config.data, calibrate, say)
    manifest = describe(
        config,
        options,
        options.name or run.resolve().name,
        exact=data.source_of(config.data, calibrate) != "folder",
        held_out=len(held_out),
    )
    if options.false_alarm_rate is None and manifest.score.false_alarm_rate > FALSE_ALARM_RATE:
        say(f"{len(held_out)} held-out images allow no false-alarm rate of {FALSE_ALARM_RATE:g}")
    say("exporting and checking the graphs")
    draft = unfitted(manifest, *export_graphs(network))
    graphs = open_graphs(draft, "cpu", options.threads)
    manifest = _with_reach(manifest, graphs)
    draft = replace(draft, manifest=manifest)
    images = [image.transpose(1, 2, 0) for image in held_out]
    bundle = fit.fit_bundle(
        draft,
        graphs,
        [image.transpose(1, 2, 0) for image in training],
        images,
        target_psnr=options.target_psnr,
        registered=options.registered,
        say=say,
    )
    step = bundle.steps[bundle.manifest.quality_default]
    first = next(fit.batches(images, manifest.input))[:PARITY_IMAGES]
    certificate = parity.measure(network, graphs, first, step)
    say(f"parity over {certificate.images} images: {certificate}")
    provenance = _provenance(info, certificate, len(images), options)
    manifest = replace(bundle.manifest, provenance=provenance)
    return write(out, replace(bundle, manifest=manifest), graphs, images)


def _with_reach(manifest: Manifest, graphs: OnnxGraphs) -> Manifest:
    seen = reach.measure(graphs, manifest)
    return replace(manifest, input=replace(manifest.input, reach=seen))


def check_target(out: Path) -> None:
    """Raises BundleError for an `out` that cannot be written: now, and not after all the work."""
    if out.exists():
        raise BundleError(f"{out} exists already")
    parent = next(folder for folder in out.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise BundleError(f"{out} cannot be written: {parent} is no folder that can be written to")


def describe(
    config: TrainConfig, options: Options, name: str, *, exact: bool, held_out: int
) -> Manifest:
    """The manifest that follows from a configuration, before anything is fitted.

    `exact`: the data have one size by nature, so another size is the caller's mistake. `held_out`
    is the number of images that calibrate. Raises BundleError, or InvalidInput for a false-alarm
    rate that needs more of them.
    """
    model = config.model
    latent = describe_latent(model)
    index = latent.kind == "indices"
    free_size = model.height == 0
    default_quality = 0 if index else CENTRE_QUALITY
    default_fit: Fit = "pad" if free_size else "exact" if exact else "resize"
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
        latent=latent,
        quality_default=default_quality if options.quality is None else options.quality,
        quality_levels=1 if index else fit.QUALITY_LEVELS,
        score=ScoreSpec(
            blur=options.blur,
            peak_blur=options.peak_blur,
            fused=anomaly.check_names(options.fused or _fused(model)),
            false_alarm_rate=_false_alarm_rate(options.false_alarm_rate, held_out),
        ),
    )


def describe_latent(model: ModelConfig) -> LatentSpec:
    """What the encoder of a network gives, from its configuration."""
    grid = _grid(model)
    if model.family not in INDEX_FAMILIES:
        return LatentSpec(
            kind="gaussian", dims=model.latent, grid=grid, rate_aware=model.rate_aware
        )
    dims, codebook = symbols(model)
    return LatentSpec(kind="indices", dims=dims, codebook=codebook, grid=grid)


def _fused(model: ModelConfig) -> tuple[str, ...]:
    if model.height == 0:
        return ("peak",)  # a defect is small beside an image of any size
    return ("residual", "latent")


def _false_alarm_rate(asked: float | None, held_out: int) -> float:
    if asked is None:
        return max(FALSE_ALARM_RATE, 1 / (held_out + 1))
    return anomaly.check_rate(asked, held_out)


def _grid(model: ModelConfig) -> tuple[int, int] | None:
    if model.family in GLOBAL_FAMILIES:
        return (1, 1)
    grid = model.height // model.stride, model.width // model.stride
    if model.family == "sigma_vae_map" and grid == (1, 1):
        raise BundleError("a map of one position is a global latent; train a sigma_vae instead")
    return grid if model.height else None


def _provenance(
    info: dict[str, Any], certificate: parity.Parity, calibration_images: int, options: Options
) -> dict[str, Any]:
    return {
        **info["provenance"],
        "command": portable(info["provenance"].get("command", [])),
        "config": info["config"],
        "metrics": info["metrics"],
        "parity": certificate.to_json(),
        "calibration_images": calibration_images,
        "export": asdict(options),
    }


def unfitted(manifest: Manifest, encoder: bytes, decoder: bytes) -> Bundle:
    """A bundle in memory with nothing fitted yet: enough to run the graphs."""
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
        calibration=fit.blank_calibration(zero, one, manifest.input.channels),
        card="",
    )


def write(out: Path, bundle: Bundle, graphs: OnnxGraphs, images: Sequence[U8]) -> Manifest:
    """Writes a fitted bundle; held-out images `[H, W, C]` illustrate its card."""
    codec = Codec(bundle, graphs)
    members = {
        "encoder.onnx": bundle.encoder,
        "decoder.onnx": bundle.decoder,
        "tables.npz": pack_arrays(pack_tables(bundle.steps, bundle.priors)),
        "calibration.npz": pack_arrays(bundle.calibration.to_arrays()),
        PICTURES: draw_samples(codec, images),
        "card.md": write_card(bundle.manifest, held_out_facts(codec, images)).encode(),
    }
    return write_bundle(out, bundle.manifest, members)


def held_out_facts(codec: Codec, images: Sequence[U8]) -> dict[str, str]:
    """Figures for the card, at the default quality."""
    records = codec.compress(images)
    size = np.mean([len(record) for record in records])
    raw = np.mean([image.size for image in images])
    return {
        "held-out images": f"{len(images)}",
        "bytes per image, framing and checksum included": f"{size:.2f}",
        "ratio to raw 8-bit pixels": f"{raw / size:.1f}",
        "PSNR of the mean squared error": f"{fit.psnr(images, codec.decompress(records)):.2f} dB",
    }


def portable(command: Sequence[str]) -> str:
    """The command that trained a run, without the paths of the machine where it ran."""
    folders = {"--data": "DIR", "--out": "RUN"}
    words = []
    for before, word in itertools.pairwise(["", *command]):
        option, equals, _ = word.partition("=")
        if equals and option in folders:
            word = f"{option}={folders[option]}"
        words.append(folders.get(before, word))
    return " ".join(words)
