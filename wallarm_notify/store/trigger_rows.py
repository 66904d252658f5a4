"""Queries of triggers at a glance, and of the events that one is tried on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from wallarm_notify.domain.event import Arrival
from wallarm_notify.domain.page import Found, Slice
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.triggers.row import FIRINGS_COUNTED, Notified, TriggerCounts
from wallarm_notify.domain.triggers.trial import FIELDS_READ
from wallarm_notify.domain.triggers.trigger import Trigger
from wallarm_notify.store.event_body import event_of
from wallarm_notify.store.pause_ends import end_of
from wallarm_notify.store.queries import in_scope
from wallarm_notify.store.search import Searched, SearchQueries
from wallarm_notify.store.triggers import shown_trigger, trigger_of

_LONG_BODY: Final = 2000
"""Bytes from which on only those fields of a body are read that filters look at."""

_TRIGGERS: Final = Searched("triggers", "created_at", shown_trigger("n"), ascending=True)
_EVENTS: Final = Searched("events", "received_at", "n.no AS id", id="no")


class TriggerRowQueries(SearchQueries):
    """Triggers at a glance."""

    def sought_triggers(
        self,
        scope: Scope,
        client_id: int | None,
        *,
        enabled: bool | None,
        text: str | None,
        part: Slice,
    ) -> Found[Trigger]:
        """Return the triggers that are ``enabled`` or not among those of a slice, by id; None: both.

        ``text`` is a part of the name or the comment, whatever the case of its letters; None: any.
        """
        whose = scope.only_client if client_id is None else client_id
        is_there = "n.deleted_at IS NULL"
        rows, reached = self._search(
            _TRIGGERS,
            part,
            near=[] if whose is None else ["n.client_id = :whose", is_there],
            rest=[
                is_there,
                in_scope("n.client_id"),
                *([] if enabled is None else ["n.enabled = :enabled"]),
                *(["strpos(lower(n.name || ' ' || n.comment), lower(:text)) > 0"] if text else []),
            ],
            scope=scope.parameter,
            whose=whose,
            enabled=enabled,
            text=text,
        )
        return Found([trigger_of(row) for row in rows], reached)

    def count_enabled_triggers(self, scope: Scope, client_id: int | None) -> TriggerCounts:
        """Return how many triggers there are in ``scope``, of one client where that is given."""
        (row,) = self._rows(
            f"""SELECT count(*) FILTER (WHERE enabled) AS enabled,
                    count(*) FILTER (WHERE NOT enabled) AS disabled
                FROM triggers WHERE deleted_at IS NULL AND {in_scope("client_id")}
                  AND (CAST(:client_id AS bigint) IS NULL OR client_id = :client_id)""",  # noqa: S608 - a constant
            scope=scope.parameter,
            client_id=client_id,
        )
        return TriggerCounts(**row)

    def firings_by_day(
        self, trigger_ids: Sequence[int], starts: Sequence[datetime]
    ) -> dict[int, list[int]]:
        """Return the firings of triggers in the days that begin at ``starts``, the last of which begins none.

        Each is counted up to ``FIRINGS_COUNTED`` and one more.
        """
        rows = self._rows(
            """SELECT t.id, d.place, f.n
               FROM unnest(CAST(:ids AS bigint[])) AS t(id)
               CROSS JOIN unnest(CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
                    WITH ORDINALITY AS d(begins_at, ends_at, place)
               CROSS JOIN LATERAL (
                   SELECT count(*) AS n FROM (
                       SELECT FROM firings f WHERE f.trigger_id = t.id
                         AND f.fired_at >= d.begins_at AND f.fired_at < d.ends_at
                       LIMIT :most + 1) one) f
               WHERE f.n > 0""",
            ids=list(trigger_ids),
            begins=list(starts[:-1]),
            ends=list(starts[1:]),
            most=FIRINGS_COUNTED,
        )
        found = {one: [0] * (len(starts) - 1) for one in trigger_ids}
        for row in rows:
            found[row["id"]][row["place"] - 1] = row["n"]
        return found

    def notified(self, scope: Scope, ids: Sequence[int]) -> dict[int, Notified]:
        """Return those of these integrations that there are, by id."""
        rows = self._rows(
            f"""SELECT id, name, enabled, {end_of("integrations", "i")} AS disabled_until
                FROM integrations i
                WHERE id = ANY(CAST(:ids AS bigint[])) AND deleted_at IS NULL AND {in_scope("client_id")}""",  # noqa: S608 - constants
            scope=scope.parameter,
            ids=list(ids),
        )
        return {row["id"]: Notified(**row) for row in rows}

    def offered(self, scope: Scope, client_id: int, limit: int) -> list[Notified]:
        """Return integrations of a client that a trigger could notify, enabled ones first, by name."""
        rows = self._rows(
            f"""SELECT id, name, enabled, {end_of("integrations", "i")} AS disabled_until
                FROM integrations i
                WHERE client_id = :client AND deleted_at IS NULL AND {in_scope("client_id")}
                ORDER BY enabled DESC, lower(name), id LIMIT :limit""",  # noqa: S608 - constants
            scope=scope.parameter,
            client=client_id,
            limit=limit,
        )
        return [Notified(**row) for row in rows]

    def newest_arrivals(
        self, scope: Scope, client_id: int, event_type: str, since: datetime, look: int
    ) -> tuple[list[Arrival], datetime | None]:
        """Return a client's events of a type among its newest ``look`` events, that came since then.

        The second value is when the oldest one came that was looked at, where there may be others; None: there are
        none. Of long bodies only the fields are read that triggers look at.
        """
        ids = self._ids(_EVENTS, Period(since, None))
        rows = self._rows(
            f"""SELECT n.no, n.received_at, n.id AS event_id, n.client_id, n.type, n.occurred_at,
                    CASE WHEN n.type <> :type THEN NULL WHEN octet_length(n.body) < {_LONG_BODY} THEN n.body
                    ELSE (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(CAST(n.body AS jsonb))
                          WHERE key = ANY(CAST(:fields AS text[])))::text END AS body
                FROM (SELECT * FROM events e WHERE e.client_id = :client AND e.no >= :first_id
                      AND {in_scope("e.client_id")} ORDER BY e.no DESC LIMIT :look) n
                WHERE n.received_at >= :since ORDER BY n.no""",  # noqa: S608 - constants
            scope=scope.parameter,
            client=client_id,
            type=event_type,
            first_id=ids.first,
            since=since,
            look=look,
            fields=list(FIELDS_READ),
        )
        found = [
            Arrival(event_of(row), row["received_at"]) for row in rows if row["body"] is not None
        ]
        return found, rows[0]["received_at"] if len(rows) >= look else None
