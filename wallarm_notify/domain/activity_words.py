"""Lines of the activity log in words: what was done, and what was there before and after."""

from collections.abc import Mapping
from typing import Any, Final

from wallarm_notify.domain.activity import LINK_FOR, Action, Change, ObjectType
from wallarm_notify.domain.triggers.filters import Operator
from wallarm_notify.domain.words import duration_of

NOTHING: Final = "none"

_OF_SESSIONS: Final = {Action.CREATED: "signed in", Action.DELETED: "ended the session of"}


def change_words(change: Change) -> str:
    """Return what somebody did: ``updated trigger 3``, ``signed in``."""
    if change.object_type is ObjectType.SESSION and change.action in _OF_SESSIONS:
        return f"{_OF_SESSIONS[change.action]} {change.before.get('who', '')}".rstrip()
    if change.object_type is ObjectType.USER and LINK_FOR in change.after:
        return f"made a sign-in link for user {change.object_id}"
    which = "" if change.object_id is None else f" {change.object_id}"
    return f"{change.action} {spaced(change.object_type)}{which}"


def changed_fields(change: Change) -> list[tuple[str, str | None, str | None]]:
    """Return each field with its value before and after; None: it was not there.

    One that was added or removed and is not set is left out.
    """
    before, after = change.before, change.after

    def value(side: Mapping[str, Any], name: str) -> str | None:
        return _value(name, side[name]) if name in side else None

    fields = [(spaced(n), value(before, n), value(after, n)) for n in {**before, **after}]
    return [one for one in fields if set(one[1:]) - {None} != {NOTHING}]


def change_lines(change: Change) -> list[str]:
    """Return a line for each field: both values where it changed, one where it was added or removed."""
    return [
        f"{name}: {' → '.join(value for value in values if value is not None)}"
        for name, *values in changed_fields(change)
    ]


def spaced(name: str) -> str:
    """Return a name of ours as people read it: ``rejected event``."""
    return name.replace("_", " ")


def _value(name: str, value: Any) -> str:
    match name, value:
        case _, None | "" | []:
            return NOTHING
        case _, bool():
            return "yes" if value else "no"
        case "threshold", {"count": count, "period": period}:
            return f"more than {count} in {duration_of(period)}"
        case "filters", list():
            return "; ".join(map(_filter, value))
        case _, list():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _filter(one: Mapping[str, Any]) -> str:
    sign = "=" if one["operator"] == Operator.EQ else "!="
    return f"{one['id']}{sign}{','.join(map(str, one['values']))}"
