"""Queries of the retention: what ended long enough ago is deleted, slice by slice, and counted (spec 5).

Events are deleted by ranges of their numbers, which ascend with time. A mark holds how far a pass over them has come:
what survived it is looked at again by the pass of the next day, and not by each slice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from wallarm_notify.store.queries import Queries

PASS: Final = timedelta(days=1)
"""The time between the beginnings of two passes: what survived one is looked at again so much later at most."""

_MOST_BEHIND: Final = timedelta(hours=1)
_PART_BEHIND: Final = 24

_LOOKED_AT: Final = 5_000
"""Of so many of the oldest events it is looked whether one is later than those that are not old yet."""

_UNMATCHED: Final = "e.fan_out = 0 AND NOT e.counted"
"""The condition that an event made nothing and no trigger counted it."""

_OVER: Final = """NOT EXISTS (
    SELECT FROM notifications n WHERE n.event_no = e.no
      AND (n.finished_at IS NULL OR n.finished_at >= now() - :retention) OFFSET 0)"""
"""The condition that the notifications of an event ended before the retention."""

_NOT_NAMED: Final = """NOT (e.counted AND EXISTS (
    SELECT FROM firings f WHERE f.threshold_count IS NOT NULL AND f.event_ids @> ARRAY[e.id]
      AND f.client_id = e.client_id AND f.event_no <> e.no
      AND (f.fired_at >= now() - :retention OR EXISTS (
          SELECT FROM notifications n WHERE n.event_no = f.event_no AND n.trigger_id = f.trigger_id
            AND (n.finished_at IS NULL OR n.finished_at >= now() - :retention)))))"""
"""The condition that no firing of another event names an event: it lives as long as the firing.

A firing that stands only because others name its own event does not count: such chains would have no end.
"""

# ``OFFSET 0`` and arrays have each row looked up by its key: joined, rows would be compared with whole tables,
# whose sizes the planner learns of late.
_CHOSEN: Final = """
    near AS MATERIALIZED (
        SELECT no, client_id, id, received_at, fan_out, counted,
            sum(1 + fan_out) OVER (ORDER BY no ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM (SELECT * FROM events WHERE no > :after ORDER BY no LIMIT :limit OFFSET 0) e
    ), old AS MATERIALIZED (
        SELECT * FROM near WHERE received_at < now() - :passed AND coalesce(before, 0) < :limit
    ), chosen AS MATERIALIZED (
        SELECT no FROM old e WHERE {condition}
    )
"""

_LOCK_NOTIFICATIONS: Final = f"""
    WITH {_CHOSEN}
    SELECT count(*) FROM (
        SELECT FROM notifications WHERE event_no = ANY(ARRAY(SELECT no FROM chosen)) ORDER BY id FOR UPDATE) n
"""  # noqa: S608 - constants
"""A statement of its own, before what deletes: a replay or a record that is waited for here is seen there."""

_DELETE_EVENTS: Final = f"""
    WITH {_CHOSEN}, held AS MATERIALIZED (
        SELECT n.id, n.event_no, coalesce(n.finished_at < now() - :retention, false) AS over
        FROM notifications n WHERE n.event_no = ANY(ARRAY(SELECT no FROM chosen)) ORDER BY n.id FOR UPDATE
    ), gone AS MATERIALIZED (
        SELECT no FROM chosen c WHERE NOT EXISTS (SELECT FROM held h WHERE h.event_no = c.no AND NOT h.over)
    ), dead AS MATERIALIZED (
        SELECT id FROM held h WHERE EXISTS (SELECT FROM gone g WHERE g.no = h.event_no)
    ), tried AS (
        DELETE FROM attempts WHERE notification_id = ANY(ARRAY(SELECT id FROM dead))
    ), made AS (
        DELETE FROM notifications WHERE id = ANY(ARRAY(SELECT id FROM dead)) RETURNING trigger_id, state
    ), fired AS (
        DELETE FROM firings WHERE event_no = ANY(ARRAY(SELECT no FROM gone)) RETURNING id
    ), came AS (
        DELETE FROM events WHERE no = ANY(ARRAY(SELECT no FROM gone)) RETURNING fan_out
    )
    SELECT 'upto' AS kind, max(no) AS number FROM old
    UNION ALL SELECT 'events', count(*) FROM came
    UNION ALL SELECT CASE WHEN fan_out > 0 THEN 'pruned:matched' ELSE 'pruned:unmatched' END, count(*)
    FROM came GROUP BY 1
    UNION ALL SELECT 'pruned:fired', count(*) FROM fired
    UNION ALL SELECT 'pruned:' || CASE WHEN trigger_id = 0 THEN 'card:' ELSE 'trigger:' END || state, count(*)
    FROM made GROUP BY 1
"""  # noqa: S608 - constants


def passed_after(retention: timedelta) -> timedelta:
    """Return how long ago the events came that a pass comes to.

    What is made of them has ended before ``retention``: an event's last notification ends up to an hour after it
    came. A pass that came to it before would leave it to the pass of the next day. A retention of less than a day gets
    a part of the hour.
    """
    return retention + min(_MOST_BEHIND, retention / _PART_BEHIND)


@dataclass(frozen=True, slots=True)
class Slice:
    """What was deleted in one transaction: how many rows, and the changes of the ledger's counters by kind.

    ``is_last``: nothing more of this kind is to be deleted now.
    """

    rows: int
    is_last: bool
    counts: Mapping[str, int] = field(default_factory=dict)


class RetentionQueries(Queries):
    """What PRUNE reads and deletes of events and rejections."""

    def unmatched_retention(self) -> timedelta | None:
        """Return how long this installation keeps what nothing was made of; None: as long as the rest.

        Only one from before there was a difference keeps it as long, until a setting names a time.
        """
        rows = self._rows("SELECT unmatched_retention FROM installation")
        kept: timedelta | None = rows[0]["unmatched_retention"] if rows else timedelta(days=7)
        return kept

    def prune_events(self, retention: timedelta, limit: int) -> Slice:
        """Delete events that ended, with the last of their notifications, before ``retention``.

        Their notifications, attempts and firings are deleted with them, so that an event's fan-out always equals
        its rows. The slice has ``limit`` rows of events and notifications, or a little more.
        """
        condition = f"{_OVER} AND {_NOT_NAMED}"
        return self._prune_events("events", condition, retention, passed_after(retention), limit)

    def prune_unmatched(self, retention: timedelta, limit: int) -> Slice:
        """Delete events that came before ``retention``, made no notification, and were counted by no trigger."""
        return self._prune_events("unmatched", _UNMATCHED, retention, retention, limit)

    def _prune_events(
        self, kind: str, condition: str, retention: timedelta, passed: timedelta, limit: int
    ) -> Slice:
        after = self._mark(kind)
        near = {"after": after, "retention": retention, "passed": passed, "limit": limit}
        self._do_later(_LOCK_NOTIFICATIONS.format(condition=condition), **near)
        rows = self._rows(_DELETE_EVENTS.format(condition=condition), **near)
        counts = {row["kind"]: row["number"] for row in rows}
        upto, events = counts.pop("upto"), counts.pop("events")
        if upto is None:
            upto = self._before_the_next_old(after, passed)
        if upto is None:
            return Slice(0, is_last=not self._begins_anew(kind))
        self._do_later(
            """UPDATE prune_marks SET after_no = :upto, reached_no = greatest(reached_no, :upto)
               WHERE kind = :kind""",
            upto=upto,
            kind=kind,
        )
        of_states = {
            kind.replace("pruned:", "state:", 1): -number
            for kind, number in counts.items()
            if kind.count(":") == 2  # noqa: PLR2004 - what was pruned, its origin's kind, its state
        }
        return Slice(events, is_last=False, counts=counts | of_states)

    def _before_the_next_old(self, after: int, passed: timedelta) -> int | None:
        """Return up to where a pass may skip events that are not old yet; None: no later one is old.

        While the clock was ahead, events came with a time that would hold up all later ones.
        """
        rows = self._rows(
            """SELECT min(no) - 1 AS upto FROM (
                   SELECT no FROM events WHERE received_at < now() - :passed
                   ORDER BY received_at LIMIT :most) e
               WHERE no > :after""",
            passed=passed,
            most=_LOOKED_AT,
            after=after,
        )
        upto: int | None = rows[0]["upto"]
        return upto

    def _mark(self, kind: str) -> int:
        """Return the number after which a pass goes on."""
        rows = self._rows(
            """INSERT INTO prune_marks AS m (kind, after_no, reached_no, began_at) VALUES (:kind, 0, 0, now())
               ON CONFLICT (kind) DO UPDATE SET began_at = least(m.began_at, now()) RETURNING after_no""",
            kind=kind,
        )
        after: int = rows[0]["after_no"]
        return after

    def _begins_anew(self, kind: str) -> bool:
        """Begin the next pass where a day has passed since this one, which is over, began; return whether it did.

        Nothing that was passed over as matched or counted ever becomes unmatched: that kind has one pass.
        """
        return kind == "events" and bool(
            self._do(
                """UPDATE prune_marks SET after_no = 0, began_at = now()
                   WHERE kind = :kind AND after_no > 0 AND began_at <= now() - :pass""",
                kind=kind,
                **{"pass": PASS},
            )
        )

    def prune_lag(self, retentions: Mapping[str, timedelta]) -> timedelta:
        """Return for how long the oldest event that a pass has still to look at is past its retention.

        ``retentions`` are by the kind of pass, ``events`` and ``unmatched``: how long ago events came that it comes to.
        """
        rows = self._rows(
            """SELECT max(now() - e.received_at - u.retention) AS lag
               FROM unnest(CAST(:kinds AS text[]), CAST(:retentions AS interval[])) AS u(kind, retention)
               LEFT JOIN prune_marks m ON m.kind = u.kind
               CROSS JOIN LATERAL (
                   SELECT received_at FROM events e WHERE e.no > coalesce(m.reached_no, 0)
                   ORDER BY e.no LIMIT 1) e""",
            kinds=list(retentions),
            retentions=list(retentions.values()),
        )
        return max(rows[0]["lag"] or timedelta(), timedelta())

    def prune_rejected(self, retention: timedelta, limit: int) -> Slice:
        """Delete rejections and undecodable messages older than ``retention``."""
        self._do_later(
            "DELETE FROM rejected_by_day WHERE day < (now() AT TIME ZONE 'UTC')::date - 1"
        )
        self._do(
            """DELETE FROM undecodable WHERE id IN (
                   SELECT id FROM undecodable WHERE received_at < now() - :retention
                   ORDER BY received_at LIMIT :limit)""",
            retention=retention,
            limit=limit,
        )
        rows = self._rows(
            """WITH old AS MATERIALIZED (
                   SELECT id FROM rejected WHERE received_at < now() - :retention
                   ORDER BY received_at LIMIT :limit FOR UPDATE SKIP LOCKED
               )
               DELETE FROM rejected r USING old WHERE r.id = old.id
               RETURNING r.resubmitted_as IS NULL AS still""",
            retention=retention,
            limit=limit,
        )
        counts = {"pruned:rejected": sum(row["still"] for row in rows)}
        return Slice(len(rows), len(rows) < limit, counts)
