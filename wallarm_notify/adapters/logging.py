"""Logs: one line a step, a constant name, and what it is about as key=value."""

import logging
import sys
from typing import Final

_STANDARD: Final = frozenset(
    (*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName")
)

_OURS: Final = ("wallarm_notify", "tasks")
"""Only our own loggers mean fields by ``extra``; Celery puts whole messages there."""


class LineFormatter(logging.Formatter):
    """``2026-01-01T00:00:00 INFO delivery.recorded integrations=[3] delivered=2``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, with what ``extra`` held behind it."""
        line = super().formatMessage(record)
        if not record.name.startswith(_OURS):
            return line
        fields = [
            f"{name}={_quoted(value)}"
            for name, value in vars(record).items()
            if name not in _STANDARD and not name.startswith("_")
        ]
        return " ".join([line, *fields])


def _quoted(value: object) -> str:
    text = str(value).replace("\n", " ")
    return f'"{text}"' if " " in text and not text.startswith("[") else text


def set_up_logging(level: int | str) -> None:
    """Logs go to standard error; libraries only from warnings up."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [lines]
    root.setLevel(logging.WARNING)
    for ours in ("wallarm_notify", "tasks", "celery"):
        logging.getLogger(ours).setLevel(level)
