"""Server settings: command-line flags, or environment variables RESIDUUM_* of the same names.

A flag takes precedence over its variable. Properties of a model (input size, default quality,
thresholds) are in its bundle, not here. METRICS.md lists all settings and is generated from this
module: run `make reference` after a change.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict

from codec.graphs.protocol import MAX_THREADS
from service.security.addresses import is_loopback

PREFIX = "RESIDUUM_"
MIB = 2**20
_MAX_PROCESSES = 256
# Of settings that take one of several kinds of values, what is expected.
# What a setting takes whose type and bounds do not say it in one phrase.
KINDS = {
    "processes": f"1 to {_MAX_PROCESSES}, or auto",
    "stream_idle_seconds": "above 0, at most 86400",
}


class SettingsError(Exception):
    """A setting is missing, unknown or invalid; the message names it."""


class Settings(BaseSettings):
    """Serve the models of a folder of bundles over gRPC."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        cli_prog_name="residuum-serve",
        cli_kebab_case=True,
        cli_hide_none_type=True,
        frozen=True,
    )

    bundles: Path = Field(
        description="folder of bundles, each a folder or a .tar file; or one bundle"
    )
    host: str = Field("0.0.0.0", min_length=1, description="address to listen on")  # noqa: S104
    port: int = Field(50051, ge=0, le=65535, description="data port; 0 picks a free port")
    processes: Annotated[int, Field(ge=1, le=_MAX_PROCESSES)] | Literal["auto"] = Field(
        1, description="serving processes on the data port; auto starts one per usable core"
    )
    metrics_port: int = Field(
        9464,
        ge=0,
        le=65535,
        description="HTTP port of /metrics, /livez and /readyz; 0 picks a free port",
    )
    admin_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port for loading and unloading models; 0 picks a free port, without it there "
        "is none",
    )
    admin_host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="address of the admin port; others than loopback need tokens or client-ca",
    )
    tls_cert: Path | None = Field(
        None, description="PEM file of the certificate chain for the data and admin port"
    )
    tls_key: Path | None = Field(None, description="PEM file of its private key")
    client_ca: Path | None = Field(
        None, description="PEM file of the authority whose certificates clients must have"
    )
    tokens: Path | None = Field(
        None, description="file of tokens that clients must send: NAME ROLE TOKEN in each line"
    )
    provider: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="device for the graphs; auto uses CUDA if available"
    )
    threads: int = Field(1, ge=1, le=MAX_THREADS, description="threads per graph run, CPU only")
    max_batch_rows: int | None = Field(
        None,
        ge=1,
        description="most images that share a run; if unset, 64 on a CPU and 256 with CUDA",
    )
    batch_window_ms: float = Field(
        1.0, ge=0, le=1000, description="longest wait of an image for others to share a run, ms"
    )
    max_queue_rows: int = Field(
        4096, ge=1, description="most images waiting per process; further calls are rejected"
    )
    max_images: int = Field(1024, ge=1, description="most images or records per call")
    max_message_mb: int = Field(16, ge=1, le=2047, description="largest request message, MiB")
    max_decoded_mb: int = Field(
        640,
        ge=1,
        description="memory for the messages and images of all calls of a process together, MiB; a "
        "call that does not fit is rejected",
    )
    workers: int = Field(
        32,
        ge=1,
        le=4096,
        description="most calls in progress per process; further calls are rejected",
    )
    max_streams: int = Field(
        16, ge=1, le=4096, description="most open streams per process; further ones are rejected"
    )
    stream_idle_seconds: float = Field(
        300.0, gt=0, le=86400, description="longest wait for the next message of a stream, seconds"
    )
    log_format: Literal["text", "json"] = Field("text", description="format of the log on stderr")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level of the lines of the log; debug has a line for each call"
    )
    drain_seconds: float = Field(
        20.0, ge=0, le=86400, description="time for calls to finish after SIGTERM, seconds"
    )


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from command-line arguments and the process environment. Raises SettingsError."""
    _reject_unknown(environment)
    try:
        settings = CliApp.run(Settings, cli_args=list(arguments))
    except ValidationError as error:
        # There is an error for each kind of value that a setting takes.
        sentences = dict.fromkeys(map(_message, error.errors()))
        raise SettingsError("; ".join(sentences)) from None
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    """Raises SettingsError for settings that contradict each other."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("--tls-cert and --tls-key are only used together, one is missing")
    if settings.client_ca is not None and settings.tls_cert is None:
        raise SettingsError("--client-ca needs --tls-cert and --tls-key")
    guarded = settings.tokens is not None or settings.client_ca is not None
    if settings.admin_port is not None and not is_loopback(settings.admin_host) and not guarded:
        raise SettingsError(
            f"--admin-host is {settings.admin_host}, which other machines may reach: expected "
            "--tokens or --client-ca with it"
        )


def _reject_unknown(environment: Mapping[str, str]) -> None:
    known = sorted(PREFIX + name.upper() for name in Settings.model_fields)
    unknown = sorted(
        name for name in environment if name.upper().startswith(PREFIX) and name not in known
    )
    if unknown:
        hint = ""
        if any(environment[name].startswith("tcp://") for name in unknown):
            hint = " (set by Kubernetes unless enableServiceLinks is false)"
        raise SettingsError(
            f"unknown environment variables {', '.join(unknown)}{hint}; expected {', '.join(known)}"
        )


def _message(error: Mapping[str, Any]) -> str:
    location = error["loc"]
    name = str(location[0]) if isinstance(location, tuple) and location else "settings"
    flag = f"--{name.replace('_', '-')} or {PREFIX}{name.upper()}"
    if error["type"] == "missing":
        return f"{flag} is required"
    expected = KINDS.get(name) or _expected(error)
    return f"{flag} is {error['input']!r}, expected {expected}"


def _expected(error: Mapping[str, Any]) -> str:
    """What pydantic expects, in the words of the other errors."""
    limits: Mapping[str, Any] = error.get("ctx", {})
    expected = {
        "greater_than_equal": f"at least {limits.get('ge')}",
        "less_than_equal": f"at most {limits.get('le')}",
        "string_unicode": "text in UTF-8",
        "string_too_short": "an address",
        "int_parsing": "an integer",
        "int_from_float": "an integer",
        "float_parsing": "a number",
        "literal_error": str(limits.get("expected")).replace("'", ""),
    }
    return str(expected.get(error["type"], error["msg"]))
