"""What a subscription would have sent in the last week: counted among a client's newest events, within a scope."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import Bench, a_user_event, an_event

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.scope import only
from wallarm_notify.services import would_have_sent
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.would_have_sent import WEEK, events_like

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.views import RecentEvents


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(rate_limit=0)


def like(bench: Bench, event: object = None) -> RecentEvents:
    return events_like(bench.ctx, only([1]), event or a_user_event())  # type: ignore[arg-type]  # an event


def test_events_of_one_subscription_count_whatever_their_type_and_of_issues_one_risk(
    bench: Bench,
) -> None:
    low, high = an_event(risk="low"), an_event(risk="high")
    others = a_user_event(client_id=2)
    deleted = an_event(type="user.deleted", user_name="Ann", user_email="ann@example.com")
    ingest(bench.ctx, [a_user_event(), deleted, low, high, an_event(risk="low"), others], [])
    assert len(like(bench).times) == 2
    assert len(like(bench, low).times) == 2
    assert len(like(bench, high).times) == 1


def test_what_came_before_the_week_is_left_out(bench: Bench) -> None:
    ingest(bench.ctx, [a_user_event()], [])
    bench.sql("UPDATE events SET received_at = now() - interval '8 days'")
    ingest(bench.ctx, [a_user_event()], [])
    found = like(bench)
    assert len(found.times) == 1
    assert found.times[0] - found.since > WEEK - timedelta(minutes=5)


def test_of_many_events_the_answer_has_how_far_back_they_were_looked_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(would_have_sent, "LOOKED_AT", 3)
    for _ in range(5):
        ingest(bench.ctx, [a_user_event()], [])
    found = like(bench)
    assert len(found.times) == 3
    assert found.since == found.times[0]


def test_where_events_are_kept_for_less_it_is_of_that_time(bench: Bench) -> None:
    day = timedelta(days=1)
    ctx = bench.with_settings(unmatched_retention=day)
    ingest(ctx, [a_user_event()], [])
    found = events_like(ctx, only([1]), a_user_event())
    assert len(found.times) == 1
    assert day - timedelta(minutes=5) < found.times[0] - found.since <= day


def test_a_client_out_of_reach_has_none(bench: Bench) -> None:
    with pytest.raises(NotFound):
        like(bench, a_user_event(client_id=2))
