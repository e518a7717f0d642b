"""`residuum bench`: the options, the steps, and the table."""

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import tyro

from residuum_client.commands.bench.driver import CALLERS, Target, arrivals, capacity, open_loop
from residuum_client.commands.bench.figures import Step, summarise
from residuum_client.commands.bench.samples import Method, images_of_files, random_images, requests
from residuum_client.commands.flags import ServerFlags, UsageError, usage_errors
from residuum_client.commands.terminal import Report, Terminal
from residuum_client.errors import DeadlineExceeded, InvalidInput, ServerError
from residuum_client.results import ModelInfo
from residuum_client.transport import AsyncConnection, model_messages

COLUMNS = (
    *("load", "calls/s", "offered", "in time", "refused", "late", "failed"),
    *("p50 ms", "p95 ms", "p99 ms", "refusal p99 ms", "in time/s", "of capacity", "sent late ms"),
)
DEFAULT_LOAD = "0.5,1,2,5"
MAX_CONNECTIONS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Measure a server with calls that arrive at random times, whatever it answers.

    Arrivals are a Poisson process. Times count from when a call was due, not from when it was sent;
    "sent late" is the p99 of the time in between: if it is large, this machine was too slow.
    """

    images: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Image files or folders to send; without any, random images of the model's size."""
    model: str
    """Name of the model on the server."""
    version: str = ""
    """Version of the model on the server; the newest by default."""
    connection: tyro.conf.OmitArgPrefixes[ServerFlags] = field(default_factory=ServerFlags)
    method: Method = "encode"
    """What to call."""
    rate: float | None = None
    """Calls per second."""
    load: str = ""
    """Multiples of the capacity, which is measured first; 0.5,1,2,5 without --rate."""
    images_per_call: int = 1
    """Images in each call."""
    deadline: float = 250.0
    """Milliseconds after which an answer comes too late."""
    seconds: float = 10.0
    """How long each rate is measured, and the capacity."""
    connections: int = 4
    """Connections that take turns; a server of several processes needs several."""
    seed: int = 0
    """Of the arrivals and the random images."""
    json: Path | None = None
    """File for the figures in JSON; an existing one is replaced."""

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError or ResiduumError."""
        loads = self._check()
        files = images_of_files(self.images, terminal) if self.images else []
        with terminal.report(COLUMNS, as_json=False) as report:
            try:
                asyncio.run(self._measure(terminal, report, loads, files))
            except (CancelledError, asyncio.CancelledError):
                raise KeyboardInterrupt from None

    def _check(self) -> list[float]:
        """The multiples of the capacity. Raises UsageError."""
        if not self.connection.server:
            raise UsageError("a server is needed: --server HOST:PORT")
        for name, value in (
            ("--rate", self.rate),
            ("--deadline", self.deadline),
            ("--seconds", self.seconds),
        ):
            if value is not None and not 0 < value <= 1e6:
                raise UsageError(f"{name} is {value}, expected a number above 0, at most a million")
        if not 1 <= self.connections <= MAX_CONNECTIONS:
            raise UsageError(
                f"--connections is {self.connections}, expected 1 to {MAX_CONNECTIONS}"
            )
        if self.images_per_call < 1:
            raise UsageError(f"--images-per-call is {self.images_per_call}, expected at least 1")
        if self.rate is not None and self.load:
            raise UsageError("--rate and --load are given, expected at most one of them")
        if self.json is not None and (self.json.is_dir() or not self.json.parent.is_dir()):
            raise UsageError(f"--json {self.json} is not a file in a folder that exists")
        return [] if self.rate is not None else _multiples(self.load or DEFAULT_LOAD)

    async def _measure(
        self, terminal: Terminal, report: Report, loads: Sequence[float], files: Sequence[bytes]
    ) -> None:
        """Measures every rate, and prints and writes the figures."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()

        def stop() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(task.cancel if task else loop.stop)

        terminal.on_stop(stop)
        async with AsyncExitStack() as stack:
            connections = [self._connect(stack) for _ in range(self.connections)]
            ref = model_messages.reference(self.model, self.version)
            response = await connections[0].call(
                connections[0].models.GetModel, model_messages.get_request(ref)
            )
            model = model_messages.description(response).model
            images = files or random_images(model, self.seed)
            target = Target(
                connections,
                self.method,
                requests(self.method, model, images, self.images_per_call),
            )
            most = None
            if self.rate is None:
                patient = partial(target.send, deadline=self.connection.timeout)
                most = await capacity(patient, self.seconds)
                if not most:
                    raise DeadlineExceeded(f"no call was answered within {self.seconds:g} s")
            steps = await self._steps(terminal, report, target, loads, most)
        report.summary = _summary(steps, most, self.images_per_call)
        self._write(model, most, steps)
        if not any(step.answered for step in steps):
            reason = next((step.reason for step in steps if step.reason), "")
            raise ServerError(f"no call was answered in time{reason and f': {reason}'}")

    async def _steps(
        self,
        terminal: Terminal,
        report: Report,
        target: Target,
        loads: Sequence[float],
        most: float | None,
    ) -> list[Step]:
        rates: list[tuple[float | None, float]] = [(load, load * (most or 0)) for load in loads]
        if self.rate is not None:
            rates = [(None, self.rate)]
        steps = []
        send = partial(target.send, deadline=self.deadline / 1000)
        with terminal.progress("measuring", len(rates), as_json=False) as advance:
            for load, rate in rates:
                calls = await open_loop(send, arrivals(rate, self.seconds, self.seed))
                steps.append(summarise(calls, load, rate, self.seconds))
                report.add(_cells(steps[-1], most), {})
                advance()
        return steps

    def _connect(self, stack: AsyncExitStack) -> AsyncConnection:
        with usage_errors():
            access = self.connection.access()
            connection = AsyncConnection(self.connection.server, self.connection.timeout, **access)
        stack.push_async_callback(connection.close)
        return connection

    def _write(self, model: ModelInfo, most: float | None, steps: Sequence[Step]) -> None:
        if self.json is None:
            return
        figures = {
            "model": model.name,
            "version": model.version,
            "provider": model.provider,
            "method": self.method,
            "images_per_call": self.images_per_call,
            "deadline_ms": self.deadline,
            "seconds": self.seconds,
            "connections": self.connections,
            "seed": self.seed,
            "capacity": most,
            "steps": [asdict(step) for step in steps],
        }
        try:
            self.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"{self.json} cannot be written: {error.strerror}") from error


def _multiples(text: str) -> list[float]:
    try:
        loads = [float(part) for part in text.split(",")]
    except ValueError:
        loads = []
    if not loads or not all(0 < load <= 1000 for load in loads):
        raise UsageError(f"--load is {text}, expected numbers above 0, such as {DEFAULT_LOAD}")
    return loads


def _cells(step: Step, most: float | None) -> tuple[str, ...]:
    counts = (step.offered, step.answered, step.refused, step.late, step.failed)
    times = (step.p50, step.p95, step.p99, step.refused_p99)
    return (
        "" if step.load is None else f"{step.load:g}",
        f"{step.rate:.1f}",
        *(f"{count:,}" for count in counts),
        *("" if value is None else f"{value:.1f}" for value in times),
        f"{step.goodput:.1f}",
        f"{step.goodput / most:.2f}" if most else "",
        f"{step.delay_p99 or 0:.1f}",
    )


def _summary(steps: Sequence[Step], most: float | None, images: int) -> str:
    """The capacity, and the first failure."""
    parts = []
    if most is not None:
        parts.append(
            f"capacity: {most:.1f} calls/s, {most * images:.1f} images/s, with {CALLERS} callers"
        )
    parts += [f"first failure: {step.reason}" for step in steps if step.reason][:1]
    return "; ".join(parts)
