"""Routing: an event makes a notification for each integration that subscribes or that a firing names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.canonical import canonical
from wallarm_notify.domain.errors import TooMuch, Unavailable
from wallarm_notify.domain.event import (
    Event,
    EventKey,
    Rejection,
    Wrong,
    is_ahead,
    is_too_far_ahead,
)
from wallarm_notify.domain.integration import Subscriber, Subscribers
from wallarm_notify.domain.ledger import AHEAD, FIRED, NOT_KEPT, counts_of
from wallarm_notify.domain.notification import NewNotification, fresh
from wallarm_notify.domain.routed import Routed
from wallarm_notify.domain.sending import Made
from wallarm_notify.domain.traffic import counted_events, counted_rejections
from wallarm_notify.domain.triggers.alert_group import group_value
from wallarm_notify.services.fire_triggers import TRIGGERS_LOOK_AT, Fired, fire
from wallarm_notify.services.inline_dispatch import store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from wallarm_notify.domain.clock import AheadTally
    from wallarm_notify.domain.triggers.firing import Firing
    from wallarm_notify.services.context import Context, ServiceSettings
    from wallarm_notify.store import Transaction

MOST_NOTIFICATIONS: Final = 20_000
"""At most so many notifications are made in one transaction, unless a single event makes more.

The limit holds for counting too: an event that one trigger counts is as much work as a notification.
"""

SHARED: Final = 2_000
"""Where events of several clients make more notifications, those of the client with most are routed apart.

A transaction that makes thousands takes seconds and claims none; other clients should not wait for it.
"""


def conflict(event: Event, text: str) -> Rejection:
    """Return the rejection of an event whose id is taken by another body already (spec 2)."""
    return Rejection(
        reason=f"conflict: another event of client {event.client_id} with the id {event.id} was taken in before, "
        "with a different body; the first stands.",
        text=text,
        body_hash=event.body_hash,
        hash_before=event.hash_before,
        event_id=event.id,
        client_id=event.client_id,
        type=event.type,
        wrong=Wrong.CONFLICT,
        sent_by=event.sent_by,
    )


class TooMuchOfOneClient(TooMuch):
    """The error that one client's events make more than those of other clients should wait for."""

    def __init__(self, client_id: int) -> None:
        super().__init__(f"client {client_id} has more to be sent than others should wait for")
        self.client_id = client_id


def route(
    tx: Transaction,
    events: Sequence[Event],
    rejections: Sequence[Rejection],
    ctx: Context,
    *,
    room: Mapping[int, int] | None = None,
    tally: AheadTally | None = None,
    takes_in_ahead: bool = False,
) -> Routed:
    """Do the work of one transaction of ``services.ingest``; return what became of its events.

    ``room`` is how many notifications of each client this process can send at once; ``tally`` is read alone,
    as this may be run several times. Raise TooMuch where the events have to be parted, and Unavailable.
    """
    began = ctx.clock()
    now, settings = tx.now, ctx.settings
    arrived = _sorted_out(events, now)
    is_ours = tally is not None and tally.is_database_behind_with(
        len(events), len(arrived.early), began
    )
    ahead = _keep_apart(tx, arrived.early, now, is_ours=is_ours) if arrived.early else _Apart()
    new = _take_in(tx, arrived)
    # Triggers are locked as late as can be: who shares one waits from here to the commit.
    fired = fire(tx, new.events, now, most=MOST_NOTIFICATIONS)
    _check_work(arrived.accepted, _made_of(new, fired.firings))
    made = _in_order(_made(tx, new, fired, now, settings.grace), events)
    _check_rules(tx, new)
    stored = store(tx, made, new.numbers, settings, room=room or {}, seconds=ctx.clock() - began)
    # Late, for the day's counter of rejections is one row for all, and locked until the commit.
    kept, not_kept = _keep_rejected(tx, [*rejections, *ahead.refused], new.conflicts, settings)
    if takes_in_ahead:
        _end_apart(tx, rejections, arrived)
    matched = len({m.event.key for m in made})
    routed = Routed(
        now=now,
        matched=matched,
        unmatched=len(new.events) - matched,
        duplicates=arrived.duplicates + ahead.duplicates + new.duplicates,
        rejected=len(kept),
        not_kept=not_kept,
        skipped=sum(not m.notification.is_open for m in made),
        fired=len(fired.firings),
        ahead=ahead.kept,
        early=len(arrived.early),
        pending=tuple(stored.pending),
        claim=stored.claim(now, began),
    )
    tx.count(_counts_of(routed, new, made))
    tx.count(_traffic_of(new, made, kept))
    return routed


def _traffic_of(new: _New, made: Sequence[Made], kept: Sequence[Rejection]) -> Mapping[str, int]:
    """Return what the batch adds to the counters by type: events, those that matched, and rejections."""
    matched = {m.event.key: m.event.type for m in made}
    counts = counted_events((e.type for e in new.events), matched.values())
    counts.update(counted_rejections(kept))
    return counts


def _keep_rejected(
    tx: Transaction,
    rejections: Sequence[Rejection],
    conflicts: Iterable[Event],
    settings: ServiceSettings,
) -> tuple[Sequence[Rejection], int]:
    """Keep what is rejected, conflicts included; return what is new of it, and how many were not kept."""
    refused = [*rejections, *(conflict(e, canonical(e.body)) for e in conflicts)]
    return tx.insert_rejected(refused, settings.rejected_per_day)


def _end_apart(tx: Transaction, rejections: Sequence[Rejection], arrived: _Arrived) -> None:
    """Count out the events that were kept apart for their time, and are stored or rejected now."""
    hashes = [*(r.body_hash for r in rejections), *(e.body_hash for e in arrived.accepted)]
    tx.count({AHEAD: -tx.end_apart(hashes)})


def _counts_of(routed: Routed, new: _New, made: Sequence[Made]) -> dict[str, int]:
    """Return how the ledger's counters move (spec 7)."""
    counts = counts_of(
        taken=len(new.events),
        matched=routed.matched,
        kept=routed.rejected,
        readmitted=new.readmitted,
        new=[m.notification for m in made],
    )
    return counts | {FIRED: routed.fired, NOT_KEPT: routed.not_kept, AHEAD: routed.ahead}


@dataclass(frozen=True, slots=True)
class _Arrived:
    """What a batch holds: events that may be taken in, by key; early ones; rivals; how many stand twice.

    A rival has the key of an event before it and another body. It may be the one that was stored earlier.
    """

    accepted: Sequence[Event]
    early: Sequence[Event]
    rivals: Sequence[Event]
    duplicates: int


def _sorted_out(events: Sequence[Event], now: datetime) -> _Arrived:
    rivals = []
    first: dict[EventKey, Event] = {}
    early: list[Event] = []
    duplicates = 0
    for event in events:
        if is_too_far_ahead(event, now):
            early.append(event)
        elif (stands := first.setdefault(event.key, event)) is event:
            pass
        elif stands.body_hash == event.body_hash:
            duplicates += 1
        else:
            rivals.append(event)
    in_order = sorted(first.values(), key=lambda e: e.key)
    if any(is_ahead(e, now) for e in in_order):
        early = [*(e for e in in_order if is_ahead(e, now)), *early]
        in_order = [e for e in in_order if not is_ahead(e, now)]
    return _Arrived(in_order, early, rivals, duplicates)


@dataclass(frozen=True, slots=True)
class _Apart:
    """What became of events that are ahead: how many are kept apart, what is refused, how many are known."""

    kept: int = 0
    refused: tuple[Rejection, ...] = ()
    duplicates: int = 0


def _keep_apart(
    tx: Transaction,
    early: Sequence[Event],
    now: datetime,
    *,
    is_ours: bool,
) -> _Apart:
    """Keep apart what is ahead by a day at most; what is stored already is a duplicate, whatever its time."""
    waiting = [e for e in early if not is_too_far_ahead(e, now)]
    kept = tx.keep_apart(waiting) if waiting else set()
    others = [e for e in early if is_too_far_ahead(e, now) or e.key not in kept]
    hashes = tx.event_hashes([e.key for e in others]) if others else {}
    refused: list[Rejection] = []
    for e in others:
        if (known := hashes.get(e.key)) is None:
            if not is_too_far_ahead(e, now):
                raise Unavailable(f"Event {e.id} is being taken in at this moment.")
            refused.append(_too_far_ahead(e, canonical(e.body), now, is_ours=is_ours))
        elif known not in e.hashes:
            refused.append(conflict(e, canonical(e.body)))
    return _Apart(len(kept), tuple(refused), len(others) - len(refused))


def _too_far_ahead(event: Event, text: str, now: datetime, *, is_ours: bool) -> Rejection:
    advice = (
        "so are most events of that minute: set the database's clock, and re-submit."
        if is_ours
        else "set the producer's clock."
    )
    return replace(
        conflict(event, text),
        reason=f"occurred_at: {event.occurred_at.isoformat()} is more than 24 hours ahead of the database's "
        f"clock, which says {now.isoformat()}; {advice}",
        wrong=Wrong.TIME,
    )


@dataclass(frozen=True, slots=True)
class _New:
    """What a batch adds to the database: its events, with the integrations that subscribe to each.

    ``numbers`` are those of the events. ``rules_versions`` are the versions of each client's rules by which the
    integrations were found. ``readmitted`` is how many of the events were rejected before.
    """

    events: Sequence[Event]
    numbers: Mapping[EventKey, int]
    subscribers: Mapping[EventKey, Sequence[Subscriber]]
    rules_versions: Mapping[int, int]
    conflicts: Sequence[Event]
    duplicates: int
    readmitted: int


def _take_in(tx: Transaction, arrived: _Arrived) -> _New:
    """Store what may be taken in and is not there yet. Raise TooMuch where that makes too many notifications."""
    accepted = arrived.accepted
    subscribers = _subscribers(tx, accepted)
    cards = {e.key: subscribers.of(e) for e in accepted}
    _check_work(accepted, Counter({i: len(found) for i, found in cards.items()}))
    inserted = tx.insert_events(
        [(e, len(cards[e.key])) for e in accepted], subscribers.rules_versions
    )
    seen_before = [*(e for e in accepted if e.key not in inserted), *arrived.rivals]
    conflicts = _conflicts(tx, seen_before)
    return _New(
        events=[e for e in accepted if e.key in inserted],
        numbers={key: one.no for key, one in inserted.items()},
        subscribers=cards,
        rules_versions=subscribers.rules_versions,
        conflicts=conflicts,
        duplicates=len(seen_before) - len(conflicts),
        readmitted=tx.readmit(
            [e for e in accepted if e.key in inserted and inserted[e.key].was_rejected]
        ),
    )


def _subscribers(tx: Transaction, events: Sequence[Event]) -> Subscribers:
    clients = dict.fromkeys(sorted({e.client_id for e in events}), False)
    clients |= {e.client_id: True for e in events if e.subscription is not None}
    return tx.subscribers_of(clients) if clients else Subscribers({}, {})


def _check_rules(tx: Transaction, new: _New) -> None:
    """Correct the version of the rules in events for which it moved while they were routed (engine 25).

    Triggers are read later than the version. Where it has moved by then, the transaction is run again; in its
    last run the later version is taken, so that no event waits for rules that change all the time.
    """
    looked_at = [e for e in new.events if e.type in TRIGGERS_LOOK_AT]
    if not looked_at:
        return
    moved = tx.moved_rules({e.client_id: new.rules_versions[e.client_id] for e in looked_at})
    if moved:
        later = {new.numbers[e.key]: moved[e.client_id] for e in looked_at if e.client_id in moved}
        tx.set_rules_versions(later)


def _conflicts(tx: Transaction, seen_before: Sequence[Event]) -> list[Event]:
    """Return the events whose key is taken by another body."""
    if not seen_before:
        return []
    hashes = tx.event_hashes([e.key for e in seen_before])
    for e in seen_before:
        if e.key not in hashes:
            raise Unavailable(f"Event {e.id} reached the end of its retention at this moment.")
    return [e for e in seen_before if hashes[e.key] not in e.hashes]


def _check_work(events: Sequence[Event], made_of: Counter[EventKey]) -> None:
    """Raise TooMuch where several events make more notifications than one transaction should."""
    if len(events) < 2:  # noqa: PLR2004 - there is nothing to part
        return
    notifications = made_of.total()
    if notifications > SHARED and len({e.client_id for e in events}) > 1:
        of_client: Counter[int] = Counter()
        for e in events:
            of_client[e.client_id] += made_of[e.key]
        client_id, most = of_client.most_common(1)[0]
        # Else no client is routed apart: many clients, one by one, would be many transactions.
        if 2 * most > notifications:
            raise TooMuchOfOneClient(client_id)
    if notifications > MOST_NOTIFICATIONS:
        raise TooMuch(f"{len(events)} events make more than {MOST_NOTIFICATIONS} notifications")


def _made_of(new: _New, firings: Iterable[Firing]) -> Counter[EventKey]:
    """Return how many notifications each event makes at most: of a firing, one for each integration it names."""
    number = Counter({e.key: len(new.subscribers[e.key]) for e in new.events})
    for f in firings:
        number[f.event_key] += len(f.integration_ids)
    return number


def _made(tx: Transaction, new: _New, fired: Fired, now: datetime, grace: timedelta) -> list[Made]:
    """Return the notifications to be stored; those of firings are added to the fan-out of their events."""
    event_of = {e.key: e for e in new.events}
    made = [
        Made(notification_of(e, i, now, grace), e)
        for e in new.events
        for i in new.subscribers[e.key]
    ]
    of_firings = [
        Made(n, event_of[f.event_key], f)
        for f, n in _of_firings(tx, fired.firings, event_of, now, grace)
    ]
    if fired.passed:
        more = Counter(m.event.key for m in of_firings)
        tx.mark_counted({new.numbers[key]: more[key] for key in fired.passed})
    return made + of_firings


def _in_order(made: list[Made], events: Sequence[Event]) -> list[Made]:
    """Return what was ``made`` in the order in which it is to be sent: that of time, then of ``events`` (spec 5)."""
    if len(made) < 2:  # noqa: PLR2004 - there is nothing to sort
        return made
    place = {e.key: i for i, e in reversed(list(enumerate(events)))}
    return sorted(made, key=lambda m: (m.event.occurred_at, place[m.event.key]))


def notification_of(
    event: Event, integration: Subscriber, now: datetime, grace: timedelta
) -> NewNotification:
    """Return the notification of ``event`` to an integration that subscribes to it."""
    return fresh(
        client_id=event.client_id,
        integration_id=integration.id,
        event_id=event.id,
        severity=event.severity,
        disablings=integration.disablings,
        skipped=not integration.enabled,
        now=now,
        grace=grace,
    )


def _of_firings(
    tx: Transaction,
    firings: Sequence[Firing],
    event_of: Mapping[EventKey, Event],
    now: datetime,
    grace: timedelta,
) -> list[tuple[Firing, NewNotification]]:
    """Return a notification for each integration that a firing's trigger names and that is still there."""
    named = {i for f in firings for i in f.integration_ids}
    integrations = {i.id: i for i in tx.subscribers_by_id(sorted(named))} if named else {}
    return [
        (
            f,
            fresh(
                client_id=f.client_id,
                integration_id=i.id,
                event_id=f.event_id,
                firing_id=f.id,
                origin=f.origin,
                severity=f.severity,
                group=group_value(f.group, event_of[f.event_key].body),
                disablings=i.disablings,
                skipped=not i.enabled,
                now=now,
                grace=grace,
            ),
        )
        for f in firings
        for integration_id in f.integration_ids
        if (i := integrations.get(integration_id)) is not None
    ]
