"""Which notifications a listing wants, as conditions in SQL."""

from collections.abc import Mapping
from typing import Any, Final

from wallarm_notify.domain.alert_identity import start_of
from wallarm_notify.domain.notification import OPEN, REPLAYABLE, trigger_of
from wallarm_notify.domain.outcome import Statuses
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.views import Filter
from wallarm_notify.store.queries import in_scope

_STATUS: Final = (
    """(SELECT {} FROM attempts a WHERE a.notification_id = n.id ORDER BY a.fence DESC LIMIT 1)"""
)

_OF_TYPE: Final = (
    "(SELECT CAST(e.type AS text) FROM events e WHERE e.no = n.event_no) = :event_type"
)

_OF_EVENT: Final = f"""n.id = ANY(ARRAY(
    SELECT m.id FROM (SELECT DISTINCT client_id FROM integrations WHERE {in_scope("client_id")}) c
    JOIN events e ON e.client_id = c.client_id AND e.id = CAST(:event_id AS uuid)
    JOIN notifications m ON m.event_no = e.no
    UNION
    SELECT m.id FROM firings f JOIN notifications m ON m.event_no = f.event_no AND m.trigger_id = f.trigger_id
    WHERE f.threshold_count IS NOT NULL AND f.event_ids @> ARRAY[CAST(:event_id AS uuid)]
      AND {in_scope("f.client_id")}))"""  # noqa: S608 - constants
"""What an event made, and what firings made that counted it.

No index finds an event by its id alone; but a client with a notification has an integration, or had one.
"""


_OF_ALERT: Final = "n.dedup_start = :dedup_start"
"""What has the beginning of a dedup key; the rest of the key is no column, and compared with what was found."""


def near_of(wanted: Filter) -> list[str]:
    """Return the conditions by which an index has candidates in the order of ids."""
    conditions = ["n.id >= :first_id AND n.id < :beyond_id"]
    if wanted.integration_id is not None:
        return [*conditions, "n.integration_id = :integration_id"]
    if wanted.client_id is not None:
        conditions.append("n.client_id = :client_id")
        # No index has those that were delivered by state: each insert would pay for it.
        if len(wanted.states) == 1 and wanted.states[0] in REPLAYABLE:
            conditions.append("n.state = :state")
    return conditions


def few_of(wanted: Filter) -> list[list[str]] | None:
    """Return the conditions of small indexes that together have all that is wanted; None: there are none.

    They are for an alert, for what an event made, for what is open, for what ended undelivered of an integration, and
    for several such states of a client.
    """
    if wanted.dedup_key is not None:
        return [[_OF_ALERT]]
    if wanted.event_id is not None:
        return [[_OF_EVENT]]
    groups = []
    owner = [f"n.{c} = :{c}" for c in ("integration_id", "client_id") if getattr(wanted, c)]
    is_open = [s for s in wanted.states if s in OPEN]
    undelivered = [s for s in wanted.states if s in REPLAYABLE]
    if not wanted.states or len(is_open) + len(undelivered) < len(wanted.states):
        return None
    if is_open:
        by_integration = [c for c in owner if "integration_id" in c]
        groups.append(["n.finished_at IS NULL", *by_integration])
    if undelivered:
        if not owner or (wanted.integration_id is None and len(wanted.states) == 1):
            return None
        names = ", ".join(f"'{state}'" for state in undelivered)
        groups.append([owner[0], f"n.state IN ({names})"])
    return groups


def rest_of(wanted: Filter) -> list[str]:
    """Return the conditions that each candidate is looked at for.

    What another table says is asked for each by itself: PostgreSQL would rather read the whole of that table.
    """
    wants = {
        "n.client_id = :client_id": wanted.client_id is not None,
        "n.integration_id = :integration_id": wanted.integration_id is not None,
        "n.state = ANY(CAST(:states AS notification_state[]))": bool(wanted.states),
        _OF_ALERT: wanted.dedup_key is not None,
        _OF_EVENT: wanted.event_id is not None,
        "n.trigger_id = :trigger_id": wanted.origin is not None,
        "n.created_at >= :since": wanted.made.since is not None,
        "n.created_at < :until": wanted.made.until is not None,
        _OF_TYPE: wanted.event_type is not None,
    }
    return [
        in_scope("n.client_id"),
        *(condition for condition, is_wanted in wants.items() if is_wanted),
        *_answered(wanted.statuses),
    ]


def _answered(statuses: Statuses | None) -> list[str]:
    if statuses is None:
        return []
    if statuses.first is None:
        return [_STATUS.format("a.status_code IS NULL")]
    return [f"{_STATUS.format('a.status_code')} BETWEEN :first_status AND :last_status"]


def parameters_of(scope: Scope, wanted: Filter) -> Mapping[str, Any]:
    """Return the parameters of these conditions."""
    return {
        "scope": scope.parameter,
        "client_id": wanted.client_id,
        "integration_id": wanted.integration_id,
        "states": list(wanted.states),
        "state": wanted.states[0] if wanted.states else None,
        "event_id": None if wanted.event_id is None else str(wanted.event_id),
        "trigger_id": None if wanted.origin is None else trigger_of(wanted.origin) or 0,
        "event_type": wanted.event_type,
        "since": wanted.made.since,
        "until": wanted.made.until,
        "first_status": wanted.statuses and wanted.statuses.first,
        "last_status": wanted.statuses and wanted.statuses.last,
        "dedup_start": None if wanted.dedup_key is None else start_of(wanted.dedup_key),
    }
