"""What ``doctor`` says of a healthy system and of one that lacks settings; test_incidents has the incidents."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from build import a_key, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System

COMMAND = Path(sys.executable).with_name("wallarm-notify")


@pytest.fixture
def system(make_system: Callable[..., System]) -> System:
    return make_system(retry_time_scale=0.01, rate_limit_per_minute=0)


def examined(system: System, *, wait: str = "0", **environment: str) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the document of ``doctor``."""
    done = subprocess.run(
        [COMMAND, "doctor", "--json", "--wait", wait],
        env=system.environ(**environment),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def findings(system: System, part: str, **environment: str) -> list[tuple[str, str]]:
    """Return the grades and sentences of a part."""
    _, document = examined(system, **environment)
    return [(f["grade"], f["sentence"]) for f in document["findings"] if f["part"] == part]


def finds(system: System, part: str, grade: str, words: str) -> Callable[[], bool]:
    def found() -> bool:
        return any(g == grade and words in s for g, s in findings(system, part))

    return found


def test_where_all_runs_nothing_is_bad(system: System) -> None:
    system.integration(a_key())
    system.start_worker(concurrency=1)
    system.start_beat()
    eventually(finds(system, "beat", "good", "SWEEP began in time"), 60, "beat was seen")
    eventually(finds(system, "queues", "good", "Each queue is consumed"), 60, "worker was seen")
    status, document = examined(system)
    assert (status, document["bad"]) == (0, 0), document
    assert document["sentence"].startswith("Paging works; ")
    parts = {f["part"] for f in document["findings"] if f["grade"] == "good"}
    # The broker of a test may keep nothing over a restart, which is odd.
    assert parts | {"broker"} == {
        *("settings", "database", "clocks", "secret keys", "broker", "queues", "deliveries"),
        *("beat", "workers", "disk"),
    }
    ((grade, sentence),) = findings(system, "PagerDuty us")
    assert (grade, "without TLS: it is not PagerDuty" in sentence) == ("odd", True)


def test_after_a_start_it_waits_until_workers_and_beat_are_seen(system: System) -> None:
    status, document = examined(system, wait="1s")
    assert (status, document["bad"] > 0) == (1, True)
    system.start_worker(concurrency=1)
    system.start_beat()
    status, document = examined(system, wait="2m")
    assert (status, document["bad"]) == (0, 0), document


def test_a_broker_or_database_that_is_away_is_named_and_the_rest_is_looked_at(
    system: System,
) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    ((grade, sentence),) = findings(system, "broker", WALLARM_NOTIFY_BROKER_URL=nowhere)
    assert grade == "bad"
    assert sentence.startswith("The broker at redis://127.0.0.1:1")
    status, document = examined(
        system, WALLARM_NOTIFY_DATABASE_URL="postgresql://u:Hidden1@127.0.0.1:1/x"
    )
    first = document["findings"][0]
    assert (status, first["part"], first["grade"]) == (1, "database", "bad")
    assert "Hidden1" not in json.dumps(document)
    assert {"broker", "PagerDuty us", "PagerDuty eu"} <= {f["part"] for f in document["findings"]}


def test_a_settings_fault_is_the_one_finding(system: System) -> None:
    status, document = examined(system, WALLARM_NOTIFY_LEASE_SECONDS="1")
    (found,) = document["findings"]
    assert (status, found["part"], found["grade"]) == (1, "settings", "bad")
    assert "WALLARM_NOTIFY_LEASE_SECONDS" in found["sentence"]


def test_beat_calls_somebody_outside_only_while_somebody_takes_from_each_queue(
    system: System,
) -> None:
    called: list[str] = []

    class Outside(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Outside) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/ping/Hidden1"
        alone = system.start_beat(WALLARM_NOTIFY_HEARTBEAT_URL=url)
        alone.wait_for("heartbeat_url.withheld", 60)
        assert called == []
        system.start_worker(concurrency=1)
        eventually(finds(system, "queues", "good", "Each queue is consumed"), 60, "it is seen")
        eventually(finds(system, "beat", "good", "SWEEP began in time"), 60, "SWEEP ran")
        beat = system.start_beat(WALLARM_NOTIFY_HEARTBEAT_URL=url)
        beat.wait_for("heartbeat_url.called", 60)
        server.shutdown()
    assert called == ["/ping/Hidden1"]
    assert "Hidden1" not in alone.text() + beat.text()
