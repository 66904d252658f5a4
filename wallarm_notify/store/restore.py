"""Queries after a restore: how far the database knows, and what of it may have been sent already."""

from datetime import datetime
from typing import Final

from wallarm_notify.domain.notification import Notification
from wallarm_notify.domain.restore import MayBeSent
from wallarm_notify.store.queries import NOTIFICATION_COLUMNS, Queries

_MAY_BE_SENT: Final = "n.finished_at IS NULL AND NOT n.closing AND n.due_at <= :lost_at"
"""The condition that an open notification can have been sent until the database was lost.


One of an integration's own end is left out: it cannot be replayed, and tells of no attack.
"""


class RestoreQueries(Queries):
    """What is asked and done after a restore, before workers start."""

    def known_until(self) -> datetime | None:
        """Return the last moment that this database knows of, but for what ``db restored`` did; None: it is empty."""
        rows = self._rows(
            """SELECT greatest(
                   (SELECT max(began_at) FROM upkeep_runs), (SELECT max(seen_at) FROM heartbeats),
                   (SELECT received_at FROM events ORDER BY no DESC LIMIT 1),
                   (SELECT at FROM activity WHERE action <> 'cancelled' ORDER BY id DESC LIMIT 1)) AS at"""
        )
        at: datetime | None = rows[0]["at"]
        return at

    def may_be_sent(self, lost_at: datetime) -> list[MayBeSent]:
        """Return the integrations with notifications that may have been sent until then, those with most first."""
        rows = self._rows(
            f"""SELECT i.id, i.client_id, i.name, count(*) AS notifications, min(n.created_at) AS since
                FROM notifications n JOIN integrations i ON i.id = n.integration_id
                WHERE {_MAY_BE_SENT} GROUP BY i.id ORDER BY count(*) DESC, i.id""",  # noqa: S608 - a constant
            lost_at=lost_at,
        )
        return [MayBeSent(**row) for row in rows]

    def lock_may_be_sent(
        self, integration_id: int, lost_at: datetime, limit: int
    ) -> list[Notification]:
        """Return notifications of an integration that may have been sent until then, locked in the order of ids."""
        rows = self._rows(
            f"""SELECT {NOTIFICATION_COLUMNS} FROM notifications n
                WHERE n.integration_id = :id AND {_MAY_BE_SENT} ORDER BY n.id LIMIT :limit FOR UPDATE""",  # noqa: S608 - constants
            id=integration_id,
            lost_at=lost_at,
            limit=limit,
        )
        return self._notifications(rows)

    def open_replays(self) -> int:
        """Return how many replay jobs have not ended."""
        rows = self._rows("SELECT count(*) AS n FROM replay_jobs WHERE ended_at IS NULL")
        return int(rows[0]["n"])

    def cancel_replays(self, by: str) -> None:
        """End all open replay jobs as cancelled."""
        self._do(
            """UPDATE replay_jobs SET state = 'cancelled', cancelled_by = :by, ended_at = now()
               WHERE ended_at IS NULL""",
            by=by,
        )
