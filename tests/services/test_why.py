"""Why: the reason at each integration and trigger, as the database has it, and what follows if it alone is undone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from build import Bench, a_rejection, a_user_event, an_answer, an_event, an_event_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.domain.triggers.trigger import TriggerChange
from wallarm_notify.domain.why import Absent, Line, Reason, Why
from wallarm_notify.domain.why_rules import explain
from wallarm_notify.domain.why_words import absence_words, answer_of, line_words
from wallarm_notify.entrypoints.cli.criteria import read_threshold
from wallarm_notify.services.why import facts_of, why
from wallarm_notify.store import why as why_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.event import Event

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def asked(bench: Bench, event: Event) -> Why:
    found = why(bench.ctx, EVERY_CLIENT, event.client_id, event.id)
    assert isinstance(found, Why)
    return found


def absent(bench: Bench, event_id: UUID, client_id: int = 1) -> Absent:
    found = why(bench.ctx, EVERY_CLIENT, client_id, event_id)
    assert isinstance(found, Absent)
    return found


def of_card(bench: Bench, event: Event, integration_id: int) -> Line:
    (line,) = (
        p
        for p in asked(bench, event).lines
        if p.trigger is None and p.integration and p.integration.id == integration_id
    )
    return line


def of_trigger(bench: Bench, event: Event, trigger_id: int) -> Line:
    (line,) = (p for p in asked(bench, event).lines if p.trigger and p.trigger.id == trigger_id)
    return line


def reasons(line: Line) -> list[Reason]:
    return [cause.reason for cause in line.causes]


def ingested(bench: Bench, event: Event) -> Event:
    bench.ingest(event)
    return event


# What became of a notification.


@pytest.mark.parametrize(
    ("statuses", "reason", "state"),
    [
        pytest.param([], Reason.WAITING, "pending", id="nothing was sent yet"),
        pytest.param([202], Reason.ACCEPTED, "delivered", id="accepted"),
        pytest.param([500], Reason.RETRYING, "retrying", id="refused once"),
        pytest.param([500] * 17, Reason.FAILED, "failed", id="refused 17 times"),
    ],
)
def test_a_notification_is_shown_as_it_stands(
    bench: Bench, statuses: list[int], reason: Reason, state: str
) -> None:
    integration = bench.integration(name="SOC")
    event = an_event()
    (made,) = bench.ingest(event).pending
    for status in statuses:
        bench.make_due()
        bench.sent([made.id], an_answer(status))
    line = of_card(bench, event, integration)
    assert reasons(line) == [reason]
    assert line.notification is not None
    assert (line.notification.id, line.notification.state) == (made.id, state)
    if reason in (Reason.RETRYING, Reason.FAILED):
        assert (line.causes[0].count, line.causes[0].limit) == (len(statuses), 17)


def test_a_cancelled_notification_names_who_disabled_its_integration(bench: Bench) -> None:
    integration = bench.integration()
    event = ingested(bench, an_event())
    bench.disable_integration(integration, user="ana", reason="night")
    bench.claim([bench.value("SELECT min(id) FROM notifications")])
    line = of_card(bench, event, integration)
    assert reasons(line) == [Reason.CANCELLED]
    assert (line.causes[0].by, line.causes[0].note) == ("ana", "night")


def test_a_notification_of_its_integrations_own_end_counts_its_six_attempts(bench: Bench) -> None:
    integration = bench.integration(subscribe=("system",), name="SOC")
    bench.disable_integration(integration, user="ana")
    closing = bench.value("SELECT id FROM notifications WHERE closing")
    bench.make_due()
    bench.sent([closing], an_answer(500))
    number = bench.value("SELECT id FROM events WHERE CAST(type AS text) = 'integration.disabled'")
    found = why(bench.ctx, EVERY_CLIENT, 1, number)
    assert isinstance(found, Why)
    (cause,) = found.lines[0].causes
    assert (cause.reason, cause.count, cause.limit) == (Reason.RETRYING, 1, 6)


def test_a_skipped_notification_names_who_had_disabled_its_integration_and_when(
    bench: Bench,
) -> None:
    integration = bench.integration()
    bench.disable_integration(integration, user="ana", reason="night")
    event = ingested(bench, an_event())
    bench.enable_integration(integration, user="bob")
    (cause,) = of_card(bench, event, integration).causes
    assert (cause.reason, cause.by, cause.note) == (Reason.SKIPPED, "ana", "night")
    assert cause.at is not None


# The rules.


def test_an_integration_that_does_not_subscribe_says_to_what(bench: Bench) -> None:
    integration = bench.integration(subscribe=("system",))
    event = ingested(bench, an_event(risk="low"))
    (cause,) = of_card(bench, event, integration).causes
    assert (cause.reason, cause.wanted) == (Reason.NOT_SUBSCRIBED, "security_issue_low")


def test_the_rules_are_those_by_which_the_event_was_routed(bench: Bench) -> None:
    integration = bench.integration(subscribe=("system",))
    event = ingested(bench, an_event())
    bench.update_integration(integration, IntegrationChange(subscriptions=("security_issue_high",)))
    bench.delete_integration(integration)
    found = asked(bench, event)
    assert found.as_they_were
    line = of_card(bench, event, integration)
    assert reasons(line) == [Reason.NOT_SUBSCRIBED]
    assert line.deleted_at is not None


def test_an_older_event_goes_by_the_rules_of_now_and_says_so(bench: Bench) -> None:
    integration = bench.integration()
    event = ingested(bench, an_event(risk="low"))
    bench.sql("DELETE FROM notifications")
    bench.sql("UPDATE events SET rules_version = NULL")
    bench.update_integration(integration, IntegrationChange(subscriptions=("system",)))
    later = bench.integration()
    assert not asked(bench, event).as_they_were
    assert reasons(of_card(bench, event, integration)) == [Reason.NOT_SUBSCRIBED]
    assert reasons(of_card(bench, event, later)) == [Reason.CREATED]
    bench.update_integration(integration, IntegrationChange(subscriptions=("security_issue_low",)))
    assert reasons(of_card(bench, event, integration)) == [Reason.CHANGED]


def test_what_was_created_after_the_event_says_when(bench: Bench) -> None:
    event = ingested(bench, an_event_for("user_created"))
    integration = bench.integration(subscribe=("system",))
    trigger = bench.trigger(integration, condition="user_created").id
    for line in (of_card(bench, event, integration), of_trigger(bench, event, trigger)):
        assert reasons(line) == [Reason.CREATED]
        assert line.causes[0].at is not None


def test_an_integration_that_was_gone_when_its_trigger_fired_was_deleted(bench: Bench) -> None:
    integration = bench.integration(subscribe=())
    trigger = bench.trigger(integration, condition="user_created").id
    event = ingested(bench, an_event_for("user_created"))
    bench.delete_integration(integration)
    bench.sql("DELETE FROM notifications")
    line = of_trigger(bench, event, trigger)
    assert reasons(line) == [Reason.DELETED]
    assert line.causes[0].at is not None


def test_an_event_that_only_triggers_look_at_reaches_no_card(bench: Bench) -> None:
    integration = bench.integration()
    event = ingested(bench, an_event_for("incidents_exceeded"))
    assert reasons(of_card(bench, event, integration)) == [Reason.NEEDS_TRIGGER]


def test_a_trigger_that_looks_at_other_events_says_at_which(bench: Bench) -> None:
    trigger = bench.trigger(condition="user_created").id
    event = ingested(bench, an_event_for("attacks_exceeded"))
    (cause,) = of_trigger(bench, event, trigger).causes
    assert (cause.reason, cause.wanted) == (Reason.OTHER_TYPE, "user.created")


def test_a_filter_says_what_it_wanted_and_what_the_event_has(bench: Bench) -> None:
    trigger = bench.trigger(threshold="0 in 1h", filters=["attack_type=sqli", "pool!=3"]).id
    event = ingested(bench, an_event_for("attacks_exceeded", application_id=3))
    line = of_trigger(bench, event, trigger)
    assert [(c.filter, c.wanted, c.found) for c in line.causes] == [
        ("attack_type", "Attack type: SQLi", "XSS"),
        ("pool", "Application: any but 3", "3"),
    ]


def test_a_trigger_that_was_off_says_by_whom(bench: Bench) -> None:
    trigger = bench.trigger(condition="user_created").id
    bench.disable_trigger(trigger, user="ana")
    event = ingested(bench, an_event_for("user_created"))
    bench.enable_trigger(trigger, user="bob")
    bench.disable_trigger(trigger, user="eve")
    (cause,) = of_trigger(bench, event, trigger).causes
    assert (cause.reason, cause.by) == (Reason.TRIGGER_OFF, "ana")
    assert cause.at is not None


def test_a_trigger_without_integrations_says_so(bench: Bench) -> None:
    integration = bench.integration(subscribe=())
    trigger = bench.trigger(integration, condition="user_created").id
    bench.delete_integration(integration)
    event = ingested(bench, an_event_for("user_created"))
    assert reasons(of_trigger(bench, event, trigger)) == [Reason.NO_INTEGRATIONS]


@pytest.mark.parametrize(
    ("condition", "fields", "reason"),
    [
        ("attacks_exceeded", {"experimental": True}, Reason.EXPERIMENTAL),
        ("hits_exceeded", {"in_sample": False}, Reason.UNSAMPLED),
        (
            "incidents_exceeded",
            {"occurred_at": (datetime.now(UTC) - 3 * DAY).isoformat()},
            Reason.LATE,
        ),
    ],
)
def test_what_is_not_counted_says_why(
    bench: Bench, condition: str, fields: dict[str, Any], reason: Reason
) -> None:
    trigger = bench.trigger(condition=condition, threshold="0 in 1h").id
    event = ingested(bench, an_event_for(condition, **fields))
    assert reasons(of_trigger(bench, event, trigger)) == [reason]


# What a trigger has counted.


def attack(at: datetime | None = None, **fields: Any) -> Event:
    return an_event_for("attacks_exceeded", at or datetime.now(UTC), **fields)


def test_what_was_counted_without_firing_says_how_many_of_how_many(bench: Bench) -> None:
    trigger = bench.trigger(threshold="30 in 1h").id
    at = datetime.now(UTC)
    events = [attack(at) for _ in range(3)]
    bench.ingest(*events)
    (cause,) = of_trigger(bench, events[0], trigger).causes
    assert (cause.reason, cause.count, cause.limit) == (Reason.COUNTED, 3, 30)
    bench.sql("DELETE FROM trigger_cells")
    (cause,) = of_trigger(bench, events[0], trigger).causes
    assert (cause.reason, cause.count, cause.limit) == (Reason.COUNTED, None, 30)


def test_what_comes_after_a_firing_finds_the_trigger_quiet_until_a_time(bench: Bench) -> None:
    trigger = bench.trigger(threshold="1 in 1h").id
    at = datetime.now(UTC)
    bench.ingest(attack(at), attack(at))
    event = ingested(bench, attack(at))
    (cause,) = of_trigger(bench, event, trigger).causes
    assert cause.reason is Reason.QUIET
    assert cause.until is not None
    assert at + HOUR - timedelta(minutes=1) <= cause.until <= at + HOUR


def test_what_was_counted_in_a_later_firing_names_it_and_who_was_notified(bench: Bench) -> None:
    integration = bench.integration(subscribe=(), name="SOC")
    trigger = bench.trigger(integration, threshold="1 in 1h").id
    at = datetime.now(UTC)
    event = ingested(bench, attack(at))
    bench.ingest(attack(at))
    (firing,) = bench.firings(trigger)
    (cause,) = of_trigger(bench, event, trigger).causes
    assert (cause.reason, cause.firing_id) == (Reason.COUNTED_IN_FIRING, firing.id)
    assert cause.note == "SOC: Waiting"


def test_the_event_that_made_a_trigger_fire_shows_its_notification(bench: Bench) -> None:
    integration = bench.integration(subscribe=())
    trigger = bench.trigger(integration, threshold="1 in 1h").id
    at = datetime.now(UTC)
    bench.ingest(attack(at))
    event = attack(at)
    (made,) = bench.ingest(event).pending
    line = of_trigger(bench, event, trigger)
    assert reasons(line) == [Reason.WAITING]
    assert line.notification is not None
    assert (line.notification.id, line.notification.integration_id) == (made.id, integration)


def test_an_endpoint_that_was_found_before_says_so(bench: Bench) -> None:
    trigger = bench.trigger(condition="rogue_api_detected").id
    ingested(bench, an_event_for("rogue_api_detected"))
    event = ingested(bench, an_event_for("rogue_api_detected"))
    assert reasons(of_trigger(bench, event, trigger)) == [Reason.ENDPOINT_BEFORE]


def test_an_endpoint_of_a_kind_that_counts_only_if_it_is_asked_for_says_so(bench: Bench) -> None:
    trigger = bench.trigger(condition="rogue_api_detected").id
    event = ingested(bench, an_event_for("rogue_api_detected", kind="orphan"))
    (cause,) = of_trigger(bench, event, trigger).causes
    assert (cause.reason, cause.found) == (Reason.FILTER, "orphan")


# Undone alone, what is stated is what stood in the way.


@st.composite
def setups(draw: Any) -> dict[str, Any]:
    return {
        "risk": draw(st.sampled_from(["low", "high"])),
        "subscribe": draw(st.sampled_from([(), ("system",), ("security_issue_low",)])),
        "enabled": draw(st.booleans()),
    }


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(setup=setups())
def test_undone_and_routed_again_what_is_stated_of_a_card_decides(
    bench: Bench, setup: dict[str, Any]
) -> None:
    bench.sql("UPDATE integrations SET deleted_at = now()")
    integration = bench.integration(subscribe=setup["subscribe"], enabled=setup["enabled"])
    event = ingested(bench, an_event(risk=setup["risk"]))
    line = of_card(bench, event, integration)
    undo: dict[Reason, Callable[[], object]] = {
        Reason.NOT_SUBSCRIBED: lambda: bench.update_integration(
            integration,
            IntegrationChange(
                subscriptions=(*setup["subscribe"], f"security_issue_{setup['risk']}")
            ),
        ),
        Reason.INTEGRATION_OFF: lambda: bench.enable_integration(integration),
        Reason.SKIPPED: lambda: bench.enable_integration(integration),
        Reason.WAITING: lambda: None,
    }
    for reason in reasons(line):
        assert is_waiting(bench, again(event), integration) == (reason is Reason.WAITING)
        undo[reason]()
    assert is_waiting(bench, again(event), integration)


@st.composite
def trigger_setups(draw: Any) -> dict[str, Any]:
    return {
        "filters": draw(
            st.lists(st.sampled_from(["attack_type=sqli", "pool=7", "domain=a.b"]), unique=True)
        ),
        "enabled": draw(st.booleans()),
        "integration": draw(st.booleans()),
        "experimental": draw(st.booleans()),
        "late": draw(st.booleans()),
        "count": draw(st.sampled_from([0, 1])),
    }


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(setup=trigger_setups())
def test_undone_and_routed_again_what_is_stated_of_a_trigger_decides(
    bench: Bench, setup: dict[str, Any]
) -> None:
    bench.sql("UPDATE triggers SET deleted_at = now(), enabled = false")
    integration = bench.integration(subscribe=(), enabled=setup["integration"])
    made = bench.trigger(
        integration, filters=setup["filters"], threshold=f"{setup['count']} in 1h", name="T"
    )
    if not setup["enabled"]:
        bench.disable_trigger(made.id)
    at = datetime.now(UTC) - (3 * DAY if setup["late"] else timedelta())
    event = ingested(bench, attack(at, experimental=setup["experimental"]))
    line = of_trigger(bench, event, made.id)
    stated = {*reasons(line)} - {Reason.WAITING}
    undone = 0
    while not is_waiting(bench, event, integration):
        assert undone < 10
        event = again(undo_of_trigger(bench, made.id, integration, event, line))
        bench.ingest(event)
        line = of_trigger(bench, event, made.id)
        undone += 1
    # What is not counted yet says nothing of the limit.
    comes_later = setup["count"] > 0 and Reason.COUNTED not in stated
    filters = max(len(setup["filters"]) - 1, 0)
    assert undone == len(stated) + filters + comes_later


def undo_of_trigger(
    bench: Bench, trigger: int, integration: int, event: Event, line: Line
) -> Event:
    """Undo the first that is stated; return the event, as it is then."""
    cause = line.causes[0]
    match cause.reason:
        case Reason.FILTER:
            assert line.trigger is not None
            left = tuple(f for f in line.trigger.criteria.filters if f.words != cause.wanted)
            assert len(left) == len(line.trigger.criteria.filters) - 1
            bench.update_trigger(trigger, TriggerChange(filters=left))
        case Reason.COUNTED:
            assert cause.count is not None
            lower = read_threshold(f"{cause.count - 1} in 1h")
            bench.update_trigger(trigger, TriggerChange(threshold=lower))
        case Reason.TRIGGER_OFF:
            bench.enable_trigger(trigger)
        case Reason.INTEGRATION_OFF | Reason.SKIPPED:
            bench.enable_integration(integration)
            bench.sql("DELETE FROM trigger_cells")  # it has fired, and would be quiet
        case Reason.EXPERIMENTAL:
            return replace(event, body={**event.body, "experimental": False})
        case Reason.LATE:
            return replace(event, occurred_at=datetime.now(UTC))
        case _:
            pytest.fail(f"{cause} stood in the way of nothing that there is")
    return event


def again(event: Event) -> Event:
    """Return the event as a new one."""
    number = uuid4()
    body = {**event.body, "id": str(number), "occurred_at": event.occurred_at.isoformat()}
    return replace(event, id=number, body=body, body_hash=sha256(number.bytes).digest(), text="")


def is_waiting(bench: Bench, event: Event, integration: int) -> bool:
    """Route the event if it is new; return whether the integration is sent a notification of it."""
    bench.ingest(event)
    rows = bench.sql(
        """SELECT n.state FROM notifications n JOIN events e ON e.no = n.event_no
           WHERE e.id = :id AND n.integration_id = :integration""",
        id=event.id,
        integration=integration,
    )
    return [row["state"] for row in rows] == ["pending"]


# No event of that id was taken in.


def test_of_an_unknown_id_how_long_things_are_kept_is_stated(bench: Bench) -> None:
    bench.sql("UPDATE installation SET unmatched_retention = '7 days'")
    found = absent(bench, uuid4())
    assert [c.reason for c in found.causes] == [Reason.NOT_HERE]
    assert (found.kept, found.kept_unmatched) == (90 * DAY, 7 * DAY)
    assert "90 d" in absence_words(found)[1]


def test_an_event_that_was_rejected_is_found_with_the_reason(bench: Bench) -> None:
    number = uuid4()
    bench.ingest(rejections=[a_rejection(id=str(number)), a_rejection()])
    (cause,) = absent(bench, number).causes
    assert cause.reason is Reason.REJECTED
    assert cause.number == bench.value("SELECT id FROM rejected WHERE event_id = :id", id=number)
    assert "title" in (cause.note or "")


def test_a_conflict_is_shown_beside_the_event_that_stands(bench: Bench) -> None:
    event = ingested(bench, an_event())
    bench.ingest(an_event(id=str(event.id), title="another"))
    (other,) = asked(bench, event).others
    assert other.reason is Reason.CONFLICT


def test_an_event_ahead_of_its_time_says_when_it_is_taken_in(bench: Bench) -> None:
    at = bench.value("SELECT now()") + 2 * HOUR
    event = ingested(bench, an_event(occurred_at=at.isoformat()))
    (cause,) = absent(bench, event.id).causes
    assert (cause.reason, cause.until) == (Reason.AHEAD, at - timedelta(minutes=5))


def test_an_id_in_what_no_event_was_read_from_is_found(bench: Bench) -> None:
    number = uuid4()
    body = f'{{"id": "{str(number).upper()}"'.encode()
    bench.store.transact(lambda tx: tx.store_undecodable("no JSON", None, body))
    call = TriedCall(b"d" * 32, "application/json", "utf-8", "{}", str(number).encode())
    bench.store.transact(lambda tx: tx.set_aside(call, deaths=3, again_in=DAY))
    found = absent(bench, number)
    assert [c.reason for c in found.causes] == [Reason.UNDECODABLE, Reason.SET_ASIDE]
    assert [c.reason for c in absent(bench, uuid4()).causes] == [Reason.NOT_HERE]


def test_a_rejection_is_found_behind_any_number_of_later_ones(bench: Bench) -> None:
    number = uuid4()
    bench.ingest(rejections=[a_rejection(id=str(number))])
    bench.sql(
        """INSERT INTO rejected (body_hash, reason, body_text, cut, event_id, client_id)
           SELECT sha256(convert_to(CAST(n AS text), 'UTF8')), 'no type', '{}', false, gen_random_uuid(),
               CASE WHEN n % 2 = 0 THEN 1 END
           FROM generate_series(1, 12000) n"""
    )
    assert [c.reason for c in absent(bench, number).causes] == [Reason.REJECTED]


def test_of_many_rejections_of_an_id_the_newest_are_shown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(why_queries, "MOST_REJECTED", 2)
    number = uuid4()
    for risk in "abc":
        bench.ingest(rejections=[a_rejection(id=str(number), risk=risk)])
    ids = [row["id"] for row in bench.sql("SELECT id FROM rejected ORDER BY id")]
    assert [c.number for c in absent(bench, number).causes] == ids[:0:-1]


# What it reads.


def test_what_is_read_does_not_grow_with_history(bench: Bench) -> None:
    trigger = bench.trigger(threshold="1 in 1s").id
    at = datetime.now(UTC) - timedelta(hours=20)
    event = ingested(bench, attack(at))
    asked(bench, event)
    few = rows_read(bench, event)
    for hours in range(19):
        moment = at + timedelta(hours=hours + 1)
        bench.ingest(attack(moment), attack(moment))
    bench.integration()
    bench.ingest(*(an_event() for _ in range(100)))
    bench.sql("ANALYZE")
    assert len(bench.firings(trigger)) == 19
    assert rows_read(bench, event) <= few


def rows_read(bench: Bench, event: Event) -> int:
    """Return how many rows of events, of what was made of them and of cells are read for an answer."""
    tables = "('events', 'notifications', 'trigger_cells', 'attempts')"
    rows = f"SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname IN {tables}"
    read: list[int] = []

    def work(tx: Any) -> Why:
        tx._do("SET LOCAL enable_seqscan = off")  # so few rows are read whole
        stored = tx.stored_event(EVERY_CLIENT, event.client_id, event.id)
        found = explain(facts_of(tx, EVERY_CLIENT, stored))
        read.append(int(tx._rows(rows)[0]["sum"]))
        return found

    bench.close()  # a session's figures hold those of the transactions before
    bench.store.transact(work)
    return read[0]


# Whose things.


def test_another_clients_event_is_named_only_to_who_may_see_that_client(bench: Bench) -> None:
    bench.integration(client_id=2)
    event = ingested(bench, an_event(client_id=2))
    for scope in (EVERY_CLIENT, only([1, 2])):
        found = why(bench.ctx, scope, 1, event.id)
        assert isinstance(found, Absent)
        assert [(c.reason, c.number) for c in found.causes] == [(Reason.OTHER_CLIENT, 2)]
    alone = why(bench.ctx, only([1]), 1, event.id)
    assert isinstance(alone, Absent)
    assert [c.reason for c in alone.causes] == [Reason.NOT_HERE]


def test_what_belongs_to_no_client_is_searched_only_for_who_sees_all(bench: Bench) -> None:
    number = uuid4()
    bench.ingest(rejections=[a_rejection(id=str(number), client_id="none")])
    body = str(number).encode()
    bench.store.transact(lambda tx: tx.store_undecodable("no JSON", None, body))
    assert len(absent(bench, number).causes) == 2
    alone = why(bench.ctx, only([1]), 1, number)
    assert isinstance(alone, Absent)
    assert [c.reason for c in alone.causes] == [Reason.NOT_HERE]


def test_an_event_of_a_client_outside_of_the_scope_is_refused_in_the_words_for_no_client(
    bench: Bench,
) -> None:
    event = ingested(bench, an_event(client_id=2))
    with pytest.raises(NotFound, match="There is no client 2"):
        why(bench.ctx, only([1]), 2, event.id)


# The answer.


def test_the_answer_names_who_was_not_paged_and_why(bench: Bench) -> None:
    bench.integration(name="SOC", subscribe=("security_issue_high",))
    night = bench.integration(name="Night", subscribe=("security_issue_low",))
    bench.disable_integration(night, user="ana@example.com", reason="")
    found = asked(bench, ingested(bench, an_event(risk="low")))
    at = of_card(bench, found.event, night).causes[0].at
    assert at is not None
    assert answer_of(found) == (
        f"Nobody was paged: Night was disabled by ana@example.com at {at:%H:%M:%S}Z, "
        "SOC does not subscribe to Low risk."
    )


def test_each_line_is_put_into_words(bench: Bench) -> None:
    integration = bench.integration(subscribe=("system",))
    bench.trigger(integration, condition="user_created")
    found = asked(bench, ingested(bench, a_user_event()))
    assert [line_words(line, found) for line in found.lines] == ["waits for its turn"] * 2
