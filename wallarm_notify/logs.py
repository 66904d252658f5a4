"""Logs: one line for each step, with a constant name and its subject as key=value."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

from wallarm_notify.domain.errors import with_errno
from wallarm_notify.repeated_lines import RepetitionFilter

_STANDARD: Final = frozenset(
    (*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime", "taskName")
)

_OURS: Final = ("wallarm_notify", "tasks")
"""The loggers whose ``extra`` is fields; Celery puts whole messages there."""

_HOLD_BODIES: Final = ("celery.concurrency", "celery.pool")
"""Loggers that write the arguments of tasks at DEBUG: names, addresses, an attacker's texts."""

_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Control characters, line separators, characters that are invisible or reorder text, and lone surrogates."""

_CALLS_FOR_QUOTES: Final = re.compile(r'[\s"=]')


class LineFormatter(logging.Formatter):
    """A formatter of lines such as ``2026-01-01T00:00:00 INFO delivery.recorded integrations=[3] delivered=2``.

    A record is one line, whatever an attacker has put into it, and controls no terminal: invisible
    characters are escaped. Tracebacks follow it, indented. The last field of a node's lines is its name.
    From warnings up, errors of the operating system have their numbers.

    Where ``sentences`` has one for a message, that is the line: for people who did not ask for a log. Its fields
    are those of the record.
    """

    def __init__(self, node: str = "", sentences: Mapping[str, str] | None = None) -> None:
        self._node = node
        self._sentences = sentences or {}
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line, with the fields of ``extra`` after the message."""
        if (sentence := self._sentences.get(record.message)) is not None:
            return with_errno(_spelt(sentence.format_map(vars(record))))
        line = _spelt(super().formatMessage(record))
        fields = _fields_of(record) | ({"node": self._node} if self._node else {})
        text = " ".join([line, *(f"{_spelt(n)}={_quoted(value)}" for n, value in fields.items())])
        return with_errno(text) if record.levelno >= logging.WARNING else text

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        """Return a traceback whose lines cannot be taken for lines of the log."""
        return _indented(super().formatException(ei))  # type: ignore[arg-type]  # passed on as it came

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """Return a stack whose lines cannot be taken for lines of the log."""
        return _indented(super().formatStack(stack_info))


class JsonFormatter(logging.Formatter):
    """A formatter of one JSON object a line, for programs that collect logs.

    It has ``time`` (UTC), ``severity``, ``message``, the fields of ``extra``, ``node`` where that has a name, and
    ``traceback`` where there is one. Whatever an attacker has put into a value stays within its text, in ASCII.
    """

    def __init__(self, node: str = "") -> None:
        self._node = node
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of ``record``."""
        is_trouble = record.levelno >= logging.WARNING
        shown: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "severity": record.levelname,
            "message": record.getMessage(),
            **_fields_of(record),
        }
        if self._node:
            shown["node"] = self._node
        if record.exc_info:
            shown["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: _json_value(v, is_trouble) for name, v in shown.items()})


def _json_value(value: object, is_trouble: bool) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_json_value(one, is_trouble) for one in value]
    return with_errno(str(value)) if is_trouble else str(value)


def _fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of ``extra``, where they are ours."""
    given = vars(record)
    if record.name.startswith(_OURS):
        return {n: v for n, v in given.items() if n not in _STANDARD and not n.startswith("_")}
    return {"left_out": given["left_out"]} if "left_out" in given else {}


def _spelt(text: str) -> str:
    """Return ``text`` with invisible characters in Python's notation."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _indented(text: str) -> str:
    return "\n".join(f"    {_spelt(line)}" for line in text.split("\n"))


def _quoted(value: object) -> str:
    text = str(value)
    if isinstance(value, list | tuple) or not _CALLS_FOR_QUOTES.search(text):
        return _spelt(text)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_spelt(escaped)}"'


class UnrepeatedHandler(logging.StreamHandler[TextIO]):
    """A handler that leaves out repeated lines."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._filter = RepetitionFilter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless it repeats an earlier one."""
        try:
            written = self._filter.written(record)
        except Exception:  # noqa: BLE001 - as in logging: an error of a log ends nothing
            self.handleError(record)
            written = record
        if written is not None:
            super().emit(written)


def set_up_logging(
    level: int | str,
    node: str = "",
    sentences: Mapping[str, str] | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Send logs to standard error; of libraries only warnings and errors, and never the content of events.

    ``node`` is the name of the worker or beat that logs; for ``sentences`` see ``LineFormatter``. ``as_json``: for
    programs, as ``JsonFormatter`` has it.
    """
    lines = UnrepeatedHandler(sys.stderr)
    lines.setFormatter(JsonFormatter(node) if as_json else LineFormatter(node, sentences))
    root = logging.getLogger()
    root.handlers[:] = [lines]
    root.setLevel(logging.WARNING)
    for ours in ("wallarm_notify", "tasks", "celery"):
        logging.getLogger(ours).setLevel(level)
    for name in _HOLD_BODIES:
        logging.getLogger(name).setLevel(logging.INFO)
