"""Queries of why an event was or was not notified (spec 9)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from wallarm_notify.domain.activity import Action, ObjectType
from wallarm_notify.domain.event import AHEAD_AT_MOST, Event
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.domain.views import ShownFiring
from wallarm_notify.domain.why import Cause, Reason, SwitchedOffBy, Times
from wallarm_notify.store.event_body import EVENT_COLUMNS, event_of
from wallarm_notify.store.queries import OF_NOBODY, Queries, array_of, in_scope
from wallarm_notify.store.triggers import (
    FIRING_COLUMNS,
    NOTIFICATIONS_OF_FIRING,
    firing_of,
    shown_firing,
)

MOST_REJECTED: Final = 100
"""So many rejections of an id are shown at most, the newest."""

MOST_MESSAGES: Final = 200
"""In so many of the newest messages that could not be decoded, and calls that are set aside."""

MOST_CHANGES: Final = 2_000
"""Among so many of a client's newest changes it is looked for who disabled a trigger."""

MOST_CLIENTS: Final = 10_000
"""With so many clients at most an id is looked for."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is stored; ``rules_version`` is None where it came before there were versions."""

    no: int
    event: Event
    received_at: datetime
    counted: bool
    rules_version: int | None


class WhyQueries(Queries):
    """What is stored of one event, or of an id under which none was taken in."""

    def stored_event(self, scope: Scope, client_id: int, event_id: UUID) -> StoredEvent | None:
        """Return an event that was taken in; None: there is none."""
        rows = self._rows(
            f"""SELECT {EVENT_COLUMNS}, e.no, e.received_at, e.counted, e.rules_version FROM events e
                WHERE e.client_id = :client AND e.id = CAST(:event AS uuid) AND {in_scope("e.client_id")}""",  # noqa: S608 - constants
            scope=scope.parameter,
            client=client_id,
            event=str(event_id),
        )
        if not rows:
            return None
        row = rows[0]
        return StoredEvent(
            row["no"], event_of(row), row["received_at"], row["counted"], row["rules_version"]
        )

    def firings_of_event(self, number: int) -> Mapping[int, Firing]:
        """Return the firings that an event made, by trigger."""
        rows = self._rows(
            f"""SELECT {FIRING_COLUMNS} FROM firings f JOIN events e ON e.no = f.event_no
                WHERE f.event_no = :no""",  # noqa: S608 - a constant
            no=number,
        )
        return {row["trigger_id"]: firing_of(row) for row in rows}

    def later_firings(
        self, stored: StoredEvent, until: Mapping[int, datetime]
    ) -> Mapping[int, ShownFiring]:
        """Return each trigger's first firing by another event, up to a time, in whose window an event is."""
        rows = self._rows(
            f"""SELECT {FIRING_COLUMNS}, f.event_no, f.fired_at, {NOTIFICATIONS_OF_FIRING} AS notifications
                FROM unnest(CAST(:ids AS bigint[]), CAST(:untils AS timestamptz[])) AS u(id, until)
                CROSS JOIN LATERAL (
                    SELECT * FROM firings s
                    WHERE s.trigger_id = u.id AND s.fired_at >= :received AND s.fired_at <= u.until
                      AND s.window_start <= :at AND s.window_end > :at AND s.event_no <> :no
                    ORDER BY s.fired_at LIMIT 1) f
                JOIN events e ON e.no = f.event_no""",  # noqa: S608 - a constant
            ids=list(until),
            untils=list(until.values()),
            received=stored.received_at,
            at=stored.event.occurred_at,
            no=stored.no,
        )
        return {row["trigger_id"]: shown_firing(row) for row in rows}

    def triggers_off(
        self, client_id: int, trigger_ids: Sequence[int], before: datetime
    ) -> Mapping[int, SwitchedOffBy]:
        """Return who disabled triggers last before a time, among a client's newest changes."""
        rows = self._rows(
            """SELECT DISTINCT ON (object_id) object_id, actor, at FROM (
                   SELECT id, at, actor, action, object_type, object_id FROM activity
                   WHERE client_id = :client ORDER BY id DESC LIMIT :look) a
               WHERE object_type = :type AND action = :action AND at <= :before
                 AND object_id = ANY(CAST(:ids AS bigint[]))
               ORDER BY object_id, id DESC""",
            client=client_id,
            ids=array_of(trigger_ids),
            before=before,
            type=str(ObjectType.TRIGGER),
            action=str(Action.DISABLED),
            look=MOST_CHANGES,
        )
        return {row["object_id"]: SwitchedOffBy(row["actor"], row["at"]) for row in rows}

    def times_of(
        self, client_id: int, integration_ids: Sequence[int], trigger_ids: Sequence[int]
    ) -> tuple[Mapping[int, Times], Mapping[int, Times]]:
        """Return when a client's integrations and triggers were created and deleted, as far as it is known."""
        rows = self._rows(
            """SELECT false AS is_trigger, id, created_at, deleted_at FROM integrations
               WHERE client_id = :client AND id = ANY(CAST(:integrations AS bigint[]))
               UNION ALL
               SELECT true, id, created_at, deleted_at FROM triggers
               WHERE client_id = :client AND id = ANY(CAST(:triggers AS bigint[]))""",
            client=client_id,
            integrations=array_of(integration_ids),
            triggers=array_of(trigger_ids),
        )
        found: tuple[dict[int, Times], dict[int, Times]] = ({}, {})
        for row in rows:
            found[row["is_trigger"]][row["id"]] = Times(row["created_at"], row["deleted_at"])
        return found

    def rejections_under(self, scope: Scope, client_id: int, event_id: UUID) -> list[Cause]:
        """Return the newest rejections of an id that still stand, of the client or of nobody, the newest first."""
        rows = self._rows(
            f"""SELECT id, reason, received_at FROM rejected
                WHERE event_id = CAST(:event AS uuid) AND resubmitted_as IS NULL
                  AND (client_id = :client AND {in_scope("client_id")} OR client_id IS NULL AND {OF_NOBODY})
                ORDER BY id DESC LIMIT :most""",  # noqa: S608 - constants
            scope=scope.parameter,
            client=client_id,
            event=str(event_id),
            most=MOST_REJECTED,
        )
        return [_rejected(row) for row in rows]

    def ahead_under(self, scope: Scope, client_id: int, event_id: UUID) -> list[Cause]:
        """Return that an event is kept apart for its time, or nothing."""
        rows = self._rows(
            f"""SELECT received_at, occurred_at - :most AS taken_in_at FROM events_ahead
                WHERE client_id = :client AND id = CAST(:event AS uuid) AND {in_scope("client_id")}""",  # noqa: S608 - a constant
            scope=scope.parameter,
            client=client_id,
            event=str(event_id),
            most=AHEAD_AT_MOST,
        )
        return [
            Cause(Reason.AHEAD, at=row["received_at"], until=row["taken_in_at"]) for row in rows
        ]

    def messages_with(self, scope: Scope, event_id: UUID) -> list[Cause]:
        """Return the messages and calls that no event was read from and that have an id in them."""
        rows = self._rows(
            f"""SELECT '{Reason.UNDECODABLE}' AS kind, id, at, reason FROM (
                    SELECT id, received_at AS at, reason, body FROM undecodable
                    WHERE resubmitted_at IS NULL AND {OF_NOBODY} ORDER BY id DESC LIMIT :look) u
                WHERE position(CAST(:small AS bytea) IN body) > 0 OR position(CAST(:large AS bytea) IN body) > 0
                UNION ALL
                SELECT '{Reason.SET_ASIDE}', id, at, NULL FROM (
                    SELECT id, set_aside_at AS at, body FROM quarantine
                    WHERE set_aside_at IS NOT NULL AND {OF_NOBODY} ORDER BY id DESC LIMIT :look) q
                WHERE position(CAST(:small AS bytea) IN body) > 0 OR position(CAST(:large AS bytea) IN body) > 0""",  # noqa: S608 - constants
            scope=scope.parameter,
            look=MOST_MESSAGES,
            small=str(event_id).encode(),
            large=str(event_id).upper().encode(),
        )
        return [
            Cause(Reason(row["kind"]), at=row["at"], number=row["id"], note=row["reason"])
            for row in rows
        ]

    def other_clients_with(self, scope: Scope, client_id: int, event_id: UUID) -> list[Cause]:
        """Return which other clients of the scope have an event of an id, three at most."""
        rows = self._rows(
            """SELECT e.client_id FROM (
                   SELECT client_id FROM rules_versions
                   WHERE until IS NULL AND CAST(:scope AS bigint[]) IS NULL
                   UNION ALL SELECT unnest(CAST(:scope AS bigint[])) ORDER BY client_id LIMIT :look) c
               CROSS JOIN LATERAL (
                   SELECT client_id FROM events s
                   WHERE s.client_id = c.client_id AND s.id = CAST(:event AS uuid)) e
               WHERE e.client_id <> :client ORDER BY e.client_id LIMIT 3""",
            scope=scope.parameter,
            client=client_id,
            event=str(event_id),
            look=MOST_CLIENTS,
        )
        return [Cause(Reason.OTHER_CLIENT, number=row["client_id"]) for row in rows]


def _rejected(row: Mapping[str, Any]) -> Cause:
    is_conflict = row["reason"].startswith("conflict:")
    reason = Reason.CONFLICT if is_conflict else Reason.REJECTED
    return Cause(reason, at=row["received_at"], number=row["id"], note=row["reason"])
