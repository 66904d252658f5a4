"""What a change is in the activity log."""

from __future__ import annotations

from typing import Any

import pytest

from wallarm_notify.domain.activity import Action, Change, ObjectType, action_of, difference


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ({"b": 2}, {"b": 3})),
        ({"a": 1}, {"a": 1}, ({}, {})),
        ({}, {"a": 1}, ({}, {"a": 1})),
        ({"a": 1}, {}, ({"a": 1}, {})),
        ({"a": None}, {"a": False}, ({"a": None}, {"a": False})),
        ({"a": [1, 2]}, {"a": [2, 1]}, ({"a": [1, 2]}, {"a": [2, 1]})),
    ],
    ids=["another", "the same", "new", "gone", "none and false", "another order"],
)
def test_the_difference_of_two_objects_is_what_differs_on_both_sides(
    before: dict[str, Any], after: dict[str, Any], expected: tuple[Any, Any]
) -> None:
    assert difference(before, after) == expected


@pytest.mark.parametrize(
    ("enabled", "action"),
    [(None, Action.UPDATED), (True, Action.ENABLED), (False, Action.DISABLED)],
)
def test_a_change_of_the_switch_is_called_by_what_it_did_to_it(
    enabled: bool | None,
    action: Action,
) -> None:
    assert action_of(enabled) is action


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("kind", ObjectType)
def test_only_changes_of_integrations_and_triggers_are_changes_of_the_rules(
    kind: ObjectType, action: Action
) -> None:
    of_rules = kind in {ObjectType.INTEGRATION, ObjectType.TRIGGER} and action not in {
        Action.REPLAYED,
        Action.CANCELLED,
        Action.RESUBMITTED,
        Action.ROTATED,
        Action.RENEWED,
    }
    assert Change(action, kind).is_of_rules is of_rules
