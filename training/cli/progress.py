"""The output of a run: a live progress bar on a terminal, elsewhere one plain line per epoch."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from codec.errors import printable
from codec.images.files import to_pixels, write_png
from training.data.image_files import Images
from training.loop.decoded_images import decoded_images
from training.loop.validation import batches
from training.objectives.losses import Loss
from training.run.files import write_atomically
from training.run.state import State

# Held-out images in the sample pictures.
SAMPLES = 8
# dB by which records may fall behind what the decoder was trained on.
GAP = 1.0


def print_plain(console: Console, text: str) -> None:
    """Prints a line as it is: no markup, no colours, no added line breaks, nothing unprintable."""
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


class Silent:
    """The `Log` of every process but the first: it prints nothing."""

    def batch(self, state: State, loss: Loss | None, batches: int) -> None:
        """Prints nothing."""

    def epoch(self, state: State, record: dict[str, Any], improved: bool) -> None:
        """Prints nothing."""


class RunLog:
    """The `Log` of a command-line run; it also writes RUN/samples/epoch_NNNN.png."""

    def __init__(self, console: Console, run: Path, held_out: Images) -> None:
        self._console, self._run = console, run
        self._examples = held_out[:SAMPLES]
        self._since, self._images, self._seconds = time.monotonic(), 0, 0.0
        self._warned = False
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[losses]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("train", total=None, epoch="", losses="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def batch(self, state: State, loss: Loss | None, batches: int) -> None:
        """Moves the bar."""
        self._images += state.config.batch_size
        self._seconds = time.monotonic() - self._since
        if not self._console.is_terminal:
            return
        epochs = state.config.epochs
        self._bar.update(
            self._task,
            total=batches * epochs,
            completed=state.epoch * batches + state.batch,
            epoch=f"{state.epoch + 1}/{epochs}",
            losses=_live(loss, self._rate()),
        )

    def epoch(self, state: State, record: dict[str, Any], improved: bool) -> None:
        """Prints the line of an epoch and writes its sample picture."""
        rate, epochs_left = self._rate(), state.config.epochs - state.epoch
        left = epochs_left * (time.monotonic() - self._since)
        best = "  best" if improved else ""
        self._console.print(
            f"epoch {state.epoch}/{state.config.epochs}  {describe(record)}  "
            f"{rate:.0f} images/s  {_duration(left)} left{best}",
            highlight=False,
            soft_wrap=True,
        )
        self._warn(state, record)
        self._since, self._images = time.monotonic(), 0
        write_samples(self._run / "samples" / f"epoch_{state.epoch:04d}.png", state, self._examples)

    def _warn(self, state: State, record: dict[str, Any]) -> None:
        """Prints what records lose against samples, once and again after the last epoch."""
        fraction, last = state.config.decoded_fraction, state.epoch == state.config.epochs
        warning = gap_warning(record, fraction)
        if warning and (last or not (self._warned or fraction)):
            print_plain(self._console, warning)
            self._warned = True

    def _rate(self) -> float:
        """Training images per second in this epoch, validation not counted."""
        return self._images / max(1e-9, self._seconds)


def _live(loss: Loss | None, rate: float) -> str:
    if loss is None:
        return "loss not finite, step skipped"
    return (
        f"loss {loss.total.item():.1f} = {loss.distortion.item():.1f} + {loss.rate.item():.1f} nats"
        f"  {rate:.0f} images/s"
    )


def describe(record: dict[str, Any]) -> str:
    """The validation figures of an epoch in one line."""
    parts = [f"loss {record['loss']:.2f}"]
    if "psnr_decoded" in record:
        parts.append(f"rec {record['rec']:.2f} sample, {record['rec_decoded']:.2f} decoded")
        parts.append(
            f"psnr {record['psnr_sample']:.2f} dB sample, {record['psnr_decoded']:.2f} dB decoded"
        )
    else:
        parts += [f"rec {record['rec']:.2f}", f"psnr {record['psnr']:.2f} dB"]
    if "rate" in record:
        parts += [f"rate {record['rate']:.1f} nats", f"active {record['active_units']}"]
        if "mi" in record:
            parts.append(f"mi {record['mi']:.2f} of {record['mi_cap']:.2f} nats")
        if record.get("collapsed_units"):
            parts.append(f"collapsed {record['collapsed_units']}")
    else:
        perplexities = {name: n for name, n in record.items() if name.startswith("perplexity")}
        parts.append(f"codes {record['code_usage']:.0%}")
        parts += [f"{name.replace('_', ' ')} {n:.0f}" for name, n in perplexities.items()]
    if record["skipped"]:
        parts.append(f"skipped {record['skipped']}")
    return "  ".join(parts)


def gap_warning(record: dict[str, Any], fraction: float) -> str:
    """What to do if records decode worse than posterior samples; empty if they hardly do.

    `fraction` is the run's decoded_fraction.
    """
    if "psnr_decoded" not in record:
        return ""
    gap = record["psnr_sample"] - record["psnr_decoded"]
    if not gap > GAP:
        return ""
    remedy = f"more than --decoded-fraction {fraction:g}" if fraction else "--decoded-fraction 0.1"
    return (
        f"records decode {gap:.1f} dB worse than the samples that the decoder is trained on; "
        f"{remedy} trains it on codes as they are decoded"
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


@torch.no_grad()
def write_samples(path: Path, state: State, examples: Images) -> None:
    """Writes a PNG with originals above and what their records decode to below."""
    x = torch.from_numpy(next(batches(examples, state.config))).to(state.device).float() / 255
    rows = (x, decoded_images(state, x))
    sheet = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write_png(to_pixels(sheet.nan_to_num(0).cpu().numpy())))
