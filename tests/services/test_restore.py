"""After a restore, what may have been sent already is shown, and cancelled only where that is asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import an_event

from wallarm_notify.domain.actor import operator
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services import restore
from wallarm_notify.services.replay import replay_notifications
from wallarm_notify.services.replay_jobs import create_replay_job, do_replay_slice
from wallarm_notify.services.restore import cancel_may_be_sent, show_restored

if TYPE_CHECKING:
    from build import Bench

OPS = operator("Ops")
HOUR = timedelta(hours=1)


def due_in(bench: Bench, notification_id: int, seconds: int) -> None:
    bench.sql(
        "UPDATE notifications SET due_at = now() + :s * interval '1 second' WHERE id = :id",
        s=seconds,
        id=notification_id,
    )


def test_what_was_due_when_the_database_was_lost_may_have_been_sent_and_nothing_else(
    bench: Bench,
) -> None:
    number = bench.integration()
    claimed, due, lately, later, delivered = bench.made(5)
    for one, seconds in ((due, -7200), (lately, -60), (later, 60)):
        due_in(bench, one, seconds)
    bench.sent([delivered])
    bench.claim([claimed])
    found = show_restored(bench.ctx, EVERY_CLIENT)
    assert [(one.id, one.notifications) for one in found.may_be_sent] == [(number, 3)]
    for table, column in (("events", "received_at"), ("activity", "at")):
        bench.sql(f"UPDATE {table} SET {column} = {column} - interval '3 hours'")
    lost_at = bench.value("SELECT now()") - HOUR
    (before,) = show_restored(bench.ctx, EVERY_CLIENT, lost_at).may_be_sent
    assert before.notifications == 1
    assert found.cancelled_at is None
    assert bench.notification(due).is_open


@pytest.mark.parametrize(
    ("ahead", "words"), [(-HOUR, "so it was lost later"), (HOUR, "that lies ahead")]
)
def test_a_time_at_which_the_database_cannot_have_been_lost_is_refused_and_nothing_is_cancelled(
    bench: Bench, ahead: timedelta, words: str
) -> None:
    bench.integration()
    (due,) = bench.made(1)
    lost_at = bench.value("SELECT now()") + ahead
    with pytest.raises(Refused, match=f"{words}.*UTC|UTC.*{words}"):
        cancel_may_be_sent(bench.ctx, OPS, EVERY_CLIENT, lost_at)
    assert bench.notification(due).is_open


def test_what_may_have_been_sent_is_cancelled_with_its_reason_and_can_be_replayed(
    bench: Bench,
) -> None:
    number = bench.integration()
    first, second, later = bench.made(3)
    due_in(bench, later, 60)
    bench.claim([first])
    done = cancel_may_be_sent(bench.ctx, OPS, EVERY_CLIENT)
    finished_at = bench.notification(second).finished_at
    assert done.notifications == 2
    assert done.cancelled_at is not None
    assert finished_at is not None
    assert done.cancelled_at <= finished_at, "so that a replay of what ended since then means it"
    for one in (first, second):
        n = bench.notification(one)
        assert (n.state, n.end_reason, n.recheck_at) == (State.CANCELLED, "restored", None)
    assert bench.notification(later).state is State.PENDING
    line = bench.activity()[-1]
    assert (line.action, line.object_id) == ("cancelled", number)
    assert line.after == {"notifications": 2, "reason": "restored"}
    assert bench.ledger().findings == []
    assert cancel_may_be_sent(bench.ctx, OPS, EVERY_CLIENT).notifications == 0
    assert replay_notifications(bench.ctx, OPS, EVERY_CLIENT, [first, second]) == 2
    assert bench.notification(first).state is State.PENDING


def test_more_than_a_slice_is_cancelled_whole(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "SLICE", 2)
    bench.integration()
    bench.made(5)
    assert cancel_may_be_sent(bench.ctx, OPS, EVERY_CLIENT).notifications == 5
    assert bench.value("SELECT count(*) FROM notifications WHERE state = 'cancelled'") == 5


def test_a_replay_that_was_not_done_is_shown_and_cancelled(bench: Bench) -> None:
    number = bench.integration()
    bench.made(2)
    bench.sql("UPDATE notifications SET state = 'failed', finished_at = now(), recheck_at = NULL")
    create_replay_job(bench.ctx, OPS, EVERY_CLIENT, Wanted(number))
    assert show_restored(bench.ctx, EVERY_CLIENT).replays == 1
    assert cancel_may_be_sent(bench.ctx, OPS, EVERY_CLIENT).replays == 1
    assert do_replay_slice(bench.ctx) is None
    assert bench.sql("SELECT state, cancelled_by FROM replay_jobs") == [
        {"state": "cancelled", "cancelled_by": "Ops"}
    ]


def test_an_integrations_notification_of_its_own_end_is_left_to_be_sent(bench: Bench) -> None:
    number = bench.integration(subscribe=("system",))
    bench.disable_integration(number)
    bench.sql("UPDATE notifications SET due_at = now()")
    assert bench.value("SELECT closing FROM notifications WHERE finished_at IS NULL")
    assert show_restored(bench.ctx, EVERY_CLIENT).notifications == 0


def test_the_last_that_a_database_knows_of_is_its_newest_event_or_run_of_beat(
    bench: Bench,
) -> None:
    assert show_restored(bench.ctx, EVERY_CLIENT).known_until is None
    bench.ingest(an_event())
    received = bench.value("SELECT max(received_at) FROM events")
    assert show_restored(bench.ctx, EVERY_CLIENT).known_until == received
    bench.sql("INSERT INTO upkeep_runs (name, began_at) VALUES ('sweep', now())")
    assert show_restored(bench.ctx, EVERY_CLIENT).known_until == bench.value(
        "SELECT began_at FROM upkeep_runs"
    )


def test_a_restore_is_of_all_clients(bench: Bench) -> None:
    with pytest.raises(NotFound, match="with all of its clients"):
        cancel_may_be_sent(bench.ctx, OPS, only([1]))


def test_what_it_did_itself_is_not_the_last_that_the_database_knows_of(bench: Bench) -> None:
    bench.integration()
    bench.made(2)
    before = show_restored(bench.ctx, EVERY_CLIENT).known_until
    assert cancel_may_be_sent(bench.ctx, OPS, EVERY_CLIENT).notifications == 2
    assert show_restored(bench.ctx, EVERY_CLIENT).known_until == before
