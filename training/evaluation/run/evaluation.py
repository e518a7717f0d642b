"""A run measured on test images before any export: numbers, pictures and training curves."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from training.config.model import GLOBAL_FAMILIES
from training.config.run import LayoutName
from training.data import datasets as data
from training.data.image_files import Images, digest, take
from training.data.labelled import LabelledImages, labelled_test
from training.data.labels import labels_of
from training.errors import TrainingError
from training.evaluation.report.progress import Reporter
from training.evaluation.report.section import Section
from training.evaluation.run import pictures as run_pictures
from training.evaluation.run import tables as run_tables
from training.evaluation.run.metrics import evaluation_state, pca_metrics, run_metrics
from training.evaluation.run.pictures import Subject
from training.models.pca import fit_pca, pixel_variance
from training.run import checkpoint
from training.run.files import LAST
from training.run.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The report of a run: its title, its numbers for JSON, and its sections."""

    title: str
    facts: dict[str, Any]
    sections: list[Section]


def evaluate_run(
    run: Path, folder: Path, layout: LayoutName | None, shown: int, reporter: Reporter
) -> RunReport:
    """Measures the averaged weights of the best epoch on the normal test images.

    `layout` replaces that of the run; `shown` is the number of reconstructions in the report.
    Raises TrainingError.
    """
    state, info = evaluation_state(run)
    if layout is not None:
        state.config = replace(state.config, layout=layout)
    test = labelled_test(state.config.data, folder, reporter.note)
    subject = _subject(run, folder, test, state, info, shown)
    with reporter.step("principal components"):
        pca, missing = _pca(state, info, folder, subject.normal)
    with reporter.step(f"{len(subject.normal)} test images"):
        metrics = run_metrics(state, subject.normal) | pca
    with reporter.step("pictures"):
        pictures = run_pictures.sections(subject)
    record = info["metrics"]
    tables = [*run_tables.tables(metrics, missing), run_tables.held_out(record)]
    facts = {
        "run": run.name,
        "family": state.config.model.family,
        "epoch": subject.epoch,
        "epochs": len(subject.history),
        "test_sha256": digest(subject.normal),
        "defect_images_left_out": len(subject.test) - len(subject.normal),
        "metrics": metrics,
        "held_out": record,
        "history": subject.history,
    }
    return RunReport(title=f"Run {run.name}", facts=_finite(facts), sections=tables + pictures)


def _subject(
    run: Path, folder: Path, test: LabelledImages, state: State, info: dict[str, Any], shown: int
) -> Subject:
    """The run and its test images. Raises TrainingError if none of them is normal."""
    normal = take(test.images, np.flatnonzero(~test.defect))
    if not len(normal):
        raise TrainingError(f"{folder} has no normal test images")
    return Subject(
        state=state,
        normal=normal,
        test=test.images,
        labels=labels_of(state.config.data, folder, test),
        history=_history(run, info),
        epoch=info["metrics"].get("epoch"),
        count=shown,
    )


def _history(run: Path, info: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of all epochs, including those after the best one."""
    try:
        history: list[dict[str, Any]] = checkpoint.read(run / LAST).info["history"]
    except TrainingError:
        history = info["history"]
    return history


def _pca(
    state: State, info: dict[str, Any], folder: Path, test: Images
) -> tuple[dict[str, float], str | None]:
    """(error of PCA, None) or ({}, why there is none).

    Sets the data variance of runs whose checkpoint is too old to have it.
    """
    config = state.config
    if config.model.family not in GLOBAL_FAMILIES:
        return {}, f"the latents of a {config.model.family} are a map"
    try:
        training, _ = data.training_and_validation(config.data, folder)
        if digest(training) != info["provenance"]["data_sha256"]:
            return {}, f"the training images in {folder} are not those of the run"
        pca = fit_pca(training, config.model.latent)
    except TrainingError as error:
        return {}, str(error)
    state.data_variance = state.data_variance or pixel_variance(training)
    return pca_metrics(pca, test), None


def _finite(value: Any) -> Any:
    """JSON values in which NaN and infinity, from a run that diverged, are None."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
