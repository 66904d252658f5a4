"""Queries of the activity log."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from json import dumps
from typing import Any, Final

from wallarm_notify.domain.activity import Action, Activity, Change, ObjectType
from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.scope import Scope
from wallarm_notify.store.queries import Queries, in_scope, parameters_of, rows_of, types_of
from wallarm_notify.store.tables.activity import activity as activity_table

_ACTIVITY: Final = types_of(activity_table)


class ActivityQueries(Queries):
    """The activity log: who changed what, when."""

    def log_activity(self, actor: Actor, changes: Sequence[Change]) -> None:
        """Write ``changes`` that ``actor`` made in this transaction."""
        if not changes:
            return
        values: dict[str, list[Any]] = {
            "client_id": [change.client_id for change in changes],
            "action": [change.action for change in changes],
            "object_type": [change.object_type for change in changes],
            "object_id": [change.object_id for change in changes],
            "before": [dumps(change.before, default=str) for change in changes],
            "after": [dumps(change.after, default=str) for change in changes],
        }
        names = ", ".join(values)
        self._do_later(
            f"""INSERT INTO activity (at, actor, role, source, {names})
                SELECT now(), :actor, :role, :source, {names} FROM {rows_of(_ACTIVITY, values)}""",  # noqa: S608 - names of our own
            actor=actor.name,
            role=actor.role,
            source=actor.source,
            **parameters_of(values),
        )

    def activity(
        self, scope: Scope, *, client_id: int | None, before: int | None, limit: int
    ) -> list[Activity]:
        """Return the log's lines under the id ``before``, the newest first."""
        rows = self._rows(
            f"""SELECT * FROM activity a
                WHERE {in_scope("a.client_id")}
                  AND (CAST(:client AS bigint) IS NULL OR a.client_id = :client)
                  AND (CAST(:before AS bigint) IS NULL OR a.id < :before)
                ORDER BY a.id DESC LIMIT :limit""",  # noqa: S608 - a constant
            scope=scope.parameter,
            client=client_id,
            before=before,
            limit=limit,
        )
        return [_activity_of(row) for row in rows]

    def prune_activity(self, retention: timedelta, limit: int) -> int:
        """Delete lines that are older than ``retention``; return how many.

        No line is locked first: that would need the right to change lines, which no process has.
        """
        return self._do(
            """DELETE FROM activity WHERE id IN (
                   SELECT id FROM activity WHERE at < now() - CAST(:retention AS interval)
                   ORDER BY at LIMIT :limit)""",
            retention=retention,
            limit=limit,
        )


def _activity_of(row: Mapping[str, Any]) -> Activity:
    return Activity(
        id=row["id"],
        at=row["at"],
        actor=Actor(row["actor"], Role(row["role"]), Source(row["source"])),
        change=Change(
            action=Action(row["action"]),
            object_type=ObjectType(row["object_type"]),
            client_id=row["client_id"],
            object_id=row["object_id"],
            before=row["before"],
            after=row["after"],
        ),
    )
