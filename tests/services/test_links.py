"""Each notification is carried on by one message at a time, however often messages come twice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import Bench, an_answer, an_attempt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallarm_notify.services.sweep import sweep as run_sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.batches import Message
    from wallarm_notify.domain.notification import Notification

LATER = an_answer(429, retry_after=timedelta(minutes=30))
"""An answer after which a notification has a long wait."""


def deliver(bench: Bench, message: Message) -> list[Message]:
    """Deliver ``message``; return what follows: what it claims has to wait for half an hour."""
    claim = bench.claim(message.ids, message.links)
    bench.record([an_attempt(s, claim, LATER) for s in claim.sendings])
    bench.retries.publish(at_once=True)
    return bench.publisher.taken()


def waiting(bench: Bench, number: int = 3) -> tuple[list[int], Message]:
    """Return notifications to be sent again in half an hour, and the message that carries them."""
    bench.integration()
    ids = bench.made(number)
    bench.sent(ids, LATER)
    bench.publisher.taken()
    bench.retries.publish(at_once=True)
    (message,) = bench.publisher.taken()
    return ids, message


def sweep(bench: Bench) -> list[Message]:
    """Return what SWEEP enqueues when it looks at everything that is open."""
    bench.sql("DELETE FROM upkeep_runs")
    bench.sql("UPDATE notifications SET recheck_at = now() WHERE finished_at IS NULL")
    run_sweep(bench.ctx)
    return bench.publisher.taken()


def rows(bench: Bench) -> list[Notification]:
    ids = [row["id"] for row in bench.sql("SELECT id FROM notifications ORDER BY id")]
    return bench.store.transact(lambda tx: tx.lock(ids))


def messages_carrying(n: Notification, messages: Sequence[Message]) -> int:
    """Return how many messages carry it on; one that comes twice is one."""
    live = [m for m in messages if (n.id, n.link) in zip(m.ids, m.links, strict=True)]
    return len({id(m) for m in live})


def test_a_message_that_is_delivered_twice_early_leaves_one_chain(bench: Bench) -> None:
    ids, message = waiting(bench)
    for _ in range(5):
        (again,) = deliver(bench, message)
        assert again.ids == tuple(ids)
        assert again.countdown == timedelta(seconds=60)
        assert deliver(bench, message) == []
        message = again


def test_chains_that_are_two_already_become_one(bench: Bench) -> None:
    ids, message = waiting(bench)
    # A message of the version before says nothing of links.
    bench.claim(ids)
    (other,) = bench.publisher.taken()
    assert deliver(bench, message) == []
    (again,) = deliver(bench, other)
    assert again.ids == tuple(ids)


def test_a_message_of_the_version_before_is_worked_off_and_leaves_one_chain_too(
    bench: Bench,
) -> None:
    ids, message = waiting(bench)
    bench.claim(ids)
    (first,) = bench.publisher.taken()
    bench.claim(ids)
    (second,) = bench.publisher.taken()
    assert [len(deliver(bench, m)) for m in (message, first, second)] == [0, 0, 1]
    bench.make_due()
    assert len(bench.claim(ids).sendings) == len(ids)


def test_of_a_message_each_row_goes_on_by_itself(bench: Bench) -> None:
    ids, message = waiting(bench)
    bench.sql("UPDATE notifications SET due_at = now() WHERE id = :i", i=ids[0])
    deliver(bench, message)
    bench.sql("UPDATE notifications SET link = 50 WHERE id = :i", i=ids[1])
    bench.sql("UPDATE notifications SET link = :n WHERE id = :i", i=ids[2], n=message.links[2])
    (again,) = deliver(bench, message)
    assert again.ids == (ids[2],)


def test_a_message_ends_where_sweep_has_enqueued_another(bench: Bench) -> None:
    ids, message = waiting(bench)
    (published,) = sweep(bench)
    assert deliver(bench, message) == []
    (again,) = deliver(bench, published)
    assert again.ids == tuple(ids)


def test_a_link_that_was_lost_is_found_by_sweep(bench: Bench) -> None:
    ids, message = waiting(bench)
    deliver(bench, message)  # and what it enqueued is lost
    assert deliver(bench, message) == []
    for n in rows(bench):
        assert n.recheck_at == n.due_at + timedelta(seconds=15)
    bench.make_due()
    (published,) = sweep(bench)
    assert len(bench.claim(published.ids, published.links).sendings) == len(ids)


def test_what_is_due_is_claimed_whichever_message_asks(bench: Bench) -> None:
    ids, message = waiting(bench)
    deliver(bench, message)
    bench.make_due()
    assert len(bench.claim(message.ids, message.links).sendings) == len(ids)


def test_what_is_to_be_sent_alone_is_enqueued_alone_once(bench: Bench) -> None:
    bench.integration()
    ids = bench.made(2)
    for _ in range(2):
        assert len(bench.claim(ids).sendings) == 2
        bench.end_leases()
    bench.publisher.taken()
    (message,) = sweep(bench)
    assert [m.ids for m in deliver(bench, message)] == [(i,) for i in ids]
    assert deliver(bench, message) == []


@pytest.mark.parametrize("links", [None, [], [1], ["a", "b", "c"]])
def test_odd_links_harm_nothing(bench: Bench, links: list[int] | None) -> None:
    ids, _ = waiting(bench)
    bench.claim(ids, links)
    bench.make_due()
    assert len(bench.claim(ids, links).sendings) == len(ids)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["deliver", "deliver", "again", "again", "before", "sweep", "due", "lose"]),
        st.integers(0, 100),
    ),
    max_size=25,
)


def play(bench: Bench, flight: list[Message], step: str, number: int) -> None:
    """Do one step of what may become of messages under way."""
    if step == "sweep":
        flight += sweep(bench)
    elif step == "due":
        bench.make_due()
    elif flight:
        at = number % len(flight)
        message = flight[at]
        if step in ("deliver", "lose"):
            del flight[at]
        if step in ("deliver", "again"):
            flight += deliver(bench, message)
        if step == "before":
            bench.claim(message.ids)
            bench.end_leases()
            flight += bench.publisher.taken()


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_whatever_comes_twice_late_or_never_one_message_at_most_carries_each_on(
    bench: Bench, steps: list[tuple[str, int]]
) -> None:
    bench.sql("TRUNCATE notifications, attempts, events, rate_limits, integrations")
    _, message = waiting(bench, 2)
    flight = [message]
    for step, number in steps:
        play(bench, flight, step, number)
        for n in rows(bench):
            assert messages_carrying(n, flight) <= 1
            assert n.recheck_at is not None
    # Once everybody has come by, however many they were, one is left of each.
    bench.sql("UPDATE notifications SET due_at = now() + interval '20 minutes', lease_until = NULL")
    left = [m for message in flight for m in deliver(bench, message)]
    for n in rows(bench):
        assert sum(n.id in m.ids for m in left) <= 1
