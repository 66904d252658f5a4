"""The listing of events: what people have of one finds it, alone, over pages and within a scope."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from build import Bench, a_user_event, an_attack, an_event, an_event_for
from schemas.sample_events import ALWAYS, accepted
from schemas.sample_events import FIELDS as SAMPLES

from wallarm_notify.domain import page as page_module
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.period import Period
from wallarm_notify.domain.scope import EVERY_CLIENT, Scope, only
from wallarm_notify.domain.subjects import FIELDS, is_about, subjects_of, words_of
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.views import EventFilter, EventsAround
from wallarm_notify.schemas.documents.notifications import notification_item
from wallarm_notify.services.event_listings import list_events
from wallarm_notify.services.listings import show_notification
from wallarm_notify.store import event_listings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from wallarm_notify.domain.event import Event

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


def found(bench: Bench, scope: Scope = EVERY_CLIENT, **wanted: Any) -> list[UUID]:
    """Return the ids of the events that all pages of two list."""
    ids: list[UUID] = []
    cursor: int | None = None
    while True:
        page, _ = list_events(bench.ctx, scope, EventFilter(**wanted), limit=2, cursor=cursor)
        ids += [one.event.id for one in page.items]
        cursor = page.following
        if cursor is None:
            return ids


def around(bench: Bench, scope: Scope = EVERY_CLIENT, **wanted: Any) -> EventsAround | None:
    page, what = list_events(bench.ctx, scope, EventFilter(**wanted), limit=2)
    assert list(page.items) == []
    return what


def came(bench: Bench, *events: Event) -> list[UUID]:
    """Take events in one after the other; return their ids, the newest first."""
    for event in events:
        bench.ingest(event)
    return [event.id for event in events][::-1]


def test_events_are_listed_the_newest_first_with_what_was_made_of_them(bench: Bench) -> None:
    bench.integration()
    bench.integration()
    trigger = bench.trigger(
        bench.integration(subscribe=()), condition="attacks_exceeded", threshold="1 in 1h"
    )
    sent = an_event(host="shop.example.com")
    attacks = [an_event_for("attacks_exceeded") for _ in range(2)]
    unmatched = a_user_event()
    ids = came(bench, sent, *attacks, unmatched)
    assert found(bench)[:-1] == ids  # the first of all says that the trigger was created
    page, nothing = list_events(bench.ctx, EVERY_CLIENT, EventFilter(), limit=9)
    assert nothing is None
    assert [(one.notifications, one.counted) for one in page.items[:-1]] == [
        (0, False),
        (1, True),
        (0, True),
        (2, False),
    ]
    assert [words_of(one.event) for one in page.items][-2] == words_of(sent)
    assert words_of(page.items[-1].event).startswith(f"{trigger.name}, trigger {trigger.id}")
    assert page.items[-1].received_at == bench.value("SELECT min(received_at) FROM events")


SOUGHT = [
    (an_event(issue_id=4711, title="SQL injection"), "4711"),
    (an_event(issue_id="WLRM-7"), "WLRM-7"),
    (an_event(host="Shop.Example.com"), "shop.example.COM"),
    (an_event(title='A "quoted" \\ title, ünïcode'), 'A "quoted" \\ title, ünïcode'),
    (an_attack(ip="203.0.113.7"), "203.0.113.7"),
    (an_attack(ip="::ffff:203.0.113.8"), "203.0.113.8"),
    (an_attack(ip="203.0.113.9"), "::ffff:203.0.113.9"),
    (an_attack(ip="2001:db8::7"), "2001:0DB8:0::0:7"),
    (a_user_event(user_email="Ana@Example.com"), "ana@example.com"),
    (a_user_event(actor={"email": "Bob@Example.com"}), "bob@example.COM"),
    (an_event(type="rule.created", rule_id=815, name="Block admin"), "815"),
    (an_event(type="rule.updated", rule_id="r", name="Block admins"), "Block admins"),
    (an_event(type="trigger.created", trigger_id=-3, name="Many attacks"), "-3"),
    (an_event(type="trigger.updated", trigger_id=9, name="Attacks"), "Attacks"),
]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("event", "sought"), SOUGHT, ids=[sought for _, sought in SOUGHT])
def test_what_people_have_finds_the_event_among_others(
    bench: Bench, event: Event, sought: str
) -> None:
    others = [one for one, _ in SOUGHT if one is not event]
    came(bench, *others[:5], event, *others[5:], an_event(note=sought, issue_id=f"x{sought}"))
    assert found(bench, sought=sought) == [event.id]
    assert found(bench, sought=sought, client_id=1) == [event.id]
    assert found(bench, only([1]), sought=sought) == [event.id]
    assert found(bench, only([2]), sought=sought) == []
    assert found(bench, sought=sought, event_type=event.type) == [event.id]
    assert found(bench, sought=sought, event_type="application.deleted") == []


def test_each_value_by_which_events_of_each_type_are_known_finds_them(bench: Bench) -> None:
    events = [
        accepted({**ALWAYS, "id": str(uuid4()), "type": name, **required, **more})
        for name, (required, more) in SAMPLES.items()
    ]
    came(bench, *events)
    values = {one.text for event in events for one in subjects_of(event) if one.field.sought}
    assert len(values) > len(events)
    for value in values:
        assert found(bench, sought=value) == [e.id for e in events[::-1] if is_about(e, value)]


@pytest.mark.usefixtures("short")
def test_a_value_that_many_events_have_is_found_over_pages(bench: Bench) -> None:
    ids = came(bench, *(an_attack(host=f"h{n % 3}", attack_id=str(n)) for n in range(14)))
    assert found(bench, sought="h1") == [one for n, one in enumerate(ids[::-1]) if n % 3 == 1][::-1]
    page, nothing = list_events(bench.ctx, EVERY_CLIENT, EventFilter(sought="h9"), limit=2)
    assert (list(page.items), nothing) == ([], None)
    assert page.searched_back_to == bench.value(
        "SELECT received_at FROM events WHERE no = :no", no=page.following
    )


@pytest.mark.usefixtures("short")
def test_a_clients_events_are_searched_past_those_of_all_others(bench: Bench) -> None:
    (mine,) = came(bench, an_attack(host="h"))
    came(bench, *(an_attack(host="h", client_id=2) for _ in range(9)))
    page, _ = list_events(bench.ctx, EVERY_CLIENT, EventFilter(client_id=1), limit=2)
    assert ([one.event.id for one in page.items], page.following) == ([mine], None)
    assert found(bench, only([1]), sought="h") == [mine]


def test_an_id_a_firing_a_dedup_key_and_a_notification_lead_to_their_events(bench: Bench) -> None:
    to = bench.integration()
    bench.trigger(to, condition="attacks_exceeded", threshold="1 in 1h")
    attacks = [an_event_for("attacks_exceeded") for _ in range(2)]
    issue = an_event()
    counted = came(bench, *attacks)
    came(bench, issue, an_event(), an_event_for("attacks_exceeded", client_id=2))
    fired, sent = (show_notification(bench.ctx, EVERY_CLIENT, number) for number in (1, 2))
    assert found(bench, sought=str(issue.id)) == [issue.id]
    assert found(bench, sought=str(issue.id).upper()) == [issue.id]
    assert found(bench, sought=str(attacks[0].id)) == [attacks[0].id]
    assert found(bench, sought=str(fired.firing_id)) == counted
    assert found(bench, sought=notification_item(fired)["dedup_key"]) == counted
    assert found(bench, sought=sent.dedup_key) == [issue.id]
    assert found(bench, notification_id=fired.id) == counted
    assert found(bench, notification_id=sent.id) == [issue.id]
    assert found(bench, notification_id=fired.id, event_type="user.created") == []
    for key in (str(issue.id), str(fired.firing_id), sent.dedup_key, "0" * 64, str(uuid4())):
        assert found(bench, only([2]), sought=key) == []
    for number in (sent.id, 99):
        with pytest.raises(NotFound, match=f"There is no notification {number}."):
            found(bench, only([2]), notification_id=number)


def test_the_dedup_key_of_a_group_leads_to_the_events_of_all_its_firings(bench: Bench) -> None:
    to = bench.integration()
    bench.trigger(to, condition="blacklist_ip_added", group=AlertGroup.TRIGGER)
    ids = came(bench, *(an_event_for("blacklist_ip_added") for _ in range(3)))
    keys = {show_notification(bench.ctx, EVERY_CLIENT, number).dedup_key for number in (1, 2, 3)}
    assert [found(bench, sought=key) for key in keys] == [ids]
    assert [found(bench, only([2]), sought=key) for key in keys] == [[]]


def test_an_id_that_is_what_another_event_is_about_finds_that_one(bench: Bench) -> None:
    known = str(uuid4())
    ids = came(bench, an_event(issue_id=known))
    assert found(bench, sought=known) == ids


def test_an_event_of_a_client_that_has_nothing_else_is_found_by_its_id(bench: Bench) -> None:
    (one,) = came(bench, an_event(client_id=77))
    assert found(bench, sought=str(one)) == [one]
    assert found(bench, sought=str(one), client_id=77) == [one]
    assert found(bench, sought=str(one), client_id=1) == []


@pytest.fixture
def hours(bench: Bench) -> tuple[list[UUID], datetime]:
    """Seven events of two clients that came an hour apart, the newest first; and when the fourth came."""
    ids = came(bench, *(an_attack(client_id=n % 2 + 1, host="h") for n in range(7)))
    noon: datetime = bench.value("SELECT date_trunc('hour', now()) - interval '1 day'")
    for place, one in enumerate(reversed(ids)):
        bench.sql(
            "UPDATE events SET received_at = :at WHERE id = :id",
            at=noon + (place - 3) * HOUR,
            id=one,
        )
    return ids, noon


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
        (-99 * HOUR, 99 * HOUR, range(7)),
        (50 * HOUR, None, []),
        (SECOND, 2 * SECOND, []),
    ],
)
def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(
    bench: Bench,
    hours: tuple[list[UUID], datetime],
    since: timedelta | None,
    until: timedelta | None,
    places: Sequence[int],
) -> None:
    ids, noon = hours
    period = Period(
        None if since is None else noon + since, None if until is None else noon + until
    )
    wanted = [ids[place] for place in places]
    theirs = [one for place, one in enumerate(ids) if place % 2 and one in wanted]
    sought: list[dict[str, Any]] = [{}, {"sought": "h"}]
    for more in sought:
        assert found(bench, came=period, **more) == wanted
        assert found(bench, came=period, client_id=2, **more) == theirs
        assert found(bench, only([2]), came=period, **more) == theirs


def test_where_nothing_is_found_there_is_what_is_around(
    bench: Bench, hours: tuple[list[UUID], datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, noon = hours
    oldest, newest = noon - 3 * HOUR, noon + 3 * HOUR
    assert around(bench, sought="x") == EventsAround(7, more=False, oldest=oldest, newest=newest)
    theirs = EventsAround(3, more=False, oldest=noon - 2 * HOUR, newest=noon + 2 * HOUR)
    assert around(bench, sought="x", client_id=2) == theirs
    assert around(bench, only([2]), sought="x") == theirs
    assert around(bench, only([2, 3]), sought="x") == theirs
    some = Period(noon, noon + HOUR)
    assert around(bench, sought="x", came=some) == EventsAround(
        1, more=False, oldest=oldest, newest=newest
    )
    assert around(bench, client_id=1, came=Period(noon, noon + SECOND)) == EventsAround(
        0, more=False, oldest=oldest, newest=newest
    )
    nothing = EventsAround(0, more=False, oldest=None, newest=None)
    assert around(bench, sought="x", client_id=3) == nothing
    assert around(bench, only([3]), sought="x") == nothing
    assert around(bench, only([3]), client_id=2) == nothing
    monkeypatch.setattr(event_listings, "AROUND", 4)
    assert around(bench, sought="x") == EventsAround(4, more=True, oldest=oldest, newest=newest)


def test_a_long_body_is_read_as_far_as_it_says_what_it_is_about(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = an_event(host="shop.example.com", actor={"name": "Ana"}, note="x" * 100_000)
    came(bench, long)
    (shown,) = list_events(bench.ctx, EVERY_CLIENT, EventFilter(sought="Ana"), limit=2)[0].items
    assert words_of(shown.event) == words_of(long)
    assert set(shown.event.body) <= {*FIELDS, "id", "client_id", "type", "occurred_at"}
