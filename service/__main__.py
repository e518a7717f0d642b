"""Entry point of `residuum-serve` and `python -m service`."""

# ruff: noqa: E402 - prometheus_client and grpc read the environment when they are imported.

import logging
import os
import sys
from typing import NoReturn

# With one of these set, prometheus_client would keep the metrics of this process in files of that
# folder. The serving processes do so, in a folder of the supervisor.
_FOLDERS = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
_IGNORED = [name for name in _FOLDERS if os.environ.pop(name, None) is not None]
# A client that fails a handshake would cause a line of gRPC on stderr, in a format of its library.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from codec.errors import ResiduumError, printable
from service.log import configure_log
from service.server.grpc_server import ListenError
from service.settings import SettingsError, read_settings
from service.supervisor.serve import serve
from service.supervisor.server import Server
from service.supervisor.serving_process import StartError

_LOG = logging.getLogger("service")


def main() -> None:
    """Serves until SIGTERM or SIGINT.

    Exits with status 2 for invalid settings and with 1 if the server cannot start.
    """
    try:
        settings = read_settings(sys.argv[1:], os.environ)
    except SettingsError as error:
        _exit(2, error)
    configure_log(settings.log_format, settings.log_level)
    in_json = settings.log_format == "json"
    for name in _IGNORED:
        _LOG.warning("%s is ignored: one page has the metrics of all processes", name)
    try:
        serve(settings, _log_models if in_json else _print_models)
    except (ResiduumError, StartError, ListenError) as error:
        if not in_json:
            _exit(1, error)
        _LOG.critical("%s", error)
        raise SystemExit(1) from None


def _log_models(server: Server) -> None:
    ports = {"port": server.port, "admin": server.admin_port, "metrics": server.metrics_port}
    for model in server.supervisor.models():
        fields = {"model": model.name, "version": model.version, "provider": model.provider}
        _LOG.info("model is ready", extra={"fields": {**fields, **ports}})


def _print_models(server: Server) -> None:
    admin = "off" if server.admin_port is None else server.admin_port
    lines = [
        f"{model.name} {model.version} on {model.provider}: port {server.port}, "
        f"admin {admin}, metrics {server.metrics_port}"
        for model in server.supervisor.models()
    ]
    try:
        print(*lines, sep="\n", flush=True)
    except OSError as error:
        # A full disk, for example, does not stop the server. Python would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _LOG.warning("cannot write to stdout: %s; %s", error.strerror, "; ".join(lines))


def _exit(status: int, error: Exception) -> NoReturn:
    print(printable(f"residuum-serve: {error}"), file=sys.stderr)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
