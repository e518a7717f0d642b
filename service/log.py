"""The log of all processes of the server, on stderr: lines of text, or of JSON.

What is passed as `extra={"fields": {...}}` is part of a line. Lines that belong to a call have its
id, and its trace if it has one.
"""

import json
import logging
import sys
import threading
import time
from typing import Any, Literal

from service.call import current_call

Kind = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# Loggers of the project; those of libraries say too much at the level debug.
_OURS = ("service", "codec", "residuum")
# Never left out.
_AUDIT = "residuum.audit"
_CRASHED = "unexpected error; the process or thread ends"


def configure_log(kind: Kind, level: Level = "info") -> None:
    """Sets format and level of this process."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if kind == "json" else TextFormatter(_TEXT))
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(number)
    logging.getLogger(_AUDIT).setLevel(logging.INFO)
    if kind == "json":
        _log_what_python_prints()


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            **_fields(record),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """The message, then fields as a JSON object if there are any."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the base class
        """The line, without the traceback of an error."""
        fields = _fields(record)
        line = super().formatMessage(record)
        return f"{line} {json.dumps(fields, default=str)}" if fields else line


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Those of the record, and of the call in which it was made."""
    fields: dict[str, Any] = dict(getattr(record, "fields", {}))
    call = current_call()
    if call is not None:
        fields["request_id"] = call.request_id
        if call.trace:
            fields["trace_id"] = call.trace
    return fields


def _log_what_python_prints() -> None:
    """Warnings and the tracebacks of errors that nothing catches become lines of the log."""
    log = logging.getLogger(__name__)

    def of_thread(caught: threading.ExceptHookArgs) -> None:
        if not isinstance(caught.exc_value, SystemExit):
            log.critical(_CRASHED, exc_info=caught.exc_value)

    logging.captureWarnings(True)
    sys.excepthook = lambda _kind, error, _trace: log.critical(_CRASHED, exc_info=error)
    threading.excepthook = of_thread
