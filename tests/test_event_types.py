"""Python services have a model of each event type, which a type checker knows, and which travels as an object does."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

import pytest
from build import an_event_object
from mypy import api as mypy
from pydantic import ValidationError
from schemas.sample_events import ALWAYS, FIELDS

from wallarm_notify import event_types
from wallarm_notify.domain.event import Event
from wallarm_notify.event_types import (
    Actor,
    EventModel,
    IpDenylisted,
    RuleCreated,
    SecurityIssueDetected,
    body_of,
)
from wallarm_notify.schemas import catalogue
from wallarm_notify.schemas.read import read_event

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

WRITTEN: list[type[BaseModel]] = list(get_args(get_args(catalogue.AnyEvent)[0]))

NAMES = [model.__name__ for model in WRITTEN]

SAMPLES = [{**ALWAYS, "type": name, **needed, **more} for name, (needed, more) in FIELDS.items()]


def type_of(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields["type"].annotation)[0])


@pytest.mark.parametrize("written", WRITTEN, ids=NAMES)
def test_each_type_of_the_catalogue_has_a_model_with_its_fields_and_its_docstring(
    written: type[BaseModel],
) -> None:
    model = getattr(event_types, written.__name__)
    assert issubclass(model, EventModel)
    assert issubclass(model, written)
    assert set(model.model_fields) == set(written.model_fields)
    assert model.model_fields["type"].default == type_of(written)
    assert inspect.cleandoc(model.__doc__ or "") == inspect.cleandoc(written.__doc__ or "")
    assert written.__name__ in event_types.__all__
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    was_required = {name for name, field in written.model_fields.items() if field.is_required()}
    assert required == was_required - {"id", "occurred_at", "type"}


def test_no_model_is_of_a_type_that_the_catalogue_lacks() -> None:
    made = {
        name
        for name, value in vars(event_types).items()
        if inspect.isclass(value) and issubclass(value, EventModel) and value is not EventModel
    }
    assert made == set(NAMES)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample["type"] for sample in SAMPLES])
def test_a_model_travels_as_the_object_that_it_was_made_of(sample: dict[str, Any]) -> None:
    (name,) = (model.__name__ for model in WRITTEN if type_of(model) == sample["type"])
    given = {
        key: datetime.fromisoformat(value)
        if key in catalogue.TIME_FIELDS[sample["type"]] and value is not None
        else value
        for key, value in sample.items()
    }
    model = getattr(event_types, name)(**given)
    sent, expected = read_event(body_of(model)), read_event(sample)
    assert isinstance(sent, Event)
    assert isinstance(expected, Event)
    assert sent.body_hash == expected.body_hash


def test_what_was_not_given_does_not_travel_but_id_type_and_time() -> None:
    body = body_of(
        RuleCreated(client_id=1, rule_id=7, actor=Actor(name="ana"), changes={"a": None})
    )
    assert set(body) == {"type", "client_id", "rule_id", "actor", "changes", "id", "occurred_at"}
    assert (body["actor"], body["changes"]) == ({"name": "ana"}, {"a": None})
    assert isinstance(read_event(body), Event)
    assert RuleCreated(client_id=1, rule_id=7).id != RuleCreated(client_id=1, rule_id=7).id


def test_a_model_refuses_what_the_system_would_reject_and_fields_that_its_type_lacks() -> None:
    for wrong in (
        {"risk": "fatal"},
        {"client_id": 0},
        {"title": " "},
        {"occurred_at": datetime(2026, 3, 1)},  # noqa: DTZ001 - a time without a zone
        {"hots": "shop.example.com"},
    ):
        given = an_event_object() | {"occurred_at": datetime.now(UTC)} | wrong
        with pytest.raises(ValidationError):
            SecurityIssueDetected(**given)


def test_a_service_may_add_fields_of_its_own_to_a_type() -> None:
    class OurRule(RuleCreated):
        team: str

    body = body_of(OurRule(client_id=1, rule_id=7, team="blue"))
    assert (body["type"], body["team"]) == ("rule.created", "blue")
    assert isinstance(read_event(body), Event)


def test_times_that_a_type_has_besides_are_given_as_times() -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)
    event = IpDenylisted(client_id=1, ip="203.0.113.7", reason="attacks", expires_at=until)
    assert json.loads(json.dumps(body_of(event)))["expires_at"] == until.isoformat()
    assert isinstance(read_event(body_of(event)), Event)


RIGHT = """
from datetime import UTC, datetime
from uuid import UUID

from wallarm_notify.event_types import Actor, IpDenylisted, RuleCreated, SecurityIssueDetected
from wallarm_notify.producer import Producer
from wallarm_notify.testing import FakeProducer


def tell(producer: Producer) -> list[UUID]:
    issue = SecurityIssueDetected(client_id=1, issue_id=106279, title="SQL injection", risk="critical")
    rule = RuleCreated(client_id=1, rule_id="r7", actor=Actor(name="ana"), changes={"mode": ["a", "b"]})
    ban = IpDenylisted(client_id=1, ip="203.0.113.7", reason="attacks", expires_at=datetime.now(UTC))
    return producer.emit(issue, rule, ban, {"type": "rule.deleted", "client_id": 1, "rule_id": 7})


def test_it() -> None:
    fake = FakeProducer()
    ids = tell(fake)
    assert [str(i) for i in ids] == [event["id"] for event in fake.events]
    assert fake.of_type("rule.created")[0]["rule_id"] == "r7"


test_it()
"""

WRONG = {
    "RuleCreated(client_id=1)": "Missing named argument",
    'RuleCreated(client_id=1, rule_id=7, rul_type="x")': "Unexpected keyword argument",
    'RuleCreated(client_id="1", rule_id=7)': "incompatible type",
    'SecurityIssueDetected(client_id=1, issue_id=1, title="x", risk="fatal")': "incompatible type",
    'Producer("redis://x").emit(7)': "incompatible type",
}


def checked(folder: Path, code: str) -> str:
    """What ``mypy --strict`` says of ``code``, as a service that has nothing of this project's settings runs it."""
    file = folder / "service.py"
    file.write_text(code)
    output, errors, _ = mypy.run(["--strict", "--config-file=", str(file)])
    assert errors == ""
    return output


@pytest.mark.timeout(300)
def test_a_strict_type_checker_takes_right_uses_and_finds_wrong_ones(tmp_path: Path) -> None:
    assert checked(tmp_path, RIGHT).startswith("Success"), checked(tmp_path, RIGHT)
    exec(compile(RIGHT, "service.py", "exec"), {})  # what it takes works, too
    head = (
        "from wallarm_notify.event_types import RuleCreated, SecurityIssueDetected\n"
        "from wallarm_notify.producer import Producer\n"
    )
    complaints = checked(tmp_path, head + "\n".join(WRONG)).splitlines()
    for number, (use, complaint) in enumerate(WRONG.items(), 3):
        assert [line for line in complaints if f":{number}: error" in line and complaint in line], (
            use
        )
