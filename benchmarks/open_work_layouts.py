"""The two layouts that ``benchmarks.open_work`` compares: notifications as they are, and with a table of open work."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from wallarm_notify.domain.notification import NewNotification, Notification, State, stored
from wallarm_notify.store.queries import (
    NOTIFICATION_COLUMNS,
    Queries,
    notification_of,
    parameters_of,
    rows_of,
)
from wallarm_notify.store.routing import RoutingQueries

NARROW: Final = """
    CREATE SCHEMA narrow;
    CREATE TABLE narrow.notifications (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        client_id bigint NOT NULL,
        integration_id bigint NOT NULL,
        event_id uuid NOT NULL,
        firing_id uuid,
        origin text NOT NULL,
        severity smallint NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        state text NOT NULL,
        run int NOT NULL DEFAULT 1,
        attempts_made int NOT NULL DEFAULT 0,
        fence int NOT NULL DEFAULT 0,  -- a replay goes on from it
        finished_at timestamptz,
        end_reason text,
        UNIQUE (event_id, origin, integration_id),
        CHECK (state IN ('pending', 'delivered', 'failed', 'cancelled', 'skipped'))
    ) WITH (fillfactor = 80);
    CREATE INDEX ON narrow.notifications (client_id, id);
    CREATE INDEX ON narrow.notifications (integration_id, state, finished_at)
        WHERE state IN ('failed', 'skipped', 'cancelled');
    CREATE INDEX ON narrow.notifications (finished_at) WHERE finished_at IS NOT NULL;
    CREATE TABLE narrow.open_work (
        notification_id bigint PRIMARY KEY,
        integration_id bigint NOT NULL,
        state text NOT NULL,
        run int NOT NULL,
        attempts_made int NOT NULL,
        fence int NOT NULL,
        lost_claims int NOT NULL,
        rechecks int NOT NULL,
        due_at timestamptz NOT NULL,
        lease_until timestamptz,
        recheck_at timestamptz NOT NULL,
        severity smallint NOT NULL,
        disablings int NOT NULL,
        closing boolean NOT NULL,
        CHECK (state IN ('pending', 'retrying'))
    ) WITH (fillfactor = 70);
    CREATE INDEX ON narrow.open_work (recheck_at);
    CREATE INDEX ON narrow.open_work (integration_id);
    INSERT INTO narrow.notifications (client_id, integration_id, event_id, origin, severity, created_at,
        state, attempts_made, fence, finished_at)
    SELECT client_id, integration_id, event_id, origin, severity, created_at,
        state, attempts_made, fence, finished_at FROM notifications ORDER BY id"""

TABLES: Final = {
    "today": ("notifications",),
    "narrow": ("narrow.notifications", "narrow.open_work"),
}
"""The tables of each layout."""

_MADE: Final = {
    "client_id": "bigint",
    "integration_id": "bigint",
    "event_id": "uuid",
    "firing_id": "uuid",
    "origin": "text",
    "severity": "smallint",
    "state": "text",
}
_OPENED: Final = {
    "notification_id": "bigint",
    "integration_id": "bigint",
    "state": "text",
    "run": "int",
    "attempts_made": "int",
    "fence": "int",
    "lost_claims": "int",
    "rechecks": "int",
    "due_at": "timestamptz",
    "recheck_at": "timestamptz",
    "severity": "smallint",
    "disablings": "int",
    "closing": "boolean",
}
_CHANGED: Final = {
    "id": "bigint",
    "state": "text",
    "attempts_made": "int",
    "fence": "int",
    "lost_claims": "int",
    "rechecks": "int",
    "due_at": "timestamptz",
    "lease_until": "timestamptz",
    "recheck_at": "timestamptz",
}
_ENDED: Final = {
    "id": "bigint",
    "state": "text",
    "attempts_made": "int",
    "fence": "int",
    "finished_at": "timestamptz",
    "end_reason": "text",
}

_OPEN_COLUMNS: Final = """o.notification_id AS id, o.integration_id, o.state, o.run, o.attempts_made, o.fence,
    o.lost_claims, o.rechecks, o.due_at, o.lease_until, o.recheck_at, NULL AS finished_at, o.severity,
    o.disablings, o.closing, NULL AS end_reason, 0 AS link"""


class Today(RoutingQueries):
    """The layout as it is, with the store's own statements."""

    def take(self, ids: Sequence[int]) -> list[Notification]:
        """Read and lock what ``candidates`` does, without what it joins."""
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS}, n.client_id, n.event_id, n.firing_id, n.origin
                FROM notifications n WHERE n.id = ANY(CAST(:ids AS bigint[]))
                ORDER BY n.id FOR UPDATE OF n SKIP LOCKED""",  # noqa: S608 - a constant
            ids=list(ids),
        )
        return [notification_of(row) for row in rows]


class Narrow(Queries):
    """The layout with a table of open work."""

    def insert_notifications(self, new: Sequence[NewNotification]) -> list[Notification | None]:
        """Make notifications and their open work; return each as it stands then."""
        values: dict[str, list[Any]] = {
            "client_id": [n.client_id for n in new],
            "integration_id": [n.integration_id for n in new],
            "event_id": [n.event_id.hex for n in new],
            "firing_id": [None for _ in new],
            "origin": [n.origin for n in new],
            "severity": [int(n.severity) for n in new],
            "state": [State.PENDING for _ in new],
        }
        names = ", ".join(_MADE)
        inserted = self._rows(
            f"""INSERT INTO narrow.notifications ({names}, created_at)
                SELECT {names}, now() FROM {rows_of(_MADE, values)}
                ORDER BY u.event_id, u.origin, u.integration_id
                ON CONFLICT (event_id, origin, integration_id) DO NOTHING
                RETURNING id, event_id, integration_id, origin""",  # noqa: S608 - names of our own
            **parameters_of(values),
        )
        ids = {
            (str(row["event_id"]).replace("-", ""), row["integration_id"], row["origin"]): row["id"]
            for row in inserted
        }
        made = [stored(n, ids[n.event_id.hex, n.integration_id, n.origin]) for n in new]
        self._open(made)
        return list(made)

    def _open(self, made: Sequence[Notification]) -> None:
        values: dict[str, list[Any]] = {
            c: [getattr(n, "id" if c == "notification_id" else c) for n in made] for c in _OPENED
        }
        values["severity"] = [int(n.severity) for n in made]
        names = ", ".join(_OPENED)
        self._do_later(
            f"INSERT INTO narrow.open_work ({names}) SELECT {names} FROM {rows_of(_OPENED, values)}",  # noqa: S608 - names of our own
            **parameters_of(values),
        )

    def take(self, ids: Sequence[int]) -> list[Notification]:
        """Read what a claim needs of both tables, and lock the open work."""
        rows = self._rows(
            f"""SELECT {_OPEN_COLUMNS}, n.client_id, n.event_id, n.firing_id, n.origin
                FROM narrow.open_work o JOIN narrow.notifications n ON n.id = o.notification_id
                WHERE o.notification_id = ANY(CAST(:ids AS bigint[]))
                ORDER BY o.notification_id FOR UPDATE OF o SKIP LOCKED""",  # noqa: S608 - a constant
            ids=list(ids),
        )
        return [notification_of(row) for row in rows]

    def lock(self, ids: Sequence[int]) -> list[Notification]:
        """Lock and return open notifications; ended ones, of which here are none, would need a second statement."""
        rows = self._rows(
            f"""SELECT {_OPEN_COLUMNS} FROM narrow.open_work o
                WHERE o.notification_id = ANY(CAST(:ids AS bigint[]))
                ORDER BY o.notification_id FOR UPDATE""",  # noqa: S608 - a constant
            ids=list(ids),
        )
        return [notification_of(row) for row in rows]

    def save(self, notifications: Sequence[Notification]) -> None:
        """Write open notifications to the open work; ended ones leave it."""
        still = [n for n in notifications if n.is_open]
        over = [n for n in notifications if not n.is_open]
        if still:
            values = {c: [getattr(n, c) for n in still] for c in _CHANGED}
            changes = ", ".join(f"{c} = u.{c}" for c in _CHANGED if c != "id")
            self._do_later(
                f"""UPDATE narrow.open_work o SET {changes}
                    FROM {rows_of(_CHANGED, values)} WHERE o.notification_id = u.id""",  # noqa: S608 - names of our own
                **parameters_of(values),
            )
        if over:
            self._do_later(
                "DELETE FROM narrow.open_work WHERE notification_id = ANY(CAST(:ids AS bigint[]))",
                ids=[n.id for n in over],
            )
            values = {c: [getattr(n, c) for n in over] for c in _ENDED}
            changes = ", ".join(f"{c} = u.{c}" for c in _ENDED if c != "id")
            self._do_later(
                f"""UPDATE narrow.notifications n SET {changes}
                    FROM {rows_of(_ENDED, values)} WHERE n.id = u.id""",  # noqa: S608 - names of our own
                **parameters_of(values),
            )


Layout: TypeAlias = type[Today] | type[Narrow]

LAYOUTS: Final[dict[str, Layout]] = {"today": Today, "narrow": Narrow}
