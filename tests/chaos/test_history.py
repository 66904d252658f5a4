"""Random histories: emissions, changes and faults, mixed by a seed and checked in the end."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psutil  # type: ignore[import-untyped]  # publishes no types
import pytest
from build import a_key, an_event_for, an_event_object, criteria_of, eventually
from e2e.system import ROOT

from chaos import outside
from chaos.clocks import redis_clock_jumps, set_clock
from chaos.scenario import INGESTED_WITHIN, Scenario
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.triggers.trigger import TriggerDraft

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.outside import Servers
    from chaos.report import Report
    from wallarm_notify.devstack.processes import Process

CHANGING: Final = 9
"""A client whose integrations and triggers are changed all the time: only doubled alerts are findings there."""

FAULTS: Final = (
    {"kind": "status", "status": 503, "times": 10},
    {"kind": "status", "status": 400, "times": 5},
    {"kind": "status", "status": 429, "retry_after": 1, "times": 5},
    {"kind": "status", "status": 500, "accept": True, "times": 5},
    {"kind": "reset", "times": 5},
    {"kind": "reset", "accept": True, "times": 5},
    {"kind": "close", "accept": True, "times": 5},
    {"kind": "hang", "delay": 3, "times": 2},
    {"kind": "drip", "delay": 0.5, "times": 2},
)


DEADLY: Final = ("-I", "e2e.deadly")
"""A worker that dies of some events."""

JUMPS: Final = (-3600, -600, 0, 600, 3600)
"""Seconds by which a clock is off."""


@dataclass
class History:
    """The steps of a history, as the seed has them."""

    scenario: Scenario
    servers: Servers
    chance: random.Random
    steps: list[str] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    deadly: int = 0
    """Calls that workers die of: in the end these are set aside, and no others."""
    integrations: list[int] = field(default_factory=list)
    triggers: list[int] = field(default_factory=list)
    """The triggers of the changing client."""

    def begin(self) -> None:
        """Start two workers and beat; make a trigger that each address fires, and the changing client."""
        self._make_trigger(1, min(self.scenario.keys))
        self.triggers.append(self._make_trigger(CHANGING, self._make_integration()))
        for _ in range(2):
            self._start_worker()
        self.scenario.start_beat_by_a_clock()

    def step(self) -> None:
        """Do one random thing, after starting dead workers again, as a supervisor would."""
        self.revive()
        weights = {
            self._emit: 10,
            self._emit_for_changing_client: 3,
            self._change_integration: 3,
            self._change_trigger: 3,
            self._sandbox_fault: 3,
            self._kill_child: 2,
            self._kill_worker: 2,
            self._broker_away: 1,
            self._broker_full: 1,
            self._broker_emptied: 1,
            self._database_away: 1,
            self._database_read_only: 1,
            self._connections_cut: 2,
            self._messages_doubled: 2,
            self._emit_deadly: 1,
            self._beats_clock_jumps: 1,
            self._redis_clock_jumps: 1,
        }
        action = self.chance.choices(list(weights), list(weights.values()))[0]
        self.steps.append(action.__name__.strip("_"))
        action()

    def end(self) -> None:
        """Let everything run again."""
        self.scenario.system.sandbox.set_faults([])
        self.revive()

    def revive(self) -> None:
        """Start workers until two run."""
        for worker in list(self.workers):
            if worker.popen.poll() is not None:
                self.workers.remove(worker)
        while len(self.workers) < 2:
            self._start_worker()

    def is_all_in(self) -> bool:
        """Return whether all is stored, except what workers die of, which is set aside."""
        self.revive()
        ledger = self.scenario.system.ledger()
        return ledger.received >= self.scenario.expected.events and ledger.set_aside == self.deadly

    def _emit(self) -> None:
        scenario = self.scenario
        events = [
            an_event_object(self.chance.choice((1, 2, 3)))
            for _ in range(self.chance.randint(1, 40))
        ]
        for event in events:
            scenario.expected.pages(event)
        addresses = [
            dict(an_event_for("blacklist_ip_added", ip=f"203.0.113.{n % 250}").body)
            for n in range(self.chance.randint(0, 3))
        ]
        scenario.expected.met[scenario.keys[min(scenario.keys)].reveal()] += len(addresses)
        scenario.expected.received(len(events) + len(addresses))
        for _ in range(self.chance.choice((1, 1, 2))):
            self._send(events + addresses)

    def _emit_for_changing_client(self) -> None:
        events = [an_event_object(CHANGING) for _ in range(self.chance.randint(1, 10))]
        addresses = [
            dict(an_event_for("blacklist_ip_added", client_id=CHANGING).body)
            for _ in range(self.chance.randint(0, 5))
        ]
        self.scenario.expected.received(len(events) + len(addresses))
        self._send(events + addresses)

    def _send(self, events: list[dict[str, Any]]) -> None:
        """Send events as a producer that tries again while the broker is away or full."""

        def sent() -> bool:
            try:
                self.scenario.system.emit(*events)
            except Exception:  # noqa: BLE001 - whatever the client library raises
                return False
            return True

        eventually(sent, 60, "the producer's events were taken")

    def _make_integration(self) -> int:
        key = a_key()
        number = self.scenario.system.integration(key, CHANGING)
        self.integrations.append(number)
        self.scenario.expected.changing.add(key.reveal())
        return number

    def _change_integration(self) -> None:
        system = self.scenario.system
        number = self.chance.choice(self.integrations)
        what = self.chance.choice(("disable", "enable", "create"))
        try:
            if what == "disable":
                system.disable_integration(number)
                self.scenario.expected.received(1)
            elif what == "enable":
                system.enable_integration(number)
            elif len(self.integrations) < 5:
                self._make_integration()
        except NotifyError:
            pass  # it is so already

    def _make_trigger(self, client: int, number: int) -> int:
        criteria = criteria_of("blacklist_ip_added")
        draft = TriggerDraft(client, criteria, (number,))
        made = self.scenario.system.create_trigger(draft)
        self.scenario.expected.received(1)
        return made.id

    def _change_trigger(self) -> None:
        what = self.chance.choice(("disable", "enable", "duplicate", "delete", "create"))
        try:
            if what == "create":
                self.triggers.append(
                    self._make_trigger(CHANGING, self.chance.choice(self.integrations))
                )
                return
            if not self.triggers:
                return
            number = self.chance.choice(self.triggers)
            changed = getattr(self.scenario.system, f"{what}_trigger")(number)
        except NotifyError:
            return  # it is so already
        self.scenario.expected.received(1)
        if what == "duplicate":
            self.triggers.append(changed.id)
        if what == "delete":
            self.triggers.remove(number)

    def _sandbox_fault(self) -> None:
        self.scenario.system.sandbox.set_faults([self.chance.choice(FAULTS)])

    def _start_worker(self) -> None:
        worker = self.scenario.system.begin_worker(*DEADLY, PYTHONPATH=str(ROOT / "tests"))
        self.workers.append(worker)
        # A worker that takes a deadly event at once may have ended before this looks.
        eventually(
            lambda: worker.popen.poll() is not None or " ready." in worker.text(), 60, "it is up"
        )

    def _kill_child(self) -> None:
        worker = self.chance.choice(self.workers)
        children = (
            psutil.Process(worker.popen.pid).children() if worker.popen.poll() is None else []
        )
        if children:
            os.kill(self.chance.choice(children).pid, signal.SIGKILL)

    def _kill_worker(self) -> None:
        worker = self.chance.choice(self.workers)
        worker.kill()
        self.workers.remove(worker)
        self._start_worker()

    def _broker_away(self) -> None:
        outside.broker_killed(self.scenario, self.servers, self.chance.uniform(0.1, 2))

    def _broker_full(self) -> None:
        outside.broker_full(self.scenario, self.servers, self.chance.uniform(0.1, 2))

    def _broker_emptied(self) -> None:
        """Empty the broker once everything is committed: what is not, only the broker has."""
        eventually(self.is_all_in, INGESTED_WITHIN, "all in")
        outside.broker_emptied(self.scenario, self.servers)

    def _database_away(self) -> None:
        outside.database_killed(self.scenario, self.servers, self.chance.uniform(0.1, 2))

    def _database_read_only(self) -> None:
        outside.database_read_only(self.scenario, self.servers, self.chance.uniform(0.1, 2))

    def _connections_cut(self) -> None:
        outside.connections_cut(self.scenario, self.servers)

    def _emit_deadly(self) -> None:
        """Emit an event that kills the worker that stores it, between calls that kill nobody."""
        self._emit()
        self.deadly += 1
        title = self.chance.choice(("deadly to its process", "deadly to store"))
        self._send([an_event_object(CHANGING, title=title)])
        self._emit()

    def _beats_clock_jumps(self) -> None:
        set_clock(self.scenario.beats_clock, self.chance.choice(JUMPS))

    def _redis_clock_jumps(self) -> None:
        redis_clock_jumps(self.scenario, self.chance.choice(JUMPS))

    def _messages_doubled(self) -> None:
        outside.messages_doubled(self.scenario, self.servers)


@pytest.mark.sample
@pytest.mark.timeout(0)
def test_a_random_history_loses_nothing_and_pages_nobody_twice(
    make_scenario: Callable[..., Scenario],
    servers: Servers,
    report: Report,
    pytestconfig: pytest.Config,
) -> None:
    seed = pytestconfig.getoption("--seed") or random.SystemRandom().randrange(10**6)
    minutes = float(pytestconfig.getoption("--minutes"))
    print(f"\nseed {seed}, {minutes:g} minutes")  # noqa: T201 - whoever sees it fail needs it
    scenario = make_scenario()
    history = History(scenario, servers, random.Random(seed))
    history.begin()
    deadline = time.monotonic() + minutes * 60
    while time.monotonic() < deadline:
        history.step()
        time.sleep(history.chance.uniform(0, 1))
    history.end()
    seconds = wait_for_all(scenario, history)
    seconds += replay_failed(scenario, history)
    findings = scenario.findings()
    steps = len(history.steps)
    report.add(
        f"random history, seed {seed}", f"{steps} steps", f"{minutes:g} minutes", seconds, findings
    )
    assert findings == [], f"seed {seed}: {history.steps}"


def replay_failed(scenario: Scenario, history: History) -> float:
    """Replay what failed seventeen times meanwhile: it is not lost, but listed as failed."""
    failed = [n.id for n in scenario.system.notifications(states=(State.FAILED,), client_id=None)]
    stable = [n for n in failed if scenario.system.show(n).integration_id in scenario.keys]
    if not stable:
        return 0.0
    scenario.system.replay_notifications(stable)
    return wait_for_all(scenario, history)


def wait_for_all(scenario: Scenario, history: History) -> float:
    """Wait until nothing is open any more; return the seconds."""
    began = time.monotonic()

    def has_ended() -> bool:
        states = scenario.system.states()
        return history.is_all_in() and not states["pending"] + states["retrying"]

    eventually(has_ended, INGESTED_WITHIN, f"everything had ended after {history.steps[-5:]}")
    return time.monotonic() - began
