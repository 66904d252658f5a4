"""What became of an integration's notifications, counted by the hour in the transaction that ends them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from build import REFUSED

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.domain.views import HOURS_KEPT, EndedInHour, every_hour
from wallarm_notify.services.integration_listings import hours_of_integration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from build import Bench

    from wallarm_notify.store import Transaction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def of_this_hour(bench: Bench, integration_id: int) -> dict[str, int]:
    """Return what ended within the last hours, by state."""
    hours = hours_of_integration(
        bench.ctx, EVERY_CLIENT, integration_id, datetime.now(UTC) - 2 * HOUR
    )
    sums = {
        state: sum(getattr(hour, state) for hour in hours)
        for state in ("delivered", "failed", "skipped", "cancelled")
    }
    return {state: number for state, number in sums.items() if number}


def failed(bench: Bench, ids: Sequence[int]) -> None:
    """Have the last attempt of each of ``ids`` refused."""
    bench.sql(
        "UPDATE notifications SET attempts_made = :n WHERE id = ANY(:ids)", n=ATTEMPTS - 1, ids=ids
    )
    bench.sent(ids, REFUSED)


def test_each_end_of_a_notification_counts_once_under_its_state_and_integration(
    bench: Bench,
) -> None:
    integration, other = bench.integration(), bench.integration(client_id=2)
    bench.sent(bench.made(3))
    failed(bench, bench.made(2))
    bench.made(1)
    bench.disable_integration(integration)
    bench.made(4)
    assert of_this_hour(bench, integration) == {
        "delivered": 3,
        "failed": 2,
        "cancelled": 1,
        "skipped": 4,
    }
    assert of_this_hour(bench, other) == {}


def test_one_that_is_replayed_ends_again(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(2)
    failed(bench, ids)
    bench.replayed(*ids)
    bench.make_due()
    bench.sent(ids)
    assert of_this_hour(bench, integration) == {"failed": 2, "delivered": 2}


def test_what_is_rolled_back_is_not_counted(bench: Bench) -> None:
    integration = bench.integration()
    ids = bench.made(1)

    def end_and_fail(tx: Transaction) -> None:
        (n,) = tx.lock(ids)
        tx.save([replace(n, state=State.DELIVERED, finished_at=tx.now, recheck_at=None)])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        bench.store.transact(end_and_fail)
    bench.sent(ids)
    assert of_this_hour(bench, integration) == {"delivered": 1}


def test_hours_of_another_clients_integration_are_not_there(bench: Bench) -> None:
    theirs = bench.integration(client_id=2)
    for scope, integration_id in ((only([1]), theirs), (EVERY_CLIENT, theirs + 1)):
        with pytest.raises(NotFound):
            hours_of_integration(bench.ctx, scope, integration_id, datetime.now(UTC))


def test_what_is_no_longer_kept_is_deleted_and_not_asked_for(bench: Bench) -> None:
    integration = bench.integration()
    bench.sent(bench.made(1))
    bench.sql(
        """INSERT INTO ended_by_hour SELECT integration_id, hour - make_interval(hours => n), 5, 0, 0, 0
           FROM ended_by_hour, generate_series(1, 200) n"""
    )
    hours = hours_of_integration(bench.ctx, EVERY_CLIENT, integration, NOON - timedelta(days=400))
    assert len(hours) == HOURS_KEPT / HOUR + 1
    assert {hour.delivered for hour in hours[:-1]} == {5}
    bench.prune()
    assert bench.value("SELECT count(*) FROM ended_by_hour") == HOURS_KEPT / HOUR + 1
    again = hours_of_integration(bench.ctx, EVERY_CLIENT, integration, NOON - timedelta(days=400))
    assert again == hours


@pytest.mark.parametrize(
    ("since", "now", "hours"),
    [
        (NOON, NOON, [12]),
        (NOON, NOON + timedelta(minutes=59), [12]),
        (NOON - timedelta(seconds=1), NOON, [11, 12]),
        (NOON - 2 * HOUR, NOON + timedelta(minutes=1), [10, 11, 12]),
        (NOON + HOUR, NOON, []),
        (NOON + timedelta(minutes=80), NOON + timedelta(minutes=50), []),
    ],
)
def test_every_hour_is_listed_whether_something_was_counted_or_not(
    since: datetime, now: datetime, hours: list[int]
) -> None:
    counted = [EndedInHour(NOON, delivered=7)]
    listed = every_hour(counted, since, now)
    assert [one.hour.hour for one in listed] == hours
    assert [one.delivered for one in listed] == [7 if hour == 12 else 0 for hour in hours]
