"""A bundle once more: its graphs stay, tables, steps and calibration are fitted to other images.

For a new camera, or a codec that has learned to code the same latents in fewer bytes.
"""

from dataclasses import replace
from pathlib import Path

from codec.bundle.bundle import load_bundle
from codec.bundle.manifest import Manifest
from codec.graphs.onnx import open_graphs
from exporter.export import Options, check_target, write
from exporter.fit import bundle as fit
from training.config.run import ModelConfig, TrainConfig
from training.data import datasets as data

CROP_STRIDES = 8
"""side, in strides, of the crops of models of any size; no crop is taken here"""


def refit(path: Path, out: Path, calibrate: Path, options: Options, say: fit.Say) -> Manifest:
    """Writes the bundle at `path` anew. Of the options those of the network and of the scores'
    windows stay as they were.

    Raises BundleError, and TrainingError for the data.
    """
    check_target(out)
    old = load_bundle(path)
    images = data.training_and_validation(_config(old.manifest), calibrate, say)
    training, held_out = ([image.transpose(1, 2, 0) for image in part] for part in images)
    usual, asked = old.manifest.quality_default, options.quality
    quality = usual if asked is None else asked
    manifest = replace(
        old.manifest,
        version=options.version,
        quality_default=quality,
        provenance={
            **old.manifest.provenance,
            "calibration_images": len(held_out),
            "refitted": {"target_psnr": options.target_psnr, "registered": options.registered},
        },
    )
    graphs = open_graphs(old, "cpu", options.threads)
    bundle = fit.fit_bundle(
        replace(old, manifest=manifest),
        graphs,
        training,
        held_out,
        target_psnr=options.target_psnr,
        registered=options.registered,
        say=say,
    )
    return write(out, bundle, graphs, held_out)


def _config(manifest: Manifest) -> TrainConfig:
    """How the network was trained, as far as reading images goes.

    What it has learned from is held out neither then nor now.
    """
    spec, known = manifest.input, manifest.provenance.get("config", {})
    split = {name: known[name] for name in ("seed", "validation_fraction") if name in known}
    if spec.height is not None and spec.width is not None:
        height, width = spec.height, spec.width  # "linear" takes any size
        model = ModelConfig(family="linear", channels=spec.channels, height=height, width=width)
        return TrainConfig(model=model, **split)
    model = ModelConfig(
        family="sigma_vae_map", channels=spec.channels, widths=(8, 8), stride=spec.stride
    )
    return TrainConfig(model=model, crop=CROP_STRIDES * spec.stride, **split)
