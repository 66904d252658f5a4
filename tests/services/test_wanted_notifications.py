"""Filters of the listing of notifications: each finds what it names, alone, over pages and within a scope."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from build import REFUSED, TAKEN, Bench, an_answer, an_event, an_event_for

from wallarm_notify.domain import page as page_module
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.outcome import FailureReason, Statuses
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.views import Filter
from wallarm_notify.services.listings import list_notifications, show_notification

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from wallarm_notify.domain.outcome import Answer

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(rate_limit=0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have slices of 2 candidates, and 4 of them read for a page."""
    monkeypatch.setattr(page_module, "SLICE", 2)
    monkeypatch.setattr(page_module, "READ", 4)


def found(bench: Bench, scope: Scope = EVERY_CLIENT, **wanted: Any) -> list[int]:
    """Return the ids that all pages of two list."""
    page = list_notifications(bench.ctx, scope, Filter(**wanted), limit=2)
    ids = [n.id for n in page.items]
    while page.following is not None:
        page = list_notifications(
            bench.ctx, scope, Filter(**wanted), limit=2, cursor=page.following
        )
        ids += [n.id for n in page.items]
    return ids


def made(bench: Bench, number: int, **fields: Any) -> list[int]:
    """Make so many notifications by themselves; return their ids, the newest first."""
    return [n.id for _ in range(number) for n in bench.ingest(an_event(**fields)).pending][::-1]


def answered(bench: Bench, integration_id: int, answer: Answer) -> int:
    """Make a notification and record one answer to it; return its id."""
    bench.attempted(integration_id, (timedelta(), answer))
    return int(bench.value("SELECT max(id) FROM notifications"))


@pytest.mark.usefixtures("short")
def test_the_notifications_of_an_alert_are_found_by_its_whole_dedup_key_alone(bench: Bench) -> None:
    integration = bench.integration()
    bench.trigger(integration, condition="user_created", group=AlertGroup.TRIGGER)
    routed = [bench.ingest(an_event_for("user_created")) for _ in range(3)]
    ids = sorted((n.id for one in routed for n in one.pending), reverse=True)
    made(bench, 5)
    key = show_notification(bench.ctx, EVERY_CLIENT, ids[0]).dedup_key
    assert (len(ids), found(bench, dedup_key=key)) == (3, ids)
    assert found(bench, only([1]), dedup_key=key, states=(State.PENDING,)) == ids
    assert found(bench, only([2]), dedup_key=key) == []
    # Another key that begins alike is another alert's.
    assert found(bench, dedup_key=key[:16] + "0" * 48) == []


@pytest.mark.usefixtures("short")
def test_what_an_event_made_is_found_at_once_among_all_clients_that_have_its_id(
    bench: Bench,
) -> None:
    for client_id in (1, 1, 2):
        bench.integration(client_id=client_id)
    same = uuid4()
    mine = [n.id for n in bench.ingest(an_event(id=str(same))).pending]
    theirs = [n.id for n in bench.ingest(an_event(id=str(same), client_id=2)).pending]
    made(bench, 9)
    assert len(mine) == 2
    assert found(bench, event_id=same) == sorted(mine + theirs, reverse=True)
    assert found(bench, event_id=same, client_id=1) == sorted(mine, reverse=True)
    assert found(bench, only([2]), event_id=same) == theirs
    assert found(bench, only([2, 3]), event_id=same, states=(State.PENDING,)) == theirs
    assert found(bench, only([3]), event_id=same) == []
    assert found(bench, event_id=uuid4()) == []
    page = list_notifications(bench.ctx, EVERY_CLIENT, Filter(event_id=same), limit=3)
    assert (page.following, page.searched_back_to) == (None, None)


def test_what_a_firing_made_is_found_by_each_event_that_it_counted(bench: Bench) -> None:
    integration_id = bench.integration()
    trigger = bench.trigger(integration_id, condition="attacks_exceeded", threshold="1 in 1h")
    attacks = [an_event_for("attacks_exceeded") for _ in range(2)]
    bench.ingest(*attacks)
    (number,) = found(bench)
    for attack in attacks:
        assert found(bench, event_id=attack.id) == [number]
        assert found(bench, only([2]), event_id=attack.id) == []
    assert found(bench, event_id=attacks[0].id, origin=f"trigger:{trigger.id}") == [number]
    assert found(bench, event_id=attacks[0].id, origin="card") == []


@pytest.mark.usefixtures("short")
def test_type_and_origin_find_what_subscriptions_made_or_a_trigger(bench: Bench) -> None:
    integration_id = bench.integration(subscribe=("system", "security_issue"))
    trigger = bench.trigger(integration_id, condition="user_created")
    issues = made(bench, 5)
    both = [n.id for n in bench.ingest(an_event_for("user_created")).pending]
    of_trigger = bench.value("SELECT id FROM notifications WHERE trigger_id = :id", id=trigger.id)
    of_card = next(n for n in both if n != of_trigger)
    more = made(bench, 5)
    assert found(bench, event_type="user.created") == sorted(both, reverse=True)
    assert found(bench, event_type="security_issue.detected") == [*more, *issues]
    assert found(bench, event_type="no such type") == []
    assert found(bench, origin=f"trigger:{trigger.id}") == [of_trigger]
    assert found(bench, origin=f"trigger:{trigger.id + 1}") == []
    assert found(bench, origin="card") == sorted([*more, of_card, *issues], reverse=True)
    assert found(bench, origin="card", event_type="user.created") == [of_card]
    bench.delete_trigger(trigger.id, user="Ann")
    assert found(bench, origin=f"trigger:{trigger.id}") == [of_trigger]


@pytest.mark.usefixtures("short")
def test_the_search_for_what_a_trigger_made_goes_along_its_client_alone(bench: Bench) -> None:
    mine, theirs = bench.integration(), bench.integration(client_id=2)
    trigger = bench.trigger(mine, condition="user_created")
    (number,) = (n.id for n in bench.ingest(an_event_for("user_created")).pending)
    made(bench, 9, client_id=2)
    wanted = Filter(origin=f"trigger:{trigger.id}")
    page = list_notifications(bench.ctx, EVERY_CLIENT, wanted, limit=2)
    assert ([n.id for n in page.items], page.following) == ([number], None)
    others = bench.trigger(theirs, condition="user_created", client_id=2)
    asked = [
        list_notifications(bench.ctx, only([1, 3]), Filter(origin=f"trigger:{n}"), limit=2)
        for n in (others.id, 4711)
    ]
    assert asked[0] == asked[1]


@pytest.fixture
def hours(bench: Bench) -> tuple[list[int], datetime]:
    """Eight notifications of two clients, made an hour apart, the newest first; and when the fourth was made."""
    for client_id in (1, 2):
        bench.integration(client_id=client_id)
    ids = [made(bench, 1, client_id=n % 2 + 1)[0] for n in range(8)]
    bench.sql("DELETE FROM notifications WHERE id = :id", id=ids.pop(5))
    noon: datetime = bench.value("SELECT date_trunc('hour', now()) - interval '1 day'")
    for place, number in enumerate(ids):
        bench.sql(
            "UPDATE notifications SET created_at = :at WHERE id = :id",
            at=noon + (place - 3) * HOUR,
            id=number,
        )
    return ids[::-1], noon


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("since", "until", "places"),
    [
        (None, None, range(7)),
        (timedelta(), None, range(4)),
        (SECOND, None, range(3)),
        (None, timedelta(), range(4, 7)),
        (None, SECOND, range(3, 7)),
        (-HOUR, HOUR, range(3, 5)),
        (-HOUR, HOUR + SECOND, range(2, 5)),
        (-99 * HOUR, 99 * HOUR, range(7)),
        (50 * HOUR, None, []),
        (None, -50 * HOUR, []),
        (SECOND, 2 * SECOND, []),
    ],
)
def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(
    bench: Bench,
    hours: tuple[list[int], datetime],
    since: timedelta | None,
    until: timedelta | None,
    places: Sequence[int],
) -> None:
    ids, noon = hours
    period = Period(
        None if since is None else noon + since, None if until is None else noon + until
    )
    wanted = [ids[place] for place in places]
    assert found(bench, made=period) == wanted
    theirs = {n["id"] for n in bench.sql("SELECT id FROM notifications WHERE client_id = 2")}
    assert found(bench, only([2]), made=period) == [n for n in wanted if n in theirs]
    assert found(bench, client_id=2, made=period) == [n for n in wanted if n in theirs]
    assert found(bench, states=(State.PENDING,), made=period) == wanted


@pytest.mark.usefixtures("short")
def test_a_period_is_read_where_it_is_and_not_searched_for(
    bench: Bench, hours: tuple[list[int], datetime]
) -> None:
    ids, noon = hours
    period = Period(noon - 3 * HOUR, noon - 2 * HOUR)
    page = list_notifications(bench.ctx, EVERY_CLIENT, Filter(made=period), limit=2)
    assert ([n.id for n in page.items], page.following) == (ids[6:7], None)


def test_no_notification_at_all_has_none_of_a_period(bench: Bench) -> None:
    now = bench.value("SELECT now()")
    assert found(bench, made=Period(now - HOUR, now)) == []


@pytest.mark.usefixtures("short")
def test_the_code_is_that_of_the_last_attempt(bench: Bench) -> None:
    integration_id = bench.integration()
    (untried,) = made(bench, 1)
    lost = answered(bench, integration_id, an_answer(None))
    refused = answered(bench, integration_id, REFUSED)
    throttled = answered(bench, integration_id, an_answer(429))
    taken = answered(bench, integration_id, TAKEN)
    bench.sql(
        """INSERT INTO attempts (notification_id, integration_id, at, fence, duration_ms, run, error,
               number, status_code, response)
           SELECT notification_id, integration_id, at, fence - 1, 1, 1, CAST(:error AS failure_reason), 1, 500, ''
           FROM attempts WHERE notification_id = :id""",
        id=taken,
        error=FailureReason.SERVER,
    )
    for text, ids in (
        ("4xx", [throttled, refused]),
        ("400", [refused]),
        ("429", [throttled]),
        ("2xx", [taken]),
        ("5xx", []),
        ("none", [lost]),
    ):
        assert found(bench, statuses=Statuses.parse(text)) == ids, text
    assert untried in found(bench)


@pytest.mark.usefixtures("short")
def test_several_states_are_listed_in_one_order_however_few_of_them_there_are(
    bench: Bench,
) -> None:
    integration_id = bench.integration()
    theirs = bench.integration(client_id=2)
    ids = [made(bench, 1, client_id=1 + n % 2)[0] for n in range(16)][::-1]
    states = [State.FAILED, State.CANCELLED, State.PENDING, State.DELIVERED]
    for place, number in enumerate(ids):
        state = states[place // 2 % 4]
        bench.sql(
            """UPDATE notifications SET state = :state,
                   finished_at = CASE WHEN :open THEN NULL ELSE now() END WHERE id = :id""",
            state=state,
            open=state is State.PENDING,
            id=number,
        )
    mine = [n["id"] for n in bench.sql("SELECT id FROM notifications WHERE client_id = 1")]
    for some in (states[:2], states[:3], states[1:3], states[1:], states):
        wanted = [n for place, n in enumerate(ids) if states[place // 2 % 4] in some]
        assert found(bench, states=tuple(some)) == wanted
        owners: list[dict[str, Any]] = [{"client_id": 1}, {"integration_id": integration_id}]
        for whose in owners:
            assert found(bench, states=tuple(some), **whose) == [n for n in wanted if n in mine]
        assert found(bench, only([2]), states=tuple(some), integration_id=integration_id) == []
        assert found(bench, only([2]), states=tuple(some), integration_id=theirs) == [
            n for n in wanted if n not in mine
        ]
    page = list_notifications(
        bench.ctx, EVERY_CLIENT, Filter(client_id=1, states=tuple(states[:3])), limit=99
    )
    assert (len(page.items), page.following) == (6, None)


@pytest.mark.parametrize(
    "text", ["", "99", "600", "9xx", "0xx", "xx", "4xxx", "²00", "4 xx", "any"]
)
def test_a_code_that_no_answer_has_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="from 1xx to 5xx"):
        Statuses.parse(text)


def test_a_period_without_any_time_is_refused(bench: Bench) -> None:
    now = bench.value("SELECT now()")
    for since in (now, now + SECOND):
        with pytest.raises(Refused, match="is not before"):
            Period(since, now)


def test_an_id_that_two_clients_events_share_is_no_way_around_the_scope(bench: Bench) -> None:
    bench.integration()
    event_id = UUID(int=7)
    bench.ingest(an_event(id=str(event_id)))
    assert found(bench, only([2]), event_id=event_id, client_id=1) == []
