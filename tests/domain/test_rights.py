"""The table of rights, cell by cell, and what follows from it for roles, scopes and tokens."""

from __future__ import annotations

from typing import Final

import pytest
from documents import DOCS, read, table
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.activity import ObjectType
from wallarm_notify.domain.actor import Actor, Role, Source
from wallarm_notify.domain.errors import Forbidden, Refused
from wallarm_notify.domain.rights import (
    OF_ALL_CLIENTS,
    OF_TOKENS,
    OF_USERS,
    PARTNERS,
    RIGHTS,
    Thing,
    Verb,
    check_right,
    is_within,
    lesser,
    may,
    parse_role,
    scope_of,
    visible_in_log,
)
from wallarm_notify.domain.roles import ROLE_NAMES
from wallarm_notify.domain.scope import EVERY_CLIENT, only

COLUMNS: Final = ("operator", "admin", "analytic", "auditor", "developer", "producer")

TABLE: Final = """
                                operator  admin  analytic  auditor  developer  producer
integrations view                  x        x       -         -         -         -
integrations create                x        x       -         -         -         -
integrations update                x        x       -         -         -         -
integrations delete                x        x       -         -         -         -
integrations test                  x        x       -         -         -         -
triggers view                      x        x       -         -         -         -
triggers create                    x        x       -         -         -         -
triggers update                    x        x       -         -         -         -
triggers delete                    x        x       -         -         -         -
triggers simulate                  x        x       -         -         -         -
notifications view                 x        x       x         x         -         -
notifications replay               x        x       -         -         -         -
events view                        x        x       x         x         -         -
events preview                     x        x       -         -         x         -
events send                        x        -       -         -         -         x
event types view                   x        x       x         x         x         -
rejected events view               x        x       -         -         x         -
rejected events resubmit           x        x       -         -         -         -
undecodable messages view          x        -       -         -         -         -
undecodable messages resubmit      x        -       -         -         -         -
calls set aside view               x        -       -         -         -         -
calls set aside resubmit           x        -       -         -         -         -
events ahead view                  x        -       -         -         -         -
computations view                  x        x       -         -         -         -
computations update                x        x       -         -         -         -
coverage view                      x        x       x         x         -         -
applications view                  x        x       x         x         -         -
applications create                x        x       -         -         -         -
applications update                x        x       -         -         -         -
applications delete                x        x       -         -         -         -
users view                         x        x       -         x         -         -
users create                       x        x       -         -         -         -
users update                       x        x       -         -         -         -
tokens view                        x        x       -         -         -         -
tokens create                      x        x       -         -         -         -
tokens update                      x        x       -         -         -         -
the activity log view              x        x       -         x         -         -
clients view                       x        x       x         x         -         -
clients update                     x        -       -         -         -         -
cloud addresses view               x        x       x         x         x         -
the failure policy view            x        -       -         -         -         -
the failure policy simulate        x        -       -         -         -         -
the ledger view                    x        -       -         -         -         -
metrics view                       x        -       -         -         -         -
infrastructure view                x        -       -         -         -         -
"""
"""Who may do what; ``-`` is a refusal that somebody decided on."""

SAME_AS: Final = {
    "admin_ext": "admin",
    "partner_admin": "admin",
    "partner_admin_ext": "admin",
    "partner_analytic": "analytic",
    "partner_auditor": "auditor",
    "deploy": "developer",
}
"""Roles that differ from another in whose things they are had to, or in name alone."""


def cells() -> dict[str, dict[str, bool]]:
    """Return the rows of the table, by thing and verb: who may, by role."""
    head, *rows = [line for line in TABLE.splitlines() if line]
    assert tuple(head.split()) == COLUMNS
    found = {}
    for row in rows:
        *words, a, b, c, d, e, f = row.split()
        found[" ".join(words)] = dict(
            zip(COLUMNS, [mark == "x" for mark in (a, b, c, d, e, f)], strict=True)
        )
    return found


def test_each_role_may_do_what_the_table_says_and_nothing_else() -> None:
    rows = cells()
    assert set(rows) == {f"{thing} {verb}" for thing, verbs in RIGHTS.items() for verb in verbs}
    for thing in Thing:
        for verb in Verb:
            row = rows.get(f"{thing} {verb}", dict.fromkeys(COLUMNS, False))
            for role in OF_TOKENS:
                column = SAME_AS.get(role, role)
                assert may(role, thing, verb) is row[column], f"{role}: {verb} {thing}"


def documented() -> dict[str, dict[str, bool]]:
    """Return the cells of the table that operators read."""
    return {
        f"{thing} {verb}": dict(zip(COLUMNS, [mark == "x" for mark in marks], strict=True))
        for things, verbs, *marks in table(read(DOCS / "operations.md"), "things")
        for thing in things.split(", ")
        for verb in verbs.split(", ")
    }


def test_the_table_that_operators_read_is_this_one() -> None:
    assert documented() == cells()


def test_every_thing_has_rights_and_every_verb_is_used() -> None:
    assert set(RIGHTS) == set(Thing)
    assert {verb for verbs in RIGHTS.values() for verb in verbs} == set(Verb)


LOGGED: Final = {
    "admin": "integration trigger client application user token rejected_event session",
    "auditor": "client application user session",
    "analytic": "client application",
    "developer": "rejected_event",
    "producer": "",
    "operator": " ".join(ObjectType),
}
"""Of which objects each role would see the lines of the activity log, where it may see that at all."""


@pytest.mark.parametrize("role", sorted(OF_TOKENS))
def test_of_the_activity_log_a_role_sees_what_it_may_view(role: Role) -> None:
    assert visible_in_log(role) == set(LOGGED[SAME_AS.get(role, role)].split())


def test_the_system_itself_asks_by_no_way_in() -> None:
    assert not any(may(Role.SYSTEM, thing, verb) for thing in Thing for verb in Verb)


def test_a_refusal_names_the_role_and_what_it_may_not_do() -> None:
    ann = Actor("Ann", Role.ANALYST, Source.API)
    check_right(ann, Thing.NOTIFICATIONS, Verb.VIEW)
    with pytest.raises(Forbidden, match=r"^The role analytic may not update integrations.$"):
        check_right(ann, Thing.INTEGRATIONS, Verb.UPDATE)


def test_the_roles_are_the_words_of_the_original_and_ours_for_what_it_lacks() -> None:
    assert set(ROLE_NAMES) == set(Role) - {"operator", "producer", "system", "developer"}
    assert {"operator", "producer"} == OF_ALL_CLIENTS
    assert set(Role) - OF_USERS == {"producer", "system"}
    assert {role for role in Role if "partner" in role} == PARTNERS


roles = st.sampled_from(sorted(OF_TOKENS))


@given(roles, roles)
def test_a_role_within_another_may_do_nothing_more_and_to_no_more_clients(
    role: Role, limit: Role
) -> None:
    if not is_within(role, limit):
        return
    for thing in Thing:
        for verb in Verb:
            assert may(limit, thing, verb) or not may(role, thing, verb)
    for children in ([], [8, 9]):
        reach = scope_of(role, None if role in OF_ALL_CLIENTS else 7, children)
        most = scope_of(limit, None if limit in OF_ALL_CLIENTS else 7, children)
        assert most.client_ids is None or (
            reach.client_ids is not None and reach.client_ids <= most.client_ids
        )


@given(roles, roles, roles)
def test_being_within_is_an_order(one: Role, two: Role, three: Role) -> None:
    assert is_within(one, one)
    if is_within(one, two) and is_within(two, three):
        assert is_within(one, three)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("admin", "admin", "admin"),
        ("admin", "analytic", "analytic"),
        ("analytic", "admin", "analytic"),
        ("analytic", "auditor", "analytic"),
        ("partner_admin", "admin", "admin"),
        ("admin", "partner_auditor", None),
        ("partner_auditor", "admin", None),
        ("developer", "analytic", None),
        ("developer", "admin", "developer"),
        ("partner_admin", "operator", "partner_admin"),
        ("producer", "operator", "producer"),
        ("producer", "admin", None),
    ],
)
def test_of_two_roles_the_lesser_counts_and_none_where_neither_is(
    one: str, other: str, expected: str | None
) -> None:
    assert lesser(Role(one), Role(other)) == expected
    assert {lesser(Role(other), Role(one))} == {expected}


@given(
    st.sampled_from(sorted(OF_TOKENS - OF_ALL_CLIENTS)),
    st.integers(1, 2**63 - 1),
    st.sets(st.integers(1, 2**63 - 1)),
)
def test_partners_reach_their_children_and_others_themselves_alone(
    role: Role, client_id: int, children: set[int]
) -> None:
    reached = {client_id} | (children if role in PARTNERS else set())
    assert scope_of(role, client_id, children) == only(reached)


def test_all_clients_are_reached_by_roles_of_no_client_alone() -> None:
    for role in OF_TOKENS:
        of_none = scope_of(role, None, [1])
        assert of_none == (EVERY_CLIENT if role in OF_ALL_CLIENTS else only([]))
    for role in OF_ALL_CLIENTS:
        assert scope_of(role, 1, [2]) == only([])


def test_a_role_is_read_by_its_id_among_those_that_can_be_given() -> None:
    assert parse_role("partner_auditor", OF_USERS) is Role.PARTNER_READ_ONLY
    for text in ("producer", "system", "ADMIN", "administrator", ""):
        with pytest.raises(Refused) as refused:
            parse_role(text, OF_USERS)
        assert str(refused.value) == (
            "role: give one of operator, admin, admin_ext, analytic, auditor, developer, deploy, "
            "partner_admin, partner_admin_ext, partner_analytic, partner_auditor."
        )
