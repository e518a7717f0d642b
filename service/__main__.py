"""Entry point of `residuum-serve` and `python -m service`."""

# ruff: noqa: E402 - prometheus_client reads the environment when it is imported.

import logging
import os
import sys
from typing import NoReturn

# With one of these set, prometheus_client, when imported, would keep every metric in files of that
# folder, for services of several processes. This one has a single process.
_MULTIPROCESS = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
_IGNORED = [name for name in _MULTIPROCESS if os.environ.pop(name, None) is not None]

from codec.errors import ResiduumError, printable
from service.runtime.memory import return_large_blocks
from service.server.lifecycle import serve
from service.server.server import ListenError, Server
from service.settings import SettingsError, read_settings

_LOG = logging.getLogger("service")


def main() -> None:
    """Serves until SIGTERM or SIGINT.

    Exits with status 2 for invalid settings and with 1 if the server cannot start.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for name in _IGNORED:
        _LOG.warning("%s is ignored: one process serves all metrics, on its metrics port", name)
    try:
        settings = read_settings(sys.argv[1:], os.environ)
    except SettingsError as error:
        _exit(2, error)
    return_large_blocks()
    try:
        serve(settings, _print_models)
    except (ResiduumError, ListenError) as error:
        _exit(1, error)


def _print_models(server: Server) -> None:
    lines = [
        f"{model.name} {model.version} on {model.provider}: port {server.port}, "
        f"admin {server.admin_port}, metrics {server.metrics_port}"
        for model in server.models.all()
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
