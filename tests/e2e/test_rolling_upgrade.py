"""A rolling upgrade from each release since 1.0.0: old and new programs side by side on the new schema."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from build import a_key, a_trigger_draft, an_event_for, an_event_object, criteria_of, eventually
from conftest import execute
from releases import (
    COMMAND,
    RELEASES,
    NoHistory,
    Program,
    named_in_the_changelog,
    newest_of,
    program_of,
)

from wallarm_notify.devstack.processes import Process, celery, product_command, run
from wallarm_notify.devstack.stack import READY_SECONDS
from wallarm_notify.domain.alert_identity import dedup_key
from wallarm_notify.producer import Producer
from wallarm_notify.store import migrations, schema_check
from wallarm_notify.store.connection import Unpooled, transaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.system import System

pytestmark = [pytest.mark.faults, pytest.mark.history, pytest.mark.timeout(900)]

EMIT = """
import json, sys
from wallarm_notify.producer import Producer
with Producer(sys.argv[1]) as producer:
    producer.emit(*json.load(sys.stdin))
"""


@pytest.fixture
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    """The program of the release that the test names."""
    folder = tmp_path / "old"
    folder.mkdir()
    try:
        return program_of(request.param, folder)
    except NoHistory as why:
        pytest.fail(str(why), pytrace=False)


each_release = pytest.mark.parametrize("old", named_in_the_changelog(), indirect=True)


def test_every_release_since_1_0_0_is_tested() -> None:
    assert named_in_the_changelog() == list(RELEASES)


def begin_old_worker(system: System, old: Program) -> Process:
    """Start a worker of a release."""
    process = Process(
        celery("worker", "-c", "1", "-n", "former@devstack", "-l", "INFO"),
        system.folder / "former.log",
        environ=old.environ(system.environ()),
        folder=old.folder,
    )
    system.processes.append(process)
    return process


def some_events(number: int) -> list[dict[str, Any]]:
    return [an_event_object(1) for _ in range(number)]


def emit_by_old(system: System, old: Program) -> list[dict[str, Any]]:
    """Emit ten events by the producer of a release; return them."""
    events = some_events(10)
    command = ["-c", EMIT, system.broker_url]
    old.python(system.environ(), *command, stdin=json.dumps(events))
    return events


def emit_by_new(system: System, number: int = 10) -> list[dict[str, Any]]:
    """Emit events by today's producer; return them."""
    events = some_events(number)
    with Producer(system.broker_url) as producer:
        producer.emit(*events)
    return events


def has_routed(worker: Process) -> bool:
    """Return whether a worker has ended a task of events."""
    return re.search(r"Task events\.ingest\S* succeeded", worker.text()) is not None


def check_alerts(system: System, emitted: list[dict[str, Any]], integration: int) -> None:
    """Check that each event is one alert, that a trigger's firing is one more, and that nothing else is there."""
    alerts = system.sandbox.alerts()
    cards = Counter(alert["dedup_key"] for alert in alerts)
    assert all(alert["notifications"] == 1 for alert in alerts)
    for event in emitted:
        assert cards.pop(dedup_key(event["id"], "card", integration)) == 1
    assert list(cards.values()) == [1]


@each_release
def test_old_and_new_programs_work_side_by_side_on_the_new_schema(
    make_system: Callable[..., System], empty_database: str, old: Program
) -> None:
    system = make_system(
        database_url=empty_database,
        # What the old worker tried first is tried last six minutes later: time for all that follows.
        retry_time_scale=0.1,
        sweep_seconds=1,
        rate_limit_per_minute=0,
    )
    old.command(system.environ(), "db", "upgrade")
    system.sandbox.set_faults([{"kind": "status", "status": 503}], rate_limit=0)
    integration = integration_made_by(old, system)
    former = begin_old_worker(system, old)
    former.wait_for(" ready.", READY_SECONDS)
    emitted = emit_by_old(system, old)
    eventually(lambda: len(system.sandbox.requests(brief=True)) >= 10, what="first attempts")

    revisions = migrations.upgrade(empty_database)
    assert revisions == (f"{newest_of(old.commit):04}", schema_check.newest())
    # On the new schema: first a worker of before alone, which takes what both producers send, and fires a trigger.
    emitted += emit_by_new(system) + emit_by_old(system, old)
    criteria = criteria_of("attacks_exceeded", threshold="2 in 1h")
    system.create_trigger(a_trigger_draft(integration, criteria=criteria))
    attacks = [dict(an_event_for("attacks_exceeded").body) for _ in range(3)]
    with Producer(system.broker_url) as producer:
        producer.emit(*attacks)
    made = len(emitted) + 1
    eventually(lambda: system.states().total() == made, what="all were routed by the former")
    assert "delivered" in old.command(system.environ(), "ledger")

    new = system.start_worker(concurrency=1)
    system.start_beat()

    def both_have_routed() -> bool:
        emitted.extend(emit_by_new(system, 5))
        time.sleep(0.2)  # a few events are enough
        return has_routed(former) and has_routed(new)

    eventually(both_have_routed, what="both took events")
    assert former.stop() == 0
    emitted += emit_by_old(system, old)
    system.sandbox.set_faults([])
    system.wait_for_states(240, delivered=len(emitted) + 1)

    ledger = system.ledger()
    # With the event of the trigger that was made.
    received = len(emitted) + len(attacks) + 1
    assert (ledger.findings, ledger.received, ledger.undecodable) == ([], received, 0)
    check_alerts(system, emitted, integration)


def integration_made_by(old: Program, system: System) -> int:
    """Return the number of an integration of client 1, made by the command of a release."""
    words = ("integrations", "create", "--client", "1", "--subscribe", "security_issue")
    made = old.command(system.environ(), *words, "--key", "-", "--json", stdin=a_key().reveal())
    return int(json.loads(made)["id"])


@each_release
def test_an_old_program_refuses_a_schema_that_serves_it_no_longer(
    make_system: Callable[..., System], database_url: str, old: Program
) -> None:
    system = make_system()
    own = f"{newest_of(old.commit):04}"
    later = f"{int(own) + 1:04}"
    execute(database_url, f"UPDATE compatibility SET serves_from = '{later}'")
    sentence = (
        f"which serves programs from version {later} on, and this one is of version {own}; "
        "install the newer program."
    )
    worker = begin_old_worker(system, old)
    eventually(worker.has_ended, READY_SECONDS, "the worker's end")
    assert (worker.exit_status(), "Traceback" in worker.text()) == (1, False)
    assert worker.text().rstrip().endswith(sentence)
    for words in (("db", "upgrade"), ("ledger",)):
        done = old.python(system.environ(), "-c", COMMAND, *words, check=False)
        assert done.returncode == 1
        assert done.stderr.rstrip().endswith(sentence)
    with transaction(Unpooled(database_url)) as cursor:
        assert schema_check.current(cursor) == schema_check.newest()


def test_there_is_no_command_that_downgrades(make_system: Callable[..., System]) -> None:
    done = run(product_command("db", "downgrade"), make_system().environ())
    assert done.returncode == 2
    assert "No such command 'downgrade'" in done.stderr
    assert not hasattr(migrations, "downgrade")
