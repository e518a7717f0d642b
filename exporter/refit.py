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
from training.config.data import DataConfig
from training.data import datasets as data

# Shortest side, in strides, of an image for a model of any size.
MIN_STRIDES = 4


def refit(path: Path, out: Path, calibrate: Path, options: Options, say: fit.Say) -> Manifest:
    """Writes the bundle at `path` anew. Of the options those of the network and of the scores'
    windows stay as they were.

    Raises BundleError, and TrainingError for the data.
    """
    check_target(out)
    old = load_bundle(path)
    images = data.training_and_validation(_data_config(old.manifest), calibrate, say)
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


def _data_config(manifest: Manifest) -> DataConfig:
    """How the images of the network were read.

    The same images are held out as in its training.
    """
    spec, config = manifest.input, manifest.provenance.get("config", {})
    split = {name: config[name] for name in ("seed", "validation_fraction") if name in config}
    if spec.height is not None and spec.width is not None:
        return DataConfig(channels=spec.channels, size=(spec.height, spec.width), **split)
    return DataConfig(channels=spec.channels, min_side=MIN_STRIDES * spec.stride, **split)
