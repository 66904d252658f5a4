"""Queries of events that are kept apart while their time is ahead of the database's clock (spec 2)."""

from collections.abc import Collection, Mapping, Sequence
from json import dumps
from typing import Any, Final

from wallarm_notify.domain.event import AHEAD_AT_MOST, Event, EventKey
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.views import ShownAhead
from wallarm_notify.store.queries import Queries, in_scope, parameters_of, rows_of
from wallarm_notify.store.table_columns import TYPES

_EVENTS_AHEAD: Final = TYPES["events_ahead"]


class AheadQueries(Queries):
    """Events that are kept apart."""

    def keep_apart(self, events: Sequence[Event]) -> set[EventKey]:
        """Store events apart; return the keys of those that were new."""
        values: dict[str, list[Any]] = {
            "id": [e.id.hex for e in events],
            "client_id": [e.client_id for e in events],
            "type": [e.type for e in events],
            "occurred_at": [e.occurred_at for e in events],
            "body": [e.text or dumps(e.body) for e in events],
            "body_hash": [e.body_hash for e in events],
            "sent_by": [e.sent_by for e in events],
        }
        names = ", ".join(values)
        rows = self._rows(
            f"""INSERT INTO events_ahead ({names}, received_at)
                SELECT {names}, now() FROM {rows_of(_EVENTS_AHEAD, values)}
                WHERE NOT EXISTS (SELECT FROM events e WHERE e.client_id = u.client_id AND e.id = u.id)
                ORDER BY u.client_id, u.id ON CONFLICT (client_id, id) DO NOTHING RETURNING client_id, id""",  # noqa: S608 - names of our own
            **parameters_of(values),
        )
        return {(row["client_id"], row["id"]) for row in rows}

    def no_longer_ahead(self, limit: int, size: int) -> list[Event]:
        """Return the events kept apart that may be taken in by now, the oldest first.

        There are at most ``limit`` of them, and no further one once they have ``size`` bytes together.
        """
        rows = self._rows(
            """WITH due AS MATERIALIZED (
                   SELECT id, client_id, type, occurred_at, body, body_hash, sent_by FROM events_ahead
                   WHERE occurred_at <= now() + :most ORDER BY occurred_at, client_id, id LIMIT :limit
               ), counted AS (
                   SELECT *, sum(octet_length(CAST(body AS text))) OVER (
                       ORDER BY occurred_at, client_id, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
                   FROM due)
               SELECT id, client_id, type, occurred_at, body, body_hash, sent_by FROM counted
               WHERE coalesce(before, 0) < :size ORDER BY occurred_at, client_id, id""",
            most=AHEAD_AT_MOST,
            limit=limit,
            size=size,
        )
        return [_event_of(row) for row in rows]

    def end_apart(self, hashes: Collection[bytes]) -> int:
        """Delete the events kept apart that have these body hashes; return how many there were."""
        return self._do(
            "DELETE FROM events_ahead WHERE body_hash = ANY(CAST(:hashes AS bytea[]))",
            hashes=sorted(hashes),
        )

    def events_ahead(self, scope: Scope, limit: int) -> list[ShownAhead]:
        """Return the events kept apart, with the one that is taken in next first."""
        rows = self._rows(
            f"""SELECT id, client_id, type, occurred_at, received_at, sent_by, occurred_at - :most AS taken_in_at
               FROM events_ahead WHERE {in_scope("client_id")} ORDER BY occurred_at, id LIMIT :limit""",  # noqa: S608 - a constant
            scope=scope.parameter,
            most=AHEAD_AT_MOST,
            limit=limit,
        )
        return [ShownAhead(**row) for row in rows]


def _event_of(row: Mapping[str, Any]) -> Event:
    return Event(
        id=row["id"],
        client_id=row["client_id"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        body=row["body"],
        body_hash=bytes(row["body_hash"]),
        sent_by=row["sent_by"],
    )
