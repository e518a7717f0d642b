"""How a server is run: command-line flags, or variables RESIDUUM_* of the same names.

A flag beats its variable. What a model is (its input, its default quality, its thresholds) is never
set here: that is in the bundle.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict

PREFIX = "RESIDUUM_"


class SettingsError(Exception):
    """A setting is missing, unknown or impossible; the sentence names it."""


class Settings(BaseSettings):
    """Serves the models of a folder of bundles over gRPC."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        cli_prog_name="residuum-serve",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        frozen=True,
    )

    bundles: Path = Field(description="folder that holds the bundles: folders, or tars of them")
    host: str = Field("0.0.0.0", description="address to listen on")  # noqa: S104
    port: int = Field(50051, ge=0, le=65535, description="data port; 0 picks a free one")
    admin_port: int = Field(50052, ge=0, le=65535, description="health, loading and unloading")
    metrics_port: int = Field(9464, ge=0, le=65535, description="HTTP port of the Prometheus page")
    provider: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the graphs run")
    threads: int = Field(1, ge=1, description="threads per graph run, CPU only")
    max_batch_rows: int | None = Field(
        None, ge=1, description="images merged into one graph run; absent: 32 on a CPU, 256 on CUDA"
    )
    batch_window_ms: float = Field(
        1.0, ge=0, le=1000, description="longest wait of an image for company"
    )
    max_queue_rows: int = Field(
        4096, ge=1, description="images waiting per graph, more is overload"
    )
    max_images: int = Field(1024, ge=1, description="images or records per call")
    max_message_mb: int = Field(32, ge=1, le=2047, description="largest request, MiB")
    workers: int = Field(64, ge=1, description="calls answered at a time, more is overload")
    drain_seconds: float = Field(20.0, ge=0, description="time for calls to end after SIGTERM")


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings from the command line and the process environment. Raises SettingsError."""
    _refuse_unknown(environment)
    try:
        return CliApp.run(Settings, cli_args=list(arguments))
    except ValidationError as error:
        raise SettingsError("; ".join(map(_sentence, error.errors()))) from None


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = sorted(PREFIX + name.upper() for name in Settings.model_fields)
    unknown = sorted(
        name for name in environment if name.upper().startswith(PREFIX) and name not in known
    )
    if unknown:
        hint = ""
        if any(environment[name].startswith("tcp://") for name in unknown):
            hint = " (Kubernetes adds such variables unless enableServiceLinks is false)"
        raise SettingsError(
            f"unknown variables {', '.join(unknown)}{hint}; known are {', '.join(known)}"
        )


def _sentence(error: Mapping[str, object]) -> str:
    location = error["loc"]
    name = str(location[0]) if isinstance(location, tuple) and location else "settings"
    flag = f"--{name.replace('_', '-')} or {PREFIX}{name.upper()}"
    if error["type"] == "missing":
        return f"{flag} is missing"
    return f"{flag} is {error['input']!r}: {error['msg']}"
