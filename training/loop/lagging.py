"""The part that each step trains while the encoder is trained more often than the decoder.

Either a fixed ratio, per step or per pass over the images (the ResLag report), or the controller of
He et al. 2019, "Lagging inference networks and posterior collapse in variational autoencoders",
algorithm 1: the encoder is trained on fresh batches until its loss stops falling, then the decoder
makes one step. The aggressive phase ends when mutual information on held-out images stops growing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from training.errors import TrainingError
from training.run.state import LaggingState, State

ENCODER, DECODER = ("encoder",), ("decoder",)
BOTH = ENCODER + DECODER
# Encoder steps whose mean loss is compared with that of the window before.
WINDOW = 10
# Most encoder steps before a decoder step.
MOST_STEPS = 99
# Epochs without more mutual information, in all, that end the aggressive phase.
MISSES = 5


class Turn(NamedTuple):
    """The next step."""

    parts: Sequence[str]
    """the optimisers that step"""
    number: int
    """number of the batch in this epoch"""


def is_aggressive(state: State) -> bool:
    """True if the encoder is trained more often in this epoch."""
    return state.epoch < state.config.aggressive_epochs and state.lagging.misses < MISSES


def next_turn(state: State, per_epoch: int) -> Turn:
    """The next step. Batches from number `per_epoch` on are the encoder's own."""
    config = state.config
    if state.decoded is not None:
        return Turn(DECODER, state.batch)
    if not is_aggressive(state):
        return Turn(BOTH, state.batch)
    if config.aggressive_until_mi:
        if state.lagging.encoder_converged:
            return Turn(DECODER, state.batch)
        return Turn(ENCODER, per_epoch + state.lagging.taken)
    place = state.batch if config.aggressive_pace == "step" else state.epoch
    last = place % config.aggressive_ratio == config.aggressive_ratio - 1
    return Turn(BOTH if last else ENCODER, state.batch)


def count(state: State, turn: Turn, loss: float | None) -> None:
    """Counts a finished step with this loss in nats, None if it was skipped."""
    if turn.number != state.batch:
        _count_encoder(state.lagging, loss)
        return
    state.batch += 1
    state.step += 1
    state.lagging.steps, state.lagging.encoder_converged = 0, False
    state.lagging.total, state.lagging.finite, state.lagging.before = 0.0, 0, math.inf


def _count_encoder(lag: LaggingState, loss: float | None) -> None:
    lag.taken += 1
    lag.steps += 1
    if loss is not None:
        lag.total, lag.finite = lag.total + loss, lag.finite + 1
    if lag.steps % WINDOW == 0:
        mean = lag.total / lag.finite if lag.finite else math.inf
        lag.encoder_converged = mean >= lag.before
        lag.before, lag.total, lag.finite = mean, 0.0, 0
    lag.encoder_converged = lag.encoder_converged or lag.steps >= MOST_STEPS


def finish(state: State, record: dict[str, Any]) -> None:
    """Uses the mutual information of an aggressive epoch, `record["mi"]` in nats."""
    state.lagging.taken = 0
    if not state.config.aggressive_until_mi or state.epoch > state.config.aggressive_epochs:
        return
    if "mi" not in record:
        raise TrainingError(
            "aggressive_until_mi needs a posterior of one latent vector per image; "
            f"model.family '{state.config.model.family}' has none"
        )
    if record["mi"] < state.lagging.best_mi:
        state.lagging.misses += 1
    state.lagging.best_mi = max(state.lagging.best_mi, record["mi"])
