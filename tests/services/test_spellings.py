"""The same event in another spelling is the same event, also to rows from before spellings were compared."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import a_rejection, an_event, an_event_object

from wallarm_notify.domain.canonical import body_hash, canonical
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.schemas.read import read_event
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.resubmit import rejected_body

if TYPE_CHECKING:
    from build import Bench

NUL, HALF = "/etc/passwd\0.jpg", "/?q=\ud83d"


def respelled(event: Event, **fields: Any) -> Event:
    """Return ``event`` as another producer spells it."""
    other = read_event(
        {
            **event.body,
            "id": f"{{{event.id!s}}}".upper(),
            "client_id": float(event.client_id),
            "occurred_at": event.occurred_at.isoformat().replace("+00:00", "Z"),
            **fields,
        }
    )
    assert isinstance(other, Event), other
    assert other.id == event.id
    return other


def of_before(event: Event) -> Event:
    """Return ``event`` as the former program stored it, which compared spellings."""
    assert event.hash_before is not None
    return replace(event, body_hash=event.hash_before, hash_before=None)


def refused_before(**fields: Any) -> tuple[Rejection, Event]:
    """Return what the former program kept of a rejected event, and the event as it is read now."""
    sent = an_event_object(**fields)
    event = read_event(sent)
    assert isinstance(event, Event)
    text = canonical(sent)
    reason = "path holds a NUL character, which cannot be stored."
    rejection = Rejection(reason, text, body_hash(text), False, event.id, 1, event.type)
    return rejection, event


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
def test_the_same_event_in_another_spelling_ends_quietly(bench: Bench, *, together: bool) -> None:
    bench.integration()
    event = an_event(note=[12, {"a": "😀"}])
    other = respelled(event, note=[12.0, {"a": "\ud83d\ude00"}])
    batches = [[event, other]] if together else [[event], [other]]
    assert sum(bench.ingest(*batch).duplicates for batch in batches) == 1
    assert len(bench.publisher.ids()) == 1
    ledger = bench.ledger()
    assert (ledger.received, ledger.matched, ledger.rejected, ledger.findings) == (1, 1, 0, [])


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
def test_another_body_in_another_spelling_is_a_conflict_once(
    bench: Bench, *, together: bool
) -> None:
    event = an_event()
    other = respelled(event, title="Another")
    again = an_event(id=str(event.id), title="Another")
    for batch in [[event, other, again]] if together else [[event], [other], [again]]:
        bench.ingest(*batch)
    assert bench.value("SELECT count(*) FROM rejected") == 1
    ledger = bench.ledger()
    assert (ledger.received, ledger.unmatched, ledger.rejected, ledger.findings) == (2, 1, 1, [])


def test_workers_with_one_event_in_many_spellings_take_it_in_once(bench: Bench) -> None:
    bench.integration()
    event = an_event()
    spellings = [event, respelled(event), respelled(event, id=event.id.hex), respelled(event)] * 3
    with ThreadPoolExecutor(4) as pool:
        routed = list(pool.map(bench.ingest, spellings))
    assert sum(r.matched for r in routed) == 1
    assert sum(r.duplicates for r in routed) == len(spellings) - 1
    assert bench.ledger().findings == []


def test_an_event_from_before_comes_again_and_ends_quietly(bench: Bench) -> None:
    bench.integration()
    event = an_event(occurred_at="2026-03-01T12:00:00Z", note=12.0)
    bench.ingest(of_before(event))
    assert bench.ingest(event).duplicates == 1
    assert bench.ingest(event, replace(event)).duplicates == 2
    ledger = bench.ledger()
    assert (ledger.received, ledger.matched, ledger.rejected, ledger.findings) == (1, 1, 0, [])


def test_another_body_than_that_of_before_is_a_conflict(bench: Bench) -> None:
    event = an_event(occurred_at="2026-03-01T12:00:00Z")
    bench.ingest(of_before(event))
    other = an_event(**{**event.body, "title": "Another"})
    assert bench.ingest(other).rejected == 1
    assert bench.ingest(other).rejected == 0
    ledger = bench.ledger()
    assert (ledger.received, ledger.unmatched, ledger.rejected, ledger.findings) == (2, 1, 1, [])


def test_a_conflict_from_before_comes_again_and_is_listed_once(bench: Bench) -> None:
    first = an_event()
    other = an_event(id=str(first.id), title="Another", occurred_at="2026-03-01T12:00:00Z")
    bench.ingest(first)
    bench.ingest(of_before(other))
    assert bench.ingest(other).rejected == 0
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.findings) == (2, 1, [])


@pytest.mark.parametrize("limit", [0, 1, 100])
def test_what_was_rejected_before_and_still_is_is_listed_once(bench: Bench, limit: int) -> None:
    ctx = bench.with_settings(rejected_per_day=limit)
    rejection = a_rejection(occurred_at="2026-03-01T12:00:00Z")
    assert rejection.hash_before is not None
    before = replace(rejection, body_hash=rejection.hash_before, hash_before=None)
    ingest(ctx, [], [before])
    (routed,) = ingest(ctx, [], [rejection, rejection])
    assert (routed.rejected, routed.not_kept) == (0, 0)
    ledger = bench.ledger()
    assert (ledger.received, ledger.rejected, ledger.findings) == (1, 1, [])


def test_it_is_not_counted_as_not_kept_either_where_so_much_is_kept_already(bench: Bench) -> None:
    ctx = bench.with_settings(rejected_per_day=1)
    rejection = a_rejection(occurred_at="2026-03-01T12:00:00Z")
    assert rejection.hash_before is not None
    before = replace(rejection, body_hash=rejection.hash_before, hash_before=None)
    ingest(ctx, [], [before, a_rejection()])
    (routed,) = ingest(ctx, [], [rejection])
    assert (routed.rejected, routed.not_kept) == (0, 0)


@pytest.mark.parametrize(
    "fields",
    [{"path": NUL}, {"path": HALF}, {"client_id": 1.0}, {"occurred_at": "2016-12-31T23:59:60Z"}],
    ids=["NUL", "half a pair", "a float", "a leap second"],
)
def test_what_was_rejected_before_and_comes_again_is_taken_in_and_leaves_the_rejected(
    bench: Bench, fields: dict[str, Any]
) -> None:
    bench.integration()
    rejection, event = refused_before(**fields)
    beside = an_event(occurred_at="2026-03-01T12:00:00Z")
    bench.ingest(rejections=[rejection])
    assert bench.ingest(event, beside).matched == 2
    assert str(bench.value("SELECT resubmitted_as FROM rejected")) == str(event.id)
    ledger = bench.ledger()
    assert (ledger.received, ledger.matched, ledger.rejected, ledger.findings) == (2, 2, 0, [])
    assert bench.ingest(event).duplicates == 1


def test_what_was_ahead_before_is_taken_in_when_it_comes_again_in_time(bench: Bench) -> None:
    ahead = bench.value("SELECT now()") + timedelta(hours=25)
    event = an_event(occurred_at=ahead.isoformat().replace("+00:00", "Z"))
    assert bench.ingest(of_before(event)).rejected == 1
    in_time = replace(event, occurred_at=bench.value("SELECT now()"))
    assert bench.ingest(in_time).unmatched == 1
    ledger = bench.ledger()
    assert (ledger.received, ledger.unmatched, ledger.rejected, ledger.findings) == (1, 1, 0, [])


def test_what_was_rejected_before_can_be_resubmitted_as_it_is(bench: Bench) -> None:
    bench.integration()
    rejection, event = refused_before(path=NUL)
    bench.ingest(rejections=[rejection])
    again = read_event(json.loads(rejected_body(bench.ctx, EVERY_CLIENT, 1)))
    assert isinstance(again, Event)
    assert again.body_hash == event.body_hash
    assert bench.resubmit_event(1, again).matched == 1
    # It is redelivered after all, in yet another spelling.
    assert bench.ingest(event, respelled(event)).duplicates == 2
    assert bench.ingest(rejections=[rejection]).rejected == 0
    ledger = bench.ledger()
    assert (ledger.received, ledger.matched, ledger.rejected, ledger.findings) == (1, 1, 0, [])
    assert [body["path"] for body in bench.bodies()] == ["/etc/passwd\ufffd.jpg"]


@pytest.mark.parametrize("path", [NUL, HALF, "/\ude00", "\0"])
@pytest.mark.parametrize(
    ("condition", "event_type"),
    [
        ("attacks_exceeded", "attack.detected"),
        ("hits_exceeded", "hit.detected"),
        ("incidents_exceeded", "incident.detected"),
    ],
)
def test_an_attack_counts_whatever_the_attacker_wrote(
    bench: Bench, path: str, condition: str, event_type: str
) -> None:
    bench.trigger(condition=condition, threshold="2 in 1h")
    fields = {"attack_id": "a", "hit_id": "h", "incident_id": "i", "attack_type": "ptrav"}
    now = datetime.now(UTC).isoformat()
    events = [
        an_event(type=event_type, occurred_at=now, path=path, host=path, **fields) for _ in range(3)
    ]
    assert [bench.ingest(e).fired for e in events] == [0, 0, 1]
    assert bench.ledger().findings == []


def test_a_filter_finds_a_number_in_whatever_spelling(bench: Bench) -> None:
    bench.trigger(
        condition="attacks_exceeded",
        filters=("pool=12", "response_status=4xx"),
        threshold="0 in 1h",
    )
    now = datetime.now(UTC).isoformat()
    attack = {"type": "attack.detected", "attack_id": "a", "attack_type": "xss", "occurred_at": now}
    routed = bench.ingest(an_event(**attack, application_id=1.2e1, response_status=403.0))
    assert routed.fired == 1


def test_a_cut_rejection_in_another_alphabet_is_kept_and_kept_plainly_if_it_must(
    bench: Bench,
) -> None:
    large = read_event(an_event_object(note="ж" * 300_000))
    assert isinstance(large, Rejection)
    ingest(bench.ctx, [], [large, replace(a_rejection(note="ж" * 300_000), client_id=2**70)])
    rows = bench.sql(
        "SELECT octet_length(body_text) AS size, cut, body_text FROM rejected ORDER BY id"
    )
    assert [r["cut"] for r in rows] == [True, True]
    assert sorted(r["body_text"].isascii() for r in rows) == [False, True]
    assert min(r["size"] for r in rows) > 63_000
