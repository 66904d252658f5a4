"""Queries of replays: which notifications are sent again, and their integrations."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from wallarm_notify.domain.notification import Notification
from wallarm_notify.domain.replay_job import SAMPLE, Extent
from wallarm_notify.domain.scope import Scope
from wallarm_notify.domain.views import ReplayTarget, Wanted
from wallarm_notify.store.queries import (
    NOTIFICATION_COLUMNS,
    Queries,
    in_scope,
)

_REPLAYABLE: Final = """n.integration_id = :integration_id AND NOT n.closing
    AND n.state = ANY(CAST(:states AS notification_state[])) AND n.severity = ANY(CAST(:severities AS smallint[]))
    AND (CAST(:since AS timestamptz) IS NULL OR n.created_at >= :since)
    AND (CAST(:ended_since AS timestamptz) IS NULL OR n.finished_at >= :ended_since)
    AND (CAST(:event_type AS text) IS NULL
         OR EXISTS (SELECT FROM events e WHERE e.no = n.event_no AND e.type = :event_type))"""


class ReplayQueries(Queries):
    """Notifications that can be replayed, and their integrations."""

    def replay_targets(self, scope: Scope, ids: Sequence[int]) -> Mapping[int, ReplayTarget]:
        """Return the integrations of ``ids`` that are not deleted."""
        rows = self._rows(
            f"""SELECT id, client_id, enabled, disablings FROM integrations
                WHERE id = ANY(CAST(:ids AS bigint[])) AND deleted_at IS NULL AND {in_scope("client_id")}
                ORDER BY id""",  # noqa: S608 - a constant
            scope=scope.parameter,
            ids=list(ids),
        )
        return {row["id"]: ReplayTarget(**row) for row in rows}

    def replayable(self, scope: Scope, wanted: Wanted, after: int, limit: int) -> list[int]:
        """Return the ids of notifications that ``wanted`` means, above ``after`` and ascending."""
        rows = self._rows(
            f"""SELECT n.id FROM notifications n
                WHERE {_REPLAYABLE} AND {in_scope("n.client_id")} AND n.id > :after
                ORDER BY n.id LIMIT :limit""",  # noqa: S608 - a constant
            **_parameters(scope, wanted),
            after=after,
            limit=limit,
        )
        return [row["id"] for row in rows]

    def count_replayable(self, scope: Scope, wanted: Wanted) -> int:
        """Return how many notifications ``wanted`` means."""
        rows = self._rows(
            f"""SELECT count(*) AS n FROM notifications n
                WHERE {_REPLAYABLE} AND {in_scope("n.client_id")}""",  # noqa: S608 - a constant
            **_parameters(scope, wanted),
        )
        return int(rows[0]["n"])

    def replay_extent(self, scope: Scope, wanted: Wanted) -> Extent:
        """Return how many notifications ``wanted`` means, the last one, and the first few."""
        rows = self._rows(
            f"""SELECT count(*) AS total, COALESCE(max(n.id), 0) AS last_id FROM notifications n
                WHERE {_REPLAYABLE} AND {in_scope("n.client_id")}""",  # noqa: S608 - a constant
            **_parameters(scope, wanted),
        )
        sample = self.replayable(scope, wanted, 0, SAMPLE)
        return Extent(rows[0]["total"], rows[0]["last_id"], tuple(sample))

    def lock_for_replay(self, scope: Scope, ids: Sequence[int]) -> list[Notification]:
        """Return the notifications of ``ids``, locked in the order of their ids; wait for other holders."""
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS} FROM notifications n
                WHERE n.id = ANY(CAST(:ids AS bigint[])) AND {in_scope("n.client_id")}
                ORDER BY n.id FOR UPDATE""",  # noqa: S608 - a constant
            scope=scope.parameter,
            ids=list(ids),
        )
        return self._notifications(rows)


def _parameters(scope: Scope, wanted: Wanted) -> dict[str, Any]:
    return {
        **asdict(wanted),
        "states": list(map(str, wanted.states)),
        "severities": list(map(int, wanted.severities)),
        "scope": scope.parameter,
    }
