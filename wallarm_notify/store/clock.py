"""Queries that find out whether the database's clock was set back, and mend what waits by it."""

from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.clock import BACK_FROM, Jump, Mark
from wallarm_notify.domain.rate_limit import Grants
from wallarm_notify.store.delivery import grants_of
from wallarm_notify.store.queries import Queries

_WRITTEN_BEFORE: Final = "age({row}.xmin) > :{since}"
"""The condition that a row was written before a certain transaction.

``since`` is the number of transactions from that one to the present one.
"""

_FROM_BEFORE: Final = f"""
    {_WRITTEN_BEFORE.format(row="n", since="since_noticed")} AND (
        {_WRITTEN_BEFORE.format(row="n", since="since_mark")}
        -- Written shortly before or after the jump: recognized by a time that is further ahead than any can be.
        OR CASE
            WHEN n.lease_until IS NOT NULL THEN n.lease_until > now() + :lease
            WHEN n.due_at > now() THEN n.attempts_made = 0 OR (
                SELECT {_WRITTEN_BEFORE.format(row="a", since="since_mark")}
                    OR a.at + a.duration_ms * interval '1 millisecond' > now() + :back_from
                FROM attempts a WHERE a.notification_id = n.id ORDER BY a.fence DESC LIMIT 1)
            ELSE n.recheck_at > now() + :grace END)"""  # noqa: S608 - constants
"""The condition that the times of notification ``n`` are by the clock from before the jump.

A notification that was never attempted waits for nothing but a grant; where it is wrongly taken for one from before
the jump, it asks for a grant again. One that was attempted waits since its last attempt. The row of the attempt is
written once and so shows when that was; the row of the notification is written again by each message that carries it.
"""


class ClockQueries(Queries):
    """Queries by which SWEEP follows the clock that decides (engine 17)."""

    def note_clock(self) -> Mark | None:
        """Note the clock's time and return None; where it was set back, return the mark instead.

        The mark has the latest time that was noted, locked, and the time now. Nothing is noted then.
        """
        gone_on = self._rows(
            # The transaction's id is taken first: what earlier ones wrote is from before the noted time.
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
        """Note that the clock was set back by ``back`` since ``mark``, and begin anew from its present time."""
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
        """Return the earliest jump that rows may still wait by, locked; None: there is none.

        Its ``back`` is the sum of its own and of all later ones: a row that is moved for the earliest jump is
        right by all of them.
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
        """Move the times of open notifications from before ``jump``; return how many, and where to go on.

        It goes from the latest ``recheck_at`` to the earliest, beginning at ``upto``. Where to go on is the earliest
        ``recheck_at`` that was reached; None: all are done. What is moved has been written after the jump, so
        that a second call moves nothing twice.
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
        """Return the grants, locked, of keys that have some by the clock from before ``jump``.

        Once they are saved they count as written after it.
        """
        rows = self._rows(
            f"""SELECT key_fingerprint, grants FROM rate_limits p
                WHERE p.touched_at > now() AND {_WRITTEN_BEFORE.format(row="p", since="since_noticed")}
                ORDER BY key_fingerprint LIMIT :limit FOR UPDATE""",  # noqa: S608 - constants
            since_noticed=jump.since_noticed,
            limit=limit,
        )
        return {bytes(row["key_fingerprint"]): grants_of(row["grants"]) for row in rows}

    def end_jump(self, jump: Jump) -> None:
        """Move the next tries of calls that are set aside, and note that ``jump`` is mended."""
        self._do(
            f"""UPDATE quarantine q SET retry_at = q.retry_at - :back
                WHERE q.retry_at > now() AND {_WRITTEN_BEFORE.format(row="q", since="since_noticed")}""",  # noqa: S608 - constants
            back=jump.back,
            since_noticed=jump.since_noticed,
        )
        self._do("UPDATE clock_jumps SET mended_at = now() WHERE id = :id", id=jump.id)

    def jumped_lately(self, within: timedelta) -> bool:
        """Return whether a jump was noticed within this time."""
        return bool(
            self._rows(
                "SELECT FROM clock_jumps WHERE noticed_at BETWEEN now() - :within AND now() LIMIT 1",
                within=within,
            )
        )

    def is_clock_followed(self) -> bool:
        """Return whether nothing is known to wait by the clock from before a jump."""
        return not self._rows("SELECT FROM clock_jumps WHERE mended_at IS NULL LIMIT 1")

    def mend_stragglers(self, *, lease: timedelta, grace: timedelta) -> int:
        """Mend what transactions wrote that began before a jump and ended later; return how many rows.

        They are mended where a time cannot be right: a lease or bulkhead that lasts longer than any can, a new
        notification that was made in the future, and a wait since an attempt that was answered in the future. Such a
        wait counts from now.
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
        """Let waits count from now that nothing has written since the transaction of their last attempt.

        What was moved has been written since. What is still to be moved keeps what is left of its wait, so this is
        done once no jump is left to mend.
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
