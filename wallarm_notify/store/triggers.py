"""Queries of triggers and their firings."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from json import dumps
from typing import Any, Final

from wallarm_notify.domain.event import Arrival, Severity
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.triggers.cells import Window
from wallarm_notify.domain.triggers.condition import Condition, Filter
from wallarm_notify.domain.triggers.filters import Operator
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.domain.triggers.trigger import Criteria, Threshold, Trigger, TriggerDraft
from wallarm_notify.domain.views import FiringNotification, ShownFiring
from wallarm_notify.store.event_body import event_of
from wallarm_notify.store.pause_ends import end_of
from wallarm_notify.store.queries import Queries, array_of, in_scope

_COLUMNS: Final = (
    *("id", "client_id", "name", "comment", "enabled", "condition", "filters", "threshold_count"),
    *(
        "threshold_period",
        "integration_ids",
        "severity",
        "alert_group",
        "version",
        "created_at",
        "created_by",
    ),
)


def shown_trigger(row: str) -> str:
    """Return the columns that ``trigger_of`` reads of ``row``, and when it fired last."""
    return f"""{_trigger(row)},
    (SELECT max(f.fired_at) FROM firings f WHERE f.trigger_id = {row}.id) AS last_fired_at"""  # noqa: S608 - a name of our own


def _trigger(row: str) -> str:
    columns = ", ".join(f"{row}.{name}" for name in _COLUMNS)
    return f"""{columns}, {end_of("triggers", row)} AS disabled_until"""


_TRIGGER: Final = _trigger("t")
_SHOWN: Final = shown_trigger("t")

_INSERT_FIRINGS: Final = """
    INSERT INTO firings (id, trigger_id, client_id, event_no, fired_at, trigger_name, condition, filters,
        threshold_count, threshold_period, integration_ids, count, window_start, window_end, event_ids,
        severity, alert_group)
    SELECT u.id, u.trigger_id, u.client_id, e.no, now(), u.trigger_name, u.condition,
        CAST(u.filters AS jsonb), u.threshold_count, u.threshold_period,
        CAST(u.integration_ids AS bigint[]), u.count, u.window_start, u.window_end,
        CAST(u.event_ids AS uuid[]), u.severity, u.alert_group
    FROM unnest(
        CAST(:id AS uuid[]), CAST(:trigger_id AS bigint[]), CAST(:client_id AS bigint[]),
        CAST(:event_id AS uuid[]), CAST(:trigger_name AS text[]), CAST(:condition AS text[]),
        CAST(:filters AS text[]), CAST(:threshold_count AS bigint[]), CAST(:threshold_period AS int[]),
        CAST(:integration_ids AS text[]), CAST(:count AS bigint[]),
        CAST(:window_start AS timestamptz[]), CAST(:window_end AS timestamptz[]),
        CAST(:event_ids AS text[]), CAST(:severity AS smallint[]), CAST(:alert_group AS text[])
    ) AS u(id, trigger_id, client_id, event_id, trigger_name, condition, filters, threshold_count,
           threshold_period, integration_ids, count, window_start, window_end, event_ids, severity, alert_group)
    JOIN events e ON e.client_id = u.client_id AND e.id = u.event_id
    ORDER BY e.no, u.trigger_id
"""

FIRING_COLUMNS = """f.id AS firing_id, f.trigger_id, f.trigger_name, f.client_id AS firing_client_id,
    f.condition, f.filters, f.threshold_count, f.threshold_period, f.integration_ids,
    e.id AS event_id, f.count, f.window_start, f.window_end, f.event_ids,
    f.severity AS firing_severity, f.alert_group"""


NOTIFICATIONS_OF_FIRING: Final = """(
    SELECT coalesce(jsonb_agg(jsonb_build_array(n.id, n.integration_id, n.state, CASE
        WHEN n.state = 'pending' AND n.due_at > now() THEN n.due_at END) ORDER BY n.id), '[]')
    FROM notifications n WHERE n.event_no = f.event_no AND n.trigger_id = f.trigger_id)"""
"""The notifications of the firing ``f``, for ``shown_firing``."""

_PLACE = "{0}.fired_at, coalesce({0}.window_end, 'infinity'), {0}.event_no"
_NEWEST = "f.fired_at DESC, coalesce(f.window_end, 'infinity') DESC, f.event_no DESC"

_AT_CURSOR = "FROM firings c WHERE c.event_no = :cursor AND c.trigger_id = :id"
_BEHIND = f"""(f.fired_at <= (SELECT c.fired_at {_AT_CURSOR})
    AND ({_PLACE.format("f")}) < (SELECT {_PLACE.format("c")} {_AT_CURSOR}))"""
"""The condition that a firing comes behind that of the cursor; by its first line the index begins there."""


class TriggerQueries(Queries):
    """Triggers and their firings."""

    # For routing: see services.fire_triggers.

    def triggers_of(
        self, client_ids: Collection[int], conditions: Collection[Condition]
    ) -> list[Trigger]:
        """Return the enabled triggers of these clients with one of these conditions, by id."""
        rows = self._rows(
            f"""SELECT {_TRIGGER} FROM triggers t
                WHERE t.client_id = ANY(CAST(:clients AS bigint[])) AND t.deleted_at IS NULL
                  AND t.enabled AND t.condition = ANY(CAST(:conditions AS text[]))
                ORDER BY t.id""",  # noqa: S608 - a constant
            clients=list(client_ids),
            conditions=list(conditions),
        )
        return [trigger_of(row) for row in rows]

    def lock_triggers(self, ids: Sequence[int]) -> list[Trigger]:
        """Return the triggers of ``ids`` that are still enabled, locked in the order of their ids."""
        rows = self._rows(
            f"""SELECT {_TRIGGER} FROM triggers t
                WHERE t.id = ANY(CAST(:ids AS bigint[])) ORDER BY t.id FOR UPDATE""",  # noqa: S608 - a constant
            ids=list(ids),
        )
        return [trigger_of(row) for row in rows if row["enabled"]]

    def insert_firings(self, firings: Sequence[Firing]) -> None:
        """Store firings with their lineage."""
        criteria = [_criteria_columns(f.criteria) for f in firings]
        self._do(
            _INSERT_FIRINGS,
            id=[str(f.id) for f in firings],
            trigger_id=[f.trigger_id for f in firings],
            client_id=[f.client_id for f in firings],
            event_id=[str(f.event_id) for f in firings],
            trigger_name=[f.trigger_name for f in firings],
            **{name: [columns[name] for columns in criteria] for name in criteria[0]},
            integration_ids=[array_of(f.integration_ids) for f in firings],
            count=[f.count for f in firings],
            window_start=[f.window and f.window.start for f in firings],
            window_end=[f.window and f.window.end for f in firings],
            event_ids=[array_of(f.event_ids) for f in firings],
            severity=[_number_of(f.chosen_severity) for f in firings],
            alert_group=[str(f.group) for f in firings],
        )

    # For administrators: see services.manage_triggers.

    def hold_integrations(self, scope: Scope, ids: Sequence[int]) -> Mapping[int, int]:
        """Return the clients of integrations that exist; none of them can be deleted until the transaction ends."""
        rows = self._rows(
            f"""SELECT id, client_id FROM integrations
                WHERE id = ANY(CAST(:ids AS bigint[])) AND deleted_at IS NULL AND {in_scope("client_id")}
                ORDER BY id FOR KEY SHARE""",  # noqa: S608 - a constant
            scope=scope.parameter,
            ids=list(ids),
        )
        return {row["id"]: row["client_id"] for row in rows}

    def count_triggers(self, client_id: int) -> int:
        """Return how many triggers a client has."""
        rows = self._rows(
            "SELECT count(*) AS n FROM triggers WHERE client_id = :client AND deleted_at IS NULL",
            client=client_id,
        )
        return int(rows[0]["n"])

    def insert_trigger(self, draft: TriggerDraft, name: str, *, by: str) -> Trigger:
        """Store a new trigger that ``by`` made, and return it."""
        row = self._rows(
            f"""INSERT INTO triggers AS t (client_id, name, comment, enabled, condition, filters,
                    threshold_count, threshold_period, integration_ids, severity, alert_group, created_by)
                VALUES (:client, :name, :comment, :enabled, :condition, CAST(:filters AS jsonb),
                    :threshold_count, :threshold_period, CAST(:integrations AS bigint[]), :severity,
                    :alert_group, :user)
                RETURNING {_TRIGGER}""",  # noqa: S608 - a constant
            client=draft.client_id,
            name=name,
            comment=draft.comment,
            enabled=draft.enabled,
            **_criteria_columns(draft.criteria),
            integrations=sorted(set(draft.integration_ids)),
            severity=_number_of(draft.chosen_severity),
            alert_group=str(draft.group),
            user=by,
        )[0]
        return trigger_of(row)

    def trigger(self, scope: Scope, trigger_id: int) -> Trigger | None:
        """Return one trigger; None: there is none."""
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM triggers t
                WHERE t.id = :id AND t.deleted_at IS NULL AND {in_scope("t.client_id")}""",  # noqa: S608 - constants
            id=trigger_id,
            scope=scope.parameter,
        )
        return trigger_of(rows[0]) if rows else None

    def standing_trigger(self, scope: Scope, trigger_id: int) -> Trigger | None:
        """Return one trigger that is about to be changed, not locked; None: there is none."""
        return self._trigger_within(scope, trigger_id, "")

    def lock_trigger(self, scope: Scope, trigger_id: int) -> Trigger | None:
        """Return one trigger, locked; None: there is none."""
        return self._trigger_within(scope, trigger_id, "FOR UPDATE")

    def _trigger_within(self, scope: Scope, trigger_id: int, lock: str) -> Trigger | None:
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM triggers t
                WHERE t.id = :id AND t.deleted_at IS NULL AND {in_scope("t.client_id")} {lock}""",  # noqa: S608 - a constant
            scope=scope.parameter,
            id=trigger_id,
        )
        return trigger_of(rows[0]) if rows else None

    def save_trigger(self, trigger: Trigger) -> None:
        """Write a trigger that this transaction has locked."""
        self._do(
            """UPDATE triggers SET name = :name, comment = :comment, enabled = :enabled,
                   condition = :condition, filters = CAST(:filters AS jsonb),
                   threshold_count = :threshold_count, threshold_period = :threshold_period,
                   integration_ids = CAST(:integrations AS bigint[]), version = :version,
                   severity = :severity, alert_group = :alert_group, disabled_until = :until,
                   until_version = :version
               WHERE id = :id""",
            id=trigger.id,
            name=trigger.name,
            comment=trigger.comment,
            enabled=trigger.enabled,
            **_criteria_columns(trigger.criteria),
            integrations=list(trigger.integration_ids),
            severity=_number_of(trigger.chosen_severity),
            alert_group=str(trigger.group),
            version=trigger.version,
            until=trigger.disabled_until,
        )

    def erase_trigger(self, trigger_id: int) -> None:
        """Delete a locked trigger; PRUNE deletes its row once its rogue endpoints are gone."""
        self._do(
            """UPDATE triggers SET deleted_at = now(), enabled = false, disabled_until = NULL
               WHERE id = :id""",
            id=trigger_id,
        )

    def was_trigger(self, scope: Scope, trigger_id: int) -> bool:
        """Return whether there was a trigger that is deleted, and its row not yet."""
        rows = self._rows(
            f"""SELECT FROM triggers
                WHERE id = :id AND deleted_at IS NOT NULL AND {in_scope("client_id")}""",
            scope=scope.parameter,
            id=trigger_id,
        )
        return bool(rows)

    def take_off_triggers(self, client_id: int, integration_id: int) -> list[Trigger]:
        """Take an integration off its client's triggers; return these triggers as they are now."""
        rows = self._rows(
            f"""WITH losing AS MATERIALIZED (
                    SELECT id FROM triggers
                    WHERE client_id = :client AND deleted_at IS NULL AND :integration = ANY(integration_ids)
                    ORDER BY id FOR UPDATE
                )
                UPDATE triggers t SET integration_ids = array_remove(t.integration_ids, CAST(:integration AS bigint))
                FROM losing WHERE t.id = losing.id RETURNING {_TRIGGER}""",  # noqa: S608 - a constant
            client=client_id,
            integration=integration_id,
        )
        return sorted((trigger_of(row) for row in rows), key=lambda t: t.id)

    # For listings: see services.trigger_listings.

    def triggers(
        self, scope: Scope, client_id: int | None, after: int, limit: int
    ) -> list[Trigger]:
        """Return triggers with ids above ``after``, by id."""
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM triggers t
                WHERE t.deleted_at IS NULL AND t.id > :after
                  AND (CAST(:client AS bigint) IS NULL OR t.client_id = :client)
                  AND {in_scope("t.client_id")}
                ORDER BY t.id LIMIT :limit""",  # noqa: S608 - constants
            scope=scope.parameter,
            client=client_id,
            after=after,
            limit=limit,
        )
        return [trigger_of(row) for row in rows]

    def firings(self, trigger_id: int, limit: int, cursor: int | None = None) -> list[ShownFiring]:
        """Return a trigger's firings behind the one of the number ``cursor``, newest first."""
        rows = self._rows(
            f"""SELECT {FIRING_COLUMNS}, f.event_no, f.fired_at,
                    {NOTIFICATIONS_OF_FIRING} AS notifications
                FROM firings f JOIN events e ON e.no = f.event_no
                WHERE f.trigger_id = :id AND {"true" if cursor is None else _BEHIND}
                ORDER BY {_NEWEST} LIMIT :limit""",  # noqa: S608 - constants
            id=trigger_id,
            cursor=cursor,
            limit=limit,
        )
        return [shown_firing(row) for row in rows]

    def arrivals(
        self,
        scope: Scope,
        client_id: int,
        event_type: str,
        after: tuple[datetime, int],
        *,
        until: datetime,
        limit: int,
    ) -> tuple[list[Arrival], tuple[datetime, int] | None]:
        """Return a client's events of a type among the next ``limit`` events of all clients.

        They came after ``after`` and before ``until``, and are in the order they came. The second value is where to
        go on; None: there are no more.
        """
        rows = self._rows(
            f"""SELECT e.no, e.received_at, e.id AS event_id, e.client_id, e.type, e.occurred_at,
                   CASE WHEN e.client_id = :client AND e.type = :type THEN e.body END AS body
               FROM events e
               WHERE (e.received_at, e.no) > (:after, :after_no) AND e.received_at < :until
                 AND {in_scope(":client")}
               ORDER BY e.received_at, e.no LIMIT :limit""",  # noqa: S608 - a constant
            scope=scope.parameter,
            client=client_id,
            type=event_type,
            after=after[0],
            after_no=after[1],
            until=until,
            limit=limit,
        )
        found = [
            Arrival(event_of(row), row["received_at"]) for row in rows if row["body"] is not None
        ]
        last = (rows[-1]["received_at"], rows[-1]["no"]) if len(rows) == limit else None
        return found, last

    # For PRUNE: see services.prune.

    def prune_triggers(self, limit: int) -> int:
        """Delete the rows of deleted triggers that have no rogue endpoints any more; return how many.

        A row stays for an hour: a batch that read the trigger before its deletion may still write an endpoint.
        """
        return self._do(
            """DELETE FROM triggers WHERE id IN (
                   SELECT id FROM triggers t WHERE t.deleted_at < now() - interval '1 hour'
                     AND NOT EXISTS (SELECT FROM rogue_endpoints h WHERE h.trigger_id = t.id)
                   ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)""",
            limit=limit,
        )


def firing_of(row: Mapping[str, Any]) -> Firing:
    """Return the firing in a row that has ``FIRING_COLUMNS``."""
    start, end = row["window_start"], row["window_end"]
    return Firing(
        id=row["firing_id"],
        trigger_id=row["trigger_id"],
        trigger_name=row["trigger_name"],
        client_id=row["firing_client_id"],
        criteria=criteria_of(row),
        integration_ids=tuple(row["integration_ids"]),
        event_id=row["event_id"],
        count=row["count"],
        window=None if start is None else Window(start, end),
        event_ids=tuple(row["event_ids"]),
        chosen_severity=severity_of(row["firing_severity"]),
        group=AlertGroup(row["alert_group"]),
    )


def _number_of(severity: Severity | None) -> int | None:
    return None if severity is None else int(severity)


def severity_of(number: int | None) -> Severity | None:
    """Return the severity that is stored as ``number``; None: none was chosen."""
    return None if number is None else Severity(number)


def shown_firing(row: Mapping[str, Any]) -> ShownFiring:
    """Return the firing in a row that has ``FIRING_COLUMNS``, ``event_no``, ``fired_at``, ``notifications``."""
    made = tuple(
        FiringNotification(i, integration, State(s), due and datetime.fromisoformat(due))
        for i, integration, s, due in row["notifications"]
    )
    return ShownFiring(row["event_no"], firing_of(row), row["fired_at"], made)


def trigger_of(row: Mapping[str, Any]) -> Trigger:
    """Return the trigger in a row that has its columns."""
    return Trigger(
        id=row["id"],
        client_id=row["client_id"],
        name=row["name"],
        comment=row["comment"],
        enabled=row["enabled"],
        criteria=criteria_of(row),
        integration_ids=tuple(row["integration_ids"]),
        version=row["version"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        last_fired_at=row.get("last_fired_at"),
        chosen_severity=severity_of(row["severity"]),
        group=AlertGroup(row["alert_group"]),
        disabled_until=row["disabled_until"],
    )


def criteria_of(row: Mapping[str, Any]) -> Criteria:
    """Return the criteria in a row of a trigger or a firing."""
    count, seconds = row["threshold_count"], row["threshold_period"]
    return Criteria(
        Condition(row["condition"]),
        tuple(
            Filter(one["id"], Operator(one["operator"]), tuple(one["values"]))
            for one in row["filters"]
        ),
        None if count is None else Threshold(count, timedelta(seconds=seconds)),
    )


def _criteria_columns(criteria: Criteria) -> dict[str, Any]:
    threshold = criteria.threshold
    filters = [
        {"id": f.id, "operator": str(f.operator), "values": list(f.values)}
        for f in criteria.filters
    ]
    return {
        "condition": str(criteria.condition),
        "filters": dumps(filters),
        "threshold_count": threshold and threshold.count,
        "threshold_period": threshold and int(threshold.period.total_seconds()),
    }
