"""The 12-hour failure ratio with real processes, its span shortened like the waits."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from build import a_key, an_event_object, eventually
from sqlalchemy import text

from wallarm_notify.domain.notification import State
from wallarm_notify.domain.retry import LAST_ATTEMPTS
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services.explain import explain
from wallarm_notify.services.measure import measure
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System
    from wallarm_notify.domain.integration import IntegrationKey

DISABLED = "Integration was disabled automatically"


@pytest.fixture
def system(make_system: Callable[..., System]) -> System:
    return make_system(retry_time_scale=0.002, sweep_seconds=1, review_seconds=1)


def running(system: System) -> System:
    system.start_worker()
    system.start_beat()
    return system


def last_review(system: System) -> Any:
    with make_engine(system.settings.database()).connect() as connection:
        asked = text("SELECT began_at FROM upkeep_runs WHERE name = 'review'")
        return connection.execute(asked).scalar()


def is_later_review(system: System, before: Any) -> bool:
    return bool(last_review(system) != before)


def wait_for_reviews(system: System, number: int) -> None:
    """Wait until ``number`` reviews have begun from now on."""
    for _ in range(number):
        before = last_review(system)
        eventually(partial(is_later_review, system, before), 60, "a review")


def is_enabled(system: System, integration: int) -> bool:
    found = system.wiring.store.transact(lambda tx: tx.integration(EVERY_CLIENT, integration))
    assert found is not None
    return found.enabled


def attempts_of(system: System, notification_id: int) -> int:
    return len(system.show(notification_id).attempts)


def states_of(system: System, event: dict[str, Any]) -> Counter[str]:
    """Return the states of an event's notifications."""
    return Counter(str(n.state) for n in system.notifications() if str(n.event_id) == event["id"])


def notified_at(system: System, key: IntegrationKey) -> list[float]:
    """Return when notifications of the automatic disabling arrived, in epoch seconds."""
    return [
        request["at_epoch"]
        for request in system.sandbox.requests(key.reveal())
        if request["body"]["payload"]["custom_details"]["headline"] == DISABLED
    ]


def test_an_integration_that_always_fails_is_disabled_and_what_it_missed_can_be_replayed(
    system: System,
) -> None:
    wrong, other = a_key("wrong"), a_key("other")
    broken = system.integration(wrong, subscribe=("system", "security_issue"))
    system.integration(other, subscribe=("system",))
    system.sandbox.set_keys([other.reveal()])
    running(system).emit(an_event_object())
    (first,) = eventually(system.notifications, 60, "a notification")
    eventually(lambda: attempts_of(system, first.id) >= 14, 60, "14 attempts")
    system.emit(an_event_object(), an_event_object())
    eventually(lambda: not is_enabled(system, broken), 60, "disabled")
    eventually(lambda: not {"pending", "retrying"} & set(system.states()), 60, "all ended")

    last, *waited, tried = (n.state for n in system.notifications(integration_id=broken))
    assert waited == ["cancelled", "cancelled"]
    assert last == "failed"  # nobody took the news of its own end
    assert tried in {"failed", "cancelled"}  # its 17th attempt, or the review, was there first
    assert len(notified_at(system, other)) == 1
    assert len(notified_at(system, wrong)) == LAST_ATTEMPTS
    assert notified_at(system, other)[0] < notified_at(system, wrong)[0]
    found = explain(system.wiring.context, EVERY_CLIENT, broken)
    assert found.automatic
    assert found.evidence["ratio"] == 1
    assert found.evidence["answers"][0]["status_code"] == 400

    system.emit(an_event_object(), an_event_object())
    eventually(lambda: system.states()["skipped"] == 2, 60, "what came later skipped")
    system.sandbox.set_keys([other.reveal(), wrong.reveal()])
    _, unsent = system.enable_integration(broken)
    assert unsent.counts[State.SKIPPED] == 2
    assert sum(unsent.counts.values()) == 5
    for state, number in unsent.counts.items():
        wanted = Wanted(broken, (state,), ended_since=unsent.since)
        assert system.replay_slice(wanted, 0) == (number, None)
    system.wait_for_states(60, delivered=6, failed=1)
    assert len(system.sandbox.alerts(wrong.reveal())) == 5
    wait_for_reviews(system, 1)
    assert is_enabled(system, broken)
    assert system.ledger().findings == []


def test_a_blip_of_a_minute_with_three_in_flight_disables_nobody(system: System) -> None:
    key = a_key()
    integration = system.integration(key)
    system.sandbox.set_faults([{"kind": "status", "status": 500, "times": 30}])
    running(system).emit(an_event_object(), an_event_object(), an_event_object())
    system.wait_for_states(60, delivered=3)
    wait_for_reviews(system, 2)
    assert is_enabled(system, integration)
    evidence = explain(system.wiring.context, EVERY_CLIENT, integration).evidence
    assert (evidence["attempts"], evidence["failed"]) == (33, 30)
    assert {g["guard"] for g in evidence["guards"] if g["holds"]} == {"span", "last_attempt"}


def test_an_outage_of_twenty_integrations_disables_only_the_one_with_a_wrong_key(
    system: System,
) -> None:
    keys, wrong = [a_key() for _ in range(20)], a_key("wrong")
    ours = [system.integration(key) for key in keys]
    broken = system.integration(wrong)
    system.sandbox.set_keys([key.reveal() for key in keys])
    system.sandbox.set_faults(
        [{"key": key.reveal(), "kind": "status", "status": 503} for key in keys]
    )
    running(system).emit(an_event_object())
    first = eventually(lambda: system.notifications(integration_id=broken), 60, "made")[0]
    eventually(lambda: attempts_of(system, first.id) >= 15, 60, "15 attempts")
    system.emit(an_event_object())
    eventually(lambda: not is_enabled(system, broken), 60, "the wrong key disabled")
    wait_for_reviews(system, 2)
    assert all(is_enabled(system, integration) for integration in ours)
    assert measure(system.wiring.context, EVERY_CLIENT).outage
    late = an_event_object()
    system.emit(late)
    eventually(lambda: states_of(system, late)["retrying"] == 20, 60, "what came late waits")
    system.sandbox.set_faults([])
    eventually(lambda: states_of(system, late)["delivered"] == 20, 60, "what waits delivered")
    assert states_of(system, late)["skipped"] == 1
    assert all(is_enabled(system, integration) for integration in ours)
    eventually(lambda: "retrying" not in system.states(), 60, "all ended")
    its = Counter(str(n.state) for n in system.notifications(integration_id=broken))
    assert (its["skipped"], its["cancelled"] + its["failed"]) == (1, 2)
    assert its["cancelled"]
    assert system.ledger().findings == []
