"""A notification's state in tables for people."""

from datetime import datetime
from typing import Final

from rich.text import Text

from wallarm_notify.domain.notification import State
from wallarm_notify.domain.state_words import state_words
from wallarm_notify.domain.views import ShownNotification
from wallarm_notify.entrypoints.cli.output import time_of

_WAITING: Final = state_words(State.PENDING)

_STYLES: Final = {
    State.PENDING: "",
    State.RETRYING: "yellow",
    State.DELIVERED: "green",
    State.FAILED: "bold red",
    State.CANCELLED: "",
    State.SKIPPED: "yellow",
}


def state_text(n: ShownNotification, *, with_time: bool = False) -> Text:
    """Return ``Retrying (7 of 17)``, ``Waiting for its turn``: the state, in its colour."""
    words = state_words(n.state, n.attempts_made, n.attempts_at_most)
    return Text(turn_words(words, n.grant_at, with_time=with_time), style=_STYLES[n.state])


def turn_words(words: str, grant_at: datetime | None, *, with_time: bool = False) -> str:
    """Return a state's words, and whether it waits for its turn under the rate limit."""
    if grant_at is None:
        return words
    about = f", about {time_of(grant_at)}" if with_time else ""
    return f"{words}{'' if words == _WAITING else ', waiting'} for its turn{about}"
