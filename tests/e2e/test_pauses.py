"""What is disabled until a time is enabled by beat, also where beat was away at that time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from build import a_key, a_trigger_draft, an_event_object, eventually

from wallarm_notify.domain.scope import EVERY_CLIENT

if TYPE_CHECKING:
    from e2e.system import System


def test_beat_enables_what_was_disabled_until_a_time(system: System) -> None:
    away, later = a_key(), a_key()
    first, second = system.integration(away), system.integration(later)
    trigger = system.create_trigger(a_trigger_draft(first)).id
    system.start_worker()
    soon = in_seconds(5)
    system.pause_integration(first, soon)
    system.pause_trigger(trigger, soon)
    system.pause_integration(second, in_seconds(15))
    eventually(lambda: datetime.now(UTC) > soon, 60, "the time to come without beat")
    assert not is_enabled(system, first)
    system.start_beat()
    eventually(lambda: is_enabled(system, first), 60, "the one whose time passed without beat")
    eventually(lambda: is_enabled(system, second), 60, "the one whose time came with beat")
    eventually(lambda: trigger_is_enabled(system, trigger), 60, "the trigger")
    system.emit(an_event_object())
    eventually(lambda: len(system.sandbox.alerts(away.reveal())) == 1, 60, "an alert to the first")
    eventually(lambda: len(system.sandbox.alerts(later.reveal())) == 1, 60, "and to the second")
    assert system.ledger().findings == []


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def is_enabled(system: System, integration: int) -> bool:
    shown = system.wiring.store.transact(lambda tx: tx.integration(EVERY_CLIENT, integration))
    return shown is not None and shown.enabled


def trigger_is_enabled(system: System, trigger: int) -> bool:
    shown = system.wiring.store.transact(lambda tx: tx.trigger(EVERY_CLIENT, trigger))
    return shown is not None and shown.enabled
