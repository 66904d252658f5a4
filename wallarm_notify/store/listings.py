"""Queries of listings: notifications, rejections and undecodable messages as people see them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from wallarm_notify.domain.alert_identity import start_of
from wallarm_notify.domain.notification import OPEN, State, origin_of
from wallarm_notify.domain.page import ALL_IDS, Found, Ids, Slice
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.sending import Payload, ShownSending
from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.domain.triggers.alert_group import AlertGroup, GroupValue, group_value
from wallarm_notify.domain.views import (
    Filter,
    ShownAttempt,
    ShownNotification,
    ShownRejection,
    ShownUndecodable,
)
from wallarm_notify.store.event_body import EVENT_COLUMNS, event_of
from wallarm_notify.store.queries import OF_NOBODY, RESPONSE, UNDECODABLE, in_scope
from wallarm_notify.store.search import Searched, SearchQueries
from wallarm_notify.store.triggers import FIRING_COLUMNS, firing_of
from wallarm_notify.store.wanted_notifications import few_of, near_of, parameters_of, rest_of

_SHOWN: Final = """n.id, n.client_id, e.id AS event_id, f.id AS firing_id, e.type AS event_type, n.trigger_id,
    n.integration_id, n.state, n.run, n.attempts_made, n.due_at, n.created_at, n.finished_at, n.end_reason, n.closing,
    a.status_code AS last_status_code, a.error AS last_error, n.due_at > now() AS is_ahead,
    a.at + a.duration_ms * interval '1 ms' AS last_answered_at, f.alert_group,
    CASE WHEN f.alert_group NOT IN ('each', 'trigger') THEN e.body END AS grouped_body"""

_JOINED: Final = """LEFT JOIN events e ON e.no = n.event_no
    LEFT JOIN firings f ON f.event_no = n.event_no AND f.trigger_id = n.trigger_id
    LEFT JOIN LATERAL (
        SELECT status_code, error, at, duration_ms FROM attempts a WHERE a.notification_id = n.id
        ORDER BY a.fence DESC LIMIT 1) a ON true"""

_NOTIFICATIONS: Final = Searched("notifications", "created_at", _SHOWN, _JOINED)

_REJECTED: Final = Searched(
    "rejected",
    "received_at",
    """n.id, n.reason, n.event_id, n.client_id, n.type, n.cut, n.received_at, n.sent_by,
       left(n.body_text, 4000) AS text""",
)

_UNDECODABLE: Final = Searched(
    "undecodable", "received_at", f"{UNDECODABLE}, substring(body FOR 200) AS body"
)

OF_ALERT: Final = 100
"""So many notifications of one alert are found by its dedup key."""

FEW: Final = 5000
"""So many notifications of a kind that no index has in the order of ids are all read for a page."""


class ListingQueries(SearchQueries):
    """Notifications, rejections and undecodable messages as people see them."""

    def notifications(
        self, scope: Scope, wanted: Filter, part: Slice, ids: Ids = ALL_IDS
    ) -> Found[ShownNotification]:
        """Return the notifications that are wanted among those of a slice, of which those of ``ids`` are candidates."""
        rows, reached = self._search(
            _NOTIFICATIONS,
            part,
            near=near_of(wanted),
            rest=rest_of(wanted),
            first_id=ids.first,
            beyond_id=ids.beyond,
            **parameters_of(scope, wanted),
        )
        return Found(_shown_of(wanted, rows), reached)

    def few_notifications(
        self, scope: Scope, wanted: Filter, part: Slice
    ) -> list[ShownNotification] | None:
        """Return the notifications that are wanted behind the cursor; None: too many would have to be read.

        That is for an alert, for what an event made, and for states of which there are few.
        """
        groups = few_of(wanted)
        if groups is None:
            return None
        found: list[ShownNotification] = []
        for among in groups:
            rows = self._search_few(
                _NOTIFICATIONS,
                part,
                few=FEW,
                among=among,
                rest=rest_of(wanted),
                **parameters_of(scope, wanted),
            )
            if rows is None:
                return None
            found += _shown_of(wanted, rows)
        return sorted(found, key=lambda n: -n.id)[: part.limit]

    def notifications_of_alert(self, scope: Scope, key: str) -> list[ShownNotification]:
        """Return the last notifications of the alert with this dedup key: those of a group share one."""
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM (
                    SELECT n.* FROM notifications n WHERE n.dedup_start = :start AND {in_scope("n.client_id")}
                    ORDER BY n.id DESC LIMIT :most) n {_JOINED}""",  # noqa: S608 - constants
            start=start_of(key),
            scope=scope.parameter,
            most=OF_ALERT,
        )
        return [n for n in map(_shown, rows) if n.dedup_key == key]

    def notification_ids(self, made: Period) -> Ids:
        """Return between which ids the notifications are that were made in this time."""
        return self._ids(_NOTIFICATIONS, made)

    def notification(self, scope: Scope, notification_id: int) -> ShownNotification | None:
        """Return one notification with its attempts, in the order they were made; None: there is none."""
        rows = self._rows(
            f"SELECT {_SHOWN} FROM notifications n {_JOINED} WHERE n.id = :id AND {in_scope('n.client_id')}",  # noqa: S608 - constants only
            id=notification_id,
            scope=scope.parameter,
        )
        if not rows:
            return None
        attempts = self._rows(
            f"""SELECT a.run, a.number, a.at, a.duration_ms, a.status_code, a.error, {RESPONSE} AS response,
                    a.task_id
                FROM attempts a WHERE a.notification_id = :id ORDER BY a.fence""",  # noqa: S608 - a constant
            id=notification_id,
        )
        return _shown(rows[0], tuple(ShownAttempt(**row) for row in attempts))

    def notifications_of_event(self, scope: Scope, number: int) -> list[ShownNotification]:
        """Return the notifications of one event and of its firings, without their attempts, by id."""
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM notifications n {_JOINED}
                WHERE n.event_no = :no AND {in_scope("n.client_id")} ORDER BY n.id""",  # noqa: S608 - constants only
            no=number,
            scope=scope.parameter,
        )
        return [_shown(row) for row in rows]

    def sending(self, scope: Scope, notification_id: int) -> ShownSending | None:
        """Return what a notification sends, as far as people may see it; None: there is none."""
        return self.sendings(scope, [notification_id]).get(notification_id)

    def sendings(self, scope: Scope, ids: Sequence[int]) -> Mapping[int, ShownSending]:
        """Return what notifications send, by their ids, as far as people may see it."""
        rows = self._rows(
            f"""SELECT n.id, n.run, n.due_at, n.integration_id, n.trigger_id AS made_by, i.region, i.key_last4,
                    i.summary, c.name, c.cloud, c.partner_name, {EVENT_COLUMNS}, {FIRING_COLUMNS}
                FROM notifications n
                JOIN integrations i ON i.id = n.integration_id
                JOIN events e ON e.no = n.event_no
                LEFT JOIN clients c ON c.id = n.client_id
                LEFT JOIN firings f ON f.event_no = n.event_no AND f.trigger_id = n.trigger_id
                WHERE n.id = ANY(CAST(:ids AS bigint[])) AND {in_scope("n.client_id")}""",  # noqa: S608 - constants
            ids=list(ids),
            scope=scope.parameter,
        )
        return {one.notification_id: one for one in map(_sending_of, rows)}

    def rejections(self, scope: Scope, part: Slice) -> Found[ShownRejection]:
        """Return the rejected events that were not resubmitted, among those of a slice."""
        rows, reached = self._search(
            _REJECTED,
            part,
            near=[] if scope.only_client is None else ["n.client_id = :client_id"],
            rest=["n.resubmitted_as IS NULL", in_scope("n.client_id")],
            client_id=scope.only_client,
            scope=scope.parameter,
        )
        return Found([_shown_rejection(row) for row in rows], reached)

    def rejection(self, scope: Scope, rejected_id: int) -> ShownRejection | None:
        """Return one rejected event, resubmitted or not, with all that was kept of it; None: there is none."""
        rows = self._rows(
            f"""SELECT id, reason, event_id, client_id, type, cut, received_at, resubmitted_as, sent_by,
                   body_text AS text
               FROM rejected WHERE id = :id AND {in_scope("client_id")}""",  # noqa: S608 - a constant
            scope=scope.parameter,
            id=rejected_id,
        )
        return _shown_rejection(rows[0]) if rows else None

    def undecodable_count(self, scope: Scope) -> int:
        """Return how many undecodable messages were not resubmitted."""
        rows = self._rows(
            f"SELECT count(*) AS n FROM undecodable WHERE resubmitted_at IS NULL AND {OF_NOBODY}",  # noqa: S608 - a constant
            scope=scope.parameter,
        )
        return int(rows[0]["n"])

    def undecodable(self, scope: Scope, part: Slice) -> Found[ShownUndecodable]:
        """Return undecodable messages that were not resubmitted, among those of a slice."""
        rows, reached = self._search(
            _UNDECODABLE,
            part,
            near=[],
            rest=["n.resubmitted_at IS NULL", OF_NOBODY],
            scope=scope.parameter,
        )
        return Found([_shown_undecodable(row) for row in rows], reached)

    def undecodable_message(self, scope: Scope, message_id: int) -> ShownUndecodable | None:
        """Return one undecodable message, resubmitted or not, with all that was kept of it; None: there is none."""
        rows = self._rows(
            f"SELECT {UNDECODABLE}, body FROM undecodable WHERE id = :id AND {OF_NOBODY}",  # noqa: S608 - constants
            scope=scope.parameter,
            id=message_id,
        )
        return _shown_undecodable(rows[0]) if rows else None

    def switches(
        self, scope: Scope, integration_ids: Sequence[int]
    ) -> Mapping[int, tuple[bool, int]]:
        """Return whether integrations are enabled, and how often they were disabled; deleted ones are left out."""
        rows = self._rows(
            f"""SELECT id, enabled, disablings FROM integrations
               WHERE id = ANY(CAST(:ids AS bigint[])) AND deleted_at IS NULL AND {in_scope("client_id")}
               ORDER BY id""",  # noqa: S608 - a constant
            scope=scope.parameter,
            ids=list(integration_ids),
        )
        return {row["id"]: (row["enabled"], row["disablings"]) for row in rows}


def _sending_of(row: Mapping[str, Any]) -> ShownSending:
    payload = Payload(
        event=event_of(row),
        firing=None if row["firing_id"] is None else firing_of(row),
        origin=origin_of(row["made_by"] or None),
        region=row["region"] or "us",
        key=None,
        client_name=row["name"],
        cloud=row["cloud"],
        partner_name=row["partner_name"],
        summary=SummaryForm(row["summary"]),
    )
    last4 = row["key_last4"]
    return ShownSending(
        notification_id=row["id"],
        run=row["run"],
        due_at=row["due_at"],
        integration_id=row["integration_id"],
        payload=payload,
        masked_key=None if last4 is None else f"…{last4}",
    )


def _shown_rejection(row: Mapping[str, Any]) -> ShownRejection:
    ids = {name: row.get(name) for name in ("event_id", "resubmitted_as")}
    return ShownRejection(
        **{**row, **{name: None if i is None else UUID(str(i)) for name, i in ids.items()}}
    )


def _shown_undecodable(row: Mapping[str, Any]) -> ShownUndecodable:
    fields = dict(row)
    text = bytes(fields.pop("body")).decode("utf-8", "replace")
    return ShownUndecodable(**fields, text=text)


def _shown_of(wanted: Filter, rows: Sequence[Mapping[str, Any]]) -> list[ShownNotification]:
    """Return the notifications in rows: of an alert, rows may be of another one whose key begins alike."""
    shown = map(_shown, rows)
    return [n for n in shown if wanted.dedup_key is None or n.dedup_key == wanted.dedup_key]


def _shown(row: Mapping[str, Any], attempts: Sequence[ShownAttempt] = ()) -> ShownNotification:
    state = State(row["state"])
    return ShownNotification(
        id=row["id"],
        client_id=row["client_id"],
        event_id=row["event_id"] if row["firing_id"] is None else None,
        firing_id=row["firing_id"],
        event_type=row["event_type"] or "",
        origin=origin_of(row["trigger_id"] or None),
        integration_id=row["integration_id"],
        state=state,
        run=row["run"],
        attempts_made=row["attempts_made"],
        next_attempt_at=row["due_at"] if state in OPEN else None,
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        end_reason=row["end_reason"],
        last_status_code=row["last_status_code"],
        last_error=row["last_error"],
        last_answered_at=row["last_answered_at"],
        closing=row["closing"],
        is_ahead=row["is_ahead"],
        attempts=attempts,
        group=_group_of(row),
    )


def _group_of(row: Mapping[str, Any]) -> GroupValue | None:
    if row["alert_group"] is None:
        return None
    return group_value(AlertGroup(row["alert_group"]), json.loads(row["grouped_body"] or "{}"))
