"""Events are sent without a pause while the API ends and starts again: what it accepted is stored, once."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import requests
from build import eventually

from e2e.api_process import Api
from wallarm_notify.store.engine import make_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System

EVENTS: Final = 3
"""How many events a call has."""

RESTARTS: Final = 3
BETWEEN: Final = 30
"""So many calls are accepted before the API is ended, each time."""

CLIENTS: Final = 4
AT: Final = "2026-03-01T10:00:00Z"


@dataclass
class Sent:
    """What clients made of their calls, each by its number: events of a call are told apart by ``rule_id``."""

    numbers: Any = field(default_factory=count)
    accepted: dict[int, list[str]] = field(default_factory=dict)
    """The ids that an accepted call was answered with."""
    keyed: set[int] = field(default_factory=set)
    """The calls that were made with a key, again and again until they were accepted."""
    broken: set[int] = field(default_factory=set)
    """The calls that were not answered, or not accepted, at least once."""
    over: threading.Event = field(default_factory=threading.Event)


def send_on(api: Api, token: str, sent: Sent, *, keyed: bool) -> None:
    """Send calls one after the other until it is over; with a key each until it is accepted."""
    with requests.Session() as session:
        while not sent.over.is_set():
            number = next(sent.numbers)
            if keyed:
                sent.keyed.add(number)
            while number not in sent.accepted:
                answer = ask(session, api, token, number, keyed=keyed)
                if answer is not None:
                    sent.accepted[number] = answer
                    break
                sent.broken.add(number)
                sent.over.wait(0.05)  # while it starts, a client does not take its processor away
                if not keyed:
                    break


def ask(
    session: requests.Session, api: Api, token: str, number: int, *, keyed: bool
) -> list[str] | None:
    """Return the ids of an accepted call, or None where it was not answered or not accepted."""
    events = [
        {"type": "rule.created", "client_id": 1, "rule_id": EVENTS * number + i, "occurred_at": AT}
        for i in range(1, EVENTS + 1)
    ]
    headers = {"X-WallarmApi-Token": token}
    headers |= {"Idempotency-Key": f"call-{number}"} if keyed else {}
    try:
        url = f"{api.url}/notify/v1/events"
        answer = session.post(url, headers=headers, json={"events": events}, timeout=30)
    except requests.RequestException:
        return None
    if answer.status_code == 202:
        ids: list[str] = answer.json()["ids"]
        return ids
    assert answer.status_code == 503, answer.text
    return None


def stored(system: System) -> Counter[tuple[int, str]]:
    """Return how often each event is stored, by the number of its call and its id."""
    with make_engine(system.settings.database()).connect() as connection:
        rows = connection.exec_driver_sql("SELECT id::text, body FROM events").all()
    return Counter(((json.loads(row.body)["rule_id"] - 1) // EVENTS, row.id) for row in rows)


def wait_for_more(sent: Sent) -> None:
    wanted = len(sent.accepted) + BETWEEN
    eventually(lambda: len(sent.accepted) >= wanted, 60, "calls were accepted")


def end_gently(api: Api) -> None:
    assert api.process.stop() in (0, -signal.SIGTERM)


def end_at_once(api: Api) -> None:
    api.process.kill()


def restarted_under_load(system: System, end: Callable[[Api], None], *, keyed: list[bool]) -> Sent:
    """Send from so many clients, with a key or without, while the API ends and starts again."""
    system.start_worker(concurrency=1)
    api = Api(system, WALLARM_NOTIFY_API_TOKEN_RATE="0")
    token = api.token_of("producer")
    sent = Sent()
    clients = [
        threading.Thread(target=send_on, args=(api, token, sent), kwargs={"keyed": one})
        for one in keyed
    ]
    for client in clients:
        client.start()
    try:
        for _ in range(RESTARTS):
            wait_for_more(sent)
            end(api)
            api.start_again()
        wait_for_more(sent)
    finally:
        sent.over.set()
        for client in clients:
            client.join(60)
    assert not any(client.is_alive() for client in clients)
    whole = EVENTS * len(sent.accepted)
    eventually(lambda: sum(stored(system).values()) >= whole, 60, "what was accepted is stored")
    eventually(lambda: system.queue_length("events") == 0, 60, "all was taken")
    for process in system.processes:
        process.stop()  # a worker stores what it has taken
    return sent


def check_whole(system: System, sent: Sent) -> None:
    """Check that accepted calls are stored once with the ids of their answer, and none in parts."""
    found = stored(system)
    assert set(found.values()) == {1}
    ids: dict[int, set[str]] = {}
    for number, event_id in found:
        ids.setdefault(number, set()).add(event_id)
    for number, answered in sent.accepted.items():
        assert ids.pop(number) == set(answered)
    # What was not answered, and not made again, is there as a whole or not at all.
    assert ids.keys() <= sent.broken - sent.keyed
    assert {len(one) for one in ids.values()} <= {EVENTS}
    ledger = system.ledger()
    assert ledger.findings == []
    assert ledger.received == len(found)


def test_what_was_accepted_is_stored_once_however_often_the_api_is_stopped(system: System) -> None:
    sent = restarted_under_load(system, end_gently, keyed=[True, False] * (CLIENTS // 2))
    assert sent.broken
    assert sent.keyed <= sent.accepted.keys()
    check_whole(system, sent)


def test_calls_with_a_key_that_are_made_until_they_are_accepted_are_stored_once_also_after_a_kill(
    system: System,
) -> None:
    sent = restarted_under_load(system, end_at_once, keyed=[True] * CLIENTS)
    assert sent.broken
    assert sent.keyed == sent.accepted.keys()
    check_whole(system, sent)
