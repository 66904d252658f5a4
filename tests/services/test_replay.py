from __future__ import annotations

from datetime import timedelta

import pytest
from build import Bench, an_answer, an_event
from meanwhile import overlapping

from wallarm_notify.domain.errors import Hint, NotFound, Refused, Todo
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services.listings import show_notification
from wallarm_notify.services.replay import SLICE

ANN = {"user": "Ann", "reason": ""}


def skipped(bench: Bench, number: int = 1) -> tuple[int, list[int]]:
    """Return an enabled integration with so many skipped notifications."""
    integration = bench.integration(enabled=False)
    bench.ingest(*(an_event() for _ in range(number)))
    bench.enable_integration(integration)
    return integration, [r["id"] for r in bench.sql("SELECT id FROM notifications ORDER BY id")]


def test_a_replayed_one_is_sent_from_its_first_attempt_under_the_same_dedup_key(
    bench: Bench,
) -> None:
    _, (only,) = skipped(bench)
    before = show_notification(bench.ctx, EVERY_CLIENT, only)
    assert bench.replay_notifications([only]) == 1
    (message,) = bench.publisher.taken()
    assert (message.ids, message.first, message.countdown) == ((only,), True, None)
    (attempt,) = bench.sent([only])
    assert (attempt.run, attempt.number) == (2, 1)
    after = show_notification(bench.ctx, EVERY_CLIENT, only)
    assert (after.state, after.run, after.dedup_key) == (State.DELIVERED, 2, before.dedup_key)
    assert bench.ledger().findings == []


def test_old_attempts_stay(bench: Bench) -> None:
    integration = bench.integration()
    (only,) = bench.made()
    bench.sent([only], an_answer(500))
    bench.disable_integration(integration, **ANN)
    bench.enable_integration(integration)
    bench.replayed(only)
    bench.sent([only])
    shown = show_notification(bench.ctx, EVERY_CLIENT, only)
    assert [(a.run, a.number) for a in shown.attempts] == [(1, 1), (2, 1)]
    assert bench.ledger().findings == []


def test_replayed_twice_by_id_in_one_call_is_replayed_once(bench: Bench) -> None:
    _, (only,) = skipped(bench)
    assert bench.replay_notifications([only, only]) == 1
    assert bench.notification(only).run == 2


@pytest.mark.parametrize("state", ["pending", "retrying", "delivered"])
def test_what_is_open_or_delivered_is_refused(bench: Bench, state: str) -> None:
    _, (only,) = skipped(bench)
    bench.sql("UPDATE notifications SET state = :s", s=state)
    with pytest.raises(Refused, match=f"is {state}; only failed, skipped, cancelled ones"):
        bench.replay_notifications([only])


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "disabled"])
def test_where_the_integration_is_disabled_or_gone_it_is_refused(
    bench: Bench, *, gone: bool
) -> None:
    integration, (only,) = skipped(bench)
    change = bench.delete_integration if gone else bench.disable_integration
    change(integration, **ANN)
    sentence = "does not exist any more" if gone else "is disabled"
    with pytest.raises(Refused, match=sentence):
        bench.replay_notifications([only])
    for ask in (
        lambda: bench.count_replayable(Wanted(integration, (State.SKIPPED,))),
        lambda: bench.replay_slice(Wanted(integration, (State.SKIPPED,)), 0),
    ):
        with pytest.raises(Refused, match=sentence) as refused:
            ask()
        hint = None if gone else Hint(Todo.ENABLE_INTEGRATION, integration)
        assert refused.value.hint == hint
    assert bench.states() == {"skipped": 1}


def test_by_id_it_is_all_or_none(bench: Bench) -> None:
    _, (one, two) = skipped(bench, 2)
    bench.replayed(one)
    with pytest.raises(Refused):
        bench.replay_notifications([two, one])
    with pytest.raises(NotFound, match="There is no notification 4711, 4712"):
        bench.replay_notifications([4712, two, 4711])
    assert bench.notification(two).state is State.SKIPPED
    assert bench.publisher.taken() == []


def test_many_are_replayed_slice_by_slice(bench: Bench) -> None:
    integration, ids = skipped(bench, SLICE + 20)
    wanted = Wanted(integration, (State.SKIPPED,))
    assert bench.count_replayable(wanted) == SLICE + 20
    number, after = bench.replay_slice(wanted, 0)
    assert (number, after) == (SLICE, ids[SLICE - 1])
    assert bench.replay_slice(wanted, ids[SLICE - 1]) == (20, None)
    assert bench.publisher.ids() == ids
    assert bench.states() == {"pending": SLICE + 20}
    assert bench.ledger().findings == []


def test_a_replay_of_many_means_one_state_one_integration_and_since_when(bench: Bench) -> None:
    integration, ids = skipped(bench, 3)
    other = bench.integration(enabled=False, client_id=2)
    bench.ingest(an_event(client_id=2))
    bench.enable_integration(other)
    bench.sql(
        "UPDATE notifications SET created_at = now() - interval '2 days' WHERE id = :i", i=ids[0]
    )
    since = bench.value("SELECT now()") - timedelta(days=1)
    assert bench.count_replayable(Wanted(integration, (State.SKIPPED,), since)) == 2
    assert bench.count_replayable(Wanted(integration, (State.CANCELLED,))) == 0
    assert bench.replay_slice(Wanted(integration, (State.SKIPPED,), since), 0) == (2, None)
    assert bench.states() == {"pending": 2, "skipped": 2}


def test_a_replay_of_many_means_the_severities_and_states_that_were_asked_for(bench: Bench) -> None:
    integration = bench.integration(enabled=False)
    bench.ingest(*(an_event(risk=risk) for risk in ("critical", "high", "low")))
    bench.enable_integration(integration)
    severe = (Severity.CRITICAL, Severity.ERROR)
    assert bench.count_replayable(Wanted(integration)) == 3
    assert bench.count_replayable(Wanted(integration, (State.FAILED,))) == 0
    wanted = Wanted(integration, (State.FAILED, State.SKIPPED), severities=severe)
    assert bench.count_replayable(wanted) == 2
    assert bench.replay_slice(wanted, 0) == (2, None)
    assert bench.activity()[-1].after == {
        "notifications": 2,
        "state": "failed, skipped",
        "severity": "critical, error",
    }
    assert bench.states() == {"pending": 2, "skipped": 1}


def test_a_replayed_one_is_cancelled_by_the_next_disabling_and_can_be_replayed_again(
    bench: Bench,
) -> None:
    integration, (only,) = skipped(bench)
    bench.replayed(only)
    bench.disable_integration(integration, **ANN)
    assert bench.notification(only).state is State.CANCELLED
    bench.enable_integration(integration)
    bench.replayed(only)
    assert len(bench.sent([only])) == 1
    assert bench.notification(only).run == 3
    assert bench.ledger().findings == []


def test_what_two_administrators_replay_at_once_is_replayed_once(bench: Bench) -> None:
    integration, ids = skipped(bench, 3)
    wanted = Wanted(integration, (State.SKIPPED,))
    second = overlapping(
        bench,
        lambda first: first.replay_slice(wanted, 0),
        lambda: bench.replay_slice(wanted, 0),
    )
    assert second == (0, None)
    assert bench.publisher.ids() == ids
    assert [bench.notification(i).run for i in ids] == [2, 2, 2]
    assert bench.ledger().findings == []


def test_what_two_administrators_replay_at_once_by_id_is_refused_to_the_second(
    bench: Bench,
) -> None:
    _, (only,) = skipped(bench)
    with pytest.raises(Refused, match="is pending"):
        overlapping(
            bench,
            lambda first: first.replay_notifications([only]),
            lambda: bench.replay_notifications([only]),
        )
    assert bench.notification(only).run == 2


def test_there_is_nothing_to_show_of_an_unknown_notification(bench: Bench) -> None:
    with pytest.raises(NotFound, match="There is no notification 4711"):
        show_notification(bench.ctx, EVERY_CLIENT, 4711)
