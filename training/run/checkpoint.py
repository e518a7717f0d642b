"""Checkpoints: one safetensors file each, whose metadata holds the rest as JSON.

    RUN/last.safetensors   everything that is needed to go on bit for bit
    RUN/best.safetensors   the averaged weights of the best validation loss, for the exporter
    RUN/config.json        configuration and provenance, for people
    RUN/metrics.jsonl      one record per epoch

Every file is written to a temporary sibling and then renamed: no reader ever sees half of one. Of
the files of an epoch `last` is the last, so that a run killed between them does that epoch again.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor
from torch.optim import AdamW

from training.config.run import TrainConfig, from_json, to_json
from training.distributed import ALONE, World
from training.errors import TrainingError
from training.models import Model, build
from training.run.state import Lag, State, new_state

FORMAT = 1
STALE = ".*.tmp"
LAST, BEST = "last.safetensors", "best.safetensors"
COUNTERS = (
    "epoch",
    "batch",
    "step",
    "skipped",
    "variance",
    "data_variance",
    "images",
    "multiplier",
    "excess",
    "best",
    "stale",
    "lr",
    "lr_scale",
    "sums",
)
"""as they are; runs of older versions lack some, which then have their defaults"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The content of a checkpoint file."""

    tensors: dict[str, Tensor]
    info: dict[str, Any]
    """format, config, provenance, state (counters), metrics (of the last epoch), history"""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it exists as a whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        kept = "; what was there before is kept" if path.exists() else ""
        raise TrainingError(
            f"{path} ({len(data):,} bytes) cannot be written: {error.strerror}{kept}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_stale(run: Path) -> None:
    """Remove what a process left that was killed while it wrote."""
    for path in run.glob(STALE):
        path.unlink(missing_ok=True)


def save(run: Path, state: State, provenance: Mapping[str, Any], *, best: bool) -> None:
    """Write the files of a run: between two steps, or after an epoch; `best` also the weights."""
    if best:
        write(run / BEST, state, provenance, whole=False)
    if state.batch == 0 and state.history:
        lines = "".join(json.dumps(record) + "\n" for record in state.history)
        write_atomically(run / "metrics.jsonl", lines.encode())
    write(run / LAST, state, provenance, whole=True)


class Saver:
    """Writes the checkpoints of a run: when called, which is `due` every so many seconds."""

    def __init__(self, run: Path, provenance: Mapping[str, Any], seconds: float) -> None:
        self._run, self._provenance, self._seconds = run, provenance, seconds
        self._written = time.monotonic()

    def __call__(self, state: State, best: bool) -> None:
        """`save`, in the first of several processes."""
        if state.world.rank == 0:
            save(self._run, state, self._provenance, best=best)
        self._written = time.monotonic()

    def due(self) -> bool:
        """Whether a kill would now lose more than the interval."""
        return time.monotonic() - self._written >= self._seconds


def write(path: Path, state: State, provenance: Mapping[str, Any], *, whole: bool) -> None:
    """Write a state; `whole` False leaves out what only a resumed run needs."""
    tensors = _prefixed("average", state.average.state_dict())
    if state.log_variance is not None:
        tensors["log_variance"] = state.log_variance
    if whole:
        if state.model is not state.average:
            tensors |= _prefixed("model", state.model.state_dict())
        for part, optimizer in state.optimizers().items():
            tensors |= _prefixed(f"{part}_optimizer", _optimizer_tensors(optimizer))
        tensors["noise"] = state.noise.get_state()
    info = {
        "format": FORMAT,
        "config": to_json(state.config),
        "provenance": dict(provenance),
        "state": {name: getattr(state, name) for name in COUNTERS}
        | {"lag": dataclasses.asdict(state.lag)},
        "metrics": state.history[-1] if state.history else {},
        "history": state.history,
    }
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    write_atomically(path, to_bytes(contiguous, {"residuum": json.dumps(info)}))


def read(path: Path) -> Checkpoint:
    """The checkpoint in a file; TrainingError when it is missing, damaged or of another version."""
    if not path.exists():
        raise TrainingError(f"{path} does not exist; is {path.parent} a finished run?")
    try:
        with safe_open(path, "pt") as file:
            info = json.loads((file.metadata() or {})["residuum"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise TrainingError(f"{path} is not a readable checkpoint: {error}") from error
    found = info.get("format") if isinstance(info, dict) else None
    if found != FORMAT:
        raise TrainingError(f"{path} has format {found}; expected {FORMAT}")
    return Checkpoint(tensors=tensors, info=info)


def restore(
    checkpoint: Checkpoint, config: TrainConfig, device: torch.device, world: World = ALONE
) -> State:
    """The state as it was when written."""
    tensors, info = checkpoint.tensors, checkpoint.info
    if "noise" not in tensors:
        raise TrainingError("the checkpoint holds weights alone, with which no run can go on")
    state = new_state(config, device, world)
    _load(state.average, _below("average", tensors))
    if state.model is not state.average:
        _load(state.model, _below("model", tensors))
    for part, optimizer in state.optimizers().items():
        _load_optimizer(optimizer, _below(f"{part}_optimizer", tensors))
    state.noise.set_state(tensors["noise"])
    if state.log_variance is not None:
        state.log_variance.data.copy_(tensors["log_variance"])
    for name in info["state"].keys() & set(COUNTERS):
        setattr(state, name, info["state"][name])
    state.lag = Lag(**info["state"].get("lag", {}))
    state.history = info["history"]
    return state


def load_run(
    run: Path, which: Literal["best", "last"] = "best"
) -> tuple[TrainConfig, Model, dict[str, Any]]:
    """(configuration, network in eval mode with the weights for export, info) of a run folder.

    `info` holds "metrics" (of the epoch of these weights), "provenance", "state" and "history".
    """
    checkpoint = read(run / (BEST if which == "best" else LAST))
    config = from_json(checkpoint.info["config"])
    model = build(config.model)
    _load(model, _below("average", checkpoint.tensors))
    return config, model.eval().requires_grad_(False), checkpoint.info


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def _load(model: Model, tensors: Mapping[str, Tensor]) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise TrainingError("the weights do not fit the configuration beside them") from error


def _optimizer_tensors(optimizer: AdamW) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, entry in state.items() for key, value in entry.items()}


def _load_optimizer(optimizer: AdamW, tensors: Mapping[str, Tensor]) -> None:
    """Put the moments back, in the memory layout of their parameters."""
    parameters = optimizer.param_groups[0]["params"]
    for name, tensor in tensors.items():
        index, key = name.split(".")
        parameter = parameters[int(index)]
        like = parameter if tensor.shape == parameter.shape else tensor
        value = torch.empty_like(like, device=parameter.device)
        optimizer.state[parameter][key] = value.detach().copy_(tensor)
