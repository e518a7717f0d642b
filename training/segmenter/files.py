"""The files of a segmenter in the folder of its run.

    RUN/segmenter.safetensors        the averaged weights of a finished training
    RUN/segmenter.last.safetensors   while it is trained: all that is needed to continue bit by bit

The files of the autoencoder stay as they are, and the segmenter does not depend on its weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor

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
from training.run.files import write_atomically
from training.segmenter.network import Segmenter, SegmenterConfig, build_segmenter
from training.segmenter.state import SegmenterState, Task, new_state

SEGMENTER, STATE = "segmenter.safetensors", "segmenter.last.safetensors"


def save_state(run: Path, state: SegmenterState) -> None:
    """Writes all that is needed to continue."""
    tensors = (
        prefixed("average", state.average.state_dict())
        | prefixed("network", state.network.state_dict())
        | prefixed("optimizer", optimizer_tensors(state.optimizer))
    )
    _write(run / STATE, state, tensors)


def save_result(run: Path, state: SegmenterState) -> None:
    """Writes the averaged weights, and removes the file to continue from."""
    _write(run / SEGMENTER, state, prefixed("average", state.average.state_dict()))
    (run / STATE).unlink(missing_ok=True)


def task_of(path: Path) -> Task | None:
    """What the segmenter in a file was trained for; None if there is no file.

    Raises TrainingError for a file that is damaged.
    """
    return _task(read(path), path) if path.exists() else None


def resume(run: Path, device: torch.device) -> SegmenterState:
    """The state in RUN/segmenter.last.safetensors. Raises TrainingError."""
    checkpoint = read(run / STATE)
    state = new_state(_task(checkpoint, run / STATE), device)
    _load(state.average, checkpoint, run / STATE, "average")
    _load(state.network, checkpoint, run / STATE, "network")
    load_optimizer(state.optimizer, below("optimizer", checkpoint.tensors))
    info = checkpoint.info
    state.step, state.loss, state.history = info["step"], info["loss"], info["history"]
    return state


def load_segmenter(run: Path) -> tuple[Segmenter, dict[str, Any]] | None:
    """(network in eval mode, info) of a finished training; None if the run has no segmenter.

    `info` holds "task", "step", "loss" and "history". Raises TrainingError if the file is damaged.
    """
    path = run / SEGMENTER
    if not path.exists():
        return None
    checkpoint = read(path)
    network = build_segmenter(_task(checkpoint, path).network)
    _load(network, checkpoint, path, "average")
    return network.eval().requires_grad_(False), checkpoint.info


def _write(path: Path, state: SegmenterState, tensors: Mapping[str, Tensor]) -> None:
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
        network = SegmenterConfig(
            channels=raw["network"]["channels"], widths=tuple(raw["network"]["widths"])
        )
        return Task(steps=raw["steps"], seed=raw["seed"], network=network)
    except (KeyError, TypeError) as error:
        raise TrainingError(f"{path} is not the file of a segmenter") from error


def _load(network: Segmenter, checkpoint: Checkpoint, path: Path, part: str) -> None:
    try:
        network.load_state_dict(below(part, checkpoint.tensors))
    except RuntimeError as error:
        raise TrainingError(f"{path}: the weights do not fit its configuration") from error
