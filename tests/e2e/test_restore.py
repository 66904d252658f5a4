"""A restore drill: a dump under load, deliveries after it, the database lost, and another one made of the dump."""

from __future__ import annotations

import shlex
import subprocess
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
from build import a_key, an_event_object, eventually
from documents import block
from privileges import (
    STATEMENTS,
    as_role,
    client_program,
    documented_postgres,
    plain,
    run_statements,
)

from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.domain.batches import Message
from wallarm_notify.domain.notification import OPEN, State
from wallarm_notify.store.encryption import generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.system import System
    from wallarm_notify.domain.integration import IntegrationKey
    from wallarm_notify.domain.views import ShownNotification

PAGE: Final = "docs/operations.md"

ROLE: Final = block(PAGE, r"\getenv backup_password")
DUMP: Final = block(PAGE, "pg_dump").splitlines()
RESTORE: Final = [
    line for line in block(PAGE, "pg_restore").splitlines() if not line.startswith("wallarm-notify")
]
PLACE: Final = "postgresql://{role}@database.example/notify"
FAILING: Final = 2
"""The client whose integration is answered with 503 until the dump is made."""

SETTINGS: Final = {
    "secret_keys": generate(),
    "retry_time_scale": 0.05,
    "sweep_seconds": 1,
    "rate_limit_per_minute": 0,
}


@pytest.fixture
def lost() -> Iterator[EmbeddedPostgres]:
    """The server that is lost, with the documented roles."""
    with documented_postgres() as server:
        run_statements(server.url, ROLE)
        yield server


@pytest.fixture
def new() -> Iterator[EmbeddedPostgres]:
    """A new server with the documented roles and an empty database."""
    with EmbeddedPostgres(settings={"fsync": "off"}) as server:
        run_statements(server.url, STATEMENTS)
        yield server


def do(commands: list[str], server: EmbeddedPostgres, folder: Path) -> None:
    """Do what the page says, for a server of its own."""
    assert commands
    for command in commands:
        program, *words = shlex.split(command)
        for role in ("notify_backup", "notify_owner"):
            url = plain(as_role(server.url, role))
            words = [word.replace(PLACE.format(role=role), url) for word in words]
        done = subprocess.run(
            [client_program(program), *words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), command


@contextmanager
def load(system: System) -> Iterator[list[dict[str, Any]]]:
    """Emit events of two clients without a pause until the block ends; yield those that were emitted."""
    emitted: list[dict[str, Any]] = []
    enough = threading.Event()

    def emit() -> None:
        while not enough.wait(0.05) and len(emitted) < 4000:
            events = [an_event_object(client_id) for client_id in (1, 1, 1, FAILING)]
            system.emit(*events)
            emitted.extend(events)

    thread = threading.Thread(target=emit)
    thread.start()
    try:
        yield emitted
    finally:
        enough.set()
        thread.join()


def by_identity(system: System) -> dict[tuple[str, int], ShownNotification]:
    return {(str(n.event_id), n.integration_id): n for n in system.notifications()}


def pages(system: System) -> Counter[str]:
    """How often people were paged under each dedup key."""
    counts: Counter[str] = Counter()
    for alert in system.sandbox.alerts():
        counts[alert["dedup_key"]] += alert["notifications"]
    return counts


def resolve(system: System, n: ShownNotification, key: IntegrationKey) -> None:
    """As people do it at PagerDuty."""
    event = {"routing_key": key.reveal(), "event_action": "resolve", "dedup_key": n.dedup_key}
    url = system.environment["WALLARM_NOTIFY_PAGERDUTY_US_URL"]
    requests.post(f"{url}/v2/enqueue", json=event, timeout=30).raise_for_status()


def dumped_and_lost(system: System, server: EmbeddedPostgres, folder: Path) -> IntegrationKey:
    """Dump while one integration fails and events come, deliver all, and end; return the key of that integration."""
    failing = a_key("failing")
    system.integration(a_key("healthy"), client_id=1)
    system.integration(failing, client_id=FAILING)
    fault = {"kind": "status", "status": 503, "key": failing.reveal()}
    system.sandbox.set_faults([fault], rate_limit=0)
    system.start_worker(name="before")
    system.start_beat(name="beat-before")
    with load(system) as emitted:
        eventually(lambda: system.states()["retrying"] > 5, what="retries under way")
        do(DUMP, server, folder)
        dumped = len(emitted)
        eventually(lambda: system.states()["delivered"] > dumped, what="deliveries since")
    system.sandbox.set_faults()
    system.wait_for_states(180, delivered=len(emitted))
    return failing


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_nothing_of_a_dump_is_lost_and_what_was_delivered_since_pages_nobody_unasked(
    lost: EmbeddedPostgres,
    new: EmbeddedPostgres,
    make_system: Callable[..., System],
    tmp_path: Path,
) -> None:
    before = make_system(database_url=as_role(lost.url, "notify"), **SETTINGS)
    failing = dumped_and_lost(before, lost, tmp_path)
    was = by_identity(before)
    before.close()
    do(RESTORE, new, tmp_path)
    after = make_system(database_url=as_role(new.url, "notify"), **SETTINGS)
    restored = by_identity(after)
    assert restored.keys() < was.keys(), "what came after the dump is not in it"
    undecided = {key: n for key, n in restored.items() if n.state in OPEN}
    sent_since = [n for n in undecided.values() if n.client_id == FAILING]
    assert len(sent_since) > 5
    # One of those that were delivered since is done with, for people.
    resolve(after, sent_since[0], failing)
    paged = pages(after)
    assert {*paged.values()} == {1}
    # A message of the lost database, of what nobody knows any more and of what is known.
    named = tuple(max(n.id for n in known.values()) for known in (was, restored))
    after.wiring.context.publisher.publish([Message(named, (1, 1), None, True, "2 alerts")])

    shown = after.run_command("db", "restored")
    assert f"{len(undecided)} notifications and 0 open replays may have been done" in shown
    assert by_identity(after) == restored, "it only shows"
    after.run_command("db", "restored", "--cancel")
    after.start_worker(name="after")
    after.start_beat(name="beat-after")
    eventually(lambda: after.queue_length("notifications") == 0, what="the old message taken")
    fresh = an_event_object(1)
    after.emit(fresh)
    of_fresh = eventually(
        lambda: delivered(after).get((fresh["id"], 1)), what="an event after the restore"
    )
    now = by_identity(after)
    assert {key: now[key].state for key in restored} == {
        key: State.CANCELLED if key in undecided else n.state for key, n in restored.items()
    }
    assert pages(after) - paged == Counter({of_fresh.dedup_key: 1})
    assert after.ledger().findings == []
    paged = pages(after)

    of_failing = ("--integration", str(sent_since[0].integration_id))
    after.run_command("notifications", "replay", *of_failing, "--state", "cancelled", "--yes")
    keys = {key for key, n in undecided.items() if n.client_id == FAILING}
    eventually(lambda: keys <= delivered(after).keys(), what="what was replayed")
    again = pages(after) - paged
    assert again == Counter({sent_since[0].dedup_key: 1}), "an open alert pages nobody again"
    assert after.ledger().findings == []


def delivered(system: System) -> dict[tuple[str, int], ShownNotification]:
    return {key: n for key, n in by_identity(system).items() if n.state is State.DELIVERED}
