"""Checkpoints: one safetensors file each, whose metadata holds the rest as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor
from torch.optim import AdamW

from training.config.run import TrainConfig, from_json, to_json
from training.distributed import SINGLE_PROCESS, ProcessGroup
from training.errors import TrainingError
from training.models.families import Model, build
from training.run import counters
from training.run.files import BEST, LAST, METRICS, write_atomically
from training.run.start import new_state
from training.run.state import State

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The content of a checkpoint file."""

    tensors: dict[str, Tensor]
    info: dict[str, Any]
    """format, config, provenance, state (numbers), metrics (of the last epoch), history"""


def save(run: Path, state: State, provenance: Mapping[str, Any], *, best: bool) -> None:
    """Writes the files of a run: between two steps, or after an epoch; `best` also the weights."""
    if best:
        write(run / BEST, state, provenance, whole=False)
    if state.batch == 0 and state.history:
        lines = "".join(json.dumps(record) + "\n" for record in state.history)
        write_atomically(run / METRICS, lines.encode())
    write(run / LAST, state, provenance, whole=True)


class Saver:
    """Writes the checkpoints of a run: when called, and `due` after `seconds` without a call."""

    def __init__(
        self,
        run: Path,
        provenance: Mapping[str, Any],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._provenance, self._seconds, self._clock = run, provenance, seconds, clock
        self._written = clock()

    def __call__(self, state: State, best: bool) -> None:
        """`save`, in the first of several processes."""
        if state.group.rank == 0:
            save(self._run, state, self._provenance, best=best)
        self._written = self._clock()

    def due(self) -> bool:
        """True if a kill would now lose more than the interval."""
        return self._clock() - self._written >= self._seconds


def write(path: Path, state: State, provenance: Mapping[str, Any], *, whole: bool) -> None:
    """Writes a state; `whole` False leaves out everything that only a resumed run needs."""
    tensors = prefixed("average", state.ema_model.state_dict())
    if state.log_variance is not None:
        tensors["log_variance"] = state.log_variance
    if whole:
        if state.model is not state.ema_model:
            tensors |= prefixed("model", state.model.state_dict())
        for part, optimizer in state.optimizers().items():
            tensors |= prefixed(f"{part}_optimizer", optimizer_tensors(optimizer))
        tensors["noise"] = state.noise.get_state()
    info = {
        "format": FORMAT,
        "config": to_json(state.config),
        "provenance": dict(provenance),
        "state": counters.to_json(state),
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
    version = info.get("format") if isinstance(info, dict) else None
    if version != FORMAT:
        raise TrainingError(f"{path} has format {version}; expected {FORMAT}")
    return Checkpoint(tensors=tensors, info=info)


def resume(
    checkpoint: Checkpoint,
    config: TrainConfig,
    device: torch.device,
    group: ProcessGroup = SINGLE_PROCESS,
) -> State:
    """The state that was written. Raises TrainingError if the checkpoint has only weights."""
    tensors, info = checkpoint.tensors, checkpoint.info
    if "noise" not in tensors:
        raise TrainingError("cannot resume: the checkpoint has weights only")
    state = new_state(config, device, group)
    _load(state.ema_model, below("average", tensors))
    if state.model is not state.ema_model:
        _load(state.model, below("model", tensors))
    for part, optimizer in state.optimizers().items():
        load_optimizer(optimizer, below(f"{part}_optimizer", tensors))
    state.noise.set_state(tensors["noise"])
    if state.log_variance is not None:
        state.log_variance.data.copy_(tensors["log_variance"])
    counters.load(state, info["state"])
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
    _load(model, below("average", checkpoint.tensors))
    return config, model.eval().requires_grad_(False), checkpoint.info


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a part of the state, under the names that they have in a file."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undoes `prefixed`: the tensors of a part of a file."""
    start = f"{prefix}."
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def _load(model: Model, tensors: Mapping[str, Tensor]) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise TrainingError("the weights do not fit the configuration of the checkpoint") from error


def optimizer_tensors(optimizer: AdamW) -> dict[str, Tensor]:
    """The moments of an optimiser."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, entry in state.items() for key, value in entry.items()}


def load_optimizer(optimizer: AdamW, tensors: Mapping[str, Tensor]) -> None:
    """Sets the moments of an optimiser, in the memory layout of their parameters."""
    parameters = optimizer.param_groups[0]["params"]
    for name, tensor in tensors.items():
        index, key = name.split(".")
        parameter = parameters[int(index)]
        like = parameter if tensor.shape == parameter.shape else tensor
        value = torch.empty_like(like, device=parameter.device)
        optimizer.state[parameter][key] = value.detach().copy_(tensor)
