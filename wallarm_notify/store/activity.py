"""Queries of the activity log."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from json import dumps
from typing import Any, Final

from wallarm_notify.domain.activity import Action, Activity, ActivityFilter, Change, ObjectType
from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.page import ALL_IDS, Found, Ids, Slice
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.scope import Scope
from wallarm_notify.store.queries import in_scope, parameters_of, rows_of
from wallarm_notify.store.search import Searched, SearchQueries
from wallarm_notify.store.table_columns import TYPES

_ACTIVITY: Final = TYPES["activity"]

_SEARCHED: Final = Searched("activity", "at", "n.*")
_OLDEST_FIRST: Final = Searched("activity", "at", "n.*", ascending=True)
_ALL: Final = ActivityFilter()


class ActivityQueries(SearchQueries):
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
            f"""INSERT INTO activity (at, actor, role, source, user_id, {names})
                SELECT now(), :actor, :role, :source, CAST(:user_id AS bigint), {names}
                FROM {rows_of(_ACTIVITY, values)}""",  # noqa: S608 - names of our own
            actor=actor.name,
            role=actor.role,
            source=actor.source,
            user_id=actor.user_id,
            **parameters_of(values),
        )

    def activity_ids(self, period: Period) -> Ids:
        """Return between which ids the lines of the log are that were written in this time."""
        return self._ids(_SEARCHED, period)

    def activity(
        self,
        scope: Scope,
        client_id: int | None,
        part: Slice,
        wanted: ActivityFilter = _ALL,
        ids: Ids = ALL_IDS,
    ) -> Found[Activity]:
        """Return the lines of the log that are ``wanted`` and in ``scope`` among those of a slice.

        Those of ``ids`` are candidates.
        """
        rows, reached = self._search(
            _OLDEST_FIRST if wanted.oldest_first else _SEARCHED,
            part,
            near=[
                "n.id >= :first_id AND n.id < :beyond_id",
                *([] if client_id is None else ["n.client_id = :client_id"]),
            ],
            rest=[
                in_scope("n.client_id"),
                _among("n.object_type", "object_types"),
                _among("n.action", "actions"),
                _among("n.source", "sources"),
                "(CAST(:users AS bigint[]) IS NULL OR coalesce(n.user_id, 0) = ANY(CAST(:users AS bigint[])))",
                "(CAST(:since AS timestamptz) IS NULL OR n.at >= :since)",
                "(CAST(:until AS timestamptz) IS NULL OR n.at < :until)",
            ],
            first_id=ids.first,
            beyond_id=ids.beyond,
            client_id=client_id,
            scope=scope.parameter,
            object_types=_words(wanted.object_types),
            actions=_words(wanted.actions),
            sources=_words(wanted.sources),
            users=None if wanted.user_ids is None else sorted(wanted.user_ids),
            since=wanted.period.since,
            until=wanted.period.until,
        )
        return Found([_activity_of(row) for row in rows], reached)

    def activity_line(self, scope: Scope, line_id: int) -> Activity | None:
        """Return one line of the log; None: there is none in ``scope``."""
        rows = self._rows(
            f"SELECT n.* FROM activity n WHERE n.id = :id AND {in_scope('n.client_id')}",  # noqa: S608 - a constant
            id=line_id,
            scope=scope.parameter,
        )
        return _activity_of(rows[0]) if rows else None

    def last_changes(self, client_id: int, object_type: ObjectType) -> dict[int, datetime]:
        """Return when each object of a client was changed last, by number, as far as the log goes back."""
        rows = self._rows(
            """SELECT object_id, max(at) AS at FROM activity
               WHERE client_id = :client_id AND object_type = :object_type AND object_id IS NOT NULL
               GROUP BY object_id""",
            client_id=client_id,
            object_type=object_type,
        )
        return {row["object_id"]: row["at"] for row in rows}

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


def _among(column: str, parameter: str) -> str:
    """Return the condition that a column has one of a parameter's words, if that is given."""
    words = f"CAST(:{parameter} AS text[])"
    return f"({words} IS NULL OR {column} = ANY({words}))"


def _words(wanted: Iterable[str] | None) -> list[str] | None:
    return None if wanted is None else sorted(map(str, wanted))


def _activity_of(row: Mapping[str, Any]) -> Activity:
    return Activity(
        id=row["id"],
        at=row["at"],
        actor=Actor(row["actor"], Role(row["role"]), Source(row["source"]), row["user_id"]),
        change=Change(
            action=Action(row["action"]),
            object_type=ObjectType(row["object_type"]),
            client_id=row["client_id"],
            object_id=row["object_id"],
            before=row["before"],
            after=row["after"],
        ),
    )
