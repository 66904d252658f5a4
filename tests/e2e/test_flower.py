"""Flower shows what came of deliveries when it is known, and every call by its producer's own task id."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from build import a_key, an_event_object, eventually
from celery import Celery

from e2e.flower import Flower
from wallarm_notify.devstack.processes import product_command, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from e2e.system import System
    from wallarm_notify.domain.integration import IntegrationKey

DELIVER: Final = "notifications.deliver"

AMBER: Final = "text-bg-warning"
RED: Final = "text-bg-danger"


@pytest.fixture
def flower(system: System) -> Flower:
    flower = Flower(system)
    flower.wait_until_up()
    return flower


def start_workers_apart(system: System) -> None:
    """Start one worker for events and one for deliveries: every attempt is made for a message."""
    system.start_worker("-E", "-Q", "events,celery,upkeep", name="routes")
    system.start_worker("-E", "-Q", "notifications,retries", name="delivers")


def fail(system: System, times: int | None = None, key: IntegrationKey | None = None) -> None:
    fault = {"kind": "status", "status": 503, "times": times}
    if key is not None:
        fault["key"] = key.reveal()
    system.sandbox.set_faults([{k: v for k, v in fault.items() if v is not None}])


def of(flower: Flower, task: str, *states: str) -> list[dict[str, Any]]:
    """The tasks of a name that Flower has in one of ``states``."""
    flower.done(task)
    return [t for t in flower.tasks.values() if t["name"] == task and t["state"] in states]


def page(flower: Flower, task: dict[str, Any]) -> str:
    """The page of a task, its blanks made one each."""
    answer = flower.ask(f"/task/{task['uuid']}")
    assert answer is not None
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.text)


def emit_singly(system: System, events: Sequence[dict[str, Any]]) -> list[str]:
    """Emit each event in a call of its own, as any Celery client does, and return the tasks' ids."""
    with Celery(broker=system.broker_url) as producer:
        return [
            str(producer.send_task("events.ingest", kwargs={"events": [e]}, queue="events").id)
            for e in events
        ]


def accepted_later(flower: Flower) -> list[str]:
    """Return the results of the deliveries that were accepted as a whole, once all are there."""
    results = [str(task["result"]) for task in of(flower, DELIVER, "SUCCESS")]
    return results if sum(int(result.split()[0]) for result in results) == 2 else []


def test_a_batch_of_which_some_are_tried_again_is_amber_and_says_how_many(
    system: System, flower: Flower
) -> None:
    good, bad = a_key(), a_key()
    system.integration(good)
    system.integration(bad)
    fail(system, 2, bad)
    start_workers_apart(system)
    flower.wait_until_it_sees_workers()
    system.emit(an_event_object(), an_event_object())
    (task,) = eventually(lambda: of(flower, DELIVER, "RETRY"), 60, "the failed batch in Flower")
    words = "4 notifications: 2 accepted, 2 to be tried again (503)"
    assert (task["exception"], task["result"]) == (words, words)
    assert task["kwargs"] == "notifications 1, 2, 3, 4 for integrations 1, 2, attempt 1 of 17"
    shown = page(flower, task)
    assert AMBER in shown
    assert words in shown
    # One message, or one each where they were due in different seconds.
    results = eventually(lambda: accepted_later(flower), 60, "the retries in Flower")
    assert results in (["2 notifications: 2 accepted"], ["1 notification: 1 accepted"] * 2)
    assert not [k for k in (good, bad) if k.reveal() in json.dumps(flower.tasks) + shown]


def test_only_the_attempt_that_ends_a_notification_as_failed_is_red(
    system: System, flower: Flower
) -> None:
    system.integration()
    fail(system)
    system.start_worker("-E")
    flower.wait_until_it_sees_workers()
    system.emit(an_event_object())
    system.wait_for_states(60, failed=1)
    (task,) = eventually(lambda: of(flower, DELIVER, "FAILURE"), 60, "the failure in Flower")
    assert task["exception"] == "1 notification: 1 failed (503)"
    assert task["kwargs"] == "notification 1 for integration 1, attempt 17 of 17"
    assert RED in page(flower, task)
    # The first attempt was made by the process that took the event in: that task did what it was for.
    assert len(of(flower, DELIVER, "RETRY")) == 15
    (ingest,) = of(flower, "events.ingest", "SUCCESS")
    assert (
        ingest["result"]
        .strip("'")
        .endswith("notification 1 for integration 1 under way, attempt 1 of 17")
    )
    assert of(flower, DELIVER, "SUCCESS", "STARTED") == []


def test_a_monitor_that_asks_a_running_worker_for_events_sees_outcomes(
    system: System, flower: Flower
) -> None:
    system.integration()
    worker = system.start_worker()
    worker.wait_for("Events of group {task} enabled by remote.")
    fail(system, 1)
    system.emit(an_event_object())
    (task,) = eventually(lambda: of(flower, DELIVER, "SUCCESS"), 60, "the retry in Flower")
    assert task["result"] == "1 notification: 1 accepted"
    assert task["runtime"] > 0


def test_each_call_is_found_by_its_producers_id_where_calls_travelled_together(
    system: System, flower: Flower
) -> None:
    ids = emit_singly(system, [an_event_object() for _ in range(150)])
    system.start_worker("-E", concurrency=1)
    flower.wait_until_it_sees_workers()
    eventually(lambda: system.ledger().received == 150, 60, "all events")

    def found() -> bool:
        return set(ids) <= {task["uuid"] for task in flower.done("events.ingest")}

    eventually(found, 60, "the producers' ids in Flower")
    for task_id in (ids[0], ids[-1]):
        task = flower.tasks[task_id]
        assert task["kwargs"] == "1 event"
        (batch,) = re.findall(r"^taken in, with \d+ calls in one task: (\S+)$", task["result"])
        eventually(partial(knows_batch, flower, batch), 60, "the task that took them all in")
        assert task_id in page(flower, flower.tasks[batch])
        assert batch in page(flower, task)


def knows_batch(flower: Flower, batch: str) -> bool:
    return batch in {task["uuid"] for task in flower.done("events.ingest_calls")}


def test_a_worker_that_nobody_watches_sends_no_events_of_tasks(
    make_system: Callable[..., System],
) -> None:
    system = make_system(retry_time_scale=0.002)
    system.integration()
    fail(system, 1)
    with system.ask_broker() as client:
        heard = client.pubsub()
        heard.psubscribe("*celeryev*")
        emit_singly(system, [an_event_object() for _ in range(5)])
        worker = system.start_worker(concurrency=1)
        system.wait_for_states(60, delivered=5)
        assert worker.stop() == 0
        noted = {a.task_id for n in system.notifications() for a in system.show(n.id).attempts}
        assert noted == {None}, "what nobody sees in Flower is not stored"
        channels = set()
        while (message := heard.get_message(timeout=0.5)) is not None:
            channels.add(str(message["channel"]).rpartition("/")[2].strip("'"))
    assert not {c for c in channels if "task" in c}, channels


CONSOLE: Final = "https://notify.example.com/below"
LOGIN: Final = ("ops", "Hidden1")


def links(flower: Flower, task: dict[str, Any]) -> list[str]:
    """The addresses of notifications in the console to which the page of a task leads."""
    return re.findall(rf'href="({CONSOLE}/notifications/[0-9]+)"', page(flower, task))


def task_ids(system: System, notification_id: int) -> list[str]:
    return [str(a.task_id) for a in system.show(notification_id).attempts]


def test_a_task_leads_to_its_notifications_and_a_notification_to_its_tasks(
    system: System,
) -> None:
    flower = Flower(
        system,
        login=LOGIN,
        WALLARM_NOTIFY_FLOWER_LOGIN=":".join(LOGIN),
        WALLARM_NOTIFY_PUBLIC_URL=CONSOLE,
    )
    flower.wait_until_up()
    keys = [a_key(), a_key()]
    for key in keys:
        system.integration(key)
    fail(system, 2, keys[1])
    # The first attempts are made by the process that takes the event in, the others by messages.
    worker = system.start_worker("-E")
    flower.wait_until_it_sees_workers()
    system.emit(an_event_object())
    system.wait_for_states(60, delivered=2)
    failing = next(n.id for n in system.notifications() if len(task_ids(system, n.id)) == 3)

    def all_seen() -> bool:
        flower.done(DELIVER)
        known = {uuid for uuid, task in flower.tasks.items() if task["state"] != "STARTED"}
        return known.issuperset(task_ids(system, failing))

    eventually(all_seen, 60, "its tasks in Flower")
    tasks = [flower.tasks[one] for one in task_ids(system, failing)]
    assert [task["name"] for task in tasks] == ["events.ingest", DELIVER, DELIVER]
    assert [task["state"] for task in tasks] == ["SUCCESS", "RETRY", "SUCCESS"]
    for task in tasks:
        assert f"{CONSOLE}/notifications/{failing}" in links(flower, task)
    shown = system.run_command("notifications", "show", str(failing))
    assert "Task in Flower" not in shown
    shown = command(system, "show", str(failing), WALLARM_NOTIFY_FLOWER_URL="http://f.example.com/")
    assert f"http://f.example.com/task/{tasks[-1]['uuid']}\n" in shown

    # Whatever Flower answers, and whoever of its users asks: no key, no login, no password of a server.
    paths = ["/", "/workers", "/tasks", "/broker", "/metrics", "/api/tasks", "/api/workers"]
    paths += ["/api/queues/length", "/api/task/types", f"/worker/{node_of(flower)}"]
    paths += [f"/task/{uuid}" for uuid in flower.tasks]
    paths += [f"/api/task/info/{uuid}" for uuid in flower.tasks]
    texts = {path: text_of(flower, path) for path in paths}
    assert "notifications.deliver" in texts["/api/task/types"]
    for queue in ("events", "celery", "notifications", "retries", "upkeep"):
        assert queue in texts["/broker"], "queues are named"
        assert queue in texts[f"/worker/{node_of(flower)}"], "what a worker takes from is named"
    secrets = [key.reveal() for key in keys] + [LOGIN[1]]
    for path, text in {**texts, "its log": flower.process.text(), "worker": worker.text()}.items():
        assert not [secret for secret in secrets if secret in text], path


def command(system: System, *words: str, **environment: str) -> str:
    """What ``wallarm-notify notifications`` prints, with further settings."""
    done = run(product_command("notifications", *words), system.environ(**environment))
    assert done.returncode == 0, done.stderr
    return done.stdout


def text_of(flower: Flower, path: str) -> str:
    answer = flower.ask(path)
    assert answer is not None
    assert answer.status_code == 200, (path, answer.text)
    return answer.text


def node_of(flower: Flower) -> str:
    answer = flower.ask("/api/workers")
    assert answer is not None
    (name,) = answer.json()
    return str(name)
