"""Routing: events in, one notification out for each integration that matches, or that a firing names."""

from __future__ import annotations

import logging
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.canonical import canonical
from wallarm_notify.domain.clock import AheadTally, Clock, since_boot
from wallarm_notify.domain.errors import BadRow, NotifyError, TooMuch, Unavailable
from wallarm_notify.domain.event import Event, Rejection, is_ahead, is_too_far_ahead
from wallarm_notify.domain.integration import Subscriber, subscribers
from wallarm_notify.domain.ledger import AHEAD, FIRED, NOT_KEPT, counts_of
from wallarm_notify.domain.message import counted, messages
from wallarm_notify.domain.notification import (
    MESSAGE_SIZE,
    NewNotification,
    Notification,
    fresh,
)
from wallarm_notify.domain.sending import Claim, Made, Sending
from wallarm_notify.services.deliver import claim_new
from wallarm_notify.services.fire import fire

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from wallarm_notify.domain.firing import Firing
    from wallarm_notify.services.context import Context, ServiceSettings
    from wallarm_notify.services.ports import Dispatcher
    from wallarm_notify.store import Transaction

log = logging.getLogger(__name__)

SLICE: Final = 1000
"""So many events are routed in one transaction at the most (spec 2)."""

MOST_NOTIFICATIONS: Final = 20_000
"""So many notifications are made in one transaction, unless a single event makes more.

So many events are counted in one, too, by one trigger each."""


FEW: Final = 500
"""Where a transaction makes more, none is claimed in it: from a claim to the commit pace is locked."""

SOON: Final = 0.5
"""Nor where it has taken so many seconds: what is claimed has to begin within 2 s (spec 1)."""

SHARED: Final = 2_000
"""Where events of several clients make more notifications, those of the client that has most are routed apart.

A transaction of thousands takes seconds, and claims none: the others are not to wait for it.
"""


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of a call: counts, what is sent by this process, and what is to be rung for."""

    now: datetime
    matched: int = 0
    unmatched: int = 0
    duplicates: int = 0
    rejected: int = 0
    not_kept: int = 0
    skipped: int = 0
    fired: int = 0
    ahead: int = 0
    pending: tuple[Notification, ...] = ()
    claim: Claim | None = None

    @property
    def words(self) -> str:
        """The counts for people, and for Flower."""
        sent = 0 if self.claim is None else len(self.claim.sendings)
        parts = [f"{counted(self.matched + self.unmatched, 'event')} taken in"]
        parts.append(f"{counted(len(self.pending) + sent, 'notification')} made")
        if self.fired:
            parts.append(counted(self.fired, "firing"))
        for number, word in (
            (self.skipped, "skipped"),
            (self.unmatched, "unmatched"),
            (self.duplicates, "known already"),
            (self.rejected, "rejected"),
            (self.not_kept, "rejected and not kept"),
            (self.ahead, "kept apart until their time"),
        ):
            if number:
                parts.append(f"{number} {word}")
        if self.claim is not None:
            parts.append(self.claim.words)
        return ", ".join(parts)


def _plainly(rejection: Rejection) -> Rejection:
    """``rejection`` without anything that a database might refuse."""
    reason = rejection.reason.encode("ascii", "backslashreplace").decode().replace("\0", "")
    text = rejection.text.encode("ascii", "backslashreplace").decode()
    return replace(rejection, reason=reason, text=text, event_id=None, client_id=None, type=None)


def conflict(event: Event, text: str) -> Rejection:
    """The rejection of an event whose id stands for another body already (spec 2)."""
    return Rejection(
        reason=f"conflict: another event with the id {event.id} was taken in before, with a different "
        "body; the first stands.",
        text=text,
        body_hash=event.body_hash,
        hash_before=event.hash_before,
        event_id=event.id,
        client_id=event.client_id,
        type=event.type,
    )


class Crowded(TooMuch):
    """One client's events make so much that those of others are not to wait for it."""

    def __init__(self, client_id: int) -> None:
        super().__init__(f"client {client_id} has more to be sent than others should wait for")
        self.client_id = client_id


def ingest(
    ctx: Context,
    events: Sequence[Event],
    rejections: Sequence[Rejection],
    *,
    dispatcher: Dispatcher | None = None,
    tally: AheadTally | None = None,
    takes_in_ahead: bool = False,
) -> list[Routed]:
    """Route ``events`` and keep ``rejections``, in parts, each in one transaction; publish after each commit.

    ``dispatcher`` is this process's own, where it delivers: it is given what it has room for.
    ``tally`` counts, from one call to the next, whose clock is wrong. ``takes_in_ahead``: the events were
    kept apart, and are no more.

    What the database refuses is found by halving and kept as rejected. Raises Unavailable;
    what was committed before it stays, and the same call again is harmless.
    """
    parts = deque(_slices(events, rejections))
    results = []
    while parts:
        part = parts.popleft()
        try:
            routed = _route(ctx, part, dispatcher, tally, takes_in_ahead=takes_in_ahead)
        except (BadRow, Unavailable) as error:
            parts.extendleft(reversed(_smaller(part, error)))
            continue
        except Exception as error:  # a fault of ours must not lose the batch (engine 4)
            log.exception("ingest.fault")
            parts.extendleft(reversed(_smaller(part, BadRow(f"internal error: {error!r}"))))
            continue
        if tally is not None:
            _name_the_clock(tally, routed.now, ctx.clock())
        ctx.publisher.publish(messages(routed.pending, routed.now))
        results.append(routed)
    return results


@dataclass(frozen=True, slots=True)
class Part:
    """What is routed in one transaction."""

    events: Sequence[Event]
    rejections: Sequence[Rejection] = ()


def _slices(events: Sequence[Event], rejections: Sequence[Rejection]) -> list[Part]:
    first, *others = range(0, max(len(events), 1), SLICE)
    return [
        Part(events[first : first + SLICE], rejections),
        *(Part(events[start : start + SLICE]) for start in others),
    ]


def _smaller(part: Part, error: NotifyError) -> list[Part]:
    """Return the parts to try in place of ``part``. Raises Unavailable where there is none.

    Of a single event that the database refuses that is its rejection, and of such a rejection a plain one.
    """
    events, rejections = part.events, part.rejections
    if isinstance(error, Crowded):
        others = [e for e in events if e.client_id != error.client_id]
        crowd = [e for e in events if e.client_id == error.client_id]
        return [Part(others, rejections), Part(crowd)]
    if isinstance(error, TooMuch):
        if len(events) + bool(rejections) < 2:  # noqa: PLR2004 - there is nothing to part
            raise error
    elif isinstance(error, Unavailable):
        raise error
    if rejections and events:
        return [Part((), rejections), Part(events)]
    if len(events) > 1:
        middle = len(events) // 2
        return [Part(events[:middle]), Part(events[middle:])]
    if len(events) == 1:
        return [Part((), [_refused(events[0], error)])]
    if len(rejections) > 1:
        middle = len(rejections) // 2
        return [Part((), rejections[:middle]), Part((), rejections[middle:])]
    if len(rejections) == 1 and rejections[0] != (plain := _plainly(rejections[0])):
        return [Part((), [plain])]
    raise Unavailable(f"A rejected event cannot be kept: {error}")


def _refused(event: Event, error: NotifyError) -> Rejection:
    return replace(conflict(event, canonical(event.body)), reason=str(error))


def _route(
    ctx: Context,
    part: Part,
    dispatcher: Dispatcher | None,
    tally: AheadTally | None,
    *,
    takes_in_ahead: bool,
) -> Routed:
    """Route ``part``, and hand over what is claimed at once."""

    def run(at_once: AtOnce | None) -> Routed:
        return ctx.store.transact(
            lambda tx: route(
                tx,
                part.events,
                part.rejections,
                ring=ctx.settings.ring,
                rejected_per_day=ctx.settings.rejected_per_day,
                clock=ctx.clock,
                at_once=at_once,
                tally=tally,
                takes_in_ahead=takes_in_ahead,
            )
        )

    room = _room_of(dispatcher, {e.client_id for e in part.events})
    if dispatcher is None or not any(room.values()):
        return run(None)
    # Whatever keeps them from being claimed, they are to be stored.
    try:
        routed = run(AtOnce(ctx.settings, room))
    except Crowded:
        raise
    except (BadRow, TooMuch) as error:
        log.warning("ingest.runs_again_without_claim", extra={"error": str(error)})
        return run(None)
    except Unavailable:
        raise
    except Exception:
        log.exception("ingest.runs_again_without_claim")
        return run(None)
    if routed.claim is not None:
        try:
            dispatcher.carry(routed.claim)
        except Exception:  # SWEEP rings for them when their lease is over
            log.exception("ingest.not_handed_over")
    return routed


def _room_of(dispatcher: Dispatcher | None, client_ids: Collection[int]) -> Mapping[int, int]:
    """Return how many more ``dispatcher`` takes of each client."""
    if dispatcher is None:
        return {}
    try:
        return dispatcher.room(client_ids)
    except Exception:
        log.exception("ingest.no_courier")
        return {}


def _name_the_clock(tally: AheadTally, now: datetime, at: float) -> None:
    """Say so, now and then, where it is the database's clock that most events disagree with."""
    if tally.is_database_behind and tally.may_complain(at):
        log.error(
            "database.clock_behind",
            extra={
                "database_time": now.isoformat(),
                "ahead": tally.ahead,
                "events": tally.number,
                "hint": "most events of the last minute are more than 5 minutes ahead of the database's clock: "
                "set that clock; until then they are kept apart (wallarm-notify events ahead)",
            },
        )


@dataclass(frozen=True, slots=True)
class AtOnce:
    """That so many of each client's may be claimed in the transaction that makes them."""

    settings: ServiceSettings
    most: Mapping[int, int]


def route(
    tx: Transaction,
    events: Sequence[Event],
    rejections: Sequence[Rejection],
    *,
    ring: timedelta,
    rejected_per_day: int = 0,
    clock: Clock = since_boot,
    at_once: AtOnce | None = None,
    tally: AheadTally | None = None,
    takes_in_ahead: bool = False,
) -> Routed:
    """One transaction's worth of ingest: see ``ingest``. ``at_once``: some of what it makes it claims.

    ``tally`` counts whose clock is wrong. ``takes_in_ahead``: the events were kept apart, and are no more.
    """
    began = clock()
    now = tx.now
    accepted, early, rivals, duplicates = _sorted_out(events, now)
    if tally is not None:
        tally.add(len(events), len(early), began)
    ahead = _keep_apart(tx, early, now, tally) if early else _Apart()
    rejected = [*rejections, *ahead.refused]
    integrations = _by_client(tx, accepted)
    cards = {e.id: subscribers(e, integrations.get(e.client_id, ())) for e in accepted}
    _check_work(accepted, Counter({e.id: len(cards[e.id]) for e in accepted}))
    inserted = tx.insert_events([(e, len(cards[e.id])) for e in accepted])
    seen_before = [*(e for e in accepted if e.id not in inserted), *rivals]
    conflicts = _conflicts(tx, seen_before)
    duplicates += ahead.duplicates + len(seen_before) - len(conflicts)
    rejected += [conflict(e, canonical(e.body)) for e in conflicts]
    taken = [e for e in accepted if e.id in inserted]
    readmitted = tx.readmit([e for e in taken if inserted[e.id]])
    # Triggers are locked as late as can be: whoever shares one waits from here to the commit.
    firings = fire(tx, taken, now, most=MOST_NOTIFICATIONS)
    new = [made(e, i) for e in taken for i in cards[e.id]]
    _check_work(accepted, _made_of(new, firings))
    told = _of_firings(tx, firings)
    new += told
    rows = [fresh(n, now, ring, place=place) for place, n in enumerate(new)]
    is_soon = len(new) <= FEW and clock() - began < SOON
    sendings = _claimed(tx, new, rows, (taken, firings), at_once if is_soon else None)
    pending, sendings = _stored(tx, new, rows, sendings)
    if told:
        tx.add_fan_out(Counter(n.event_id for n in told))
    # Late, for the day's number is everybody's who has something to reject, and locked until the commit.
    kept, not_kept = tx.insert_rejected(rejected, rejected_per_day)
    matched = len({n.event_id for n in new})
    if takes_in_ahead:
        ended = tx.end_apart([*(r.body_hash for r in rejections), *(e.body_hash for e in accepted)])
        tx.count({AHEAD: -ended})
    tx.count(
        counts_of(taken=len(taken), matched=matched, kept=kept, readmitted=readmitted, new=new)
        | {FIRED: len(firings), NOT_KEPT: not_kept, AHEAD: ahead.kept}
    )
    return Routed(
        now=now,
        matched=matched,
        unmatched=len(taken) - matched,
        duplicates=duplicates,
        rejected=kept,
        not_kept=not_kept,
        skipped=sum(n.skipped for n in new),
        fired=len(firings),
        ahead=ahead.kept,
        pending=tuple(pending),
        claim=Claim(now, began, tuple(sendings), len(sendings)) if sendings else None,
    )


def _claimed(
    tx: Transaction,
    new: Sequence[NewNotification],
    rows: Sequence[Notification],
    made_of: tuple[Iterable[Event], Iterable[Firing]],
    at_once: AtOnce | None,
) -> list[Sending]:
    """What is sent of ``rows`` by this process: the most severe, as many as a message holds at most."""
    if at_once is None:
        return []
    left = Counter(at_once.most)
    chosen: list[int] = []
    for _, place in sorted((-row.severity, row.id) for row in rows if row.is_open):
        if left[new[place].client_id] > 0 and len(chosen) < MESSAGE_SIZE:
            left[new[place].client_id] -= 1
            chosen.append(place)
    if not chosen:
        return []
    event_of = {e.id: e for e in made_of[0]}
    firing_of = {f.id: f for f in made_of[1]}
    made = [
        Made(
            rows[place],
            event_of[new[place].event_id],
            None if (firing_id := new[place].firing_id) is None else firing_of[firing_id],
            new[place].origin,
        )
        for place in chosen
    ]
    return claim_new(tx, made, at_once.settings)


def _stored(
    tx: Transaction,
    new: Sequence[NewNotification],
    rows: list[Notification],
    sendings: Sequence[Sending],
) -> tuple[list[Notification], list[Sending]]:
    """Stores ``rows``, those that are sent as they are claimed; what is to be rung for, and the sendings."""
    for s in sendings:
        rows[s.notification.id] = s.notification
    ids = tx.insert_notifications(new, rows)
    stored = [replace(n, id=i) for n, i in zip(rows, ids, strict=True) if i is not None]
    return (
        [n for n in stored if n.is_open and n.lease_until is None],
        [
            replace(s, notification=replace(s.notification, id=i))
            for s in sendings
            if (i := ids[s.notification.id]) is not None
        ],
    )


def _conflicts(tx: Transaction, seen_before: Sequence[Event]) -> list[Event]:
    """Those whose id stands for another body."""
    if not seen_before:
        return []
    hashes = tx.event_hashes([e.id for e in seen_before])
    return [e for e in seen_before if hashes.get(e.id) not in e.hashes]


def _made_of(new: Iterable[NewNotification], firings: Iterable[Firing]) -> Counter[UUID]:
    """How many notifications each event makes, those of firings at the most."""
    number = Counter(n.event_id for n in new)
    for f in firings:
        number[f.event_id] += len(f.integration_ids)
    return number


def _check_work(events: Sequence[Event], made_of: Counter[UUID]) -> None:
    """Raises TooMuch where several events make more notifications than one transaction should."""
    if len(events) < 2:  # noqa: PLR2004 - there is nothing to part
        return
    notifications = made_of.total()
    if notifications > SHARED and len({e.client_id for e in events}) > 1:
        of_client: Counter[int] = Counter()
        for e in events:
            of_client[e.client_id] += made_of[e.id]
        client_id, most = of_client.most_common(1)[0]
        # Else nobody is a crowd: taken apart one by one, many clients would be many transactions.
        if 2 * most > notifications:
            raise Crowded(client_id)
    if notifications > MOST_NOTIFICATIONS:
        raise TooMuch(f"{len(events)} events make more than {MOST_NOTIFICATIONS} notifications")


def _sorted_out(
    events: Sequence[Event], now: datetime
) -> tuple[list[Event], list[Event], list[Event], int]:
    """Of a batch by itself: what may be taken in, by id; what is too early; other bodies; how many stand twice.

    An other body under the id of one before it may be the very one that was taken in earlier.
    """
    rivals = []
    first: dict[UUID, Event] = {}
    early: list[Event] = []
    duplicates = 0
    for event in events:
        if is_too_far_ahead(event, now):
            early.append(event)
        elif (stands := first.setdefault(event.id, event)) is event:
            pass
        elif stands.body_hash == event.body_hash:
            duplicates += 1
        else:
            rivals.append(event)
    in_order = sorted(first.values(), key=lambda e: e.id)
    if any(is_ahead(e, now) for e in in_order):
        early = [*(e for e in in_order if is_ahead(e, now)), *early]
        in_order = [e for e in in_order if not is_ahead(e, now)]
    return in_order, early, rivals, duplicates


@dataclass(frozen=True, slots=True)
class _Apart:
    """What became of events whose time is ahead: how many are kept apart, what is refused, what is known."""

    kept: int = 0
    refused: tuple[Rejection, ...] = ()
    duplicates: int = 0


def _keep_apart(
    tx: Transaction,
    early: Sequence[Event],
    now: datetime,
    tally: AheadTally | None,
) -> _Apart:
    """Keeps apart what is ahead by a day at most; what it was told before is known, whatever the time."""
    waiting = [e for e in early if not is_too_far_ahead(e, now)]
    kept = tx.keep_apart(waiting) if waiting else set()
    others = [e for e in early if is_too_far_ahead(e, now) or e.id not in kept]
    hashes = tx.event_hashes([e.id for e in others]) if others else {}
    refused: list[Rejection] = []
    for e in others:
        if (known := hashes.get(e.id)) is None:
            if not is_too_far_ahead(e, now):
                raise Unavailable(f"Event {e.id} is being taken in at this moment.")
            refused.append(_too_far_ahead(e, canonical(e.body), now, tally))
        elif known not in e.hashes:
            refused.append(conflict(e, canonical(e.body)))
    return _Apart(len(kept), tuple(refused), len(others) - len(refused))


def _by_client(tx: Transaction, events: Sequence[Event]) -> dict[int, list[Subscriber]]:
    clients = sorted({e.client_id for e in events if e.subscription is not None})
    found: dict[int, list[Subscriber]] = {}
    if clients:
        for subscriber in tx.subscribers_of(clients):
            found.setdefault(subscriber.client_id, []).append(subscriber)
    return found


def made(event: Event, integration: Subscriber) -> NewNotification:
    """The notification of ``event`` to an integration that subscribes to it."""
    return NewNotification(
        client_id=event.client_id,
        integration_id=integration.id,
        event_id=event.id,
        severity=event.severity,
        disablings=integration.disablings,
        skipped=not integration.enabled,
    )


def _of_firings(tx: Transaction, firings: Sequence[Firing]) -> list[NewNotification]:
    """One for each integration that a firing's trigger names and that is still there."""
    named = {i for f in firings for i in f.integration_ids}
    integrations = {i.id: i for i in tx.subscribers_by_id(sorted(named))} if named else {}
    return [
        NewNotification(
            client_id=f.client_id,
            integration_id=i.id,
            event_id=f.event_id,
            firing_id=f.id,
            origin=f.origin,
            severity=f.criteria.condition.terms.severity,
            disablings=i.disablings,
            skipped=not i.enabled,
        )
        for f in firings
        for integration_id in f.integration_ids
        if (i := integrations.get(integration_id)) is not None
    ]


def _too_far_ahead(event: Event, text: str, now: datetime, tally: AheadTally | None) -> Rejection:
    is_ours = tally is not None and tally.is_database_behind
    advice = (
        "so are most events of that minute: set the database's clock, and re-submit."
        if is_ours
        else "set the producer's clock."
    )
    return replace(
        conflict(event, text),
        reason=f"occurred_at: {event.occurred_at.isoformat()} is more than 24 hours ahead of the database's "
        f"clock, which says {now.isoformat()}; {advice}",
        is_for_its_time=True,
    )
