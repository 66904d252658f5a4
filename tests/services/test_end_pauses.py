"""Pauses: what is disabled until a time is enabled by beat when it has come (spec 1 and 3)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import (
    REFUSED,
    Bench,
    FailingStore,
    a_trigger_draft,
    an_event,
    an_event_for,
    spread,
)

from wallarm_notify.domain.activity import Action
from wallarm_notify.domain.actor import PAUSE_END, Role, operator
from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.domain.integration import IntegrationChange, SwitchedOff
from wallarm_notify.domain.pause import DisabledUntil, text_of
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.triggers.trigger import Threshold, TriggerChange
from wallarm_notify.services.activity import list_activity
from wallarm_notify.services.end_pauses import FAILURES_IN_A_ROW, end_pauses
from wallarm_notify.services.manage_integrations import end_pause_of_integration
from wallarm_notify.services.manage_triggers import end_pause_of_trigger
from wallarm_notify.services.sweep import sweep as run_sweep

if TYPE_CHECKING:
    from wallarm_notify.domain.activity import Activity
    from wallarm_notify.domain.integration import Integration
    from wallarm_notify.domain.triggers.trigger import Trigger


def later(bench: Bench, hours: float = 1.0) -> datetime:
    """Return a time so far ahead of the database's clock."""
    at: datetime = bench.value("SELECT now()") + timedelta(hours=hours)
    return at.astimezone(UTC)


def time_passes(bench: Bench, hours: float = 1.0) -> None:
    """Move the ends of pauses, as if so many hours had passed."""
    for table in ("integrations", "triggers"):
        bench.sql(
            f"UPDATE {table} SET disabled_until = disabled_until - :by", by=timedelta(hours=hours)
        )


def shown(bench: Bench, integration: int) -> Integration:
    found = bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, integration))
    assert found is not None
    return found


def trigger_of(bench: Bench, number: int) -> Trigger:
    found = bench.store.transact(lambda tx: tx.trigger(EVERY_CLIENT, number))
    assert found is not None
    return found


def lines(bench: Bench) -> list[Activity]:
    """Return the activity log, the oldest line first."""
    page = list_activity(bench.ctx, EVERY_CLIENT, Role.OPERATOR, client_id=1, cursor=None, limit=50)
    return list(reversed(page.items))


# Integrations.


def test_an_integration_is_enabled_when_its_time_has_come_and_not_before(bench: Bench) -> None:
    number, until = bench.integration(), later(bench)
    bench.pause_integration(number, until, reason="maintenance")
    assert (shown(bench, number).enabled, shown(bench, number).disabled_until) == (False, until)
    assert end_pauses(bench.ctx) == 0
    assert shown(bench, number).disabled_until == until
    time_passes(bench)
    assert end_pauses(bench.ctx) == 1
    now = shown(bench, number)
    assert (now.enabled, now.disabled_until, now.disabled_at, now.disabled_by) == (
        *(True, None, None, None),
    )
    assert len(bench.claim(bench.made()).sendings) == 1
    assert end_pauses(bench.ctx) == 0


def test_the_end_of_a_pause_is_one_line_of_the_log_by_the_system_itself(bench: Bench) -> None:
    number, until = bench.integration(), later(bench)
    bench.pause_integration(number, until, "Ann", reason="maintenance")
    time_passes(bench)
    end_pauses(bench.ctx)
    end_pauses(bench.ctx)
    disabled, ended = lines(bench)[1:]
    assert (disabled.actor, ended.actor) == (operator("Ann"), PAUSE_END)
    assert (disabled.change.action, ended.change.action) == (Action.DISABLED, Action.ENABLED)
    on = {"enabled": True, "disabled_reason": None, "disabled_until": None}
    off = {"enabled": False, "disabled_reason": "maintenance", "disabled_until": text_of(until)}
    assert (disabled.change.before, disabled.change.after) == (on, off)
    assert ended.change.after == on
    assert bench.value("SELECT max(version) FROM rules_versions") == 3


def test_a_failure_window_from_before_the_pause_does_not_count_after_it(bench: Bench) -> None:
    number = bench.integration()
    bench.attempted(number, *spread(17, REFUSED))
    bench.pause_integration(number, later(bench))
    time_passes(bench)
    assert end_pauses(bench.ctx) == 1
    assert bench.reviewed().disabled == ()


def test_what_came_during_a_pause_is_skipped_and_what_comes_after_it_is_sent(bench: Bench) -> None:
    number = bench.integration()
    waiting = bench.made(2)
    bench.pause_integration(number, later(bench))
    bench.ingest(an_event())
    time_passes(bench)
    end_pauses(bench.ctx)
    bench.ingest(an_event())
    assert bench.states() == {"cancelled": len(waiting), "skipped": 1, "pending": 1}
    assert bench.ledger().findings == []


def test_subscribers_read_until_when(bench: Bench) -> None:
    bench.integration(subscribe=("system",))
    until = later(bench).replace(second=0, microsecond=0)
    bench.pause_integration(bench.integration(), until, reason="maintenance")
    (body,) = bench.bodies("integration.disabled")
    assert body["reason"] == f"maintenance (until {until:%Y-%m-%d %H:%M} UTC)"


def test_enabling_by_hand_ends_a_pause_for_good(bench: Bench) -> None:
    number = bench.integration()
    bench.pause_integration(number, later(bench))
    bench.enable_integration(number)
    assert shown(bench, number).disabled_until is None
    bench.disable_integration(number)
    time_passes(bench)
    assert end_pauses(bench.ctx) == 0
    assert shown(bench, number).enabled is False


def test_disabling_again_changes_only_the_end(bench: Bench) -> None:
    number, until = bench.integration(subscribe=("system",)), later(bench)
    bench.pause_integration(number, until, "Ann", reason="maintenance")
    before = shown(bench, number)
    longer = until + timedelta(hours=1)
    done = bench.pause_integration(number, longer, "Bob", reason="another")
    assert done == SwitchedOff(0, 0, closing=False)
    assert shown(bench, number) == replace(before, disabled_until=longer)
    assert len(bench.bodies("integration.disabled")) == 1
    bench.disable_integration(number)
    assert shown(bench, number) == replace(before, disabled_until=None)
    assert [line.change.action for line in lines(bench)[2:]] == [Action.UPDATED] * 2
    with pytest.raises(Refused, match="is disabled already"):
        bench.disable_integration(number)


def test_disabling_again_until_the_same_time_is_refused(bench: Bench) -> None:
    number, until = bench.integration(), later(bench)
    bench.pause_integration(number, until)
    with pytest.raises(Refused, match="is disabled already"):
        bench.pause_integration(number, until)


def test_what_the_failure_ratio_disables_ends_when_somebody_says_so(bench: Bench) -> None:
    number = bench.integration()
    bench.pause_integration(number, later(bench))
    bench.enable_integration(number)
    bench.attempted(number, *spread(17, REFUSED))
    assert bench.reviewed().disabled == (number,)
    assert shown(bench, number).disabled_until is None
    bench.pause_integration(number, later(bench))
    time_passes(bench)
    assert end_pauses(bench.ctx) == 1
    assert shown(bench, number).enabled is True


def test_a_change_that_disables_nothing_sets_no_end(bench: Bench) -> None:
    number = bench.integration()
    until = DisabledUntil(later(bench))
    applied = bench.apply_integration(number, IntegrationChange(name="Nights", until=until))
    assert (applied.news.until, applied.integration.disabled_until) == (None, None)
    assert bench.value("SELECT disabled_until FROM integrations") is None


@pytest.mark.parametrize("hours", [-1, 0, 24 * 367])
def test_a_time_that_is_past_or_too_far_ahead_changes_nothing(bench: Bench, hours: float) -> None:
    number = bench.integration()
    trigger = bench.create_trigger(a_trigger_draft(number))
    at = later(bench, hours)
    with pytest.raises(Refused, match=r"^until: 20"):
        bench.pause_integration(number, at)
    with pytest.raises(Refused, match=r"^until: 20"):
        bench.pause_trigger(trigger.id, at)
    assert shown(bench, number).enabled
    assert trigger_of(bench, trigger.id).enabled


def test_deleting_ends_a_pause_with_all_else(bench: Bench) -> None:
    number = bench.integration()
    bench.pause_integration(number, later(bench))
    bench.delete_integration(number)
    assert bench.value("SELECT disabled_until FROM integrations") is None
    time_passes(bench)
    assert end_pauses(bench.ctx) == 0


# Triggers.


def test_a_trigger_is_enabled_when_its_time_has_come_counts_afresh_and_says_so(
    bench: Bench,
) -> None:
    watcher = bench.integration(subscribe=("rules_and_triggers",))
    trigger = bench.trigger(threshold="1 in 1h")
    bench.ingest(an_event_for("attacks_exceeded"))
    until = later(bench)
    paused = bench.pause_trigger(trigger.id, until)
    assert (paused.enabled, paused.disabled_until, paused.version) == (False, until, 1)
    assert end_pauses(bench.ctx) == 0
    time_passes(bench)
    assert end_pauses(bench.ctx) == 1
    now = trigger_of(bench, trigger.id)
    assert (now.enabled, now.disabled_until, now.version) == (True, None, 2)
    bench.ingest(an_event_for("attacks_exceeded"))
    assert bench.value("SELECT count(*) FROM firings") == 0
    bench.ingest(an_event_for("attacks_exceeded"))
    assert bench.value("SELECT count(*) FROM firings") == 1
    disabled, enabled = bench.bodies("trigger.updated")
    assert disabled["changes"] == {
        "enabled": {"before": True, "after": False},
        "disabled_until": {"before": None, "after": text_of(until)},
    }
    assert enabled["actor"] == {"name": "end of pause"}
    assert enabled["changes"]["enabled"] == {"before": False, "after": True}
    assert enabled["changes"]["disabled_until"]["after"] is None
    notified = bench.sql(
        """SELECT n.integration_id FROM notifications n JOIN events e ON e.no = n.event_no
           WHERE e.type = 'trigger.updated'"""
    )
    assert [row["integration_id"] for row in notified] == [watcher, watcher]
    assert bench.ledger().findings == []


def test_the_end_of_a_triggers_pause_is_published_after_its_commit(bench: Bench) -> None:
    bench.integration(subscribe=("rules_and_triggers",))
    trigger = bench.trigger(threshold="9 in 1h")
    bench.pause_trigger(trigger.id, later(bench))
    bench.publisher.taken()
    time_passes(bench)
    end_pauses(bench.ctx)
    assert len(bench.publisher.ids()) == 1
    assert lines(bench)[-1].actor == PAUSE_END


def test_a_trigger_keeps_its_end_while_other_things_of_it_change(bench: Bench) -> None:
    trigger, until = bench.trigger(threshold="1 in 1h"), later(bench)
    bench.pause_trigger(trigger.id, until)
    bench.update_trigger(trigger.id, TriggerChange(name="Other"))
    assert trigger_of(bench, trigger.id).disabled_until == until
    longer = until + timedelta(hours=1)
    assert bench.pause_trigger(trigger.id, longer).disabled_until == longer
    assert bench.disable_trigger(trigger.id).disabled_until is None
    with pytest.raises(Refused, match="is disabled already"):
        bench.disable_trigger(trigger.id)


def test_enabling_a_trigger_by_hand_clears_its_end(bench: Bench) -> None:
    trigger = bench.trigger(threshold="9 in 1h")
    bench.pause_trigger(trigger.id, later(bench))
    assert bench.enable_trigger(trigger.id).disabled_until is None
    assert bench.disable_trigger(trigger.id).disabled_until is None
    time_passes(bench)
    assert end_pauses(bench.ctx) == 0


def test_a_deleted_trigger_is_not_enabled(bench: Bench) -> None:
    trigger = bench.trigger(threshold="9 in 1h")
    bench.pause_trigger(trigger.id, later(bench))
    time_passes(bench)
    bench.delete_trigger(trigger.id)
    assert end_pauses(bench.ctx) == 0
    assert bench.value("SELECT enabled FROM triggers") is False


# How they end.


def test_sweep_ends_pauses_whose_time_passed_while_it_was_away(bench: Bench) -> None:
    number, trigger = bench.integration(), bench.trigger(threshold="9 in 1h")
    bench.pause_integration(number, later(bench))
    bench.pause_trigger(trigger.id, later(bench))
    time_passes(bench, 48)
    assert run_sweep(bench.ctx).ran
    assert shown(bench, number).enabled
    assert trigger_of(bench, trigger.id).enabled


def test_runs_at_once_end_a_pause_once(bench: Bench) -> None:
    number, trigger = bench.integration(), bench.trigger(threshold="9 in 1h")
    bench.pause_integration(number, later(bench))
    bench.pause_trigger(trigger.id, later(bench))
    time_passes(bench)
    before = len(lines(bench))
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: end_pauses(bench.ctx), range(4))) == 2
    assert len(lines(bench)) == before + 2


def test_one_that_cannot_be_enabled_does_not_keep_the_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = bench.integration(), bench.integration()
    bench.pause_integration(first, later(bench))
    bench.pause_integration(second, later(bench, 2))
    time_passes(bench, 3)
    failing = FailingStore(bench.store, "switch_on", Unavailable("away"), only=first)
    assert end_pauses(replace(bench.ctx, store=failing)) == 1
    assert (shown(bench, first).enabled, shown(bench, second).enabled) == (False, True)
    assert "pause.not_ended" in [record.message for record in caplog.records]
    assert end_pauses(bench.ctx) == 1


def test_where_the_database_goes_away_a_run_does_not_wait_for_it_at_each(bench: Bench) -> None:
    ids = [bench.integration() for _ in range(FAILURES_IN_A_ROW + 2)]
    for number in ids:
        bench.pause_integration(number, later(bench))
    time_passes(bench)
    failing = FailingStore(bench.store, "switch_on", Unavailable("away"))
    with pytest.raises(Unavailable, match="away"):
        end_pauses(replace(bench.ctx, store=failing))
    assert len(failing.asked) == FAILURES_IN_A_ROW
    assert end_pauses(bench.ctx) == len(ids)


def test_a_pause_that_is_made_longer_meanwhile_goes_on(bench: Bench) -> None:
    number, trigger = bench.integration(), bench.trigger(threshold="9 in 1h")
    bench.pause_integration(number, later(bench))
    bench.pause_trigger(trigger.id, later(bench))
    time_passes(bench)

    class Slow:
        """A store where somebody makes every pause longer after each look."""

        def transact(self, work: Any) -> Any:
            found = bench.store.transact(work)
            time_passes(bench, -1)
            return found

    assert end_pauses(replace(bench.ctx, store=Slow())) == 0  # type: ignore[arg-type]  # it is used like one
    assert not shown(bench, number).enabled
    assert not trigger_of(bench, trigger.id).enabled


# Beside programs from before, in an upgrade.

ENABLED_BY_1_0 = (
    """UPDATE integrations SET enabled = true, generation = generation + 1, warned = 0,
           disabled_at = NULL, disabled_by = NULL, disabled_reason = NULL,
           recovered_at = CASE WHEN slow_since IS NULL THEN recovered_at ELSE now() END,
           slow_since = NULL, bulkhead_until = NULL, bulkhead_token = NULL
       WHERE id = 1""",
    """UPDATE triggers SET name = name, comment = comment, enabled = true, condition = condition, filters = filters,
           threshold_count = threshold_count, threshold_period = threshold_period,
           integration_ids = integration_ids, version = version + 1
       WHERE id = 1""",
)
DISABLED_BY_1_0 = (
    """UPDATE integrations SET enabled = false, disablings = disablings + 1, switched_off_at = now(),
           disabled_at = now(), disabled_by = 'an operator', disabled_reason = 'for good'
       WHERE id = 1""",
    """UPDATE triggers SET name = name, comment = comment, enabled = false, condition = condition, filters = filters,
           threshold_count = threshold_count, threshold_period = threshold_period,
           integration_ids = integration_ids, version = version
       WHERE id = 1""",
)
"""The statements of 1.0.0, which knows of no ends: ``switch_on``, ``switch_off``, ``save_trigger``."""


def paused(bench: Bench) -> None:
    """Make integration 1 and trigger 1, paused for an hour."""
    assert (bench.integration(), bench.trigger(threshold="9 in 1h").id) == (1, 1)
    bench.pause_integration(1, later(bench))
    bench.pause_trigger(1, later(bench))


def ends_shown(bench: Bench) -> list[datetime | None]:
    """Return until when integration 1 and trigger 1 are disabled, wherever it is shown."""
    off = bench.store.transact(lambda tx: tx.disabled_integrations(EVERY_CLIENT, [1]))
    return [
        shown(bench, 1).disabled_until,
        trigger_of(bench, 1).disabled_until,
        *off.values(),
    ]


def test_an_end_that_a_program_from_before_left_where_it_enabled_is_cleared(bench: Bench) -> None:
    paused(bench)
    for statement in ENABLED_BY_1_0:
        bench.sql(statement)
    assert ends_shown(bench) == [None, None]
    assert end_pauses(bench.ctx) == 0
    for table in ("integrations", "triggers"):
        assert bench.value(f"SELECT count(*) FROM {table} WHERE disabled_until IS NOT NULL") == 0


@pytest.mark.parametrize("swept", [False, True])
def test_what_a_program_from_before_disables_anew_is_not_enabled_by_an_older_pauses_end(
    bench: Bench, swept: bool
) -> None:
    paused(bench)
    for statement in (*ENABLED_BY_1_0, *DISABLED_BY_1_0):
        bench.sql(statement)
    assert ends_shown(bench) == [None, None, None]
    if swept:
        assert end_pauses(bench.ctx) == 0
    time_passes(bench)
    assert end_pauses(bench.ctx) == 0
    assert end_pause_of_integration(bench.ctx, 1) is False
    assert end_pause_of_trigger(bench.ctx, 1) is False
    assert (shown(bench, 1).enabled, trigger_of(bench, 1).enabled) == (False, False)


def test_what_a_program_from_before_disabled_can_be_given_an_end(bench: Bench) -> None:
    paused(bench)
    for statement in (*ENABLED_BY_1_0, *DISABLED_BY_1_0):
        bench.sql(statement)
    until = later(bench)
    bench.pause_integration(1, until)
    bench.pause_trigger(1, until)
    assert ends_shown(bench) == [until] * 3
    time_passes(bench)
    assert end_pauses(bench.ctx) == 2


def test_what_a_program_from_before_changes_in_a_paused_integration_leaves_its_end(
    bench: Bench,
) -> None:
    paused(bench)
    bench.sql("UPDATE integrations SET name = 'other', region = 'eu', generation = generation + 1")
    bench.sql("UPDATE triggers SET name = 'other', integration_ids = '{}'")
    time_passes(bench)
    assert end_pauses(bench.ctx) == 2


def test_a_paused_trigger_that_is_given_other_criteria_keeps_its_end(bench: Bench) -> None:
    paused(bench)
    until = trigger_of(bench, 1).disabled_until
    changed = bench.update_trigger(1, TriggerChange(threshold=Threshold(5, timedelta(hours=1))))
    assert (changed.version, changed.disabled_until) == (2, until)
    time_passes(bench)
    assert end_pauses(bench.ctx) == 2
