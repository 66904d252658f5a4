"""The HTTP API as a process of its own, and who asks it."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import requests
from build import a_key, an_event_object, eventually

from wallarm_notify.devstack.processes import product_command

if TYPE_CHECKING:
    from e2e.system import System
    from wallarm_notify.devstack.processes import Process


class Api:
    """The process, and who asks it."""

    def __init__(self, system: System, **environment: str) -> None:
        self._system = system
        self._environment = environment
        self._starts = itertools.count(1)
        self.process = self._start(0)
        (found,) = re.findall(r"The API at (http://127\.0\.0\.1:\d+) until", self.process.text())
        self.url: str = found
        words = ("tokens", "create", "--client", "1", "--role", "admin", "--json")
        self.token: str = json.loads(system.run_command(*words))["token"]

    def _start(self, port: int) -> Process:
        command = product_command("serve", "--port", str(port))
        process = self._system.start(f"api{next(self._starts)}", command, **self._environment)
        process.wait_for("until Ctrl-C", 60)
        return process

    def start_again(self) -> None:
        """Start the process again after its end, at the same place."""
        self.process = self._start(int(self.url.rpartition(":")[2]))

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {"X-WallarmApi-Token": token or self.token}
        url = f"{self.url}/notify/v1/{path}"
        answer = requests.request(method, url, headers=headers, json=body, timeout=30)
        assert answer.ok, (method, path, answer.status_code, answer.text)
        return answer.json()

    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(f"{self.url}/readyz", timeout=30).json()
        return found

    def token_of(self, role: str) -> str:
        """Return a new token of a role that is had in all clients."""
        words = ("tokens", "create", "--all-clients", "--role", role, "--json")
        token: str = json.loads(self._system.run_command(*words))["token"]
        return token


def check_work_of_api(system: System, api: Api) -> None:
    """Check that events which are sent to the API go their whole way, and that it wakes workers."""
    made = api.ask(
        "POST", "integrations", {"key": a_key().reveal(), "subscriptions": ["security_issue"]}
    )
    path = f"integrations/{made['id']}"
    producer = api.token_of("producer")

    def send(*events: dict[str, Any]) -> None:
        sent = api.ask("POST", "events", {"events": list(events)}, token=producer)
        assert sent["ids"] == [event["id"] for event in events]

    # No worker is there yet: the API makes the queue.
    send(an_event_object(), an_event_object())
    assert api.ready()["broker"] == "ok"
    system.start_worker(name="everything")
    system.wait_for_states(60, delivered=2)
    api.ask("POST", f"{path}/disable", {"reason": "maintenance"})
    send(an_event_object())
    system.wait_for_states(60, delivered=2, skipped=1)
    api.ask("POST", f"{path}/enable")
    api.ask("POST", "replays", {"integration_id": made["id"]})
    # Without beat: only the API can have asked a worker to work on it.
    system.wait_for_states(60, delivered=3)
    system.start_beat()
    eventually(lambda: api.ready()["queues"] == "ok", 60, "the queues are measured")
    assert api.ready()["ready"]
    assert system.ledger().findings == []
