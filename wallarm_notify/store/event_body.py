"""The text in which an event's body is stored: without what its row's other columns say already."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from wallarm_notify.domain.event import Event

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


EVENT_COLUMNS: Final = "e.id AS event_id, e.client_id, e.type, e.occurred_at, e.body"
"""The columns that ``event_of`` reads."""


def stored_text(event: Event) -> str:
    """Return the JSON in which the body of ``event`` is stored.

    A field that is written just as the column would be is left out; one that is written in another way stays.
    """
    known = _of_columns(event.id, event.client_id, event.type, event.occurred_at)
    body = event.body
    return _ENCODE({name: body[name] for name in body if not _is_known(name, body[name], known)})


def event_of(row: Mapping[str, Any]) -> Event:
    """Return the event in a row that has ``EVENT_COLUMNS``; the order of its body's fields is lost."""
    known = _of_columns(row["event_id"], row["client_id"], row["type"], row["occurred_at"])
    return Event(
        id=row["event_id"],
        client_id=row["client_id"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        body=known | json.loads(row["body"]),
        body_hash=b"",
    )


def _of_columns(
    event_id: UUID, client_id: int, event_type: str, occurred_at: datetime
) -> dict[str, Any]:
    return {
        "id": str(event_id),
        "client_id": client_id,
        "type": event_type,
        "occurred_at": occurred_at.astimezone(UTC).isoformat(),
    }


def _is_known(name: str, value: object, known: Mapping[str, Any]) -> bool:
    # True and 1.0 are equal to 1, and are no integers.
    return name in known and type(value) is type(known[name]) and value == known[name]
