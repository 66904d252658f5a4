"""Integrations that are disabled, enabled and deleted while workers run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from build import a_key, an_event_object, eventually
from sqlalchemy import text

from e2e.system import System
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.retry import LAST_ATTEMPTS
from wallarm_notify.domain.views import Wanted
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from e2e.system import System
    from wallarm_notify.domain.integration import IntegrationKey


def key_is_wiped(system: System, integration: int) -> bool:
    with make_engine(system.settings.database()).connect() as connection:
        row = connection.execute(
            text(
                "SELECT key_token, key_fingerprint, key_last4, name FROM integrations WHERE id = :id"
            ),
            {"id": integration},
        ).one()
    return row == (None, None, None, None)


def headlines(system: System, key: IntegrationKey) -> list[str]:
    bodies = [r["body"] for r in system.sandbox.requests(key.reveal())]
    return [body["payload"]["custom_details"]["headline"] for body in bodies]


def test_disabling_cancels_what_waits_and_notifies_the_others_and_then_itself(
    system: System,
) -> None:
    broken, other = a_key("broken"), a_key("other")
    integration = system.integration(broken, subscribe=("system", "security_issue"))
    system.integration(other, subscribe=("system",))
    system.sandbox.set_faults(
        [{"key": broken.reveal(), "kind": "status", "status": 500, "retry_after": 60, "times": 3}]
    )
    system.start_worker()
    system.start_beat()
    system.emit(an_event_object(), an_event_object(), an_event_object())
    eventually(lambda: system.states()["retrying"] == 3, 60, "three that wait")
    done = system.disable_integration(integration, user="ops", reason="maintenance")
    assert (done.told, done.closing) == (2, True)
    system.wait_for_states(60, cancelled=3, delivered=2)
    assert headlines(system, other) == ["Integration was disabled"]
    assert headlines(system, broken)[-1] == "Integration was disabled"
    assert system.ledger().findings == []


def test_events_of_a_disabled_integration_are_skipped_and_can_be_replayed(
    system: System,
) -> None:
    key = a_key()
    integration = system.integration(key)
    system.disable_integration(integration, user="ops", reason="maintenance")
    system.start_worker()
    system.emit(an_event_object(), an_event_object())
    system.wait_for_states(60, skipped=2)
    assert system.sandbox.requests() == []
    system.enable_integration(integration)
    wanted = Wanted(integration, (State.SKIPPED,))
    assert system.count_replayable(wanted) == 2
    assert system.replay_slice(wanted, 0) == (2, None)
    system.wait_for_states(60, delivered=2)
    assert len(system.sandbox.alerts(key.reveal())) == 2
    assert system.ledger().findings == []


def test_a_deleted_integration_is_notified_once_and_its_key_is_wiped_after_that(
    system: System,
) -> None:
    key = a_key()
    integration = system.integration(key, subscribe=("system",))
    system.start_worker()
    system.start_beat()
    system.delete_integration(integration, user="ops", reason="moved")
    system.wait_for_states(60, delivered=1)
    assert headlines(system, key) == ["Integration was deleted"]
    eventually(lambda: key_is_wiped(system, integration), 60, "the key wiped")


def test_the_last_notification_has_the_first_cycle_only(system: System) -> None:
    key = a_key()
    integration = system.integration(key, subscribe=("system",))
    system.sandbox.set_faults([{"kind": "status", "status": 500}])
    system.start_worker()
    system.start_beat()
    system.delete_integration(integration, user="ops", reason="moved")
    system.wait_for_states(60, failed=1)
    assert len(system.show(system.notifications()[0].id).attempts) == LAST_ATTEMPTS
    eventually(lambda: key_is_wiped(system, integration), 60, "the key wiped")
    assert system.ledger().findings == []


def test_waiting_notifications_use_a_new_key_at_once(system: System) -> None:
    wrong, right = a_key("wrong"), a_key("right")
    integration = system.integration(wrong)
    system.sandbox.set_keys([right.reveal()])
    system.start_worker()
    system.start_beat()
    system.emit(an_event_object())
    eventually(lambda: system.states()["retrying"] == 1, 60, "one that waits")
    system.update_integration(integration, IntegrationChange(key=right))
    system.wait_for_states(60, delivered=1)
    assert len(system.sandbox.alerts(right.reveal())) == 1
