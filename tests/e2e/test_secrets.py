"""A known key, which goes everywhere a key goes, and is found nowhere else."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from build import an_event_object, eventually
from sqlalchemy import text

from e2e.flower import Flower
from wallarm_notify.devstack import processes
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.system import System

KEY = "KnownSecretKey0123456789abcdefXY"

COMMAND = Path(sys.executable).with_name("wallarm-notify")


def run(environment: Mapping[str, str], *arguments: str, stdin: str = "") -> str:
    """Return the command's whole output, of both streams."""
    done = processes.run([COMMAND, *arguments], {**os.environ, **environment}, stdin=stdin)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def whole_database(system: System) -> str:
    """Return every row of every table, as text."""
    with make_engine(system.settings.database()).connect() as connection:
        tables = connection.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        ).scalars()
        return "\n".join(
            str(row)
            for table in tables.all()
            for row in connection.execute(text(f'SELECT t.*::text FROM "{table}" t'))
        )


def whole_broker(system: System) -> str:
    """Return all that the broker has: lists, hashes and sorted sets."""
    seen = []
    with system.ask_broker() as broker:
        for name in broker.scan_iter("*"):
            match broker.type(name):
                case b"list":
                    seen.append(broker.lrange(name, 0, -1))
                case b"hash":
                    seen.append(broker.hgetall(name))
                case b"zset":
                    seen.append(broker.zrange(name, 0, -1))
                case b"set":
                    seen.append(broker.smembers(name))
    return str(seen)


def test_a_known_key_is_found_nowhere(system: System, tmp_path: Path) -> None:
    environment = system.environment
    key = IntegrationKey(KEY)
    output = [
        run(environment, "integrations", "create", "--client", "1", "--key", "-", "--subscribe",
            "security_issue,system", stdin=KEY),
        run(environment, "integrations", "create", "--client", "1", "--key", KEY + "9"),
        run(environment, "integrations", "test", "--client", "1", "--key", KEY, "--region", "us"),
    ]  # fmt: skip
    # PagerDuty echoes the key in what it answers, and the attempts fail.
    system.sandbox.set_faults(
        [{"kind": "status", "status": 400, "body": f"Invalid routing key {KEY} or {KEY.lower()}"}]
    )
    output.append(run(environment, "integrations", "test", "1", "--json"))
    worker = system.start_worker()
    beat = system.start_beat()
    system.emit(an_event_object())
    eventually(lambda: system.states()["retrying"] == 1, 60, "a failed attempt")
    in_broker = whole_broker(system)
    system.wait_for_states(60, failed=1)
    notification = system.notifications()[0].id
    system.sandbox.set_faults([])
    output += [
        run(environment, *line.split())
        for line in (
            "integrations list",
            "integrations list --json",
            "integrations show 1",
            "integrations show 1 --json",
            "notifications list",
            f"notifications show {notification}",
            f"notifications show {notification} --json",
            f"notifications replay {notification}",
            "integrations update 1 --name renamed --json",
            "integrations disable 1 --user ops",
            "integrations enable 1",
            "secrets rotate",
            "events rejected --json",
            "ledger --json",
            "integrations delete 1 --yes",
        )
    ]
    system.wait_for_states(60, delivered=3)
    for process in (worker, beat):
        process.stop()
    lowered = KEY.lower()
    for place, content in (
        ("a command's output", "\n".join(output)),
        ("the worker's log", worker.text()),
        ("beat's log", beat.text()),
        ("the broker", in_broker + whole_broker(system)),
        ("the database", whole_database(system)),
    ):
        assert lowered not in content.lower(), place
    assert key.masked in output[0]
    assert {r["key"] for r in system.sandbox.requests()} == {KEY}


def test_a_debug_log_holds_no_secret_and_nothing_of_an_event(system: System) -> None:
    system.integration(IntegrationKey(KEY))
    system.sandbox.set_faults([{"kind": "status", "status": 400, "body": f"bad {KEY}", "times": 1}])
    worker = system.start_worker("-l", "DEBUG", "-E")
    system.emit(an_event_object(title="by ann@example.com"))
    system.wait_for_states(60, delivered=1)
    assert worker.stop() == 0
    output = worker.text()
    assert " DEBUG " in output
    assert "ann@example.com" not in output
    assert KEY.lower() not in output.lower()
    assert system.environment["WALLARM_NOTIFY_SECRET_KEYS"] not in output
    if password := urlsplit(system.broker_url).password:
        assert password not in output


def test_flower_shows_tasks_in_words_and_no_key(system: System) -> None:
    system.integration(IntegrationKey(KEY))
    flower = Flower(system)
    flower.wait_until_up()
    system.start_worker("-E")
    flower.wait_until_it_sees_workers()
    system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 1}])
    system.emit(an_event_object())
    system.wait_for_states(60, delivered=1)
    (ingest,) = eventually(partial(flower.done, "events.ingest"), 60, "the event in Flower")
    (retry,) = eventually(partial(flower.done, "notifications.deliver"), 60, "the retry in it")
    assert ingest["result"].strip("'") == (
        "1 event taken in, 1 notification made, "
        "notification 1 for integration 1 under way, attempt 1 of 17"
    )
    assert retry["kwargs"] == "notification 1 for integration 1, attempt 2 of 17"
    assert retry["result"] == "1 notification: 1 accepted"
    assert KEY not in json.dumps(flower.tasks)
