"""Navigation: the entries of the left column, as far as they exist and somebody may open them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.rights import Thing, Verb, may


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: where it leads, its word and icon, and what whoever opens it must be allowed to view.

    ``operators``: it is about all clients together, and shown to operators alone.
    """

    path: str
    word: str
    icon: str
    thing: Thing
    operators: bool = False


ENTRIES: Final = (
    Entry("/overview", "Overview", "home", Thing.COVERAGE),
    Entry("/integrations", "Integrations", "plug", Thing.INTEGRATIONS),
    Entry("/triggers", "Triggers", "rule", Thing.TRIGGERS),
    Entry("/notifications", "Notifications", "bell", Thing.NOTIFICATIONS),
    Entry("/events", "Events", "list", Thing.EVENTS),
    Entry("/events/types", "Events", "list", Thing.EVENT_TYPES),
    Entry("/coverage", "Coverage", "grid", Thing.COVERAGE),
    Entry("/settings", "Settings", "settings", Thing.APPLICATIONS),
    Entry("/system", "System", "pulse", Thing.INFRASTRUCTURE, operators=True),
    Entry("/ledger", "Ledger", "ledger", Thing.LEDGER, operators=True),
    Entry("/undecodable", "Undecodable", "warning", Thing.UNDECODABLE_MESSAGES, operators=True),
    Entry("/clients", "Clients", "user", Thing.CLIENTS, operators=True),
)
"""All entries, in their order; those whose page is not there yet are left out by themselves.

Of two with one word the first is shown that somebody may open.
"""


def entries_of(role: Role, paths: Collection[str]) -> list[Entry]:
    """Return the entries that somebody in this role may open, of those that lead to one of ``paths``."""
    found = [
        one
        for one in ENTRIES
        if one.path in paths
        and may(role, one.thing, Verb.VIEW)
        and (role is Role.OPERATOR or not one.operators)
    ]
    by_word: dict[str, Entry] = {}
    for one in found:
        by_word.setdefault(one.word, one)
    return list(by_word.values())


def first_page(role: Role, paths: Collection[str]) -> str | None:
    """Return where somebody in this role begins; None: there is no page for the role."""
    found = entries_of(role, paths)
    return found[0].path if found else None


def current_of(entries: Sequence[Entry], path: str) -> str | None:
    """Return the path of the entry that a page belongs to: ``/integrations`` of ``/integrations/7``."""
    for one in entries:
        if path.split("/")[1] == one.path.split("/")[1]:
            return one.path
    return None
