"""What people are told of an event that is wrong: one sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.sample_events import an_event, reason, without
from wallarm_notify.schemas.read import read_call


@pytest.mark.parametrize("value", ["x", None, 5, [], {"a": 1}, "User.created"])
def test_the_complaint_about_an_unknown_type_has_the_known_ones(value: Any) -> None:
    message = reason({**an_event(), "type": value})

    assert message.startswith("type must be one of user.created, ")
    assert "rogue_api.detected" in message


def test_the_complaint_about_a_missing_type_has_the_known_ones() -> None:
    assert reason(without(an_event(), "type")).startswith("type is required; permitted are user.cr")


@pytest.mark.parametrize("value", [None, 5, "x", [], True])
def test_an_event_is_an_object(value: Any) -> None:
    assert reason(value).startswith("The event must be an object, not ")


def test_several_mistakes_make_one_sentence_of_five_at_most() -> None:
    message = reason(an_event(id=1, client_id=0, title="", risk=1, host=1, port=1e9, actor=[]))

    assert message.count(";") == 5
    assert message.endswith("; and 2 more.")
    assert "http" not in message
    assert "\n" not in message


def test_a_mistake_within_an_object_or_list_is_placed() -> None:
    assert reason(an_event(actor={"id": []})).startswith("actor.id must be ")
    message = reason(an_event("api.changed", sensitive_data=["email", 3]))
    assert message == "sensitive_data[1] must be a text, not 3."


def test_what_is_shown_of_a_wrong_value_is_short() -> None:
    assert len(reason(an_event(risk="x" * 10_000))) < 200


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ([], {}, "given were 0 positional arguments and these keywords: none."),
        ([], {"evens": []}, "given were 0 positional arguments and these keywords: evens."),
        ([[], []], {}, "given were 2 positional arguments and these keywords: none."),
        ([[]], {"events": []}, "given were 1 positional arguments and these keywords: events."),
        ([], {"events": [], "x": 1}, "0 positional arguments and these keywords: events, x."),
        ([], {"events": {}}, "«events» was an object."),
        ([], {"events": None}, "«events» was null."),
        (["text"], {}, "«events» was «text»."),
    ],
)
def test_wrong_arguments_are_one_rejection_of_the_whole_call(
    args: list[Any], kwargs: dict[str, Any], message: str
) -> None:
    events, [rejection] = read_call(args, kwargs)

    assert not events
    assert rejection.reason.startswith("events.ingest takes one argument")
    assert rejection.reason.endswith(message)
    assert json.loads(rejection.text) == {"args": args, "kwargs": kwargs}
