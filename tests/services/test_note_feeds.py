"""A feed is quiet when events stay away beyond its own habit, and nothing else is news."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from build import an_event

from wallarm_notify.domain.feed import NAMED
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.measure import measure
from wallarm_notify.services.note_feeds import note_feeds

if TYPE_CHECKING:
    from build import Bench

    from wallarm_notify.domain.feed import QuietFeed

HOUR = timedelta(hours=1)


def quiet(bench: Bench) -> list[QuietFeed]:
    found = bench.store.transact(lambda tx: tx.quiet_feeds())
    assert len(found.longest) == min(found.number, NAMED)
    return list(found.longest)


def later(bench: Bench, by: timedelta) -> None:
    """Move all that is known so far into the past, as if so much time had passed."""
    bench.sql("UPDATE events SET received_at = received_at - :by", by=by)
    # In two steps, for a day must not be that of another row even for a moment; two rows of one day become one.
    bench.sql("UPDATE feed_days SET last_at = last_at - :by, day = day - 10000", by=by)
    bench.sql(
        """DELETE FROM feed_days d USING feed_days o WHERE o.client_id = d.client_id AND o.last_at > d.last_at
           AND (o.last_at AT TIME ZONE 'UTC')::date = (d.last_at AT TIME ZONE 'UTC')::date"""
    )
    bench.sql("UPDATE feed_days SET day = (last_at AT TIME ZONE 'UTC')::date")
    bench.sql("DELETE FROM upkeep_runs")


def come(bench: Bench, client_id: int = 1) -> None:
    bench.ingest(an_event(client_id=client_id))
    assert note_feeds(bench.ctx)


def a_habit(bench: Bench, client_id: int, *, every: timedelta, times: int) -> None:
    """Events that come one by one, until now."""
    come(bench, client_id)
    for _ in range(times):
        later(bench, every)
        come(bench, client_id)


def test_a_feed_is_quiet_after_twice_its_longest_time_without_an_event(bench: Bench) -> None:
    a_habit(bench, 1, every=timedelta(days=1), times=3)
    later(bench, timedelta(hours=47))
    assert quiet(bench) == []
    later(bench, timedelta(hours=2))
    (found,) = quiet(bench)
    assert found.client_id == 1
    assert timedelta(hours=49) <= found.quiet < timedelta(hours=50)
    assert timedelta(hours=24) <= found.longest < timedelta(hours=25)
    assert measure(bench.ctx, EVERY_CLIENT).quiet == 1
    come(bench)
    assert quiet(bench) == []


def test_a_feed_without_a_habit_is_no_news(bench: Bench) -> None:
    a_habit(bench, 1, every=timedelta(days=1), times=1)
    later(bench, timedelta(days=3))
    assert quiet(bench) == []


def test_a_feed_that_ended_is_forgotten_within_its_week(bench: Bench) -> None:
    a_habit(bench, 1, every=timedelta(days=1), times=3)
    later(bench, timedelta(days=3))
    assert [one.client_id for one in quiet(bench)] == [1]
    later(bench, timedelta(days=7))
    assert quiet(bench) == []
    assert note_feeds(bench.ctx)
    assert bench.value("SELECT count(*) FROM feed_days") == 0


def test_no_feed_is_quiet_within_an_hour(bench: Bench) -> None:
    now = bench.value("SELECT now()")
    for days in range(3):
        note(bench, now - timedelta(days=days) - timedelta(minutes=59), timedelta(minutes=1))
    assert quiet(bench) == []
    bench.sql("UPDATE feed_days SET last_at = last_at - interval '2 minutes'")
    assert len(quiet(bench)) == 1


def test_of_many_quiet_feeds_those_are_named_that_have_been_for_longest(bench: Bench) -> None:
    now = bench.value("SELECT now()")
    for client in range(1, 6):
        for days in range(3):
            note(bench, now - timedelta(days=days, hours=client + 1), HOUR / 2, client)
    found = bench.store.transact(lambda tx: tx.quiet_feeds())
    assert (found.number, [one.client_id for one in found.longest]) == (5, [5, 4, 3])


def note(bench: Bench, last_at: datetime, longest: timedelta, client_id: int = 1) -> None:
    bench.sql(
        "INSERT INTO feed_days VALUES (:client, (CAST(:at AS timestamptz) AT TIME ZONE 'UTC')::date, :at, :longest)",
        client=client_id,
        at=last_at,
        longest=longest,
    )


def test_the_longest_time_of_a_day_is_kept_and_events_are_counted_once(bench: Bench) -> None:
    come(bench)
    for minutes in (4, 2):
        later(bench, timedelta(minutes=minutes))
        come(bench)
    (longest,) = (
        row["longest"] for row in bench.sql("SELECT max(longest_gap) AS longest FROM feed_days")
    )
    assert timedelta(minutes=4) <= longest < timedelta(minutes=5)
    before = bench.sql("SELECT * FROM feed_days ORDER BY day")
    bench.sql("DELETE FROM upkeep_runs")
    note_feeds(bench.ctx)
    assert bench.sql("SELECT * FROM feed_days ORDER BY day") == before


def test_it_is_noted_once_a_minute(bench: Bench) -> None:
    come(bench)
    assert not note_feeds(bench.ctx)


@pytest.mark.parametrize("away", [timedelta(minutes=5), 3 * HOUR])
def test_where_nobody_noted_for_a_while_what_came_meanwhile_is_noted_in_bounds(
    bench: Bench, away: timedelta
) -> None:
    come(bench)
    bench.ingest(an_event(client_id=2))
    bench.sql("UPDATE events SET received_at = received_at - :by", by=away - timedelta(minutes=1))
    bench.sql("UPDATE upkeep_runs SET began_at = began_at - :by", by=away)
    assert note_feeds(bench.ctx)
    seen = bench.value("SELECT count(*) FROM feed_days WHERE client_id = 2")
    assert seen == (away < HOUR)


def test_what_this_system_makes_itself_is_no_event_of_a_feed(bench: Bench) -> None:
    for _ in range(4):
        bench.trigger(threshold="2 in 1h")
        bench.sql("DELETE FROM upkeep_runs")
        assert note_feeds(bench.ctx)
        later(bench, timedelta(days=1))
    later(bench, timedelta(days=2))
    assert quiet(bench) == []
    assert bench.value("SELECT count(*) FROM feed_days") == 0


def test_what_was_noted_while_the_clock_was_ahead_is_forgotten(bench: Bench) -> None:
    come(bench)
    later(bench, -timedelta(hours=3))
    bench.sql("DELETE FROM events")
    come(bench)
    assert bench.value("SELECT max(last_at) <= now() FROM feed_days")
