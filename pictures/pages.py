"""Which pages there are pictures of: those of the route table, about things that are in the database."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from wallarm_notify.devstack.week import CALM, FLOOD, OUTAGE, SWITCHED_OFF, UNTOLD
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.rights import may
from wallarm_notify.entrypoints.console.app import page_routes
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.store.connection import connect

_IN_TROUBLE: Final[Mapping[str, int | None]] = {
    "": None,
    "overview": None,
    "integrations": SWITCHED_OFF,
    "notifications": OUTAGE,
    "coverage": SWITCHED_OFF,
    "events": SWITCHED_OFF,
    "events/rejected": UNTOLD,
    "clients": None,
    "computations": SWITCHED_OFF,
    "replays": CALM,
}
"""Whose page is shown in trouble, by the first words of its path; None: an operator's, of all clients."""

_EXAMPLES: Final[Mapping[str, str]] = {
    "integration_id": "SELECT id FROM integrations WHERE client_id = %(client)s ORDER BY enabled, id",
    "trigger_id": "SELECT id FROM triggers WHERE client_id = %(client)s ORDER BY id",
    "notification_id": """SELECT id FROM notifications WHERE client_id = %(client)s
        ORDER BY state <> 'retrying', attempts_made NOT BETWEEN 2 AND 14, attempts_made DESC, id""",
    "event_id": """SELECT id FROM events WHERE client_id = %(client)s AND type = 'security_issue.detected'
        ORDER BY body NOT LIKE '%%critical%%', no DESC""",
    "rejected_id": "SELECT id FROM rejected WHERE client_id = %(client)s ORDER BY id DESC",
    "replay_id": "SELECT id FROM replay_jobs WHERE client_id = %(client)s ORDER BY id DESC",
    "job_id": "SELECT id FROM replay_jobs WHERE client_id = %(client)s ORDER BY id DESC",
    "computation_id": "SELECT id FROM computations WHERE client_id = %(client)s ORDER BY id DESC",
    "line_id": "SELECT id FROM activity WHERE client_id = %(client)s ORDER BY id DESC",
    "user_id": "SELECT id FROM users WHERE client_id = %(client)s ORDER BY id",
    "token_id": "SELECT id FROM tokens WHERE client_id = %(client)s ORDER BY id",
    "session_id": "SELECT id FROM sessions ORDER BY id",
    "application_id": "SELECT id FROM applications WHERE client_id = %(client)s ORDER BY id",
    "firing_id": "SELECT id FROM firings WHERE client_id = %(client)s ORDER BY fired_at DESC",
    "message_id": "SELECT id FROM undecodable ORDER BY id DESC",
    "call_id": "SELECT id FROM quarantine ORDER BY id DESC",
    "event_type": "SELECT 'security_issue.detected'",
    "client_id": "SELECT %(client)s",
}
"""How one of each thing is found that paths name; %(client)s is whose it is."""

_QUERIES: Final[Mapping[str, str]] = {"/search": "?q=on-call"}
"""What pages are asked with that show nothing without."""

_PARAMETER: Final = re.compile(r"{(\w+)(?::\w+)?}")


@dataclass(frozen=True, slots=True)
class Page:
    """A page to take pictures of: ``name`` is a part of theirs, ``path`` has what it is asked with.

    ``client_id`` None: an operator's. ``is_known``: one has to have signed in.
    """

    name: str
    path: str
    client_id: int | None
    is_known: bool


def pages_of(url: str, state: str) -> Iterator[Page]:
    """Yield the pages that there are in a database in a state, without those about things that it lacks."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        for route in page_routes():
            if "GET" not in (route.methods or ()) or is_file(route.path):
                continue
            client_id = _client_of(route, state)
            found = {}
            for parameter in _PARAMETER.findall(route.path):
                if parameter not in _EXAMPLES:
                    continue
                cursor.execute(f"{_EXAMPLES[parameter]} LIMIT 1", {"client": client_id or FLOOD})
                if (row := cursor.fetchone()) is not None:
                    found[parameter] = str(row[0])
            if len(found) == len(_PARAMETER.findall(route.path)):
                path = _PARAMETER.sub(lambda one, found=found: found[one[1]], route.path)  # type: ignore[misc]
                asked = path + _QUERIES.get(path, "")
                yield Page(_name_of(route.path), asked, client_id, route.right.needs_token)


def is_file(path: str) -> bool:
    """Return whether a path leads to a file that is downloaded, and not to a page."""
    return "." in path.rpartition("/")[2]


def _client_of(route: PageRoute, state: str) -> int | None:
    right = route.right
    if right.thing is not None and not may(Role.ADMINISTRATOR, right.thing, right.verb):
        return None
    if state != "trouble":
        return CALM
    first, second = [*route.path.split("/"), ""][1:3]
    return _IN_TROUBLE.get(f"{first}/{second}", _IN_TROUBLE.get(first, FLOOD))


def _name_of(path: str) -> str:
    """Return a file's name: ``/triggers/{trigger_id}/edit`` becomes ``triggers-one-edit``."""
    return _PARAMETER.sub("one", path).strip("/").replace("/", "-") or "root"
