"""Queries of the database's own clock: how far it had come, and what waits by it where it was set back."""

from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.clock import BACK_FROM, Jump, Mark
from wallarm_notify.domain.rate_limit import Grants
from wallarm_notify.store.delivery import grants_of
from wallarm_notify.store.queries import Queries

_WRITTEN_BEFORE: Final = "age({row}.xmin) > :{since}"
"""Whether a row was written by an earlier transaction than one: ``since`` is how many there were from it to this."""

_FROM_BEFORE: Final = f"""
    {_WRITTEN_BEFORE.format(row="n", since="since_noticed")} AND (
        {_WRITTEN_BEFORE.format(row="n", since="since_mark")}
        -- Written shortly before or after the jump: told by what cannot be so far ahead.
        OR CASE
            WHEN n.lease_until IS NOT NULL THEN n.lease_until > now() + :lease
            WHEN n.due_at > now() THEN n.attempts_made = 0 OR (
                SELECT {_WRITTEN_BEFORE.format(row="a", since="since_mark")}
                    OR a.at + a.duration_ms * interval '1 millisecond' > now() + :back_from
                FROM attempts a WHERE a.notification_id = n.id ORDER BY a.fence DESC LIMIT 1)
            ELSE n.recheck_at > now() + :grace END)"""  # noqa: S608 - constants
"""Whether the times of notification ``n`` are by the clock from before the jump.

What was never attempted waits for no more than a grant: taken for older than it is, it asks for one anew. What was
attempted waits since its last attempt, which is written once, while each message that carries the row on writes it.
"""


class ClockQueries(Queries):
    """SWEEP's, of the clock that decides."""

    def note_clock(self) -> Mark | None:
        """Notes what the clock shows; where it has shown more already, both, locked, and nothing is noted."""
        gone_on = self._rows(
            # The transaction comes first: what earlier ones wrote is from before the time that is noted.
            """INSERT INTO upkeep_runs (name, transaction_id, began_at)
               VALUES ('clock', txid_current(), clock_timestamp())
               ON CONFLICT (name) DO UPDATE
               SET began_at = excluded.began_at, transaction_id = excluded.transaction_id
               WHERE upkeep_runs.began_at <= excluded.began_at RETURNING name"""
        )
        if gone_on:
            return None
        rows = self._rows(
            """SELECT began_at AS latest, transaction_id, clock_timestamp() AS now
               FROM upkeep_runs WHERE name = 'clock' FOR UPDATE"""
        )
        return Mark(**rows[0])

    def note_jump(self, mark: Mark, back: timedelta) -> None:
        """Notes that the clock was set back since ``mark``, and goes on from what it shows now."""
        self._do(
            """INSERT INTO clock_jumps (back, written_before, noticed_in)
               VALUES (:back, :mark, txid_current())""",
            back=back,
            mark=mark.transaction_id or 0,
        )
        self._do(
            """UPDATE upkeep_runs SET began_at = clock_timestamp(), transaction_id = txid_current()
               WHERE name = 'clock'"""
        )

    def jump_to_mend(self) -> Jump | None:
        """The first jump by whose former clock rows may wait, locked; ``back`` is its and that of later ones.

        What is moved for the first is from before none of them any more.
        """
        rows = self._rows(
            """SELECT id, (SELECT sum(back) FROM clock_jumps WHERE mended_at IS NULL) AS back,
                   txid_current() - written_before AS since_mark, txid_current() - noticed_in AS since_noticed
               FROM clock_jumps WHERE mended_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE"""
        )
        return Jump(**rows[0]) if rows else None

    def move_along(
        self, jump: Jump, upto: datetime | None, limit: int, *, lease: timedelta, grace: timedelta
    ) -> tuple[int, datetime | None]:
        """Moves the times of open notifications from before ``jump``, those of SWEEP's latest look first.

        Only those of ``upto`` and earlier. How many, and up to which look it has come; None: to the end. What
        is moved is written anew and is from before no more, so that the same again moves nothing twice.
        """
        rows = self._rows(
            f"""WITH chosen AS MATERIALIZED (
                    SELECT n.id, n.recheck_at FROM notifications n
                    WHERE n.recheck_at > now() AND n.recheck_at <= coalesce(CAST(:upto AS timestamptz), 'infinity')
                      AND {_FROM_BEFORE}
                    ORDER BY n.recheck_at DESC LIMIT :limit
                ), held AS MATERIALIZED (
                    SELECT n.id FROM notifications n
                    WHERE n.id IN (SELECT id FROM chosen) AND n.recheck_at > now() AND {_FROM_BEFORE}
                    ORDER BY n.id FOR UPDATE OF n
                ), moved AS (
                    UPDATE notifications n SET due_at = n.due_at - :back,
                        lease_until = n.lease_until - :back, recheck_at = n.recheck_at - :back
                    FROM held WHERE n.id = held.id RETURNING n.id
                )
                SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM chosen) AS chosen,
                    (SELECT min(recheck_at) FROM chosen) AS reached""",  # noqa: S608 - constants
            back=jump.back,
            since_mark=jump.since_mark,
            since_noticed=jump.since_noticed,
            back_from=BACK_FROM,
            upto=upto,
            limit=limit,
            lease=lease,
            grace=grace,
        )
        (row,) = rows
        return row["moved"], row["reached"] if row["chosen"] == limit else None

    def grants_ahead(self, jump: Jump, limit: int) -> dict[bytes, Grants]:
        """The grants, locked, of keys that had some by the clock from before ``jump``; saved they have none."""
        rows = self._rows(
            f"""SELECT key_fingerprint, grants FROM rate_limits p
                WHERE p.touched_at > now() AND {_WRITTEN_BEFORE.format(row="p", since="since_noticed")}
                ORDER BY key_fingerprint LIMIT :limit FOR UPDATE""",  # noqa: S608 - constants
            since_noticed=jump.since_noticed,
            limit=limit,
        )
        return {bytes(row["key_fingerprint"]): grants_of(row["grants"]) for row in rows}

    def end_jump(self, jump: Jump) -> None:
        """Notes that nothing waits by the clock from before ``jump`` any more; calls set aside are the last."""
        self._do(
            f"""UPDATE quarantine q SET retry_at = q.retry_at - :back
                WHERE q.retry_at > now() AND {_WRITTEN_BEFORE.format(row="q", since="since_noticed")}""",  # noqa: S608 - constants
            back=jump.back,
            since_noticed=jump.since_noticed,
        )
        self._do("UPDATE clock_jumps SET mended_at = now() WHERE id = :id", id=jump.id)

    def jumped_lately(self, within: timedelta) -> bool:
        """Whether a jump was noticed within this time."""
        return bool(
            self._rows(
                "SELECT FROM clock_jumps WHERE noticed_at BETWEEN now() - :within AND now() LIMIT 1",
                within=within,
            )
        )

    def is_clock_followed(self) -> bool:
        """Whether nothing is known to wait by a clock from before a jump."""
        return not self._rows("SELECT FROM clock_jumps WHERE mended_at IS NULL LIMIT 1")

    def mend_stragglers(self, *, lease: timedelta, grace: timedelta) -> int:
        """Mends what transactions wrote that had begun before a jump and ended after it was noticed; how many.

        Leases and bulkheads that last for longer than any can, what is new and due when it will have been made, and
        what waits since an attempt that will have been answered: its wait counts from now.
        """
        self._bulkheads_end(lease)
        return self._retries_count_from_now() + self._do(
            """WITH held AS MATERIALIZED (
                   SELECT n.id FROM notifications n
                   WHERE n.recheck_at > now() AND (n.lease_until > now() + :lease OR (
                       n.attempts_made = 0 AND n.lease_until IS NULL
                       AND n.created_at > now() + interval '1 second'
                       AND n.due_at BETWEEN n.created_at AND n.created_at + interval '1 second'))
                   ORDER BY n.id FOR UPDATE
               )
               UPDATE notifications n SET due_at = least(n.due_at, now()),
                   lease_until = CASE WHEN n.lease_until IS NOT NULL THEN now() + :lease END,
                   recheck_at = now() + CASE WHEN n.lease_until IS NULL THEN :grace ELSE :lease END
               FROM held WHERE n.id = held.id""",
            lease=lease,
            grace=grace,
        )

    def _retries_count_from_now(self) -> int:
        """Those that nothing has written since the transaction of their last attempt.

        What was moved is none of them. What is still to be moved keeps what is left of its wait: they come last.
        """
        return self._do(
            """WITH held AS MATERIALIZED (
                   SELECT n.id, a.at + a.duration_ms * interval '1 millisecond' - now() AS ahead
                   FROM notifications n JOIN attempts a ON a.notification_id = n.id AND a.fence = n.fence
                   WHERE NOT EXISTS (SELECT FROM clock_jumps WHERE mended_at IS NULL)
                     AND n.recheck_at > now() AND n.attempts_made > 0 AND n.lease_until IS NULL
                     AND a.xmin = n.xmin
                     AND a.at + a.duration_ms * interval '1 millisecond' > now() + :back_from
                   ORDER BY n.id FOR UPDATE OF n
               )
               UPDATE notifications n SET due_at = n.due_at - held.ahead, recheck_at = n.recheck_at - held.ahead
               FROM held WHERE n.id = held.id""",
            back_from=BACK_FROM,
        )

    def _bulkheads_end(self, lease: timedelta) -> None:
        self._do(
            """WITH held AS MATERIALIZED (
                   SELECT id FROM integrations WHERE bulkhead_until > now() + :lease ORDER BY id FOR UPDATE
               )
               UPDATE integrations i SET bulkhead_until = now() + :lease FROM held WHERE i.id = held.id""",
            lease=lease,
        )
