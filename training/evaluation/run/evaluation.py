"""A run at test images, before any export: numbers, pictures and the curves of its training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.config.model import GLOBAL_FAMILIES
from training.data import datasets as data
from training.data.datasets import Images
from training.data.labels import labels_of
from training.errors import TrainingError
from training.evaluation.rate_distortion import Advance
from training.evaluation.report.report import Section
from training.evaluation.run import pictures as run_pictures
from training.evaluation.run import report as run_report
from training.evaluation.run.metrics import evaluation_state, pca_metrics, run_metrics
from training.evaluation.run.pictures import Subject
from training.models.pca import fit_pca, pixel_variance
from training.run import checkpoint
from training.run.state import State

Track = Callable[[str], Advance]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What is written about a run."""

    title: str
    facts: dict[str, Any]
    sections: list[Section]


def evaluate_run(run: Path, folder: Path, shown: int, track: Track) -> RunReport:
    """Evaluates the averaged weights of the best epoch on the normal test images."""
    state, info = evaluation_state(run)
    record, history = info["metrics"], _history(run, info)
    test = data.labelled_test(state.config, folder)
    normal = data.take(test.images, np.flatnonzero(~test.defect))
    if not len(normal):
        raise TrainingError(f"{folder} has no normal test images")
    done = track("principal components")
    pca, missing = _pca(state, info, folder, normal)
    done(1, 1)
    done = track(f"{len(normal)} test images")
    metrics = run_metrics(state, normal) | pca
    done(1, 1)
    done = track("pictures")
    subject = Subject(
        state=state,
        normal=normal,
        test=test.images,
        labels=labels_of(state.config, folder, len(test.images)),
        history=history,
        epoch=record.get("epoch"),
        count=shown,
    )
    pictures = run_pictures.sections(subject)
    done(1, 1)
    facts = {
        "run": run.name,
        "family": state.config.model.family,
        "epoch": record.get("epoch"),
        "epochs": len(history),
        "test_sha256": data.digest(normal),
        "defect_images_left_out": int(test.defect.sum()),
        "metrics": metrics,
        "held_out": record,
        "history": history,
    }
    tables = [*run_report.tables(metrics, missing), run_report.held_out(record)]
    return RunReport(title=f"Run {run.name}", facts=_finite(facts), sections=tables + pictures)


def _history(run: Path, info: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of all epochs, also of those after the best one."""
    try:
        found: list[dict[str, Any]] = checkpoint.read(run / checkpoint.LAST).info["history"]
    except TrainingError:
        found = info["history"]
    return found


def _pca(
    state: State, info: dict[str, Any], folder: Path, test: Images
) -> tuple[dict[str, float], str | None]:
    """The error of PCA, or why it is left out; older runs learn the variance of their images."""
    config = state.config
    if config.model.family not in GLOBAL_FAMILIES:
        return {}, f"the latents of a {config.model.family} are a map"
    try:
        training, _ = data.training_and_validation(config, folder)
        if data.digest(training) != info["provenance"]["data_sha256"]:
            return {}, f"the training images in {folder} are not those of the run"
        pca = fit_pca(training, config.model.latent)
    except TrainingError as error:
        return {}, str(error)
    state.data_variance = state.data_variance or pixel_variance(training)
    return pca_metrics(pca, test), None


def _finite(value: Any) -> Any:
    """JSON values with None for what is no number: a run may have diverged."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
