"""What the events of the last week would have made, by subscription."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from build import an_event, an_event_for

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.event import Subscription
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.services.count_events import count_recent_events

if TYPE_CHECKING:
    from build import Bench


def test_events_are_counted_by_what_is_subscribed_to_for_them(bench: Bench) -> None:
    bench.ingest(an_event(risk="high"), an_event(risk="high"), an_event_for("user_created"))
    bench.ingest(an_event_for("attacks_exceeded"), an_event(risk="high", client_id=2))
    counted = count_recent_events(bench.ctx, only([1]), 1)
    assert counted.is_whole
    assert counted.alerts == {Subscription.SECURITY_ISSUE_HIGH: 2, Subscription.SYSTEM: 1}
    assert counted.number_of("rules_and_triggers") == 0


def test_another_clients_events_are_not_counted(bench: Bench) -> None:
    for scope in (only([2]), only([])):
        with pytest.raises(NotFound, match="There is no client 1"):
            count_recent_events(bench.ctx, scope, 1)


def test_no_longer_time_is_named_than_events_are_kept(bench: Bench) -> None:
    ctx = bench.with_settings(unmatched_retention=timedelta(days=2))
    counted = count_recent_events(ctx, EVERY_CLIENT, 1)
    now = bench.value("SELECT now()")
    assert timedelta(days=2) <= now - counted.since < timedelta(days=2, minutes=1)
