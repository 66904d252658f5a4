"""Who is let in by a stored token, in which role, and whose things are within reach."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.caller import Admission, Caller, Owner, caller_of, is_use_to_be_noted
from wallarm_notify.domain.scope import EVERY_CLIENT, only

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

SHARED = Admission(
    token_id=5,
    client_id=1,
    user_id=None,
    name="CI",
    role=Role.PARTNER_ADMINISTRATOR,
    enabled=True,
    expires_at=None,
    last_used_at=None,
    secret_hash=None,
    owner=None,
    access=True,
    children=[2, 3],
)
ANA = Owner("Ana", Role.PARTNER_ADMINISTRATOR, 1, enabled=True)
OWNED = replace(SHARED, user_id=7, owner=ANA)


def role_of(found: Admission) -> Role | None:
    caller = caller_of(found, NOON)
    return None if caller is None else caller.actor.role


def test_a_shared_token_acts_under_its_own_name() -> None:
    actor = Actor("CI", Role.PARTNER_ADMINISTRATOR, Source.API)
    assert caller_of(SHARED, NOON) == Caller(actor, only([1, 2, 3]), 1, None, 5)


def test_a_users_token_acts_under_the_users_name() -> None:
    actor = Actor("Ana", Role.PARTNER_ADMINISTRATOR, Source.API, 7)
    assert caller_of(OWNED, NOON) == Caller(actor, only([1, 2, 3]), 1, 7, 5)


def test_a_token_of_all_clients_reaches_all_of_them() -> None:
    found = replace(SHARED, client_id=None, role=Role.OPERATOR, children=[])
    caller = caller_of(found, NOON)
    assert caller is not None
    assert (caller.scope, caller.client_id) == (EVERY_CLIENT, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"enabled": False},
        {"access": False},
        {"expires_at": NOON},
        {"expires_at": NOON - SECOND},
        {"owner": None},
        {"owner": replace(ANA, enabled=False)},
        {"owner": replace(ANA, client_id=2)},
        {"owner": replace(ANA, client_id=None)},
        {"role": Role.DEVELOPER, "owner": replace(ANA, role=Role.ANALYST)},
    ],
    ids=str,
)
def test_nobody_is_let_in_once_anything_has_ended_the_token(fields: dict[str, Any]) -> None:
    assert caller_of(replace(OWNED, **fields), NOON) is None


def test_a_token_is_valid_until_it_expires() -> None:
    assert caller_of(replace(OWNED, expires_at=NOON + SECOND), NOON) is not None


@pytest.mark.parametrize(
    ("token", "owner", "expected"),
    [
        ("admin", "partner_admin", "admin"),
        ("partner_admin", "admin", "admin"),
        ("admin", "analytic", "analytic"),
        ("analytic", "admin", "analytic"),
        ("analytic", "deploy", None),
    ],
)
def test_rights_never_exceed_those_of_the_token_nor_those_of_its_owner(
    token: str, owner: str, expected: str | None
) -> None:
    found = replace(OWNED, role=Role(token), owner=replace(ANA, role=Role(owner)))
    assert role_of(found) == expected
    if expected is not None and not expected.startswith("partner_"):
        caller = caller_of(found, NOON)
        assert caller is not None
        assert caller.scope == only([1])


def test_a_use_is_noted_a_minute_after_the_last_that_was() -> None:
    assert is_use_to_be_noted(SHARED, NOON)
    for ago, noted in ((0, False), (59, False), (60, True), (61, True)):
        found = replace(SHARED, last_used_at=NOON - ago * SECOND)
        assert is_use_to_be_noted(found, NOON) is noted
