import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wallarm_notify.sandbox.api import Answer, status_answer
from wallarm_notify.sandbox.control import ROUTES
from wallarm_notify.sandbox.documents import RefusedError
from wallarm_notify.sandbox.faults import KINDS, Fault, FaultPlan, Status, read_fault
from wallarm_notify.sandbox.memory import Memory, Settings

from .conftest import KEY, OTHER_KEY

set_faults = ROUTES["/sandbox/faults"]["PUT"]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def read(**document: Any) -> Fault:
    return read_fault(document)


def answer(**document: Any) -> Answer:
    fault = read(kind="status", **document)
    assert isinstance(fault, Status)
    return status_answer(fault)


def chosen(plan: FaultPlan, key: str | None = KEY, seconds: float = 0) -> Fault | None:
    return plan.choose(key, NOON + timedelta(seconds=seconds))


def test_faults_are_used_up_in_the_order_in_which_they_were_asked_for() -> None:
    twice, once, ever = (
        read(kind="status", status=503, times=2),
        read(kind="reset", times=1),
        read(kind="close"),
    )
    plan = FaultPlan([twice, once, ever], now=NOON)

    assert [chosen(plan) for _ in range(5)] == [twice, twice, once, ever, ever]


def test_a_fault_of_one_key_leaves_the_others_alone() -> None:
    mine, of_all = read(key=KEY, kind="hang"), read(key="*", kind="reset", times=1)
    plan = FaultPlan([mine, of_all], now=NOON)

    assert chosen(plan) is mine
    assert chosen(plan, OTHER_KEY) is of_all
    assert chosen(plan, None) is None


def test_a_fault_heals_when_its_seconds_are_over() -> None:
    plan = FaultPlan([read(kind="reset", seconds=5, times=9)], now=NOON)

    assert chosen(plan, seconds=4.999) is not None
    assert plan.as_document(NOON) == [{"key": "*", "kind": "reset", "left": 8}]
    assert chosen(plan, seconds=5) is None
    assert plan.as_document(NOON + timedelta(seconds=5)) == []


@pytest.mark.parametrize(
    ("kind", "accepts"),
    [("hang", False), ("reset", False), ("close", True), ("discard", True)],
)
def test_whether_the_event_is_taken_in_depends_on_the_kind(kind: str, accepts: bool) -> None:
    assert read(kind=kind).takes_event is accepts


def test_a_status_fault_carries_its_whole_answer() -> None:
    message = answer(
        status=429,
        headers={"content-type": "text/html", "X-Trace": "7"},
        body="<html>",
        retry_after=30,
    )

    assert (message.status, message.body) == (429, b"<html>")
    assert message.headers == {"content-type": "text/html", "X-Trace": "7", "Retry-After": "30"}


def test_a_json_body_is_answered_as_json() -> None:
    message = answer(status=202, body={"status": "success"})

    assert (message.headers, message.body) == (
        {"Content-Type": "application/json"},
        b'{"status":"success"}',
    )


def test_a_429_without_a_body_says_what_pagerduty_says() -> None:
    message = answer(status=429)

    assert b"too quickly.  Please retry later." in message.body
    assert "Retry-After" not in message.headers


REFUSED: list[tuple[Any, str]] = [
    ({}, "'faults' must be a list of faults."),
    (["reset"], "A fault must be a JSON object."),
    (
        [{"kind": "explode"}],
        f"Unknown kind 'explode'; permitted are: {', '.join(KINDS)}.",
    ),
    (
        [{"kind": ["reset"]}],
        "Unknown kind ['reset']; permitted are: status, slow, drip, hang, reset, close, discard.",
    ),
    (
        [{"kind": "reset", "delay": 1}],
        (
            "A fault of kind 'reset' has an unknown field 'delay'; "
            "permitted are: accept, key, kind, seconds, times."
        ),
    ),
    ([{"kind": "slow"}], "A fault of kind 'slow' needs 'delay', a number of seconds."),
    ([{"kind": "drip"}], "A fault of kind 'drip' needs 'delay', a number of seconds."),
    (
        [{"kind": "slow", "delay": -1}],
        "'delay' must be a number of seconds from 0 to 86400, or null.",
    ),
    (
        [{"kind": "slow", "delay": True}],
        "'delay' must be a number of seconds from 0 to 86400, or null.",
    ),
    ([{"kind": "status"}], "A fault of kind 'status' needs 'status', from 200 to 599."),
    ([{"kind": "status", "status": 100}], "'status' must be a whole number from 200 to 599."),
    (
        [{"kind": "status", "status": 500, "body": 7}],
        "'body' must be a text, a JSON object or a JSON list.",
    ),
    (
        [{"kind": "status", "status": 500, "headers": {"X": "a\r\nb"}}],
        "'headers' must be an object of header names and one-line texts.",
    ),
    (
        [{"kind": "reset", "key": "short"}],
        "'key' must be an integration key of 32 letters and digits, or '*'.",
    ),
    (
        [{"kind": "reset", "times": 0}],
        "'times' must be a whole number from 1 to 1000000000.",
    ),
    ([{"kind": "reset", "accept": 1}], "'accept' must be true or false."),
]


@pytest.mark.parametrize(("document", "sentence"), REFUSED)
def test_a_fault_that_is_not_permitted_is_refused_in_one_sentence(
    document: Any, sentence: str
) -> None:
    with pytest.raises(RefusedError) as refusal:
        set_faults(Memory(Settings()), {}, json.dumps({"faults": document}).encode())

    assert str(refusal.value) == sentence
