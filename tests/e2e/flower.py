"""A real Flower on a system's broker."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import requests

from e2e.system import Process, System, eventually

COMMAND = Path(sys.executable).with_name("wallarm-notify")


class Flower:
    """A real Flower on the system's broker."""

    def __init__(self, system: System, log: Path, *options: str, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.tasks: dict[str, dict[str, str]] = {}
        self.process = Process(
            ["flower", "--port", str(self.port), *options],
            {
                **os.environ,
                **system.environment,
                "FLOWER_UNAUTHENTICATED_API": "true",
                **environment,
            },
            log,
            program=[str(COMMAND)],
        )

    def ask(self, path: str, **headers: str) -> requests.Response | None:
        assert self.process.popen.poll() is None, self.process.text()
        try:
            return requests.get(
                f"http://127.0.0.1:{self.port}{path}", headers=headers or None, timeout=5
            )
        except requests.ConnectionError:
            return None

    def wait_until_up(self) -> None:
        eventually(lambda: self.ask("/healthcheck"), 20, "Flower up")

    def wait_until_it_sees_workers(self) -> None:
        def seen() -> bool:
            answer = self.ask("/api/workers?refresh=1")
            return answer is not None and answer.status_code == 200 and bool(answer.json())

        eventually(seen, 30, "workers in Flower")

    def done(self, task: str) -> list[dict[str, str]]:
        answer = self.ask("/api/tasks")
        if answer is None or answer.status_code != 200:
            return []
        self.tasks = answer.json()
        return [t for t in self.tasks.values() if t["name"] == task and t["state"] == "SUCCESS"]
