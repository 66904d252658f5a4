"""Events in a few words, as lists and headings name them."""

from collections.abc import Mapping
from typing import Any, Final

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.roles import role_name
from wallarm_notify.domain.subjects import words_of
from wallarm_notify.pagerduty.summaries import brief_of

_COUNTED_ONLY: Final = {
    "attack.detected": "Attack",
    "hit.detected": "Hit",
    "incident.detected": "Incident",
}
"""What triggers alone are notified of, and no alert names by itself."""

_SHOWN_ELSEWHERE: Final = frozenset({"id", "client_id", "type", "occurred_at", "actor"})


def title_of(event: Event) -> str:
    """Return what happened and to what, as the summary of an alert says it: ``New user: ana@example.com (Analyst)``."""
    if event.type in _COUNTED_ONLY:
        about = words_of(event)
        return f"{_COUNTED_ONLY[event.type]}: {about}" if about else _COUNTED_ONLY[event.type]
    try:
        return brief_of(event, None).text
    except KeyError:  # of a long event a listing reads only what it is about
        return f"{event.type}: {words_of(event)}"


def facts_of(event: Event) -> list[tuple[str, str]]:
    """Return the fields of an event in words, a label and a value each.

    What holds no single value is left out.
    """
    found = [
        (name.replace("_", " ").capitalize(), _value_words(name, value))
        for name, value in event.body.items()
        if name not in _SHOWN_ELSEWHERE and isinstance(value, str | int | float) and value != ""
    ]
    by = _by(event.body.get("actor"))
    return [*found, *([("By", by)] if by else [])]


def _value_words(name: str, value: str | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in {"user_role", "previous_role"}:
        return role_name(str(value))
    return str(value)


def _by(actor: Any) -> str:
    if not isinstance(actor, Mapping):
        return ""
    named = (str(actor[one]) for one in ("email", "name", "id") if actor.get(one) is not None)
    return ", ".join(dict.fromkeys(named))
