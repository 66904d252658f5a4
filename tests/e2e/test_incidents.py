"""Each incident of docs/runbooks.md is caused; doctor names it, and a metric shows it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from build import a_key, an_event_object, eventually
from redis import Redis
from sqlalchemy import text

from e2e.test_quarantine import DEADLY, TESTS
from wallarm_notify.broker.batching import MOST_CALLS
from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.processes import product_command
from wallarm_notify.devstack.valkey import EmbeddedBroker
from wallarm_notify.producer import Producer
from wallarm_notify.store.encryption import generate
from wallarm_notify.store.engine import make_engine
from wallarm_notify.store.migrations import upgrade

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System

pytestmark = pytest.mark.faults

COMMAND = Path(sys.executable).with_name("wallarm-notify")
WITHIN = 180.0
"""Seconds to wait for a finding or a figure: three times what docs/operations.md promises, for a busy machine."""

OTHERS = "events,celery,notifications,upkeep"
"""Every queue but that of retries."""


@pytest.fixture
def start(make_system: Callable[..., System]) -> Callable[..., System]:
    """Yield what makes a system with workers and beat, whose waits are short."""

    def made(**settings: Any) -> System:
        system = make_system(
            **{"retry_time_scale": 0.01, "sweep_seconds": 1, "review_seconds": 1, **settings}
        )
        system.start_worker(concurrency=1)
        system.start_beat()
        return system

    return made


def command(system: System, *words: str, **environment: str) -> str:
    done = subprocess.run(
        [COMMAND, *words],
        env=system.environ(**environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def named(
    system: System, part: str, grade: str, words: str, **environment: str
) -> dict[str, str] | None:
    """Return what doctor found, with what to do; None: it does not name it."""
    document = json.loads(command(system, "doctor", "--json", **environment))
    for finding in document["findings"]:
        if (finding["part"], finding["grade"]) == (part, grade) and words in finding["sentence"]:
            return dict(finding)
    return None


def figure(system: System, name: str) -> float | None:
    """Return a figure of the metrics, with its labels in ``name``; None: it is not there."""
    found = re.search(
        rf"^wallarm_notify_{re.escape(name)} (\S+)$", command(system, "metrics"), re.MULTILINE
    )
    return float(found[1]) if found else None


def is_named(system: System, part: str, grade: str, words: str, **environment: str) -> None:
    eventually(
        lambda: named(system, part, grade, words, **environment) is not None,
        WITHIN,
        f"doctor names {part}",
    )


def shows(system: System, name: str, true: Callable[[float], bool]) -> None:
    def is_shown() -> bool:
        value = figure(system, name)
        return value is not None and true(value)

    eventually(is_shown, WITHIN, f"metrics show {name}")


def integrations(system: System, number: int) -> list[int]:
    return [system.integration(a_key()) for _ in range(number)]


def emit(system: System, number: int) -> None:
    system.emit(*(an_event_object(title=f"Issue {n}") for n in range(number)))


def test_pagerduty_down(start: Callable[..., System]) -> None:
    system = start()
    integrations(system, 10)
    system.sandbox.set_faults([{"kind": "status", "status": 500}])
    emit(system, 1)
    is_named(system, "PagerDuty", "bad", "PagerDuty's region us fails for most integrations.")
    shows(system, "pagerduty_outage", lambda value: value == 1)
    shows(system, 'attempts_total{answer="server"}', lambda value: value >= 10)


def test_pagerduty_slow(start: Callable[..., System]) -> None:
    system = start(rate_limit_per_minute=0)
    (number,) = integrations(system, 1)
    system.sandbox.set_faults([{"kind": "slow", "delay": 3}])
    emit(system, 5)
    is_named(system, "integrations", "odd", f"PagerDuty answers slowly for integration {number}")
    shows(system, "integrations_slow", lambda value: value == 1)


def test_a_key_that_was_revoked(start: Callable[..., System]) -> None:
    # It stays enabled for as long as it takes to look.
    system = start(failure_min_attempts=1000)
    (number,) = integrations(system, 1)
    system.sandbox.set_faults([{"kind": "status", "status": 400}])
    emit(system, 1)
    words = f"Integration {number} of client 1 failed "
    is_named(system, "integrations", "odd", words)
    found = named(system, "integrations", "odd", words)
    assert found is not None
    assert "PagerDuty refused the alert or its key (4xx)" in found["sentence"]
    assert found["todo"].endswith(f"wallarm-notify integrations explain {number}")
    shows(system, f'integration_failed_ratio{{integration="{number}"}}', lambda value: value == 1)
    shows(system, 'attempts_total{answer="client"}', lambda value: value >= 1)


def test_an_integration_that_was_switched_off(start: Callable[..., System]) -> None:
    system = start(failure_min_attempts=1, failure_min_span=0, outage_guard="false")
    (number,) = integrations(system, 1)
    system.sandbox.set_faults([{"kind": "status", "status": 400}])
    emit(system, 2)
    is_named(system, "integrations", "odd", f"Disabled automatically: integration {number};")
    shows(system, "integrations_auto_disabled_total", lambda value: value == 1)


def test_a_client_that_floods(start: Callable[..., System]) -> None:
    system = start(rate_limit_per_minute=5)
    (number,) = integrations(system, 1)
    emit(system, 60)
    is_named(system, "integrations", "odd", f"Integration {number} of client 1 has ")
    found = named(system, "integrations", "odd", f"Integration {number} of client 1 has ")
    assert found is not None
    assert "wait for the rate limit of its key" in found["sentence"]
    assert "--client 1 " in found["todo"]
    shows(
        system,
        f'integration_rate_limited_seconds{{integration="{number}"}}',
        lambda value: value > 60,
    )


def test_a_queue_that_grows(make_system: Callable[..., System]) -> None:
    system = make_system(sweep_seconds=1)
    system.start_worker("-Q", "celery,notifications,retries,upkeep", concurrency=1)
    system.start_worker("-Q", "events", concurrency=1)
    system.start_beat()
    engine = make_engine(system.settings.database())
    with engine.begin() as holder, Producer(system.broker_url) as producer:
        # Whoever stores an event waits; what a worker has taken does not wait in the queue.
        holder.execute(text("LOCK TABLE events IN SHARE MODE"))
        for n in range(3 * MOST_CALLS):
            producer.emit(an_event_object(title=f"Issue {n}"))
        is_named(system, "queue events", "odd", "The queue events was not seen empty for ")
        shows(system, 'queue_waiting_seconds{queue="events"}', lambda value: value >= 30)
        shows(system, 'queue_messages{queue="events"}', lambda value: value > 0)
    shows(system, 'queue_messages{queue="events"}', lambda value: value == 0)


def test_the_node_for_retries_is_away(make_system: Callable[..., System]) -> None:
    system = make_system(sweep_seconds=1)
    system.start_worker("-Q", OTHERS, concurrency=1)
    system.start_beat()
    is_named(system, "queue retries", "bad", "Nobody takes from the queue retries")
    found = named(system, "queue retries", "bad", "Nobody takes")
    assert found is not None
    assert found["todo"].endswith("celery -A tasks worker -Q retries")
    shows(system, 'queue_consumers{queue="retries"}', lambda value: value == 0)
    shows(system, 'queue_consumers{queue="events"}', lambda value: value == 1)


def test_beat_is_away_while_nothing_comes(make_system: Callable[..., System]) -> None:
    system = make_system()
    system.start_worker(concurrency=1)
    is_named(system, "beat", "bad", "SWEEP has never run.")
    found = named(system, "beat", "bad", "SWEEP has never run.")
    assert found is not None
    assert "make beat" in found["todo"]
    assert figure(system, 'beat_run_seconds{task="sweep"}') is None
    shows(system, 'queue_consumers{queue="upkeep"}', lambda value: value == 1)


def test_the_broker_is_lost(start: Callable[..., System]) -> None:
    with EmbeddedBroker() as server:
        system = start(broker_url=server.url)
        is_named(system, "beat", "good", "SWEEP began in time")
        server.stop()
        is_named(system, "broker", "bad", "The broker at ")
        # Workers live, and what beat sends does not come: it is the way between them.
        shows(system, 'beat_run_seconds{task="sweep"}', lambda value: value > 10)
        shows(system, 'queue_consumers{queue="upkeep"}', lambda value: value == 1)


def test_the_database_is_lost(make_system: Callable[..., System]) -> None:
    with EmbeddedPostgres(settings={"fsync": "off"}) as server:
        url = server.create_database("lost")
        upgrade(url)
        system = make_system(database_url=url)
        system.start_worker(concurrency=1)
        serving = system.start("metrics", product_command("metrics", "--port", "0"))
        serving.wait_for("Metrics at ", WITHIN)
        (page,) = re.findall(r"Metrics at (\S+) ", serving.text())
        assert "wallarm_notify_up 1.0" in requests.get(page, timeout=WITHIN).text
        server.stop()
        is_named(system, "database", "bad", "database")
        assert "wallarm_notify_up 0.0" in requests.get(page, timeout=WITHIN).text


def test_a_schema_that_is_behind(make_system: Callable[..., System]) -> None:
    system = make_system()
    with make_engine(system.settings.database()).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    found = named(system, "database", "bad", "The database is at version 0001")
    assert found is not None
    assert "wallarm-notify db upgrade" in found["sentence"]


def test_a_secret_key_that_opens_nothing(make_system: Callable[..., System]) -> None:
    system = make_system()
    (number,) = integrations(system, 1)
    words = f"the key of integration {number} "
    wrong = {"WALLARM_NOTIFY_SECRET_KEYS": generate()}
    assert named(system, "secret keys", "bad", words, **wrong)
    # Such a worker does not start, so nobody takes from its queues.
    worker = system.begin_worker(concurrency=1, **wrong)
    eventually(worker.has_ended, WITHIN, "the worker ends")
    shows(system, 'queue_consumers{queue="notifications"}', lambda value: value == 0)


def test_events_that_are_rejected(start: Callable[..., System]) -> None:
    system = start()
    system.emit({**an_event_object(), "occurred_at": "yesterday"})
    is_named(system, "producers", "odd", "1 event rejected in the last hour, of type ")
    found = named(system, "producers", "odd", "1 event rejected in the last hour, of type ")
    assert found is not None
    assert "occurred_at" in found["sentence"]
    figures = command(system, "metrics")
    assert re.search(r"^wallarm_notify_events_rejected_total\{.*\} 1\.0$", figures, re.MULTILINE)


def test_a_message_that_is_no_task(start: Callable[..., System]) -> None:
    system = start()
    with Redis.from_url(system.broker_url) as broker:
        broker.lpush("events", "no task")
    is_named(system, "producers", "odd", "1 message in the last hour could not be decoded.")
    shows(system, "messages_undecodable", lambda value: value == 1)


def test_a_call_that_workers_die_of(make_system: Callable[..., System]) -> None:
    system = make_system(
        visibility_timeout=120, lease_seconds=8, connect_timeout=1, request_timeout=2
    )
    system.start_worker(*DEADLY, concurrency=1, PYTHONPATH=TESTS)
    system.emit(an_event_object(title="deadly to its process"))
    is_named(system, "producers", "bad", "1 call set aside, as workers died of it.")
    shows(system, "calls_set_aside", lambda value: value == 1)


def test_where_an_event_went(start: Callable[..., System]) -> None:
    system = start()
    (number,) = integrations(system, 1)
    event = an_event_object(title="Lost and found")
    system.emit(event)
    eventually(lambda: system.states()["delivered"] == 1, WITHIN, "it is delivered")
    shown = json.loads(command(system, "events", "show", event["id"], "--client", "1", "--json"))
    assert [(one["integration_id"], one["state"]) for one in shown["lines"]] == [
        (number, "delivered")
    ]
