"""Random histories: emissions, changes and faults, mixed by a seed; the same judge at the end."""

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
from chaos.clocks import redis_clock_jumps
from chaos.scene import INGESTED_WITHIN, Scene
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.triggers.trigger import TriggerDraft

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.outside import World
    from chaos.report import Report
    from wallarm_notify.devstack.processes import Process

RESTLESS: Final = 9
"""A client whose integrations and triggers are changed all the time: what it gets is judged for doubles."""

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
    """What happens, one step after the other, as the seed has it."""

    scene: Scene
    world: World
    chance: random.Random
    told: list[str] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    deadly: int = 0
    """Calls that workers die of: in the end they are set aside, and nothing else is."""
    restless: list[int] = field(default_factory=list)
    triggers: list[int] = field(default_factory=list)
    """Those of the restless client."""

    def begin(self) -> None:
        """Two workers and beat, a trigger that each address fires, and the restless client."""
        self._make_trigger(1, min(self.scene.keys))
        self.triggers.append(self._make_trigger(RESTLESS, self._restless()))
        for _ in range(2):
            self._start_worker()
        self.scene.start_beat_by_a_clock()

    def step(self) -> None:
        """One thing happens; a worker that has died is there again, as what watches over it sees to."""
        self.revive()
        weights = {
            self._emit: 10,
            self._emit_restless: 3,
            self._change_restless: 3,
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
        self.told.append(action.__name__.strip("_"))
        action()

    def end(self) -> None:
        """Everything runs again."""
        self.scene.system.sandbox.set_faults([])
        self.revive()

    def revive(self) -> None:
        """Two workers run."""
        for worker in list(self.workers):
            if worker.popen.poll() is not None:
                self.workers.remove(worker)
        while len(self.workers) < 2:
            self._start_worker()

    def is_all_in(self) -> bool:
        """Whether all is stored but for what workers die of, which is set aside."""
        self.revive()
        ledger = self.scene.system.ledger()
        return ledger.received >= self.scene.expected.events and ledger.set_aside == self.deadly

    def _emit(self) -> None:
        scene = self.scene
        events = [
            an_event_object(self.chance.choice((1, 2, 3)))
            for _ in range(self.chance.randint(1, 40))
        ]
        for event in events:
            scene.expected.pages(event)
        addresses = [
            dict(an_event_for("blacklist_ip_added", ip=f"203.0.113.{n % 250}").body)
            for n in range(self.chance.randint(0, 3))
        ]
        scene.expected.met[scene.keys[min(scene.keys)].reveal()] += len(addresses)
        scene.expected.received(len(events) + len(addresses))
        for _ in range(self.chance.choice((1, 1, 2))):
            self._send(events + addresses)

    def _emit_restless(self) -> None:
        events = [an_event_object(RESTLESS) for _ in range(self.chance.randint(1, 10))]
        addresses = [
            dict(an_event_for("blacklist_ip_added", client_id=RESTLESS).body)
            for _ in range(self.chance.randint(0, 5))
        ]
        self.scene.expected.received(len(events) + len(addresses))
        self._send(events + addresses)

    def _send(self, events: list[dict[str, Any]]) -> None:
        """As a producer that tries again while the broker is away or full."""

        def sent() -> bool:
            try:
                self.scene.system.emit(*events)
            except Exception:  # noqa: BLE001 - whatever the client library raises
                return False
            return True

        eventually(sent, 30, "the producer's events were taken")

    def _restless(self) -> int:
        key = a_key()
        number = self.scene.system.integration(key, RESTLESS)
        self.restless.append(number)
        self.scene.expected.restless.add(key.reveal())
        return number

    def _change_restless(self) -> None:
        system = self.scene.system
        number = self.chance.choice(self.restless)
        what = self.chance.choice(("disable", "enable", "create"))
        try:
            if what == "disable":
                system.disable_integration(number)
                self.scene.expected.received(1)
            elif what == "enable":
                system.enable_integration(number)
            elif len(self.restless) < 5:
                self._restless()
        except NotifyError:
            pass  # it is so already

    def _make_trigger(self, client: int, number: int) -> int:
        criteria = criteria_of("blacklist_ip_added")
        draft = TriggerDraft(client, criteria, (number,))
        made = self.scene.system.create_trigger(draft)
        self.scene.expected.received(1)
        return made.id

    def _change_trigger(self) -> None:
        what = self.chance.choice(("disable", "enable", "duplicate", "delete", "create"))
        try:
            if what == "create":
                self.triggers.append(
                    self._make_trigger(RESTLESS, self.chance.choice(self.restless))
                )
                return
            if not self.triggers:
                return
            number = self.chance.choice(self.triggers)
            changed = getattr(self.scene.system, f"{what}_trigger")(number)
        except NotifyError:
            return  # it is so already
        self.scene.expected.received(1)
        if what == "duplicate":
            self.triggers.append(changed.id)
        if what == "delete":
            self.triggers.remove(number)

    def _sandbox_fault(self) -> None:
        self.scene.system.sandbox.set_faults([self.chance.choice(FAULTS)])

    def _start_worker(self) -> None:
        worker = self.scene.system.begin_worker(*DEADLY, PYTHONPATH=str(ROOT / "tests"))
        self.workers.append(worker)
        # One that meets what is deadly as soon as it is up may be gone before anybody looks.
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
        outside.broker_killed(self.scene, self.world, self.chance.uniform(0.1, 2))

    def _broker_full(self) -> None:
        outside.broker_full(self.scene, self.world, self.chance.uniform(0.1, 2))

    def _broker_emptied(self) -> None:
        """Once everything is committed: what is not is the broker's alone."""
        eventually(self.is_all_in, INGESTED_WITHIN, "all in")
        outside.broker_emptied(self.scene, self.world)

    def _database_away(self) -> None:
        outside.database_killed(self.scene, self.world, self.chance.uniform(0.1, 2))

    def _database_read_only(self) -> None:
        outside.database_read_only(self.scene, self.world, self.chance.uniform(0.1, 2))

    def _connections_cut(self) -> None:
        outside.connections_cut(self.scene, self.world)

    def _emit_deadly(self) -> None:
        """What ends whoever stores it, between calls that are as good as any."""
        self._emit()
        self.deadly += 1
        title = self.chance.choice(("deadly to its process", "deadly to store"))
        self._send([an_event_object(RESTLESS, title=title)])
        self._emit()

    def _beats_clock_jumps(self) -> None:
        self.scene.beats_clock.write_text(str(self.chance.choice(JUMPS)))

    def _redis_clock_jumps(self) -> None:
        redis_clock_jumps(self.scene, self.chance.choice(JUMPS))

    def _messages_doubled(self) -> None:
        outside.messages_doubled(self.scene, self.world)


@pytest.mark.sample
@pytest.mark.timeout(0)
def test_a_random_history_loses_nothing_and_pages_nobody_twice(
    make_scene: Callable[..., Scene], world: World, report: Report, pytestconfig: pytest.Config
) -> None:
    seed = pytestconfig.getoption("--seed") or random.SystemRandom().randrange(10**6)
    minutes = float(pytestconfig.getoption("--minutes"))
    print(f"\nseed {seed}, {minutes:g} minutes")  # noqa: T201 - whoever sees it fail needs it
    scene = make_scene()
    history = History(scene, world, random.Random(seed))
    history.begin()
    deadline = time.monotonic() + minutes * 60
    while time.monotonic() < deadline:
        history.step()
        time.sleep(history.chance.uniform(0, 1))
    history.end()
    seconds = wait_for_all(scene, history)
    seconds += replay_failed(scene, history)
    findings = scene.judge()
    steps = len(history.told)
    report.add(
        f"random history, seed {seed}", f"{steps} steps", f"{minutes:g} minutes", seconds, findings
    )
    assert findings == [], f"seed {seed}: {history.told}"


def replay_failed(scene: Scene, history: History) -> float:
    """What failed seventeen times in the storm is not lost: it is listed, and sent anew."""
    failed = [n.id for n in scene.system.notifications(state=State.FAILED, client_id=None)]
    stable = [n for n in failed if scene.system.show(n).integration_id in scene.keys]
    if not stable:
        return 0.0
    scene.system.replay_notifications(stable)
    return wait_for_all(scene, history)


def wait_for_all(scene: Scene, history: History) -> float:
    """Until nothing is open any more."""
    began = time.monotonic()

    def has_ended() -> bool:
        states = scene.system.states()
        return history.is_all_in() and not states["pending"] + states["retrying"]

    eventually(has_ended, INGESTED_WITHIN, f"everything had ended after {history.told[-5:]}")
    return time.monotonic() - began
