"""The numbers of a state as JSON values, under the names that they have in checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.run.state import DecodedState, LaggingState, State


def to_json(state: State) -> dict[str, Any]:
    """The numbers of a state."""
    decoded = {} if state.decoded is None else {"decoded": _decoded_to_json(state.decoded)}
    return {
        "epoch": state.epoch,
        "batch": state.batch,
        "step": state.step,
        "skipped": state.skipped,
        "variance": state.variance,
        "data_variance": state.data_variance,
        "images": state.images,
        "multiplier": state.multiplier,
        "excess": state.excess,
        "best": state.best,
        "stale": state.epochs_since_best,
        "lr": state.lr,
        "lr_scale": state.lr_scale,
        "sums": state.sums,
        "lag": _lagging_to_json(state.lagging),
        **decoded,
    }


def load(state: State, numbers: Mapping[str, Any]) -> None:
    """Sets the numbers of a new state; those that an old checkpoint lacks keep their defaults."""
    state.epoch = numbers.get("epoch", state.epoch)
    state.batch = numbers.get("batch", state.batch)
    state.step = numbers.get("step", state.step)
    state.skipped = numbers.get("skipped", state.skipped)
    state.variance = numbers.get("variance", state.variance)
    state.data_variance = numbers.get("data_variance", state.data_variance)
    state.images = numbers.get("images", state.images)
    state.multiplier = numbers.get("multiplier", state.multiplier)
    state.excess = numbers.get("excess", state.excess)
    state.best = numbers.get("best", state.best)
    state.epochs_since_best = numbers.get("stale", state.epochs_since_best)
    state.lr = numbers.get("lr", state.lr)
    state.lr_scale = numbers.get("lr_scale", state.lr_scale)
    state.sums = numbers.get("sums", state.sums)
    if "lag" in numbers:
        state.lagging = _lagging_from_json(numbers["lag"])
    if "decoded" in numbers:
        since, sigma = numbers["decoded"]["since"], numbers["decoded"]["sigma"]
        state.decoded = DecodedState(since=since, sigma=tuple(sigma))


def _decoded_to_json(decoded: DecodedState) -> dict[str, Any]:
    return {"since": decoded.since, "sigma": list(decoded.sigma)}


def _lagging_to_json(lagging: LaggingState) -> dict[str, Any]:
    return {
        "taken": lagging.taken,
        "steps": lagging.steps,
        "total": lagging.total,
        "finite": lagging.finite,
        "before": lagging.before,
        "settled": lagging.encoder_converged,
        "best_mi": lagging.best_mi,
        "misses": lagging.misses,
    }


def _lagging_from_json(numbers: Mapping[str, Any]) -> LaggingState:
    return LaggingState(
        taken=numbers["taken"],
        steps=numbers["steps"],
        total=numbers["total"],
        finite=numbers["finite"],
        before=numbers["before"],
        encoder_converged=numbers["settled"],
        best_mi=numbers["best_mi"],
        misses=numbers["misses"],
    )
