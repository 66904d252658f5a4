"""Applying a change: all that it names is done at once, and nothing where nothing differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from build import Bench, a_key, an_event, an_integration_draft, criteria_of
from meanwhile import overlapping

from wallarm_notify.domain.activity import Action
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.event import SECURITY_ISSUES, Subscription
from wallarm_notify.domain.integration import (
    IntegrationChange,
    IntegrationKey,
    KeyMask,
    SwitchedOff,
)
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.trigger import TriggerChange

SYSTEM = (Subscription.SYSTEM,)


def generation(bench: Bench, integration: int) -> int:
    return int(bench.value("SELECT generation FROM integrations WHERE id = :i", i=integration))


def changes(bench: Bench) -> list[Action]:
    """Return what the activity log says was done after the creation."""
    return [change.action for change in bench.activity()[1:]]


def notified(bench: Bench) -> list[tuple[int, bool]]:
    """Return who is notified of a disabling: integration, and whether by its closing."""
    rows = bench.sql(
        """SELECT n.integration_id, n.closing FROM notifications n JOIN events e ON e.no = n.event_no
           WHERE e.type = 'integration.disabled' ORDER BY n.id"""
    )
    return [(row["integration_id"], row["closing"]) for row in rows]


# Integrations.


def test_everything_is_changed_at_once_with_one_line_in_the_log(bench: Bench) -> None:
    number = bench.integration(enabled=False)
    key = a_key()
    change = IntegrationChange("Nights", "eu", SYSTEM, key, enabled=True)
    applied = bench.apply_integration(number, change)
    shown = applied.integration
    assert (shown.name, shown.region, shown.subscriptions) == ("Nights", "eu", ("system",))
    assert (shown.key, shown.enabled, shown.disabled_at) == (key.masked, True, None)
    assert (applied.news, applied.off) == (change, None)
    assert shown == bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, number))
    assert changes(bench) == [Action.ENABLED]
    assert bench.value("SELECT max(version) FROM rules_versions") == 2


def as_it_is(bench: Bench, number: int, key: IntegrationKey) -> IntegrationChange:
    """Return a change to what is set already."""
    shown = bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, number))
    assert shown is not None
    return IntegrationChange(
        name=shown.name,
        region=shown.region,
        subscriptions=tuple(reversed(shown.subscriptions)),
        key=key,
        enabled=shown.enabled,
        reason="another",
    )


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    "field", ["all", "none", "name", "region", "subscriptions", "key", "enabled"]
)
def test_what_is_so_already_is_left_alone_and_the_result_says_so(
    bench: Bench, field: str, *, enabled: bool
) -> None:
    key = a_key()
    number = bench.integration(key, enabled=enabled, subscribe=("system", "security_issue"))
    bench.made(2)
    bench.sql("UPDATE notifications SET due_at = now() + interval '10 minutes'")
    bench.sql("UPDATE integrations SET slow_since = now(), warned = 30")
    everything = as_it_is(bench, number, key)
    change = {"all": everything, "none": IntegrationChange()}.get(field) or IntegrationChange(
        **{field: getattr(everything, field)}
    )
    before, _ = bench.all_rows(), bench.publisher.taken()
    applied = bench.apply_integration(number, change)
    assert applied.news.is_nothing
    assert (applied.off, applied.unsent) == (None, None)
    assert applied.integration == bench.store.transact(
        lambda tx: tx.integration(EVERY_CLIENT, number)
    )
    assert bench.all_rows() == before
    assert bench.publisher.taken() == []


def test_of_a_change_only_what_is_another_is_done(bench: Bench) -> None:
    key = a_key()
    number = bench.integration(key, name="On call")
    change = replace(as_it_is(bench, number, key), name="Nights")
    applied = bench.apply_integration(number, change)
    assert applied.news == IntegrationChange(name="Nights", reason="another")
    assert generation(bench, number) == 0
    assert bench.activity()[-1].after == {"name": "Nights"}


@pytest.mark.parametrize(
    ("change", "clean"),
    [
        (IntegrationChange(name="x", subscriptions=()), False),
        (IntegrationChange(region="eu"), True),
        (IntegrationChange(key=a_key()), True),
        (IntegrationChange(enabled=False), False),
    ],
    ids=["name", "region", "key", "disabled"],
)
def test_only_another_key_or_region_is_a_clean_window(
    bench: Bench, change: IntegrationChange, *, clean: bool
) -> None:
    number = bench.integration()
    bench.apply_integration(number, change)
    assert (generation(bench, number) > 0) is clean


def test_enabled_with_a_new_key_it_sends_by_that_and_returns_what_was_not_sent(
    bench: Bench,
) -> None:
    number = bench.integration(enabled=False)
    bench.ingest(an_event(), an_event())
    key = a_key()
    applied = bench.apply_integration(number, IntegrationChange(key=key, enabled=True))
    assert applied.unsent is not None
    assert applied.unsent.counts == {"failed": 0, "skipped": 2, "cancelled": 0}
    (sending,) = bench.claim(bench.made()).sendings
    assert sending.key == key
    assert changes(bench) == [Action.ENABLED]
    assert bench.activity()[-1].after["key"] == key.masked


def test_a_disabled_one_is_given_a_new_key_and_stays_disabled(bench: Bench) -> None:
    number = bench.integration()
    bench.disable_integration(number)
    key = a_key()
    applied = bench.apply_integration(number, IntegrationChange(key=key))
    assert (applied.integration.enabled, applied.integration.key) == (False, key.masked)
    assert bench.ingest(an_event()).skipped == 1
    assert changes(bench) == [Action.DISABLED, Action.UPDATED]
    bench.enable_integration(number)
    (sending,) = bench.claim(bench.made()).sendings
    assert sending.key == key


def test_renamed_and_disabled_it_is_announced_by_its_new_name_and_subscriptions(
    bench: Bench,
) -> None:
    other = bench.integration(subscribe=("system",))
    number = bench.integration(name="Old")
    waiting = bench.made()
    change = IntegrationChange(name="New", subscriptions=SYSTEM, enabled=False, reason="moved")
    applied = bench.apply_integration(number, change)
    assert applied.off == SwitchedOff(told=2, cancelled=1, closing=True)
    (body,) = bench.bodies("integration.disabled")
    assert (body["integration_name"], body["reason"]) == ("New", "moved")
    assert notified(bench) == [(other, False), (number, True)]
    assert [bench.notification(i).state for i in waiting] == ["cancelled"]
    assert bench.activity()[-1].before == {
        "name": "Old",
        "subscriptions": list(SECURITY_ISSUES),
        "enabled": True,
        "disabled_reason": None,
    }
    assert bench.ledger().findings == []


def test_unsubscribed_and_disabled_it_is_sent_no_last_notification(bench: Bench) -> None:
    number = bench.integration(subscribe=("system",))
    change = IntegrationChange(subscriptions=(), enabled=False)
    assert bench.apply_integration(number, change).off == SwitchedOff(0, 0, closing=False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (IntegrationChange(name=" ", region="eu"), "name: give 1 to 200"),
        (IntegrationChange(region="eu", enabled=False, reason="a\nb"), "reason: give at most 500"),
        (
            IntegrationChange(region="eu", enabled=False, reason="0" * 32),
            "reason: this holds what looks like an integration key",
        ),
    ],
    ids=["name", "reason", "a key as reason"],
)
def test_of_a_change_that_is_refused_nothing_is_done(
    bench: Bench, change: IntegrationChange, sentence: str
) -> None:
    number = bench.integration()
    before = bench.all_rows()
    with pytest.raises(Refused, match=sentence):
        bench.apply_integration(number, change)
    assert bench.all_rows() == before


def test_a_key_is_kept_by_the_mask_that_was_read(bench: Bench) -> None:
    key = a_key()
    number = bench.integration(key)
    change = IntegrationChange(name="x", kept_key=KeyMask(key.masked))
    applied = bench.apply_integration(number, change)
    assert (applied.integration.name, applied.integration.key) == ("x", key.masked)
    assert applied.news == IntegrationChange(name="x")
    assert generation(bench, number) == 0


@pytest.mark.parametrize("name", ["x", None])
def test_a_key_that_another_changes_meanwhile_is_not_kept_by_the_mask_of_the_old_one(
    bench: Bench, name: str | None
) -> None:
    old, new = IntegrationKey("a" * 32), IntegrationKey("b" * 32)
    number = bench.integration(old, name="SOC")
    with pytest.raises(Refused, match="not the end of the key") as refused:
        overlapping(
            bench,
            lambda first: first.apply_integration(number, IntegrationChange(key=new)),
            lambda: bench.apply_integration(
                number, IntegrationChange(name=name, kept_key=KeyMask(old.masked))
            ),
        )
    assert refused.value.field == "key"
    shown = bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, number))
    assert shown is not None
    assert (shown.name, shown.key) == ("SOC", new.masked)
    assert changes(bench) == [Action.UPDATED]


def test_what_is_deleted_while_a_change_waits_for_it_is_not_there(bench: Bench) -> None:
    number = bench.integration()
    with pytest.raises(NotFound, match=f"There is no integration {number}"):
        overlapping(
            bench,
            lambda first: first.store.transact(lambda tx: tx.erase_integration(number)),
            lambda: bench.apply_integration(number, IntegrationChange(name="x")),
        )


def test_the_default_name_is_that_of_who_makes_it(bench: Bench) -> None:
    made = bench.create_integration(an_integration_draft(), a_key(), user="Bob")
    assert made.name.startswith("PagerDuty integration by Bob, ")


# Triggers.


def trigger_changes() -> list[Any]:
    counted = criteria_of("attacks_exceeded", "pool=3", threshold="2 in 1h")
    return [
        pytest.param(TriggerChange(), id="none"),
        pytest.param(TriggerChange(name="Many attacks"), id="name"),
        pytest.param(TriggerChange(comment=""), id="comment"),
        pytest.param(TriggerChange(condition=counted.condition), id="condition"),
        pytest.param(TriggerChange(filters=counted.filters), id="filters"),
        pytest.param(TriggerChange(threshold=counted.threshold), id="threshold"),
        pytest.param(TriggerChange(enabled=True), id="enabled"),
        pytest.param(
            TriggerChange(
                name="Many attacks",
                comment="",
                condition=counted.condition,
                filters=counted.filters,
                threshold=counted.threshold,
                enabled=True,
            ),
            id="all",
        ),
    ]


@pytest.mark.parametrize("change", trigger_changes())
def test_a_trigger_that_is_so_already_is_left_alone(bench: Bench, change: TriggerChange) -> None:
    trigger = bench.trigger(filters=["pool=3"], threshold="2 in 1h")
    before = bench.all_rows()
    ids = trigger.integration_ids * 2
    for one in (change, replace(change, integration_ids=ids)):
        applied = bench.apply_trigger(trigger.id, one)
        assert (applied.changed, applied.trigger) == (False, trigger)
    assert bench.all_rows() == before
    assert bench.publisher.taken() == []


def test_everything_of_a_trigger_is_changed_at_once_and_announced_once(bench: Bench) -> None:
    trigger = bench.trigger(threshold="2 in 1h", enabled=False)
    other = bench.integration(subscribe=())
    events, lines = bench.value("SELECT count(*) FROM events"), len(bench.activity())
    change = TriggerChange(
        name="Users", comment="why", condition=Condition.USER_CREATED, integration_ids=(other,),
        enabled=True,
    )  # fmt: skip
    applied = bench.apply_trigger(trigger.id, change)
    now = applied.trigger
    assert applied.changed
    assert (now.name, now.comment, now.enabled, now.integration_ids) == (
        "Users",
        "why",
        True,
        (other,),
    )
    assert (now.criteria, now.version) == (criteria_of("user_created"), 2)
    assert now == bench.store.transact(lambda tx: tx.trigger(EVERY_CLIENT, trigger.id))
    assert bench.value("SELECT count(*) FROM events") == events + 1
    assert [c.action for c in bench.activity()[lines:]] == [Action.ENABLED]


@pytest.mark.parametrize("enabled", [True, False])
def test_a_trigger_counts_afresh_once_for_new_criteria_and_enabling_together(
    bench: Bench, *, enabled: bool
) -> None:
    trigger = bench.trigger(threshold="2 in 1h", enabled=not enabled)
    threshold = criteria_of("attacks_exceeded", threshold="3 in 1h").threshold
    change = TriggerChange(threshold=threshold, enabled=enabled)
    assert bench.apply_trigger(trigger.id, change).trigger.version == 2
    assert threshold is not None
    assert threshold.period == timedelta(hours=1)
