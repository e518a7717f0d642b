"""Fits the tables, steps and calibration of a bundle to other images; its graphs stay.

This is for a new camera, or for a newer codec that codes the same latents in fewer bytes.
"""

from dataclasses import replace
from pathlib import Path

from codec.bundle.bundle import load_bundle
from codec.bundle.manifest import Manifest, ScoreSpec
from codec.detectors import Detectors
from codec.graphs.onnx import open_graphs
from exporter.export import check_target, family_scores, read_images, report_suspects, write
from exporter.fit.bundle import Log, fit_bundle
from exporter.fit.fused import RANKING
from exporter.options import (
    Options,
    check_quality,
    chooses_scores,
    default_false_alarm_rate,
    raised_rate,
    rate_before_raised,
    read_as,
)
from training.config.run import DataConfig

# Shortest side, in strides, of an image for a model of any size.
MIN_STRIDES = 4


def refit(path: Path, out: Path, calibrate: Path, options: Options, log: Log) -> Manifest:
    """Writes the bundle at `path` to `out`, fitted to the images of the folder `calibrate`.

    Of the options only version, layout, quality, target_psnr, false_alarm_rate, detectors,
    registered and threads apply. Scores are chosen anew unless they were chosen by hand. Raises
    BundleError, TrainingError for the data, UsageError for an option, and InvalidInput for a
    false-alarm rate that needs more images.
    """
    check_target(out)
    old = load_bundle(path)
    data = read_as(_data_config(old.manifest), options)
    training, held_out = read_images(data, calibrate, log)
    choose_scores = _may_choose(old.manifest) and chooses_scores(options, len(held_out), log)
    usual = old.manifest.score.false_alarm_rate
    if (old.manifest.provenance.get("export") or {}).get("false_alarm_rate") is None:
        usual = rate_before_raised(usual, len(old.calibration.fused))
    rate = default_false_alarm_rate(options.false_alarm_rate, len(held_out), usual)
    if options.false_alarm_rate is None and rate > usual:
        log(raised_rate(rate, len(held_out), usual))
    manifest = _manifest(old.manifest, options, rate, len(held_out))
    graphs = open_graphs(old, "cpu", options.threads)
    bundle = fit_bundle(
        replace(old, manifest=manifest, detectors=Detectors()),
        graphs,
        training,
        held_out,
        target_psnr=options.target_psnr,
        registered=options.registered,
        choose_scores=choose_scores,
        log=log,
    )
    report_suspects(bundle.manifest, data, calibrate, held_out, log)
    return write(out, bundle, graphs, held_out)


def _manifest(old: Manifest, options: Options, rate: float, held_out: int) -> Manifest:
    """The manifest before anything is fitted, without the candidates of the old images."""
    refitted = {"target_psnr": options.target_psnr, "registered": options.registered}
    kept = {key: value for key, value in old.provenance.items() if key != RANKING}
    return replace(
        old,
        score=replace(_own_scores(old), false_alarm_rate=rate),
        version=options.version,
        quality_default=check_quality(options.quality, old.quality_default, old.quality_levels),
        provenance={**kept, "calibration_images": held_out, "refitted": refitted},
    )


def _may_choose(manifest: Manifest) -> bool:
    """Whether the scores of a bundle were not chosen by hand when it was exported."""
    asked = manifest.provenance.get("export", {})
    return not asked.get("fused") and asked.get("detectors", "auto") == "auto"


def _own_scores(manifest: Manifest) -> ScoreSpec:
    """The scores of a bundle without candidates; those of its family in place of candidates."""
    score = manifest.score
    if not score.candidates:
        return score
    return replace(
        score, candidates=(), heatmap=(), fused=family_scores(manifest.input.height is None)
    )


def _data_config(manifest: Manifest) -> DataConfig:
    """How to read images for the model; the same images are held out as in its training."""
    spec, config = manifest.input, manifest.provenance.get("config", {})
    split = {name: config[name] for name in ("seed", "validation_fraction") if name in config}
    if spec.height is not None and spec.width is not None:
        return DataConfig(channels=spec.channels, size=(spec.height, spec.width), **split)
    return DataConfig(channels=spec.channels, min_side=MIN_STRIDES * spec.stride, **split)
