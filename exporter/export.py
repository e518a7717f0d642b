"""Turns a training run into a bundle; the steps are in reading order."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from codec import Codec
from codec.arrays import U8
from codec.atomic import staged
from codec.bundle.bundle import DETECTORS, SEGMENTER, Bundle, load_bundle, write_bundle
from codec.bundle.fitted_detectors import needs_segmenter
from codec.bundle.manifest import LatentSpec, Manifest, ScoreSpec
from codec.bundle.npz import check_score_names, pack_arrays, pack_tables
from codec.errors import BundleError
from codec.graphs.onnx import OnnxGraphs, open_graphs
from codec.images.input_spec import Fit, InputSpec
from codec.warm_up import warm_up
from exporter import receptive_field
from exporter.card import PICTURES, draw_samples, held_out_facts, write_card
from exporter.fit.bundle import QUALITY_LEVELS, Log, draft_bundle, fit_bundle
from exporter.fit.fused import RANKING
from exporter.fit.latents import batches
from exporter.graphs import export_graphs, measure_parity
from exporter.options import (
    FALSE_ALARM_RATE,
    Options,
    check_quality,
    chooses_scores,
    default_false_alarm_rate,
    raised_rate,
    read_as,
)
from exporter.provenance import facts
from exporter.segmenter import exported_segmenter
from training.config.model import GLOBAL_FAMILIES, INDEX_FAMILIES, ModelConfig
from training.config.run import DataConfig, TrainConfig
from training.data import datasets
from training.data.datasets import source_of
from training.data.file_names import file_names
from training.errors import TrainingError, UsageError
from training.models.base import symbols
from training.run.checkpoint import load_run

MIDDLE_QUALITY = 8
PARITY_IMAGES = 64


def export(run: Path, out: Path, calibrate: Path, options: Options, log: Log) -> Manifest:
    """Writes the bundle of a run, calibrated on the held-out images of the folder `calibrate`.

    Raises TrainingError for the run or the data, UsageError for an option, InvalidInput if it needs
    more images, BundleError for the result.
    """
    check_target(out)
    config, network, info = load_run(run)
    data = read_as(config.data, options)
    training, held_out = read_images(data, calibrate, log)
    exact = source_of(data, calibrate) != "folder"
    name = options.name or run.resolve().name
    manifest = _described(config, options, name, exact, len(held_out), log)
    choose_scores = chooses_scores(options, len(held_out), log)
    log("exporting and checking the graphs")
    segmenter = exported_segmenter(run) if choose_scores else None
    draft = draft_bundle(manifest, *export_graphs(network))
    draft = replace(draft, segmenter=None if segmenter is None else segmenter.graph)
    graphs = open_graphs(draft, "cpu", options.threads)
    draft = replace(draft, manifest=with_radius(manifest, graphs))
    bundle = fit_bundle(
        draft,
        graphs,
        training,
        held_out,
        target_psnr=options.target_psnr,
        registered=options.registered,
        choose_scores=choose_scores,
        log=log,
    )
    report_suspects(bundle.manifest, data, calibrate, held_out, log)
    first = next(batches(held_out, manifest.input))[:PARITY_IMAGES]
    step = bundle.steps[bundle.manifest.quality_default]
    certificate = measure_parity(network, graphs, first, step)
    log(certificate.sentence())
    provenance = bundle.manifest.provenance | facts(info, certificate, len(held_out), options)
    if segmenter is not None:
        provenance["segmenter"] = segmenter.facts(graphs, first, log)
    bundle = replace(bundle, manifest=replace(bundle.manifest, provenance=provenance))
    return write(out, bundle, graphs, held_out)


def read_images(config: DataConfig, folder: Path, log: Log) -> tuple[list[U8], list[U8]]:
    """The training and the held-out images of a data folder, `[H, W, C]` each.

    Raises TrainingError.
    """
    training, held_out = datasets.training_and_validation(config, folder, log)
    return [x.transpose(1, 2, 0) for x in training], [x.transpose(1, 2, 0) for x in held_out]


def report_suspects(
    manifest: Manifest, config: DataConfig, folder: Path, held_out: Sequence[U8], log: Log
) -> None:
    """A line that names held-out images whose scores are far outside of those of the others."""
    far = manifest.provenance.get(RANKING, {}).get("far_outside", [])
    if not far:
        return
    found = file_names(config, folder, [held_out[i].transpose(2, 0, 1) for i in far])
    named = ", ".join(found) or ", ".join(f"number {i + 1}" for i in far)
    log(
        f"{len(far)} of {len(held_out)} held-out images look defective: {named}; if they are, "
        "remove them and export again, since they hide defects like theirs"
    )


def check_target(out: Path) -> None:
    """Raises BundleError if `out` cannot be written, before any work is done."""
    if out.exists():
        raise BundleError(f"{out} exists already")
    parent = next(folder for folder in out.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise BundleError(f"cannot write {out}: {parent} is not a writable folder")


def _described(
    config: TrainConfig, options: Options, name: str, exact: bool, held_out: int, log: Log
) -> Manifest:
    """As `describe`, with a line about a false-alarm rate that few images have raised."""
    try:
        manifest = describe(config, options, name, exact=exact, held_out=held_out)
    except BundleError as error:
        raise UsageError(str(error)) from error
    if options.false_alarm_rate is None and manifest.score.false_alarm_rate > FALSE_ALARM_RATE:
        log(raised_rate(manifest.score.false_alarm_rate, held_out))
    return manifest


def describe(
    config: TrainConfig, options: Options, name: str, *, exact: bool, held_out: int
) -> Manifest:
    """The manifest that follows from a configuration, before anything is fitted.

    `exact` means that all images of the data set have one size by nature. `held_out` is the number
    of calibration images. Raises BundleError or UsageError for an option, InvalidInput for a
    false-alarm rate that needs more images, TrainingError for a model that cannot be exported.
    """
    model = config.model
    latent = describe_latent(model)
    index = latent.kind == "indices"
    free_size = model.height == 0
    levels = 1 if index else QUALITY_LEVELS
    fixed_fit: Fit = "exact" if exact else "resize"
    return Manifest(
        name=name,
        version=options.version,
        family=model.family,
        input=InputSpec(
            channels=model.channels,
            height=model.height or None,
            width=model.width or None,
            stride=model.stride if free_size else 1,
            fit=options.fit or ("pad" if free_size else fixed_fit),
        ),
        latent=latent,
        quality_default=check_quality(options.quality, 0 if index else MIDDLE_QUALITY, levels),
        quality_levels=levels,
        score=ScoreSpec(
            blur=options.blur,
            peak_blur=options.peak_blur,
            fused=check_score_names(options.fused or family_scores(free_size)),
            false_alarm_rate=default_false_alarm_rate(options.false_alarm_rate, held_out),
        ),
    )


def describe_latent(model: ModelConfig) -> LatentSpec:
    """The output of a network's encoder, from its configuration."""
    grid = _grid(model)
    if model.family not in INDEX_FAMILIES:
        return LatentSpec(
            kind="gaussian", dims=model.latent, grid=grid, rate_aware=model.rate_aware
        )
    dims, codebook = symbols(model)
    return LatentSpec(kind="indices", dims=dims, codebook=codebook, grid=grid)


def family_scores(any_size: bool) -> tuple[str, ...]:
    """The scores that decide if none are chosen."""
    return ("peak",) if any_size else ("residual", "latent")  # in a large image a defect is small


def _grid(model: ModelConfig) -> tuple[int, int] | None:
    if model.family in GLOBAL_FAMILIES:
        return (1, 1)
    grid = model.height // model.stride, model.width // model.stride
    if model.family == "sigma_vae_map" and grid == (1, 1):
        raise TrainingError("the latent map has a single position; train a sigma_vae instead")
    return grid if model.height else None


def with_radius(manifest: Manifest, graphs: OnnxGraphs) -> Manifest:
    """The manifest with the receptive-field radius, `reach`, of a model for any size."""
    if manifest.input.height is not None:
        return manifest
    radius = receptive_field.measure_radius(graphs, manifest)
    return replace(manifest, input=replace(manifest.input, reach=radius))


def write(out: Path, bundle: Bundle, graphs: OnnxGraphs, images: Sequence[U8]) -> Manifest:
    """Writes a fitted bundle, with a card about held-out images `[H, W, C]`.

    It is read back and warmed up before it appears at `out`. Raises BundleError; nothing is then
    left behind.
    """
    codec = Codec(bundle, graphs)
    members = {
        "encoder.onnx": bundle.encoder,
        "decoder.onnx": bundle.decoder,
        "tables.npz": pack_arrays(pack_tables(bundle.steps, bundle.priors)),
        "calibration.npz": pack_arrays(bundle.calibration.to_arrays()),
        PICTURES: draw_samples(codec, images),
        "card.md": write_card(bundle.manifest, held_out_facts(codec, images)).encode(),
    }
    if bundle.manifest.score.candidates:
        members[DETECTORS] = pack_arrays(bundle.detectors.pack())
    if bundle.segmenter is not None and needs_segmenter(bundle.manifest):
        members[SEGMENTER] = bundle.segmenter
    with staged(out) as target:
        manifest = write_bundle(target, bundle.manifest, members)
        written = load_bundle(target)
        warm_up(Codec(written, open_graphs(written, "cpu")))
    return manifest
