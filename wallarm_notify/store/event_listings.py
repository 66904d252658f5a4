"""Queries of the listing of events, in the order they came."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from wallarm_notify.domain.coverage import KINDS, SECURITY_ISSUE, Kind
from wallarm_notify.domain.page import Found, Ids, Reached, Slice
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.subjects import FIELDS, is_about
from wallarm_notify.domain.views import CameTo, EventFilter, EventsAround, RecentEvents, ShownEvent
from wallarm_notify.store.event_body import event_of
from wallarm_notify.store.queries import in_scope
from wallarm_notify.store.search import Searched, SearchQueries
from wallarm_notify.store.sought_events import having, id_in

_LONG_BODY: Final = 16_000
"""Bytes from which on only those fields of a body are read that say what the event is about."""

AROUND: Final = 10_000
"""So many events are counted at most where nothing was found."""

_EVENTS: Final = Searched(
    "events",
    "received_at",
    f"""n.no AS id, n.id AS event_id, n.client_id, n.type, n.occurred_at, n.received_at, n.fan_out, n.counted,
        CASE WHEN octet_length(n.body) < {_LONG_BODY} THEN n.body
        ELSE (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(CAST(n.body AS jsonb))
              WHERE key = ANY(CAST(:fields AS text[])))::text END AS body""",  # noqa: S608 - a constant
    id="no",
)

_CAME_TO: Final = {
    CameTo.NOTIFIED: "n.fan_out > 0",
    CameTo.COUNTED: "n.fan_out = 0 AND n.counted",
    CameTo.NOBODY: "n.fan_out = 0 AND NOT n.counted",
}

_OF_FIRING: Final = """SELECT e.no FROM firings f
    JOIN events e ON e.client_id = f.client_id AND (e.id = ANY(f.event_ids) OR e.no = f.event_no)"""


class EventListingQueries(SearchQueries):
    """Events as people see them."""

    def events(self, scope: Scope, wanted: EventFilter, part: Slice, ids: Ids) -> Found[ShownEvent]:
        """Return the events that are wanted among those of a slice, of which those of ``ids`` are candidates."""
        sought = wanted.sought
        conditions, texts = ([], {}) if sought is None else having(sought)
        whose = [] if wanted.client_id is None else ["n.client_id = :client_id"]
        rows, reached = self._search(
            _EVENTS,
            part if sought is None else replace(part, limit=part.look),
            near=["n.no >= :first_id AND n.no < :beyond_id", *whose],
            rest=[*_rest_of(wanted), *conditions],
            first_id=ids.first,
            beyond_id=ids.beyond,
            **texts,
            **_parameters_of(scope, wanted),
        )
        found = [_shown(row) for row in rows]
        if sought is not None:
            found = [
                e for e in found if str(e.event.id) == id_in(sought) or is_about(e.event, sought)
            ]
        if len(found) <= part.limit:
            return Found(found, reached)
        last = found[part.limit - 1]
        return Found(found[: part.limit], Reached(last.id, last.received_at))

    def event_numbers(self, came: Period) -> Ids:
        """Return between which numbers the events are that came in this time."""
        return self._ids(_EVENTS, came)

    def kinds_of_events(
        self, client_id: int, ids: Ids, before: int | None, look: int
    ) -> tuple[list[tuple[Kind, int]], Reached | None]:
        """Return how many of each kind are among a client's next ``look`` events before a number, None: the newest.

        They are of ``ids``. The second value is the last one of them; None: there are no more.
        """
        rows = self._rows(
            """SELECT type, risk, count(*) AS number, min(no) AS no, min(received_at) AS at FROM (
                   SELECT no, received_at, CAST(type AS text) AS type,
                       CASE WHEN type = :issue THEN CAST(body AS jsonb) ->> 'risk' END AS risk
                   FROM events WHERE client_id = :client_id AND no >= :first AND no < :beyond
                   ORDER BY no DESC LIMIT :look) e
               GROUP BY type, risk""",
            client_id=client_id,
            first=ids.first,
            beyond=ids.beyond if before is None else before,
            look=look,
            issue=SECURITY_ISSUE,
        )
        kinds = [(Kind(row["type"], row["risk"]), row["number"]) for row in rows]
        if sum(number for _, number in kinds) < look:
            return kinds, None
        last = min(rows, key=lambda row: row["no"])
        return kinds, Reached(last["no"], last["at"])

    def numbered_events(
        self, scope: Scope, wanted: EventFilter, numbers: Sequence[int], part: Slice
    ) -> list[ShownEvent]:
        """Return those of the events of these numbers that are wanted, whatever is sought, behind the cursor."""
        rows = self._rows(
            f"""SELECT {_EVENTS.shown} FROM events n
                WHERE {_EVENTS.behind} AND n.no = ANY(CAST(:numbers AS bigint[])) AND {" AND ".join(_rest_of(wanted))}
                ORDER BY {_EVENTS.order} LIMIT :limit""",  # noqa: S608 - constants
            numbers=list(numbers),
            cursor=part.cursor,
            limit=part.limit,
            **_parameters_of(scope, wanted),
        )
        return [_shown(row) for row in rows]

    def numbers_by_id(self, client_ids: Sequence[int], given: UUID) -> list[int]:
        """Return the numbers of the events of this id, and of those that the firing of this id names."""
        rows = self._rows(
            f"""SELECT e.no FROM unnest(CAST(:clients AS bigint[])) AS c(id)
                JOIN events e ON e.client_id = c.id AND e.id = CAST(:given AS uuid)
                UNION {_OF_FIRING} WHERE f.id = CAST(:given AS uuid)
                    AND f.client_id = ANY(CAST(:clients AS bigint[]))""",  # noqa: S608 - constants
            clients=list(client_ids),
            given=str(given),
        )
        return [row["no"] for row in rows]

    def numbers_by_notification(self, ids: Sequence[int]) -> list[int]:
        """Return the numbers of the events that notifications were made of, and of those that their firings name."""
        rows = self._rows(
            f"""SELECT n.event_no AS no FROM notifications n WHERE n.id = ANY(CAST(:ids AS bigint[]))
                UNION {_OF_FIRING} JOIN notifications n ON n.event_no = f.event_no AND n.trigger_id = f.trigger_id
                WHERE n.id = ANY(CAST(:ids AS bigint[]))""",  # noqa: S608 - constants
            ids=list(ids),
        )
        return [row["no"] for row in rows]

    def known_clients(self, scope: Scope) -> list[int]:
        """Return the clients in ``scope`` that have a record, an integration or a trigger, or had one of these."""
        rows = self._rows(
            f"""SELECT id FROM (SELECT id FROM clients UNION SELECT client_id FROM integrations
                    UNION SELECT client_id FROM triggers) c(id)
                WHERE {in_scope("c.id")} ORDER BY id""",  # noqa: S608 - constants
            scope=scope.parameter,
        )
        return [row["id"] for row in rows]

    def events_around(self, scope: Scope, wanted: EventFilter, ids: Ids) -> EventsAround:
        """Return what there is of the client that is wanted, where nothing was found."""
        whose = "true" if wanted.client_id is None else "n.client_id = :client_id"
        came = " AND ".join([*_came(wanted.came), in_scope("n.client_id")])
        (row,) = self._rows(
            f"""SELECT count(*) AS looked, count(*) FILTER (WHERE {came}) AS number FROM (
                    SELECT n.client_id, n.received_at FROM events n
                    WHERE {whose} AND n.no >= :first_id AND n.no < :beyond_id
                    ORDER BY n.no DESC LIMIT :most + 1) n""",  # noqa: S608 - constants
            first_id=ids.first,
            beyond_id=ids.beyond,
            most=AROUND,
            **_parameters_of(scope, wanted),
        )
        clients = scope.parameter if wanted.client_id is None else [wanted.client_id]
        oldest, newest = (self._end(clients, order) for order in ("ASC", "DESC"))
        number = min(row["number"], AROUND)
        return EventsAround(number, row["looked"] > AROUND, oldest, newest)

    def recent_events(
        self, scope: Scope, client_id: int, kind: Kind, since: datetime, look: int
    ) -> RecentEvents:
        """Return when a client's events of a kind came since then, among the newest ``look`` of all its events."""
        of_risk = "" if kind.risk is None else "AND CAST(body AS jsonb) ->> 'risk' = :risk"
        (row,) = self._rows(
            f"""WITH newest AS MATERIALIZED (
                    SELECT n.type, n.received_at, n.body FROM events n
                    WHERE n.client_id = :client_id AND {in_scope("n.client_id")}
                    ORDER BY n.no DESC LIMIT :look)
                SELECT (SELECT count(*) FROM newest) AS looked, (SELECT min(received_at) FROM newest) AS oldest,
                    ARRAY(SELECT received_at FROM newest WHERE received_at >= :since
                          AND CAST(type AS text) = ANY(CAST(:types AS text[])) {of_risk}
                          ORDER BY received_at) AS times""",  # noqa: S608 - constants
            scope=scope.parameter,
            client_id=client_id,
            since=since,
            types=[one.type for one in KINDS if one.subscription == kind.subscription],
            risk=kind.risk,
            look=look,
        )
        is_whole = row["looked"] < look or row["oldest"] < since
        return RecentEvents(row["times"], since if is_whole else row["oldest"])

    def _end(self, clients: Sequence[int] | None, order: str) -> datetime | None:
        """Return when the first or the last event of these clients came; None for clients: of all of them."""
        one = f"SELECT n.no, n.received_at FROM events n {{}} ORDER BY n.no {order} LIMIT 1"  # noqa: S608 - constants
        each = f"""SELECT e.* FROM unnest(CAST(:clients AS bigint[])) AS c(id)
            CROSS JOIN LATERAL ({one.format("WHERE n.client_id = c.id")}) e"""  # noqa: S608 - constants
        rows = self._rows(
            f"SELECT received_at FROM ({one.format('') if clients is None else each}) e ORDER BY no {order} LIMIT 1",  # noqa: S608 - constants
            clients=clients,
        )
        return rows[0]["received_at"] if rows else None


def _rest_of(wanted: EventFilter) -> list[str]:
    return [
        in_scope("n.client_id"),
        *([] if wanted.client_id is None else ["n.client_id = :client_id"]),
        *([] if wanted.event_type is None else ["CAST(n.type AS text) = :event_type"]),
        *([] if wanted.came_to is None else [_CAME_TO[wanted.came_to]]),
        *_came(wanted.came),
    ]


def _came(period: Period) -> list[str]:
    return [
        *([] if period.since is None else ["n.received_at >= :since"]),
        *([] if period.until is None else ["n.received_at < :until"]),
    ]


def _parameters_of(scope: Scope, wanted: EventFilter) -> Mapping[str, Any]:
    return {
        "scope": scope.parameter,
        "client_id": wanted.client_id,
        "event_type": wanted.event_type,
        "since": wanted.came.since,
        "until": wanted.came.until,
        "fields": FIELDS,
    }


def _shown(row: Mapping[str, Any]) -> ShownEvent:
    return ShownEvent(
        id=row["id"],
        event=event_of(row),
        received_at=row["received_at"],
        notifications=row["fan_out"],
        counted=row["counted"],
    )
