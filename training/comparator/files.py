"""The files of a comparator in the folder of its run.

    RUN/comparator.safetensors        the averaged weights of a finished training
    RUN/comparator.last.safetensors   while it is trained: all that is needed to continue bit by bit

The files of the autoencoder stay as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor

from training.comparator.network import Comparator, ComparatorConfig, build_comparator
from training.comparator.state import ComparatorState, Task, new_state
from training.errors import TrainingError
from training.run.checkpoint import (
    FORMAT,
    Checkpoint,
    below,
    load_optimizer,
    optimizer_tensors,
    prefixed,
    read,
)
from training.run.files import BEST, write_atomically

COMPARATOR, STATE = "comparator.safetensors", "comparator.last.safetensors"


def weights_digest(run: Path) -> str:
    """SHA-256 of the weights of the autoencoder of a run. Raises TrainingError without any."""
    path = run / BEST
    if not path.exists():
        raise TrainingError(f"{path} does not exist; a comparator is trained after its autoencoder")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_state(run: Path, state: ComparatorState) -> None:
    """Writes all that is needed to continue."""
    tensors = (
        prefixed("average", state.average.state_dict())
        | prefixed("network", state.network.state_dict())
        | prefixed("optimizer", optimizer_tensors(state.optimizer))
    )
    _write(run / STATE, state, tensors)


def save_result(run: Path, state: ComparatorState) -> None:
    """Writes the averaged weights, and removes the file to continue from."""
    _write(run / COMPARATOR, state, prefixed("average", state.average.state_dict()))
    (run / STATE).unlink(missing_ok=True)


def task_of(path: Path) -> Task | None:
    """What the comparator in a file was trained for; None if there is no file.

    Raises TrainingError for a file that is damaged.
    """
    return _task(read(path), path) if path.exists() else None


def resume(run: Path, device: torch.device) -> ComparatorState:
    """The state in RUN/comparator.last.safetensors. Raises TrainingError."""
    checkpoint = read(run / STATE)
    state = new_state(_task(checkpoint, run / STATE), device)
    _load(state.average, checkpoint, run / STATE, "average")
    _load(state.network, checkpoint, run / STATE, "network")
    load_optimizer(state.optimizer, below("optimizer", checkpoint.tensors))
    info = checkpoint.info
    state.step, state.loss, state.history = info["step"], info["loss"], info["history"]
    return state


def load_comparator(run: Path) -> tuple[Comparator, dict[str, Any]] | None:
    """(network in eval mode, info) of a finished training; None if the run has no comparator.

    `info` holds "task", "step", "loss" and "history". Raises TrainingError if the file is damaged,
    or if the autoencoder of the run has other weights by now.
    """
    path = run / COMPARATOR
    if not path.exists():
        return None
    checkpoint = read(path)
    task = _task(checkpoint, path)
    if task.weights != weights_digest(run):
        raise TrainingError(
            f"{path} was trained with other weights of the autoencoder than those of {BEST}; "
            "train it again, or remove it"
        )
    network = build_comparator(task.network)
    _load(network, checkpoint, path, "average")
    return network.eval().requires_grad_(False), checkpoint.info


def _write(path: Path, state: ComparatorState, tensors: Mapping[str, Tensor]) -> None:
    info = {
        "format": FORMAT,
        "task": asdict(state.task),
        "step": state.step,
        "loss": state.loss,
        "history": state.history,
    }
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    write_atomically(path, to_bytes(contiguous, {"residuum": json.dumps(info)}))


def _task(checkpoint: Checkpoint, path: Path) -> Task:
    try:
        raw = checkpoint.info["task"]
        network = ComparatorConfig(
            channels=raw["network"]["channels"], widths=tuple(raw["network"]["widths"])
        )
        return Task(steps=raw["steps"], seed=raw["seed"], weights=raw["weights"], network=network)
    except (KeyError, TypeError) as error:
        raise TrainingError(f"{path} is not the file of a comparator") from error


def _load(network: Comparator, checkpoint: Checkpoint, path: Path, part: str) -> None:
    try:
        network.load_state_dict(below(part, checkpoint.tensors))
    except RuntimeError as error:
        raise TrainingError(f"{path}: the weights do not fit its configuration") from error
