"""Queries of health: heartbeats of workers, when beat's tasks ran, and the lengths of queues."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.readiness import Node, QueueLength
from wallarm_notify.store.queries import Queries

FORGOTTEN_AFTER: Final = timedelta(days=1)
"""A node that was not seen for so long is forgotten: hosts come and go under new names."""


class HeartbeatQueries(Queries):
    """What readiness is decided by."""

    def note_heartbeat(
        self, node: str, queues: Sequence[str], clock: datetime, every: timedelta, gap: timedelta
    ) -> None:
        """Note that a process of ``node`` lives, unless another one did so half of ``every`` ago or later.

        ``clock`` is its own time. After a longer ``gap`` it has begun anew.
        """
        self._do(
            """INSERT INTO heartbeats AS h (node, queues, began_at, seen_at, ahead)
               VALUES (:node, CAST(:queues AS text[]), now(), now(), :clock - clock_timestamp())
               ON CONFLICT (node) DO UPDATE SET queues = excluded.queues, seen_at = excluded.seen_at,
                   ahead = excluded.ahead,
                   began_at = CASE WHEN h.seen_at < now() - :gap THEN now() ELSE h.began_at END
               WHERE h.seen_at < now() - :every / 2 OR h.queues <> excluded.queues
                  OR h.seen_at > now()  -- the clock was set back""",
            node=node,
            queues=list(queues),
            clock=clock,
            every=every,
            gap=gap,
        )
        self._do("DELETE FROM heartbeats WHERE seen_at < now() - :after", after=FORGOTTEN_AFTER)

    def nodes(self) -> list[Node]:
        """Return every node that is known, by name."""
        rows = self._rows(
            "SELECT node AS name, queues, began_at, seen_at, ahead FROM heartbeats ORDER BY node"
        )
        return [Node(**{**row, "queues": tuple(row["queues"])}) for row in rows]

    def last_run(self, name: str) -> datetime | None:
        """Return when a task of beat began last; None: it never did."""
        rows = self._rows("SELECT began_at FROM upkeep_runs WHERE name = :name", name=name)
        return rows[0]["began_at"] if rows else None

    def note_queue_lengths(self, lengths: Mapping[str, int]) -> None:
        """Note how many messages wait in queues now; of others it stays known how many did before."""
        self._do(
            """INSERT INTO queue_lengths AS q (queue, messages, waiting_since, measured_at)
               SELECT u.queue, u.messages, CASE WHEN u.messages > 0 THEN now() END, now()
               FROM unnest(CAST(:queues AS text[]), CAST(:lengths AS bigint[])) AS u(queue, messages)
               ORDER BY u.queue
               ON CONFLICT (queue) DO UPDATE SET messages = excluded.messages, measured_at = now(),
                   waiting_since = CASE WHEN excluded.messages > 0
                       -- Where the clock was set back, not since a time to come.
                       THEN least(now(), coalesce(q.waiting_since, q.measured_at)) END""",
            queues=list(lengths),
            lengths=list(lengths.values()),
        )

    def queue_lengths(self) -> list[QueueLength]:
        """Return what was noted of each queue, by name."""
        rows = self._rows(
            "SELECT queue, messages, waiting_since, measured_at FROM queue_lengths ORDER BY queue"
        )
        return [QueueLength(**row) for row in rows]
