"""Trains the segmenter of a run: a plain loop over a fixed number of steps.

Normal images get drawn defects of the kinds that are trained with, and the segmenter learns the
masks of the defects. A step depends only on the weights before it, the seed and its number, so a
training that was interrupted ends with the same weights as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from codec.arrays import U8
from training.data.ahead import Resources
from training.data.image_files import Images
from training.errors import TrainingError
from training.run.checkpoint import load_run
from training.segmenter import files
from training.segmenter.drawn import draw_judged, drawn_ahead
from training.segmenter.network import SegmenterConfig
from training.segmenter.state import SegmenterState, Task, new_state
from training.segmenter.step import Setting, auroc, prepare, step

SAVE_SECONDS, LOG_SECONDS = 60.0, 20.0
POINTS = 10
# The first steps of a process are slower than the others; this many are timed after them.
COLD_STEPS, TIMED_STEPS, TIMED_SECONDS = 2, 20, 4.0
# Part of a time budget that is left for the points, and for the file at the end.
SPARE = 0.05

Log = Callable[[str], None]


def never() -> bool:
    """Does not stop."""
    return False


def train_segmenter(
    run: Path,
    training: Images,
    held_out: Images,
    *,
    steps: int,
    seed: int = 0,
    available: Resources,
    log: Log,
    should_stop: Callable[[], bool] = never,
) -> bool:
    """Writes RUN/segmenter.safetensors; False when `should_stop` ended it before.

    A training that was interrupted continues with the `steps` that it began with, and a finished
    one is kept, if seed and network are still the same. `log` gets lines about progress,
    and at ten points the loss and the AUROC of held-out images with drawn defects, of kinds that
    are not trained with. Raises TrainingError for a run without weights, or fewer than 1 step.
    """
    if steps < 1:
        raise TrainingError(f"{steps} steps for the segmenter; at least 1 expected")
    config = load_run(run)[0]
    network = SegmenterConfig(channels=config.model.channels)
    task = Task(steps=steps, seed=seed, network=network)
    done = files.task_of(run / files.SEGMENTER)
    if done is not None and done == replace(task, steps=done.steps):
        log(f"segmenter: there is one already, of {done.steps} steps: {run / files.SEGMENTER}")
        return True
    state = _begin(run, task, available.device, log)
    setting = prepare(config, training, seed=seed, available=available)
    judged = draw_judged(config, held_out, training, seed)
    finished = _train(run, setting, state, judged, log, should_stop)
    if finished:
        files.save_result(run, state)
        log(f"segmenter: done: {run / files.SEGMENTER}")
    return finished


def measure(run: Path, training: Images, available: Resources) -> float:
    """Seconds per step, measured over a few; nothing is kept."""
    config = load_run(run)[0]
    setting = prepare(config, training, seed=0, available=available)
    network = SegmenterConfig(channels=config.model.channels)
    steps = COLD_STEPS + TIMED_STEPS
    state = new_state(Task(steps=steps, seed=0, network=network), available.device)
    begun = time.monotonic()
    for done, (drawn, masks) in enumerate(drawn_ahead(setting.batches, 0, steps, setting.workers)):
        if done == COLD_STEPS:
            begun = time.monotonic()
        step(setting, state, drawn, masks)
        if done > COLD_STEPS and time.monotonic() - begun > TIMED_SECONDS:
            break
    return (time.monotonic() - begun) / (state.step - COLD_STEPS)


def steps_within(seconds: float, seconds_per_step: float) -> int:
    """How many steps a time budget is enough for; 0 if for none."""
    return max(0, int((1 - SPARE) * seconds / seconds_per_step))


def _begin(run: Path, task: Task, device: torch.device, log: Log) -> SegmenterState:
    before = files.task_of(run / files.STATE)
    if before is None:
        return new_state(task, device)
    if before != replace(task, steps=before.steps):
        log("segmenter: the seed or the network has changed since it was begun; it begins anew")
        return new_state(task, device)
    state = files.resume(run, device)
    log(f"segmenter: continues after step {state.step} of {state.task.steps}")
    return state


def _train(
    run: Path,
    setting: Setting,
    state: SegmenterState,
    judged: tuple[U8, U8],
    log: Log,
    should_stop: Callable[[], bool],
) -> bool:
    steps = state.task.steps
    points = {-(-steps * number // POINTS) for number in range(1, POINTS + 1)}
    begun, first = time.monotonic(), state.step
    saved, logged = begun, 0.0
    for drawn, masks in drawn_ahead(setting.batches, first, steps, setting.workers):
        step(setting, state, drawn, masks)
        now = time.monotonic()
        left = (now - begun) / (state.step - first) * (steps - state.step)
        if state.step in points:
            figure = auroc(setting, state.average, *judged)
            state.history.append({"step": state.step, "loss": state.loss, "auroc": figure})
            log(_line(state, left) + f"  AUROC of defects drawn on held-out images {figure:.3f}")
            logged = now
        elif now - logged >= LOG_SECONDS:
            log(_line(state, left))
            logged = now
        stopped = state.step < steps and should_stop()
        if stopped or now - saved >= SAVE_SECONDS:
            files.save_state(run, state)
            saved = now
        if stopped:
            return False
    return True


def _line(state: SegmenterState, left: float) -> str:
    minutes, seconds = divmod(round(left), 60)
    return (
        f"segmenter: step {state.step}/{state.task.steps}  loss {state.loss:.4f}  "
        f"{minutes}:{seconds:02d} left"
    )
