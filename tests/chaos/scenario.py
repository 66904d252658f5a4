"""The scenario of a fault: clients, integrations and a trigger, events, and workers with crash points."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from build import a_key, an_event_for, an_event_object, criteria_of, eventually
from e2e.system import ROOT, System

from chaos.armed import FOLDER, VARIABLE
from chaos.beat_clock import CLOCK_FILE
from chaos.clocks import set_clock
from chaos.findings import Expected, findings_of
from wallarm_notify.broker.redis_transport import NotingChannel
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.triggers.trigger import TriggerDraft

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chaos.report import Report
    from wallarm_notify.devstack.processes import Process
    from wallarm_notify.domain.integration import IntegrationKey

T = TypeVar("T")

SHORTENED: Final = {
    "request_timeout": 2,
    "connect_timeout": 1,
    "lease_seconds": 7,
    "grace_seconds": 2,
    "sweep_seconds": 1,
    "visibility_timeout": 6,
    "retry_time_scale": 0.01,
    "rate_limit_per_minute": 0,
}
"""Lease, grace, visibility and sweep times of a chaos run; the rules that use them are unchanged."""

AS_INSTALLED: Final = {
    "request_timeout": 15,
    "connect_timeout": 5,
    "lease_seconds": 30,
    "grace_seconds": 15,
    "sweep_seconds": 5,
    "visibility_timeout": 120,
}
"""Lease, grace, visibility and sweep times of a fresh installation."""

INGESTED_WITHIN: Final = 240.0
"""Seconds until an event of a killed worker is worked on again (spec 7)."""

LATER_WITHIN: Final = 60.0
"""Seconds until any later step is worked on, from its due time or since all runs again (spec 7)."""

CLIENTS: Final = (1, 2, 3)
EVENTS: Final = 40
ATTACKS: Final = 12
LIMIT: Final = 7
CALL: Final = 13


@dataclass
class Scenario:
    """One system with what it has to do, and the results that are expected."""

    system: System
    folder: Path
    expected: Expected = field(default_factory=Expected)
    keys: dict[int, IntegrationKey] = field(default_factory=dict)
    trigger_id: int = 0

    def set_up(self) -> None:
        """Make two integrations of each client that subscribe to everything, and a trigger of the first client."""
        for client in CLIENTS:
            for _ in range(2):
                key = a_key()
                number = self.system.integration(
                    key, client, subscribe=("security_issue", "system")
                )
                self.keys[number] = key
                self.expected.subscribes(client, number, key)
        first = min(self.keys)
        draft = TriggerDraft(
            client_id=CLIENTS[0],
            criteria=criteria_of("attacks_exceeded", threshold=f"{LIMIT} in 1h"),
            integration_ids=(first,),
        )
        self.trigger_id = self.system.create_trigger(draft).id
        self.expected.received(1)  # trigger.created, which nobody subscribes to

    def emit(
        self, *, twice: bool = False, send: Callable[..., object] | None = None
    ) -> list[dict[str, Any]]:
        """Emit security issues of every client, and attacks of which one makes the trigger fire; return them.

        ``send`` emits the events of a call, by default as any Celery client would.
        """
        issues = [an_event_object(CLIENTS[n % len(CLIENTS)]) for n in range(EVENTS)]
        attacks = [dict(an_event_for("attacks_exceeded").body) for _ in range(ATTACKS)]
        everything = [e for pair in zip(issues, [*attacks, *issues], strict=False) for e in pair]
        events = list({e["id"]: e for e in [*everything, *issues, *attacks]}.values())
        for event in issues:
            self.expected.pages(event)
        self.expected.received(len(events))
        self.expected.firings[self.keys[min(self.keys)].reveal()] = LIMIT + 1
        for _ in range(1 + twice):
            for start in range(0, len(events), CALL):
                (send or self.system.emit)(*events[start : start + CALL])
        return events

    def start_armed(
        self,
        *points: tuple[str, str],
        times: int = 1,
        concurrency: int = 2,
        queues: str | None = None,
    ) -> Process:
        """Start a worker with ``points`` armed: each is a step, and what happens there."""
        armed = [{"point": p, "action": action, "times": times} for p, action in points]
        return self.system.start_worker(
            "-I",
            "chaos.armed",
            *(("-Q", queues) if queues else ()),
            concurrency=concurrency,
            **{
                VARIABLE: json.dumps(armed),
                FOLDER: str(self.folder),
                "PYTHONPATH": str(ROOT / "tests"),
            },
        )

    def start_beat(self) -> Process:
        """Start beat, and wait until it has found its broker."""
        beat = self.system.start_beat()
        beat.wait_for("Sending due task")
        return beat

    @property
    def beats_clock(self) -> Path:
        """The file that says by how many seconds the clock of ``start_beat_by_a_clock`` is off."""
        return self.folder / "clock"

    def start_beat_by_a_clock(self) -> Process:
        """Start beat with a clock that can be set while it runs; its log has every task."""
        set_clock(self.beats_clock, 0)
        beat = self.system.start(
            "beat",
            [sys.executable, "-m", "chaos.beat_clock", "-A", "tasks", "beat", "-l", "DEBUG"],
            **{CLOCK_FILE: str(self.beats_clock), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        )
        beat.wait_for("Sending due task")
        return beat

    def wait_for_point(self, point: str, within: float = 60) -> None:
        """Wait until a worker has come to ``point``."""
        eventually(lambda: list(self.folder.glob(f"met.{point}.*")), within, f"{point} was met")

    def go_on(self) -> None:
        """Let paused workers go on."""
        (self.folder / "go-on").touch()

    def wait_for_return(self, point: str) -> None:
        """Wait until workers paused at ``point`` have gone on and acknowledged their messages."""
        eventually((self.folder / f"left.{point}").exists, 60, f"{point} was left")
        with self.system.ask_broker() as client:
            unacked = NotingChannel.unacked_key
            eventually(lambda: client.hlen(unacked) == 0, 60, "everything was acknowledged")

    def wait_for_all(self, within: float) -> float:
        """Wait until everything has ended; return how many seconds that took."""
        began = time.monotonic()
        eventually(lambda: self._has_ended(), within, "everything had ended")  # noqa: PLW0108 - reads better
        return time.monotonic() - began

    def look(self, at: Callable[[], T]) -> T:
        """Return what ``at`` finds in the database; look again if that ended the connection meanwhile.

        A server whose clock libfaketime sets back does so now and then: its handler of signals sees the right time
        while it waits for the next statement, and takes its time-out for over.
        """
        try:
            return at()
        except Unavailable:
            return at()

    def _has_ended(self) -> bool:
        ledger = self.look(self.system.ledger)
        states = self.look(self.system.states)
        open_ones = states["pending"] + states["retrying"]
        return (
            ledger.received >= self.expected.events
            and not open_ones
            and sum(states.values()) >= self.expected.notifications
        )

    def end_well(
        self,
        report: Report,
        fault: str,
        step: str,
        happened: str,
        *,
        within: float = LATER_WITHIN,
        since: float | None = None,
    ) -> None:
        """Wait until everything has ended, add the result to ``report``, and fail on findings.

        The recovery counts from ``since``, by the monotonic clock, or from now.
        """
        began = time.monotonic() if since is None else since
        self.wait_for_all(within)
        seconds = time.monotonic() - began
        findings = self.findings()
        report.add(fault, step, happened, seconds, findings)
        assert findings == []

    def findings(self) -> list[str]:
        """Return what the sandbox and the ledger have, compared with what was emitted."""
        return findings_of(
            self.expected,
            self.system.sandbox,
            self.look(self.system.ledger),
            self.look(self.rows_left),
        )

    def rows_left(self) -> dict[str, int]:
        """Return how many rows are left that must not be."""

        def ask(tx: Any) -> dict[str, int]:
            rows = tx._rows(
                """SELECT (SELECT count(*) FROM notifications WHERE lease_until IS NOT NULL) AS claimed,
                          (SELECT count(*) FROM notifications WHERE finished_at IS NULL) AS open"""
            )
            return dict(rows[0])

        return self.system.wiring.store.transact(ask)
