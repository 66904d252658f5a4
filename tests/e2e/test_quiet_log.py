"""The logs of real workers and beat: nothing while idle, one line of each node while a server is away."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest
from build import a_key, an_event_object, eventually
from chaos.killable import KillableBroker, KillablePostgres
from privileges import WORKER, as_user, order

from wallarm_notify.broker.redis_transport import NotingChannel
from wallarm_notify.store.migrations import upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.system import System
    from wallarm_notify.devstack.processes import Process

pytestmark = pytest.mark.faults

AWAY = 12.0
"""Seconds without a server: too short for a second line, and long enough for a flood of them."""

LINE = re.compile(r"^\d{4}-\d\d-\d\dT\S+ (?:WARNING|ERROR|CRITICAL|INFO) ")


@pytest.fixture
def broker_server() -> Iterator[KillableBroker]:
    with KillableBroker() as server:
        yield server


def added(process: Process, during: Callable[[], None]) -> list[str]:
    """Return the lines, those of tracebacks included, that ``process`` writes ``during`` a call."""
    before = len(process.text().splitlines())
    during()
    return process.text().splitlines()[before:]


def rest(seconds: float = AWAY) -> None:
    threading.Event().wait(seconds)


def begin(system: System) -> tuple[Process, Process]:
    """Start a worker and beat, and wait until the first upkeep tasks have run."""
    worker, beat = system.start_worker(), system.start_beat()
    worker.wait_for("Task upkeep.sweep")
    beat.wait_for("Sending due task")
    eventually(lambda: nothing_is_under_way(system), 60, "upkeep tasks done")
    rest(1)
    return worker, beat


def nothing_is_under_way(system: System) -> bool:
    """Return whether no upkeep task waits, and none is with a worker."""
    with system.ask_broker() as client:
        return not client.llen("upkeep") and not client.hlen(NotingChannel.unacked_key)


def test_an_idle_worker_and_beat_write_nothing(make_system: Callable[..., System]) -> None:
    system = make_system(retry_time_scale=0.002, sweep_seconds=0.5, review_seconds=1)
    worker, beat = begin(system)
    beat_lines: list[str] = []
    lines = added(worker, lambda: beat_lines.extend(added(beat, rest)))
    assert (lines, beat_lines) == ([], [])
    assert worker.popen.poll() is None


def test_a_broker_that_is_away_is_one_line_of_each_node(
    make_system: Callable[..., System], broker_server: KillableBroker
) -> None:
    system = make_system(broker_url=broker_server.url, retry_time_scale=0.002, sweep_seconds=1)
    worker, beat = begin(system)
    of_beat: list[str] = []

    def kill() -> None:
        broker_server.kill()
        rest()

    of_worker = added(worker, lambda: of_beat.extend(added(beat, kill)))
    for lines, node in ((of_worker, "worker0@devstack"), (of_beat, "beat@")):
        assert len(lines) == 1, lines
        (line,) = lines
        assert LINE.match(line)
        # The connection that was, or the one that was asked for next.
        assert "closed by server" in line or re.search(r"\[Errno \d+\] Connection re", line), line
        assert f" node={node}" in line
    broker_server.start()
    system.integration(a_key())
    system.emit(an_event_object())
    system.wait_for_states(60, delivered=1)
    assert worker.text().count("INFO Connected to") == 2


def test_a_database_that_is_away_is_one_line_and_one_that_events_wait(
    make_system: Callable[..., System],
) -> None:
    with KillablePostgres(settings={"fsync": "off"}) as server:
        upgrade(server.url)
        system = make_system(
            database_url=server.url, retry_time_scale=0.01, sweep_seconds=0.5, review_seconds=1
        )
        system.integration(a_key())
        worker, _ = begin(system)

        def kill() -> None:
            server.kill()
            rest()

        idle = added(worker, kill)

        def work() -> None:
            system.emit(*(an_event_object() for _ in range(5)))
            rest()

        with_work = added(worker, work)
        server.start()
        system.wait_for_states(60, delivered=5)
        system.close()
    (line,) = idle
    assert "not_now" in line
    # Refused, or ended in the middle of a statement: whichever it met first.
    assert 'error="The database does not answer (' in line
    assert " node=worker0@devstack" in line
    output = [line for line in with_work if " INFO " not in line]
    assert [line.split()[2] for line in output] == ["ingest.waits_for_database"], with_work


def test_an_acl_that_loses_a_command_is_no_flood(
    make_system: Callable[..., System], broker_server: KillableBroker
) -> None:
    order(broker_server, WORKER)
    url = as_user(broker_server.url, "worker")
    system = make_system(broker_url=url, retry_time_scale=0.002, sweep_seconds=1)
    worker = system.start_worker()

    def lose() -> None:
        order(broker_server, "ACL SETUSER worker -eval")
        rest()

    lines = added(worker, lose)
    assert 1 <= len(lines) <= 3, lines
    assert any("eval" in line for line in lines)
