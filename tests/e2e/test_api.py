"""The HTTP API as a process of its own, beside workers, beat, a broker, a database and a PagerDuty."""

from __future__ import annotations

import re
import signal
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from build import TRIGGER_EVENTS, a_key, an_event_object, eventually

from e2e.api_process import Api
from wallarm_notify.devstack.processes import product_command
from wallarm_notify.domain.lateness import cycle_of
from wallarm_notify.domain.scope import only
from wallarm_notify.services.computations import show_computation
from wallarm_notify.store.engine import make_engine
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.system import System
    from wallarm_notify.domain.computation import Computation


@pytest.fixture
def api(system: System) -> Iterator[Api]:
    served = Api(system)
    yield served
    assert served.token not in served.process.text()


def test_from_a_new_integration_to_a_delivered_alert_and_its_end_over_http(
    system: System, api: Api
) -> None:
    assert not api.ready()["ready"]
    system.start_worker(name="everything")
    system.start_beat()
    eventually(lambda: api.ready()["ready"], 60, "ready")

    key = a_key("http")
    made = api.ask(
        "POST",
        "integrations",
        {"key": key.reveal(), "name": "SOC", "subscriptions": ["security_issue", "system"]},
    )
    path = f"integrations/{made['id']}"
    assert api.ask("POST", f"{path}/drill")["passed"]
    assert api.ask("POST", f"{path}/test", {})["passed"]
    trigger = api.ask(
        "POST", "triggers", {"condition": "user_created", "integration_ids": [made["id"]]}
    )

    event = an_event_object()
    system.emit(event)
    found = eventually(
        lambda: api.ask("GET", f"notifications?state=delivered&event_id={event['id']}")["items"],
        60,
        "delivered",
    )
    assert [one["integration_id"] for one in found] == [made["id"]]
    shown = api.ask("GET", f"notifications/{found[0]['id']}")
    assert shown["attempts"][-1]["status_code"] == 202
    assert shown["alert"]["routing_key"] == key.masked
    why = api.ask("GET", f"events/{event['id']}")
    assert {line["reason"] for line in why["lines"]} >= {"accepted"}

    api.ask("PATCH", path, {"name": "SOC by night"})
    assert not api.ask("POST", f"{path}/disable", {"reason": "maintenance"})["enabled"]
    assert api.ask("POST", f"{path}/enable")["enabled"]
    assert api.ask("DELETE", f"triggers/{trigger['id']}")["deleted"]
    assert api.ask("DELETE", path)["deleted"]
    assert api.ask("GET", "integrations")["items"] == []
    # Its deletion may overtake what it has of being disabled.
    eventually(lambda: set(system.states()) <= {"delivered", "cancelled"}, 60, "all have ended")
    assert system.ledger().findings == []
    for process in system.processes:
        assert key.reveal() not in process.text()


def test_a_worker_that_is_gone_is_missed_and_the_database_names_it(
    system: System, api: Api
) -> None:
    system.start_worker("-Q", "events,celery,notifications,upkeep", name="first")
    eventually(lambda: api.ready()["unattended_queues"] == ["retries"], 60, "all but retries")
    system.start_worker("-Q", "retries", name="retries")
    eventually(lambda: api.ready()["unattended_queues"] == [], 60, "every queue")
    nodes = system.wiring.store.transact(lambda tx: tx.nodes())
    assert [one.name for one in nodes] == ["first@devstack", "retries@devstack"]
    assert {queue for one in nodes for queue in one.queues} == set(QUEUES)


def test_each_attempt_is_counted_in_the_lateness_of_its_cycle_whichever_worker_makes_it(
    system: System, api: Api
) -> None:
    operator = api.token_of("operator")
    system.integration()
    system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 60}])
    first = system.start_worker(name="first")
    system.start_beat()
    system.emit(*(an_event_object() for _ in range(6)))
    eventually(lambda: sum(attempts_by_number(system).values()) >= 20, 60, "some attempts")
    first.stop()
    system.start_worker(name="second")
    system.wait_for_states(60, delivered=6)
    shown = api.ask("GET", "health", token=operator)
    made: Counter[int] = Counter()
    for number, attempts in attempts_by_number(system).items():
        made[cycle_of(number)] += attempts
    assert {one["cycle"]: one["attempts"] for one in shown["lateness"]} == {
        cycle: made[cycle] for cycle in range(4)
    }
    assert made[0] == 6
    assert made[2] > 0
    assert shown["recent"]["attempts"] >= sum(made.values())
    eventually(
        lambda: (
            [one["node"] for one in api.ask("GET", "health", token=operator)["nodes"]]
            == ["first@devstack", "second@devstack"]
        ),
        60,
        "both nodes",
    )
    measured = api.ask("GET", "health", token=operator)["queues"]
    assert {one["queue"] for one in measured} == set(QUEUES)


def attempts_by_number(system: System) -> dict[int, int]:
    with make_engine(system.settings.database()).connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT number, count(*) AS made FROM attempts GROUP BY number"
        )
        return {row.number: row.made for row in rows}


def test_what_is_under_way_is_answered_before_the_process_ends(system: System, api: Api) -> None:
    key = a_key("slow")
    system.sandbox.set_faults([{"key": key.reveal(), "kind": "slow", "delay": 3, "times": 10}])
    made = api.ask("POST", "integrations", {"key": key.reveal()})
    answers: list[Any] = []

    asking = threading.Thread(
        target=lambda: answers.append(api.ask("POST", f"integrations/{made['id']}/test", {}))
    )
    asking.start()
    eventually(lambda: len(system.sandbox.requests(key.reveal())) > 0, 60, "a request under way")
    assert api.process.stop() in (0, -signal.SIGTERM)
    asking.join(60)
    assert len(answers[0]["tests"]) == 3
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{api.url}/healthz", timeout=5)


def test_without_its_database_it_does_not_start_and_says_so(system: System) -> None:
    command = product_command("serve", "--port", "0")
    gone = "postgresql+psycopg2://nobody@127.0.0.1:1/none"
    process = system.start("gone", command, WALLARM_NOTIFY_DATABASE_URL=gone)
    eventually(process.has_ended, 60, "the end")
    assert "The database does not answer" in process.text()
    assert "Traceback" not in process.text()


def test_a_simulation_goes_on_without_who_asked_for_it_and_beyond_a_killed_worker(
    system: System, api: Api
) -> None:
    made_by = {"type": "user.created", **TRIGGER_EVENTS["user.created"]}
    system.emit(*(an_event_object(**made_by) for _ in range(3)))
    first = system.start_worker(name="first")
    system.start_beat()
    eventually(lambda: system.ledger().received == 3, 60, "all are received")
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    asked = {"condition": "user_created", "since": since}
    made = api.ask("POST", "computations/simulate-trigger", asked)

    def ended(number: int) -> Computation | None:
        one = show_computation(system.wiring.context, only([1]), number)
        return None if one.is_open else one

    done = eventually(lambda: ended(made["id"]), 60, "the end")
    assert (done.state, done.percent) == ("done", 100)
    result = api.ask("GET", f"computations/{made['id']}")["result"]
    assert (result["events"], len(result["items"])) == (3, 3)

    # One whose worker was killed is begun by the next one, once that worker counts as dead.
    first.kill()
    other = api.ask("POST", "computations/simulate-trigger", asked)
    assert system.wiring.store.transact(lambda tx: tx.begin_computation()) is not None
    assert api.process.stop() in (0, -signal.SIGTERM)
    with make_engine(system.settings.database()).begin() as connection:
        connection.exec_driver_sql("UPDATE computations SET worked_at = now() - interval '361 s'")
    system.start_worker(name="second")
    assert eventually(lambda: ended(other["id"]), 60, "the end of the other").state == "done"


def test_a_replay_goes_on_without_who_asked_for_it_and_beyond_a_killed_worker(
    system: System, api: Api
) -> None:
    key = a_key("replay")
    made = api.ask(
        "POST", "integrations", {"key": key.reveal(), "subscriptions": ["security_issue"]}
    )
    path = f"integrations/{made['id']}"
    api.ask("POST", f"{path}/disable", {})
    producer = api.token_of("producer")
    events = [an_event_object() for _ in range(12)]
    sent = api.ask("POST", "events", {"events": events}, token=producer)
    assert sent["ids"] == [event["id"] for event in events]
    first = system.start_worker(name="first")
    eventually(lambda: system.states() == {"skipped": 12}, 60, "all are skipped")
    (sender,) = senders_in(system)
    assert re.fullmatch(r"token \d+ \(.*\)", sender)
    first.kill()
    api.ask("POST", f"{path}/enable")
    job = api.ask("POST", "replays", {"integration_id": made["id"]})
    assert (job["total"], job["state"]) == (12, "waiting")
    assert api.process.stop() in (0, -signal.SIGTERM)

    system.start_worker(name="second")
    system.start_beat()
    eventually(lambda: system.states() == {"delivered": 12}, 60, "all are delivered")
    with make_engine(system.settings.database()).connect() as connection:
        rows = connection.exec_driver_sql("SELECT state, replayed FROM replay_jobs").all()
    assert [tuple(row) for row in rows] == [("done", 12)]
    assert system.ledger().findings == []


def senders_in(system: System) -> list[str]:
    with make_engine(system.settings.database()).connect() as connection:
        return list(
            connection.exec_driver_sql(
                "SELECT DISTINCT sent_by FROM events WHERE sent_by IS NOT NULL"
            ).scalars()
        )
