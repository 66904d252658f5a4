"""The comparison of what the sandbox received with what was emitted.

Of the system itself it reads only the ledger.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wallarm_notify.domain.alert_identity import dedup_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wallarm_notify.domain.integration import IntegrationKey
    from wallarm_notify.domain.ledger import Ledger
    from wallarm_notify.sandbox.client import SandboxClient

Identity = tuple[str, str]
"""A key and a dedup key, by which PagerDuty knows an alert."""


@dataclass
class Expected:
    """The alerts that have to be there: exactly one for each entry."""

    events: int = 0
    alerts: dict[Identity, str] = field(default_factory=dict)
    """What each alert is of, for whoever reads the findings."""
    firings: dict[str, int] = field(default_factory=dict)
    """The count of the one firing of a trigger with a threshold, by key."""
    met: Counter[str] = field(default_factory=Counter)
    """How many events have to fire a trigger that each event fires, by key."""
    changing: set[str] = field(default_factory=set)
    """Keys of integrations that are changed all the time: they are only checked for alerts that came twice."""
    _subscribers: dict[int, list[tuple[int, str]]] = field(default_factory=dict)

    @property
    def notifications(self) -> int:
        """The number of notifications that there must be."""
        return len(self.alerts) + len(self.firings) + self.met.total()

    def subscribes(self, client_id: int, integration_id: int, key: IntegrationKey) -> None:
        """Expect alerts at an integration that subscribes to every security issue of its client."""
        self._subscribers.setdefault(client_id, []).append((integration_id, key.reveal()))

    def received(self, events: int) -> None:
        """Expect ``events`` more events, emitted by the test or made by the system."""
        self.events += events

    def pages(self, event: Mapping[str, Any]) -> None:
        """Expect one alert of a security issue at every subscriber of its client."""
        for integration_id, key in self._subscribers[event["client_id"]]:
            identity = (key, dedup_key(event["id"], "card", integration_id))
            self.alerts[identity] = f"event {event['id']} at integration {integration_id}"

    def alerts_of(self, events: Iterable[Mapping[str, Any]]) -> list[str]:
        """Return the expected alerts of events, in words."""
        begins = tuple(f"event {event['id']} " for event in events)
        return [what for what in self.alerts.values() if what.startswith(begins)]


def findings_of(
    expected: Expected, sandbox: SandboxClient, ledger: Ledger, left: Mapping[str, int]
) -> list[str]:
    """Return each broken guarantee as a sentence; none where nothing was lost and nobody paged twice."""
    found = [*ledger.findings]
    if ledger.received != expected.events:
        found.append(
            f"{expected.events} events were emitted, the ledger received {ledger.received}"
        )
    found += [f"{number} notifications are still {what}" for what, number in left.items() if number]
    alerts = sandbox.alerts()
    found += _twice(expected, alerts)
    stable = [a for a in alerts if a["key"] not in expected.changing]
    found += _of_cards(expected, [a for a in stable if "firing_id" not in _details(a)])
    return found + _of_firings(expected, [a for a in stable if "firing_id" in _details(a)])


def _twice(expected: Expected, alerts: Iterable[Mapping[str, Any]]) -> list[str]:
    opened = Counter(_identity(a) for a in alerts)
    twice = {identity for identity, number in opened.items() if number > 1}
    twice |= {_identity(a) for a in alerts if a["notifications"] != 1}
    return [f"paged twice: {expected.alerts.get(one, one[1])}" for one in sorted(twice)]


def _of_cards(expected: Expected, alerts: Iterable[Mapping[str, Any]]) -> list[str]:
    opened = {_identity(a) for a in alerts}
    lost = [f"lost: {what}" for one, what in expected.alerts.items() if one not in opened]
    return lost + [f"unexplained: an alert {one[1]}" for one in opened - expected.alerts.keys()]


def _of_firings(expected: Expected, alerts: Iterable[Mapping[str, Any]]) -> list[str]:
    counted: dict[str, list[int]] = {}
    met: Counter[str] = Counter()
    for alert in alerts:
        if "count" in _details(alert):
            counted.setdefault(alert["key"], []).append(_details(alert)["count"])
        else:
            met[alert["key"]] += 1
    found = []
    for key in sorted(expected.firings.keys() | counted.keys()):
        wanted = [expected.firings[key]] if key in expected.firings else []
        if counted.get(key, []) != wanted:
            word = "lost" if len(counted.get(key, [])) < len(wanted) else "fired too often"
            found.append(f"{word}: a threshold fired with {counted.get(key, [])}, not {wanted}")
    for key in sorted(expected.met.keys() | met.keys()):
        if met[key] != expected.met[key]:
            word = "lost" if met[key] < expected.met[key] else "fired too often"
            found.append(f"{word}: {expected.met[key]} events were to fire, {met[key]} did")
    return found


def _identity(alert: Mapping[str, Any]) -> Identity:
    return alert["key"], alert["dedup_key"]


def _details(alert: Mapping[str, Any]) -> dict[str, Any]:
    details: dict[str, Any] = alert["payload"]["payload"]["custom_details"]
    return details
