"""Whether something is enabled, and until when it is not: the words of every command that shows it."""

from datetime import datetime
from typing import Final

from rich.text import Text

from wallarm_notify.entrypoints.cli.output import STYLES, time_of

ENABLED: Final = "enabled"
DISABLED: Final = "disabled"


def switch_words(*, enabled: bool, until: datetime | None, off: str = DISABLED) -> Text:
    """Return ``enabled``, ``disabled``, or ``disabled until`` a time; ``off`` is another word for disabled."""
    return _styled(until_words(off, until), enabled=enabled)


def state_lines(*, enabled: bool, until: datetime | None, off: str = DISABLED) -> Text:
    """Return the state as lines of a narrow column: what, and until which day and time."""
    what = off.replace(" ", "\n")
    words = what if until is None else f"{what}\nuntil\n{_on_two_lines(until)}"
    return _styled(words, enabled=enabled)


def until_words(what: str, until: datetime | None) -> str:
    """Return ``what``, and until when it lasts, as ``off until 2026-03-01 09:00:00Z``."""
    return what if until is None else f"{what} until {time_of(until)}"


def _styled(words: str, *, enabled: bool) -> Text:
    return Text(ENABLED, STYLES[ENABLED]) if enabled else Text(words, STYLES[DISABLED])


def _on_two_lines(moment: datetime) -> str:
    return time_of(moment).replace(" ", "\n")
