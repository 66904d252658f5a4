"""An event becomes a PagerDuty alert, end to end, on real parts."""

from __future__ import annotations

from e2e.system import System, a_key, an_event


def test_an_event_becomes_one_open_alert_at_every_subscribed_integration(system: System) -> None:
    keys = [a_key("a"), a_key("b")]
    for key in keys:
        system.integration(key)
    system.integration(a_key("c"), subscribe=("system",))
    system.start_worker()
    event = an_event()
    system.emit(event)
    system.wait_for_states(10, delivered=2)
    alerts = system.sandbox.alerts()
    assert {a["key"] for a in alerts} == {k.reveal() for k in keys}
    assert all(a["notifications"] == 1 and a["triggers"] == 1 for a in alerts)
    assert all(event["title"] in str(a["payload"]) for a in alerts)
    assert system.ledger().findings == []
