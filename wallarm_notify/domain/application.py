"""Applications of a client ("pools" in Wallarm's own API): numbers with names (spec 9)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.triggers.filters import DEFAULT_APPLICATION
from wallarm_notify.domain.triggers.firing import Firing

MOST_APPLICATIONS: Final = 10_000
"""How many a client may have."""

DEFAULT_NAME: Final = "Default"
"""What the application of whatever has none is called, until somebody names it."""


_NAMING: Final = frozenset({"api.changed", "ip.denylisted", "rogue_api.detected"})
"""Types of events whose alerts say in which application it was. Those of applications have names."""


@dataclass(frozen=True, slots=True)
class Application:
    """An application; its number is unique within its client."""

    client_id: int
    id: int
    name: str


class AlreadyThere(Refused):
    """There is such an application; in these words clients of the original recognise it."""

    def __init__(self) -> None:
        super().__init__("Already exists")


def numbered_application(event: Event, firing: Firing | None) -> int | None:
    """Return the number of the application that an alert would show without a name; None: it shows none.

    That of an event names the event's; that of a count the one that all counted are of, if they are of one.
    """
    body = event.body
    if firing is not None and firing.criteria.threshold is not None:
        number = firing.criteria.only_value("pool")
    else:
        number = body.get("application_id") if event.type in _NAMING else None
    if (body.get("application_name") or "").strip() or number == DEFAULT_APPLICATION:
        return None
    return number if isinstance(number, int) else None


def check_deletable(application_id: int) -> None:
    """Raise Refused for the application of whatever has none."""
    if application_id == DEFAULT_APPLICATION:
        raise Refused("the default application is never deleted.", field="id")


def with_defaults(stored: Iterable[Application], client_ids: Iterable[int]) -> list[Application]:
    """Return the applications by client and number, each client's default one among them."""
    found = {
        (client_id, DEFAULT_APPLICATION): Application(client_id, DEFAULT_APPLICATION, DEFAULT_NAME)
        for client_id in client_ids
    }
    found.update({(one.client_id, one.id): one for one in stored})
    return [found[place] for place in sorted(found)]
