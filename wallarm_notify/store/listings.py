"""Queries of listings: notifications, rejections and undecodable messages as people see them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from wallarm_notify.domain.notification import OPEN, State, origin_of
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.views import (
    Filter,
    ShownAttempt,
    ShownNotification,
    ShownRejection,
    ShownUndecodable,
)
from wallarm_notify.store.queries import OF_NOBODY, RESPONSE, UNDECODABLE, Queries, in_scope

_SHOWN = """n.id, n.client_id, e.id AS event_id, f.id AS firing_id, e.type AS event_type, n.trigger_id,
    n.integration_id, n.state, n.run, n.attempts_made, n.due_at, n.created_at, n.finished_at, n.end_reason,
    a.status_code AS last_status_code, a.error AS last_error"""

_FROM = """notifications n LEFT JOIN events e ON e.no = n.event_no
    LEFT JOIN firings f ON f.event_no = n.event_no AND f.trigger_id = n.trigger_id
    LEFT JOIN LATERAL (
        SELECT status_code, error FROM attempts a WHERE a.notification_id = n.id
        ORDER BY a.fence DESC LIMIT 1) a ON true"""


class ListingQueries(Queries):
    """Notifications, rejections and undecodable messages as people see them."""

    def notifications(
        self, scope: Scope, wanted: Filter, before: int | None, limit: int
    ) -> list[ShownNotification]:
        """Return notifications with ids below ``before``, newest first."""
        conditions = [in_scope("n.client_id")]
        if wanted.client_id is not None:
            conditions.append("n.client_id = :client")
        if wanted.integration_id is not None:
            conditions.append("n.integration_id = :integration")
        if wanted.state is not None:
            conditions.append("n.state = :state")
            if wanted.state in OPEN:
                conditions.append("n.finished_at IS NULL")  # by the index of what is open
        if before is not None:
            conditions.append("n.id < :before")
        rows = self._rows(
            f"""SELECT {_SHOWN} FROM {_FROM} WHERE {" AND ".join(conditions)}
                ORDER BY n.id DESC LIMIT :limit""",  # noqa: S608 - constants only
            client=wanted.client_id,
            integration=wanted.integration_id,
            state=wanted.state,
            before=before,
            limit=limit,
            scope=scope.parameter,
        )
        return [_shown(row) for row in rows]

    def notification(self, scope: Scope, notification_id: int) -> ShownNotification | None:
        """Return one notification with its attempts, in the order they were made; None: there is none."""
        rows = self._rows(
            f"SELECT {_SHOWN} FROM {_FROM} WHERE n.id = :id AND {in_scope('n.client_id')}",  # noqa: S608 - constants only
            id=notification_id,
            scope=scope.parameter,
        )
        if not rows:
            return None
        attempts = self._rows(
            f"""SELECT a.run, a.number, a.at, a.duration_ms, a.status_code, a.error, {RESPONSE} AS response
                FROM attempts a WHERE a.notification_id = :id ORDER BY a.fence""",  # noqa: S608 - a constant
            id=notification_id,
        )
        return _shown(rows[0], tuple(ShownAttempt(**row) for row in attempts))

    def rejections(self, scope: Scope, before: int | None, limit: int) -> list[ShownRejection]:
        """Return the rejected events that were not resubmitted, newest first."""
        rows = self._rows(
            f"""SELECT id, reason, event_id, client_id, type, cut, received_at,
                   left(body_text, 200) AS text
               FROM rejected
               WHERE resubmitted_as IS NULL AND (CAST(:before AS bigint) IS NULL OR id < :before)
                 AND {in_scope("client_id")}
               ORDER BY id DESC LIMIT :limit""",  # noqa: S608 - a constant
            scope=scope.parameter,
            before=before,
            limit=limit,
        )
        return [_shown_rejection(row) for row in rows]

    def rejection(self, scope: Scope, rejected_id: int) -> ShownRejection | None:
        """Return one rejected event, resubmitted or not, with all that was kept of it; None: there is none."""
        rows = self._rows(
            f"""SELECT id, reason, event_id, client_id, type, cut, received_at, resubmitted_as,
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

    def undecodable(self, scope: Scope, before: int | None, limit: int) -> list[ShownUndecodable]:
        """Return the undecodable messages that were not resubmitted, newest first."""
        rows = self._rows(
            f"""SELECT {UNDECODABLE}, substring(body FOR 200) AS body FROM undecodable
                WHERE resubmitted_at IS NULL AND (CAST(:before AS bigint) IS NULL OR id < :before)
                  AND {OF_NOBODY}
                ORDER BY id DESC LIMIT :limit""",  # noqa: S608 - a constant
            before=before,
            limit=limit,
            scope=scope.parameter,
        )
        return [_shown_undecodable(row) for row in rows]

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


def _shown_rejection(row: Mapping[str, Any]) -> ShownRejection:
    ids = {name: row.get(name) for name in ("event_id", "resubmitted_as")}
    return ShownRejection(
        **{**row, **{name: None if i is None else UUID(str(i)) for name, i in ids.items()}}
    )


def _shown_undecodable(row: Mapping[str, Any]) -> ShownUndecodable:
    fields = dict(row)
    text = bytes(fields.pop("body")).decode("utf-8", "replace")
    return ShownUndecodable(**fields, text=text)


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
        attempts=attempts,
    )
