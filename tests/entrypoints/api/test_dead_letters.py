"""Dead letters over HTTP: what was not taken in is taken in after all, once, by whoever may."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from build import a_rejection, an_event, an_event_object

from entrypoints.api.owned import Owned, owned
from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.set_aside import TriedCall
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.api.http_api import HttpApi
    from entrypoints.command_line import CommandLine

OURS = "/notify/v1"
OPERATOR = Role.OPERATOR


@pytest.fixture
def mine(line: CommandLine) -> Owned:
    return owned(line, 1)


def rejected(line: CommandLine, **fields: Any) -> int:
    ingest(line.wiring.context, [], [a_rejection(**fields)])
    return int(line.json("events", "rejected")["items"][0]["id"])


def undecodable(line: CommandLine, body: bytes, size: int | None = None) -> int:
    line.wiring.store.transact(lambda tx: tx.store_undecodable("no JSON", None, body, size=size))
    return int(line.json("events", "undecodable")["items"][0]["id"])


def set_aside(line: CommandLine, body: bytes) -> int:
    call = TriedCall(sha256(body).digest(), "application/json", "utf-8", "{}", body)
    again = timedelta(days=1)
    line.wiring.store.transact(lambda tx: tx.set_aside(call, deaths=3, again_in=again))
    return int(line.json("events", "set-aside")["items"][0]["id"])


def a_call_of(*events: dict[str, Any]) -> bytes:
    return json.dumps([[], {"events": events}, {}]).encode()


def test_a_rejected_event_is_taken_in_mended_and_the_activity_log_says_by_whom(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    path = f"{OURS}/rejected-events/{mine.rejected_id}"
    event = an_event_object()
    done = api.ok("POST", f"{path}/resubmit", {"event": event})
    assert (done["id"], done["event_id"]) == (mine.rejected_id, event["id"])
    assert api.ok("GET", path)["resubmitted_as"] == event["id"]
    (change,) = api.ok("GET", f"{OURS}/activity?limit=1")["items"]
    assert (change["action"], change["object_id"]) == ("resubmitted", mine.rejected_id)
    again = api.problem(400, "POST", f"{path}/resubmit", {"event": event})
    assert "was re-submitted already" in again["detail"]
    assert line.json("ledger")["balanced"]


def test_a_rejected_event_that_is_still_wrong_stays_and_nothing_of_it_is_repeated(
    api: HttpApi, mine: Owned
) -> None:
    path = f"{OURS}/rejected-events/{mine.rejected_id}"
    kept = api.problem(400, "POST", f"{path}/resubmit", {})
    assert kept["detail"].endswith("give it mended.")
    secret = "Secret0123456789abcdefXYZ0123456"
    wrong = an_event_object(risk=secret)
    assert secret not in json.dumps(api.problem(400, "POST", f"{path}/resubmit", {"event": wrong}))
    assert api.ok("GET", path)["resubmitted_as"] is None


def test_a_rejected_event_is_not_mended_into_another_clients(api: HttpApi, mine: Owned) -> None:
    path = f"{OURS}/rejected-events/{mine.rejected_id}"
    sent = {"event": an_event_object(client_id=2)}
    assert api.problem(404, "POST", f"{path}/resubmit", sent)["detail"] == "There is no client 2."
    assert api.ok("GET", path)["resubmitted_as"] is None


def test_a_rejected_event_of_no_client_is_there_for_operators_alone(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    path = f"{OURS}/rejected-events/{rejected(line, client_id='none')}/resubmit"
    api.problem(404, "POST", path, {"event": an_event_object()})
    assert api.ok("POST", path, {"event": an_event_object()}, role=OPERATOR)["event_id"]


def test_asked_twice_at_once_a_rejected_event_is_taken_in_once(
    api: HttpApi, line: CommandLine, mine: Owned
) -> None:
    path = f"{OURS}/rejected-events/{mine.rejected_id}/resubmit"
    sent = [{"event": an_event_object()} for _ in range(4)]
    api.token()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: api.ask("POST", path, one).status_code, sent))
    assert sorted(answers) == [200, 400, 400, 400]
    assert line.json("ledger")["balanced"]


@pytest.mark.parametrize(
    ("path", "keep"), [("undecodable-messages", undecodable), ("set-aside-calls", set_aside)]
)
def test_asked_twice_at_once_the_events_of_a_message_are_taken_in_once(
    api: HttpApi, line: CommandLine, path: str, keep: Any
) -> None:
    number = keep(line, a_call_of(an_event_object(), an_event_object(), {"type": "no.such"}))
    whole = f"{OURS}/{path}/{number}/resubmit"
    api.token(OPERATOR)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: api.ask("POST", whole, {}, role=OPERATOR), range(4)))
    (done,) = (one.json() for one in answers if one.ok)
    assert done["id"] == number
    assert {one.status_code for one in answers} <= {200, 400, 404}
    ledger = line.json("ledger")
    assert (ledger["received"], ledger["rejected"], ledger["balanced"]) == (3, 1, True)


def test_a_message_is_taken_in_mended_or_stays_where_nothing_can_be_read_from_it(
    api: HttpApi, line: CommandLine
) -> None:
    path = f"{OURS}/undecodable-messages/{undecodable(line, b'{')}"
    assert (
        "give it mended"
        in api.problem(400, "POST", f"{path}/resubmit", {}, role=OPERATOR)["detail"]
    )
    assert api.ok("GET", path, role=OPERATOR)["resubmitted_at"] is None
    sent = {"events": [an_event_object(), {"type": "no.such"}]}
    done = api.ok("POST", f"{path}/resubmit", sent, role=OPERATOR)
    assert (done["taken_in"], done["rejected"]) == (1, 1)
    assert api.ok("GET", path, role=OPERATOR)["resubmitted_at"]


def test_of_a_message_that_is_cut_only_mended_events_will_do(
    api: HttpApi, line: CommandLine
) -> None:
    path = f"{OURS}/undecodable-messages/{undecodable(line, b'x' * 64_000, 64_001)}/resubmit"
    found = api.problem(400, "POST", path, {}, role=OPERATOR)
    assert found["detail"].endswith("give the whole message.")
    assert api.ok("POST", path, {"events": [an_event_object()]}, role=OPERATOR)["taken_in"] == 1


def test_a_call_that_was_set_aside_is_shown_whole_and_gone_once_it_is_taken_in(
    api: HttpApi, line: CommandLine
) -> None:
    body = a_call_of(an_event_object(title="x" * 300))
    path = f"{OURS}/set-aside-calls/{set_aside(line, body)}"
    assert api.ok("GET", path, role=OPERATOR)["body"] == body.decode()
    (listed,) = api.ok("GET", f"{OURS}/set-aside-calls", role=OPERATOR)["items"]
    assert len(listed["body"]) == 200
    assert api.ok("POST", f"{path}/resubmit", {}, role=OPERATOR)["taken_in"] == 1
    api.problem(404, "GET", path, role=OPERATOR)
    api.problem(404, "POST", f"{path}/resubmit", {}, role=OPERATOR)


def test_events_ahead_are_listed_with_the_next_one_first(api: HttpApi, line: CommandLine) -> None:
    hours = [3, 1, 2]
    for hour in hours:
        at = datetime.now(UTC) + timedelta(hours=hour)
        ingest(line.wiring.context, [an_event(occurred_at=at.isoformat(), client_id=hour)], [])
    items = api.ok("GET", f"{OURS}/events-ahead?limit=2", role=OPERATOR)["items"]
    assert [one["client_id"] for one in items] == [1, 2]
