"""`residuum-serve`, also `python -m service`: the one reader of arguments and environment."""

import logging
import os
import sys
from typing import NoReturn

from codec.errors import ResiduumError
from service.server.lifecycle import serve
from service.server.server import PortInUse, Server
from service.settings import SettingsError, read_settings


def main() -> None:
    """Serves until told to stop. Exit status 2 for its settings, 1 if it cannot serve."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        settings = read_settings(sys.argv[1:], os.environ)
    except SettingsError as error:
        _fail(2, error)
    try:
        serve(settings, _announce)
    except (ResiduumError, PortInUse) as error:
        _fail(1, error)


def _announce(server: Server) -> None:
    for served in server.models.all():
        print(
            f"{served.name} {served.version} on {served.provider}: port {server.port}, "
            f"admin {server.admin_port}, metrics {server.metrics_port}",
            flush=True,
        )


def _fail(status: int, error: Exception) -> NoReturn:
    print(f"residuum-serve: {error}", file=sys.stderr)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
