"""What the database cannot hold is refused, and said where it is."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from schemas.sample_events import ID, accepted, an_event, reason
from wallarm_notify.domain.canonical import canonical
from wallarm_notify.domain.event import Rejection
from wallarm_notify.schemas.read import read_event, value_hash
from wallarm_notify.schemas.storable import MAX_DIGITS


def of_size(size: int) -> dict[str, Any]:
    room = size - len(canonical(an_event(note="")))
    return an_event(note="x" * room)


def test_an_event_of_256_kb_is_accepted_and_one_byte_more_is_not() -> None:
    assert accepted(of_size(256_000))
    read = read_event(large := of_size(256_001))

    assert isinstance(read, Rejection)
    assert read.reason == "The event has 256001 bytes; permitted are 256000."
    assert read.cut
    assert read.text == canonical(large)[:64_000]
    assert read.body_hash == value_hash(canonical(large))
    assert (read.event_id, read.client_id) == (UUID(ID), 1)


def test_an_invalid_event_of_256_kb_is_kept_whole() -> None:
    read = read_event({**of_size(256_000), "risk": 1234})

    assert isinstance(read, Rejection)
    assert not read.cut
    assert len(read.text) == 255_998


def nested(depth: int) -> Any:
    value: Any = 1
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


def test_32_levels_are_accepted_and_33_are_not() -> None:
    assert accepted(an_event(deep=nested(31)))
    assert reason(an_event(deep=nested(32))).endswith(" is nested over 32 levels deep.")


def test_many_shallow_objects_are_not_deep() -> None:
    assert accepted(an_event(wide=[{"a": []}] * 100))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"\n": float("nan")}, "\\n is NaN or infinite"),
        ({"": float("nan")}, '"" is NaN or infinite'),
        ({"note": {"a": ["x", float("nan")]}}, "note.a[1] is NaN or infinite"),
        ({"note": float("nan")}, "note is NaN or infinite, which is no JSON number."),
        ({"note": [float("-inf")]}, "note[0] is NaN or infinite"),
        ({"failure_ratio": float("inf")}, "failure_ratio is NaN or infinite"),
        ({"note": 10**MAX_DIGITS}, "note is a number of over 4300 digits."),
        ({"x" * 300: float("nan")}, f"{'x' * 60}… is NaN or infinite"),
    ],
)
def test_what_the_database_cannot_hold_is_refused_and_placed(
    fields: dict[str, Any], message: str
) -> None:
    assert reason(an_event(**fields)).startswith(message)


@pytest.mark.parametrize(
    "value",
    [
        "😀",
        "\\u0000",
        "NaN",
        "Infinity",
        "\\ud800",
        1e308,
        10 ** (MAX_DIGITS - 1),
        "9" * 5_000,
        -0.0,
    ],
)
def test_what_only_looks_unstorable_is_accepted(value: Any) -> None:
    assert accepted(an_event(note=value)).body["note"] == value


def test_json_numbers_too_large_for_a_float_are_refused() -> None:
    assert "NaN or infinite" in reason(
        json.loads(json.dumps(an_event(n=7)).replace("7}", "1e400}"))
    )
