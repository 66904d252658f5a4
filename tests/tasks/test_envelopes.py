from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from build import NOON, a_key, a_notification
from celery import Celery
from kombu import Queue, pools
from kombu.transport.redis import Channel

from wallarm_notify import task_names
from wallarm_notify.broker.broker_check import check_broker
from wallarm_notify.broker.publisher import CeleryPublisher
from wallarm_notify.domain.batches import LONGEST_COUNTDOWN, messages
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.retry import WAITS
from wallarm_notify.store.encryption import generate

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
NAMES = [
    value
    for name, value in vars(task_names).items()
    if name.isupper() and isinstance(value, str) and "." in value
]

# Celery's settings freeze at their first use in a process, so they are read in one of their own.
ASK = """
import json
from tasks import app
from wallarm_notify import task_names

app.loader.import_default_modules()
conf = app.conf
print(json.dumps({
    "tasks": sorted(name for name in app.tasks if not name.startswith("celery.")),
    "modules": sorted({app.tasks[name].__module__ for name in app.tasks if not name.startswith("celery.")}),
    "beat": {name: [entry["task"], entry["schedule"].total_seconds(), entry.get("options", {})]
             for name, entry in conf.beat_schedule.items()},
    "routes": {name: route["queue"] for name, route in conf.task_routes.items()},
    "queues": [queue.name for queue in conf.task_queues],
    "default_queue": conf.task_default_queue,
    "transport": conf.broker_transport_options,
    "acks_late": conf.task_acks_late,
    "reject_on_worker_lost": conf.task_reject_on_worker_lost,
    "prefetch": conf.worker_prefetch_multiplier,
    "serializer": [conf.task_serializer, list(conf.accept_content)],
    "consumer": conf.worker_consumer,
}))
"""


# Ingest without a database, with less patience than in earnest.
HAND_BACK = """
import time
from celery.exceptions import Reject
from tasks import routing
from wallarm_notify.broker import retry_in_place

retry_in_place.PATIENCE = 1.0
began = time.monotonic()
try:
    routing.ingest.run(events=[{"id": "not even valid"}])
except Reject as rejection:
    print("handed back" if rejection.requeue else "dropped", time.monotonic() - began < 10)
"""


# Eight threads that ask for a process's parts at once, each of which takes a while to be made.
AT_ONCE = """
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tasks import process
from wallarm_notify import worker_parts

def slowly(make):
    def made(*given, **named):
        time.sleep(0.2)
        return make(*given, **named)
    return made

process.WorkerParts = slowly(worker_parts.WorkerParts)
worker_parts.Dispatcher = slowly(worker_parts.Dispatcher)
together = Barrier(8)

def ask(_):
    together.wait()
    return id(process.wiring().dispatcher)

with ThreadPoolExecutor(8) as pool:
    print(len(set(pool.map(ask, range(8)))))
"""


# A process of a pool, whose parent had parts of its own.
FORKED = """
import os
from celery import signals
from tasks import process

before = process.wiring()
if os.fork() == 0:
    signals.worker_process_init.send(sender=None)
    made = process._made[os.getpid()]
    same = made.context.store is before.context.store
    print("made" if made._dispatcher else "not made", "shared" if same else "of its own", flush=True)
    os._exit(0)
os.wait()
"""


# Ingest in a process whose parts cannot be made.
NOT_MADE = """
from celery.exceptions import Reject
from tasks import routing
from wallarm_notify.broker import retry_in_place

def wiring():
    raise RuntimeError("can't start new thread")

retry_in_place.PATIENCE = 0.1
routing.wiring = wiring
try:
    routing.ingest.run(events=[])
except Reject as rejection:
    print("handed back" if rejection.requeue else "dropped")
"""


# A process whose heartbeat meets a fault of this program, and then an absent database.
HEARTBEATS = """
from types import SimpleNamespace
from tasks import process
from wallarm_notify.domain.errors import Unavailable

for error in (RuntimeError("a fault"), Unavailable("away")):
    def note(*_):
        raise error

    process.note_heartbeat = note
    process._note_once(SimpleNamespace(context=None), frozenset())
    print("goes on")
"""


def ask(
    broker: str = "redis://127.0.0.1:1/0", script: str = ASK, **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "WALLARM_NOTIFY_DATABASE_URL": "postgresql://127.0.0.1:1/nothing",
        "WALLARM_NOTIFY_BROKER_URL": broker,
        "WALLARM_NOTIFY_SECRET_KEYS": generate(),
        **more,
    }
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def worker() -> dict[str, Any]:
    """How a worker is set up, on Redis, with default settings."""
    done = ask()
    assert done.returncode == 0, done.stderr
    reported: dict[str, Any] = json.loads(done.stdout)
    return reported


def test_every_name_has_its_task_and_every_task_its_name(worker: dict[str, Any]) -> None:
    assert len(NAMES) >= 4
    assert worker["tasks"] == sorted(NAMES)


def test_beat_runs_only_tasks_that_exist(worker: dict[str, Any]) -> None:
    scheduled = {task for task, _, _ in worker["beat"].values()}
    assert scheduled == {task_names.SWEEP, task_names.REVIEW, task_names.PRUNE}
    assert worker["beat"]["sweep"][1] == 5
    assert worker["beat"]["review"][1] == 60
    assert worker["beat"]["prune"][1] == 5


def test_beat_has_drills_done_where_an_interval_is_set() -> None:
    done = ask(WALLARM_NOTIFY_DRILL_HOURS="6")
    beat = json.loads(done.stdout)["beat"]
    assert beat["drill"][:2] == [task_names.DRILL, 60]


def test_nothing_of_beats_expires(worker: dict[str, Any]) -> None:
    assert all("expires" not in options for _, _, options in worker["beat"].values())


def test_every_task_is_routed_to_a_queue_that_workers_consume(worker: dict[str, Any]) -> None:
    assert set(worker["routes"]) == set(NAMES)
    assert worker["queues"] == list(task_names.QUEUES)
    assert set(worker["routes"].values()) < set(worker["queues"])
    assert len(set(worker["queues"])) == len(worker["queues"])
    assert worker["default_queue"] == "celery"
    assert worker["default_queue"] in worker["queues"]
    assert worker["routes"][task_names.INGEST] == "events"


def test_beats_tasks_have_a_queue_of_their_own(worker: dict[str, Any]) -> None:
    upkeep = {t for t, queue in worker["routes"].items() if queue == task_names.UPKEEP_QUEUE}
    assert upkeep == {
        task_names.DRILL,
        task_names.REPLAY,
        *(task for task, _, _ in worker["beat"].values()),
    }


def test_no_message_waits_as_long_as_redis_keeps_it_from_other_workers(
    worker: dict[str, Any],
) -> None:
    assert max(WAITS) > LONGEST_COUNTDOWN
    assert LONGEST_COUNTDOWN.total_seconds() < worker["transport"]["visibility_timeout"] == 120


def test_nothing_is_acknowledged_before_its_work_is_done(worker: dict[str, Any]) -> None:
    assert worker["acks_late"] is True
    assert worker["reject_on_worker_lost"] is True
    assert worker["prefetch"] == 1
    assert worker["serializer"] == ["json", ["json"]]
    assert worker["consumer"] == "wallarm_notify.broker.consumer:KeepingConsumer"


def test_without_a_database_ingest_waits_and_then_hands_its_message_back() -> None:
    done = ask(script=HAND_BACK)
    assert done.stdout.split() == ["handed", "back", "True"], done.stderr
    assert done.stderr.count("ingest.waits_for_database") + done.stderr.count("handed_back") >= 1


def test_whatever_goes_wrong_in_ingest_its_message_is_handed_back() -> None:
    done = ask(script=NOT_MADE)
    assert done.stdout.split() == ["handed", "back"], done.stderr
    assert "can't start new thread" in done.stderr


def test_a_process_of_a_pool_makes_its_own_parts_at_its_start() -> None:
    done = ask(script=FORKED)
    assert done.stdout.splitlines() == ["made of its own"], done.stderr


def test_tasks_in_threads_have_one_dispatcher_which_is_the_one_that_is_waited_for() -> None:
    done = ask(script=AT_ONCE)
    assert done.stdout.split() == ["1"], done.stderr


def test_on_amqp_a_publish_that_is_refused_is_an_error() -> None:
    done = ask("amqp://127.0.0.1:1//")
    assert json.loads(done.stdout)["transport"]["confirm_publish"] is True


def test_without_a_broker_nothing_starts_and_one_sentence_says_why() -> None:
    done = ask(WALLARM_NOTIFY_BROKER_URL="")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "wallarm-notify: WALLARM_NOTIFY_BROKER_URL is not set; set it to "
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["DATABASE_URL", "SECRET_KEYS"])
def test_what_a_worker_alone_needs_keeps_nothing_else_from_starting(name: str) -> None:
    done = ask(**{f"WALLARM_NOTIFY_{name}": ""})
    assert (done.returncode, done.stderr) == (0, "")


# What travels.


@pytest.fixture
def celery(broker: str) -> Iterator[Celery]:
    """An app of the test's own."""
    with Celery("test", broker=broker, set_as_current=False) as app:
        app.conf.task_queues = None
        yield app


def waiting(broker: str, queue: str) -> list[dict[str, Any]]:
    """The messages that wait in a queue, as they travel."""
    with redis.Redis.from_url(broker) as client:
        raw: Any = client.lrange(queue, 0, -1)
    return [json.loads(message) for message in raw]


def test_a_message_carries_ids_and_words_and_no_more(celery: Celery, broker: str) -> None:
    first = [a_notification(id=n, integration_id=7) for n in (1, 2)]
    CeleryPublisher(celery).publish(messages(first, NOON))
    (message,) = waiting(broker, "notifications")
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([], {"ids": [1, 2]})
    headers = message["headers"]
    assert headers["task"] == "notifications.deliver"
    assert headers["argsrepr"] == "()"
    assert headers["kwargsrepr"] == "notifications 1, 2 for integration 7, attempt 1 of 17"
    assert headers["eta"] is None
    assert a_key().reveal() not in json.dumps(message)


def test_a_later_message_says_which_link_it_is_of_each(celery: Celery, broker: str) -> None:
    later = [a_notification(id=n, attempts_made=1, link=n) for n in (0, 7)]
    CeleryPublisher(celery).publish(messages(later, NOON))
    (message,) = waiting(broker, "retries")
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([], {"ids": [0, 7], "links": [0, 7]})


def test_retries_travel_in_a_queue_of_their_own_with_their_countdown(
    celery: Celery, broker: str
) -> None:
    retry = a_notification(id=3, attempts_made=1, due_at=NOON.replace(minute=30))
    publisher = CeleryPublisher(celery)
    publisher.publish(messages([retry], NOON))
    (message,) = waiting(broker, "retries")
    assert message["headers"]["eta"] is not None
    assert waiting(broker, "notifications") == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_connection_lost_while_a_queue_is_declared_costs_another_try_and_no_message(
    celery: Celery,
    broker: str,
    times: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults = [redis.ConnectionError("lost")] * times
    declares = Channel.queue_declare

    def lost(channel: Any, **options: Any) -> Any:
        if faults:
            raise faults.pop()
        return declares(channel, **options)

    monkeypatch.setattr(Channel, "queue_declare", lost)
    pools.reset()  # a pooled connection remembers what it has declared
    CeleryPublisher(celery).publish(messages([a_notification()], NOON))
    assert len(waiting(broker, "notifications")) == 1
    assert (faults, caplog.messages) == ([], [])


def test_the_length_of_a_queue_is_what_waits_in_it(celery: Celery) -> None:
    publisher = CeleryPublisher(celery)
    for name in task_names.QUEUES:
        celery.amqp.queues.add(Queue(name))
    assert (publisher.length(first=True), publisher.length(first=False)) == (0, 0)
    publisher.publish(messages([a_notification(id=n) for n in range(250)], NOON))
    assert (publisher.length(first=True), publisher.length(first=False)) == (3, 0)


def test_the_lengths_of_all_queues_are_known_and_looking_makes_none(
    celery: Celery, broker: str
) -> None:
    publisher = CeleryPublisher(celery)
    assert publisher.lengths() == dict.fromkeys(task_names.QUEUES, 0)
    publisher.publish(messages([a_notification(id=n) for n in range(250)], NOON))
    assert publisher.lengths() == dict.fromkeys(task_names.QUEUES, 0) | {"notifications": 3}


def test_a_broker_that_is_away_is_logged_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    with Celery("test", broker="redis://127.0.0.1:1/0", set_as_current=False) as app:
        app.conf.task_publish_retry = False
        app.conf.broker_transport_options = {"max_retries": 0}
        for name in task_names.QUEUES:
            app.amqp.queues.add(Queue(name))
        publisher = CeleryPublisher(app)
        publisher.publish(messages([a_notification()], NOON))
        assert publisher.length(first=True) is None
        assert publisher.lengths() == {}
        assert [r.message for r in caplog.records if r.name.startswith("wallarm_notify")] == [
            "publisher.refused",
            "publisher.unknown_length",
            "publisher.unknown_length",
        ]


def test_a_broker_that_is_away_is_named_without_its_password() -> None:
    with (
        Celery("test", broker="redis://:hunter2@127.0.0.1:1/0", set_as_current=False) as app,
        pytest.raises(Unavailable, match="WALLARM_NOTIFY_BROKER_URL names it") as error,
    ):
        check_broker(app)
    assert "hunter2" not in str(error.value)
    assert "127.0.0.1:1" in str(error.value)


def test_publishing_for_nothing_needs_no_broker() -> None:
    with Celery("test", broker="redis://127.0.0.1:1/0", set_as_current=False) as app:
        CeleryPublisher(app).publish([])


def test_no_failed_heartbeat_ends_those_to_come_and_only_an_unknown_fault_is_logged() -> None:
    done = ask(script=HEARTBEATS)
    assert done.stdout.split("\n") == ["goes on", "goes on", ""], done.stderr
    assert done.stderr.count("heartbeat.failed") == 1
