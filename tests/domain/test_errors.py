"""Refusals: which part of the request is at fault, what is wrong with it, and what can be done."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from wallarm_notify.domain.errors import Hint, NotFound, Refused, Todo
from wallarm_notify.domain.integration import IntegrationKey, parse_region, parse_subscriptions
from wallarm_notify.domain.text import check_text, read_name
from wallarm_notify.domain.triggers.condition import Condition, read_condition, read_filter
from wallarm_notify.domain.triggers.trigger import check_criteria, check_threshold

if TYPE_CHECKING:
    from collections.abc import Callable

ATTACKS = Condition("attacks_exceeded")

REFUSALS: dict[str, tuple[Callable[[], object], str, str]] = {
    "a key that is none": (lambda: IntegrationKey.parse("x"), "key", "an integration key is 32"),
    "a REST key": (lambda: IntegrationKey.parse("x" * 20), "key", "this looks like a PagerDuty"),
    "a region": (lambda: parse_region("mars"), "region", "there is no «mars»"),
    "a subscription": (lambda: parse_subscriptions(["x"]), "subscriptions", "there is no «x»"),
    "a blank name": (lambda: read_name(" "), "name", "give 1 to 200 printable"),
    "a name of another kind": (lambda: read_name(" ", "partner"), "partner", "give 1 to 200"),
    "a long text": (lambda: check_text("reason", "x " * 300), "reason", "give at most 500"),
    "a key in a name": (lambda: read_name("0a" * 16), "name", "this holds what looks like"),
    "a condition": (lambda: read_condition("x"), "condition", "«x» is none of those"),
    "a filter it has not": (lambda: read_filter(ATTACKS, "x", "eq", ["1"]), "filter", "attacks_"),
    "a filter's operator": (
        lambda: read_filter(ATTACKS, "attack_type", "gt", ["xss"]),
        "filter attack_type",
        "there is no operator «gt»",
    ),
    "a filter's value": (
        lambda: read_filter(ATTACKS, "attack_type", "eq", ["x"]),
        "filter attack_type",
        "«x» will not do",
    ),
    "no threshold": (lambda: check_criteria(ATTACKS, (), None), "threshold", "attacks_exceeded"),
    "a count": (lambda: check_threshold(-1, timedelta(hours=1)), "threshold", "the count is"),
}


@pytest.mark.parametrize(("ask", "field", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_names_the_field_apart_from_the_sentence(
    ask: Callable[[], object], field: str, sentence: str
) -> None:
    with pytest.raises(Refused) as caught:
        ask()
    refused = caught.value
    assert (refused.field, refused.hint) == (field, None)
    assert refused.sentence.startswith(sentence)
    assert str(refused) == f"{field}: {refused.sentence}"


def test_without_a_field_a_refusal_is_its_sentence_and_says_nothing_of_its_hint() -> None:
    refused = NotFound("There is no event 5.", hint=Hint(Todo.SEE_REJECTED))
    assert (str(refused), refused.sentence, refused.field) == (*["There is no event 5."] * 2, None)
    assert refused.hint == Hint(Todo.SEE_REJECTED, about=None)


def test_a_refusal_that_another_process_gets_is_whole() -> None:
    refused = Refused("give a name.", field="user", hint=Hint(Todo.ENABLE_INTEGRATION, 7))
    got = pickle.loads(pickle.dumps(refused))
    assert (str(got), got.field, got.hint) == ("user: give a name.", "user", refused.hint)
