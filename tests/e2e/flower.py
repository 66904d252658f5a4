"""A real Flower on the broker of a system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import requests
from build import eventually

from wallarm_notify.devstack.processes import product_command

if TYPE_CHECKING:
    from e2e.system import System


class Flower:
    """A real Flower on the system's broker; it ends with the system."""

    def __init__(
        self, system: System, login: tuple[str, str] | None = None, **environment: str
    ) -> None:
        self.url = ""
        self.login = login
        self.tasks: dict[str, dict[str, str]] = {}
        self.process = system.start(
            "flower",
            product_command("flower", "--port", "0"),
            **{"FLOWER_UNAUTHENTICATED_API": "true", **environment},
        )

    def ask(self, path: str) -> requests.Response | None:
        assert self.process.popen.poll() is None, self.process.text()
        try:
            return requests.get(f"{self.url}{path}", timeout=30, auth=self.login)
        except (requests.ConnectionError, requests.Timeout):
            return None

    def wait_until_up(self) -> None:
        self.process.wait_for(" until Ctrl-C.")
        (self.url,) = re.findall(r"http://\S+", self.process.text())
        eventually(lambda: self.ask("/healthcheck"), 60, "Flower up")

    def wait_until_it_sees_workers(self) -> None:
        def seen() -> bool:
            answer = self.ask("/api/workers?refresh=1")
            return answer is not None and answer.status_code == 200 and bool(answer.json())

        eventually(seen, 60, "workers in Flower")

    def done(self, task: str) -> list[dict[str, str]]:
        answer = self.ask("/api/tasks")
        if answer is None or answer.status_code != 200:
            return []
        self.tasks = answer.json()
        return [t for t in self.tasks.values() if t["name"] == task and t["state"] == "SUCCESS"]
