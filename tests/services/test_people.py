"""Users, tokens and parents of clients: who may make them, what is refused, and what the activity log has of it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from wallarm_notify.domain.activity import Action, Change, ObjectType
from wallarm_notify.domain.actor import Actor, Role, Source, operator
from wallarm_notify.domain.client import ParentOf
from wallarm_notify.domain.errors import Forbidden, NotFound, Refused
from wallarm_notify.domain.rights import OF_ALL_CLIENTS, OF_USERS, is_within
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.domain.token import TokenDraft
from wallarm_notify.domain.user import User, UserDraft
from wallarm_notify.services.activity import list_activity
from wallarm_notify.services.integration_listings import list_clients
from wallarm_notify.services.manage_clients import set_client
from wallarm_notify.services.manage_tokens import (
    Made,
    create_token,
    disable_token,
    list_tokens,
    renew_token,
)
from wallarm_notify.services.manage_users import (
    change_role,
    create_user,
    disable_user,
    enable_user,
    list_users,
)

if TYPE_CHECKING:
    from build import Bench

OPS: Final = operator("Ops")
KEY: Final = "KnownSecretKey0123456789abcdefXY"


def of_api(role: str) -> Actor:
    return Actor("Ann", Role(role), Source.API)


def user(bench: Bench, actor: Actor = OPS, **fields: Any) -> User:
    usual = {"client_id": 1, "email": "ana@example.com", "name": "Ana", "role": Role.ANALYST}
    return create_user(bench.ctx, actor, EVERY_CLIENT, UserDraft(**{**usual, **fields}))


def token(
    bench: Bench,
    actor: Actor = OPS,
    email: str | None = None,
    *,
    with_uuid: bool = False,
    **fields: Any,
) -> Made:
    draft = TokenDraft(**{"client_id": 1, "role": Role.ANALYST, **fields})
    return create_token(bench.ctx, actor, EVERY_CLIENT, draft, email=email, with_uuid=with_uuid)


def log(bench: Bench) -> list[Change]:
    return bench.activity()


# Users.


def test_a_user_is_stored_and_the_log_says_who_made_it(bench: Bench) -> None:
    ana = user(bench, email=" Ana@Example.com ", name=" Ana ")
    assert (ana.email, ana.name, ana.role, ana.enabled) == (
        "ana@example.com",
        "Ana",
        Role.ANALYST,
        True,
    )
    assert (ana.created_by, ana.last_login_at) == ("Ops", None)
    assert list(list_users(bench.ctx, EVERY_CLIENT, limit=9).items) == [ana]
    (line,) = list_activity(
        bench.ctx, EVERY_CLIENT, Role.OPERATOR, client_id=1, cursor=None, limit=9
    ).items
    assert line.actor == Actor("Ops", Role.OPERATOR, Source.COMMAND_LINE)
    settings = {"email": "ana@example.com", "name": "Ana", "role": "analytic", "enabled": True}
    assert line.change == Change(Action.CREATED, ObjectType.USER, 1, ana.id, {}, settings)


def test_a_user_is_disabled_and_enabled_once_each(bench: Bench) -> None:
    ana = user(bench)
    for switch, enabled, word in (
        (disable_user, False, "disabled"),
        (enable_user, True, "enabled"),
    ):
        assert switch(bench.ctx, OPS, EVERY_CLIENT, ana.id).enabled is enabled
        with pytest.raises(Refused, match=f"^User {ana.id} is {word} already.$"):
            switch(bench.ctx, OPS, EVERY_CLIENT, ana.id)
    was, is_now = {"enabled": True}, {"enabled": False}
    assert log(bench)[1:] == [
        Change(Action.DISABLED, ObjectType.USER, 1, ana.id, was, is_now),
        Change(Action.ENABLED, ObjectType.USER, 1, ana.id, is_now, was),
    ]
    with pytest.raises(NotFound, match="There is no user 99"):
        disable_user(bench.ctx, OPS, EVERY_CLIENT, 99)


def test_no_two_users_have_the_same_address_in_any_client(bench: Bench) -> None:
    user(bench)
    with pytest.raises(Refused, match=r"^email: somebody has this address already.$"):
        user(bench, client_id=2, email="ANA@example.com")
    assert len(log(bench)) == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"email": "ana"}, "email: give an e-mail address, as ana@example.com."),
        ({"name": " "}, "name: give 1 to 200 printable characters."),
        ({"name": KEY}, "name: this holds what looks like an integration key"),
        ({"name": "failure ratio"}, "name: «failure ratio» stands for what the system does"),
        ({"role": Role.PRODUCER, "client_id": None}, "role: producer cannot be given here."),
        ({"role": Role.SYSTEM}, "role: system cannot be given here."),
        ({"role": Role.OPERATOR}, "role: operator is of all clients, not of one."),
        ({"client_id": None}, "role: analytic is of one client, not of all."),
    ],
)
def test_a_user_who_cannot_be_is_refused_and_nothing_is_stored(
    bench: Bench, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refused) as refused:
        user(bench, **fields)
    assert str(refused.value).startswith(sentence)
    assert KEY not in str(refused.value)
    assert (log(bench), bench.value("SELECT count(*) FROM users")) == ([], 0)


@pytest.mark.parametrize("giver", sorted(OF_USERS))
def test_nobody_gives_a_role_that_exceeds_the_own_nor_those_of_the_server_by_the_api(
    bench: Bench, giver: str
) -> None:
    manages = giver == "operator" or "admin" in giver
    for n, role in enumerate(sorted(OF_USERS)):
        may_give = manages and is_within(role, Role(giver)) and role not in OF_ALL_CLIENTS
        client_id = None if role in OF_ALL_CLIENTS else 1
        fields = {"client_id": client_id, "role": role}
        for act in (
            lambda f=fields, n=n: user(bench, of_api(giver), email=f"u{n}@example.com", **f),
            lambda f=fields: token(bench, of_api(giver), **f),
        ):
            if may_give:
                act()
            else:
                with pytest.raises(Forbidden):
                    act()


@pytest.mark.parametrize("role", ["analytic", "auditor", "developer", "producer"])
def test_who_may_change_nothing_changes_no_user_and_no_token(bench: Bench, role: str) -> None:
    ana, made = user(bench), token(bench)
    before = bench.all_rows()
    actor = of_api(role)
    for change, number in (
        (disable_user, ana.id),
        (enable_user, ana.id),
        (disable_token, made.token.id),
        (renew_token, made.token.id),
    ):
        with pytest.raises(Forbidden, match=f"^The role {role} may not update "):
            change(bench.ctx, actor, EVERY_CLIENT, number)
    assert bench.all_rows() == before


def test_nobody_disables_or_enables_somebody_with_more_rights(bench: Bench) -> None:
    ana = user(bench, role=Role.PARTNER_ANALYST)
    for switch in (disable_user, enable_user):
        with pytest.raises(Forbidden, match=r"^The role partner_analytic exceeds admin.$"):
            switch(bench.ctx, of_api("admin"), only([1]), ana.id)
        assert switch(bench.ctx, of_api("partner_admin"), only([1]), ana.id)


def test_an_operator_disables_another_also_by_the_api(bench: Bench) -> None:
    ops = user(bench, client_id=None, role=Role.OPERATOR)
    assert not disable_user(bench.ctx, of_api("operator"), EVERY_CLIENT, ops.id).enabled


# Tokens.


def test_a_token_is_stored_and_the_log_says_who_made_it_and_nothing_of_its_secrets(
    bench: Bench,
) -> None:
    ana = user(bench)
    end = datetime.now(UTC) + timedelta(days=90)
    made = token(bench, email="ANA@example.com", name=" CI ", expires_at=end, with_uuid=True)
    shown, credentials = made.token, made.credentials
    assert (shown.client_id, shown.user_id, shown.user_email) == (1, ana.id, "ana@example.com")
    assert (shown.name, shown.role, shown.expires_at) == ("CI", Role.ANALYST, end)
    assert (shown.enabled, shown.created_by, shown.last_used_at) == (True, "Ops", None)
    assert shown.first_characters == credentials.token.reveal()[:5]
    assert credentials.pair is not None
    assert shown.uuid == credentials.pair.uuid
    assert list(list_tokens(bench.ctx, EVERY_CLIENT, limit=9).items) == [shown]
    settings = {
        "name": "CI",
        "role": "analytic",
        "user_id": ana.id,
        "expires_at": end.isoformat(),
        "with_uuid": True,
        "enabled": True,
    }
    assert log(bench)[1:] == [Change(Action.CREATED, ObjectType.TOKEN, 1, shown.id, {}, settings)]


def test_a_shared_token_without_a_name_is_named_by_who_made_it(bench: Bench) -> None:
    made = token(bench)
    day = bench.value("SELECT now()").astimezone(UTC)
    assert made.token.name == f"Token by Ops, {day:%b} {day.day}"
    assert (made.token.user_id, made.token.uuid, made.credentials.pair) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"email": "eve@example.com"}, "user: no user of client 1 has this address."),
        ({"email": "bob@example.com"}, "user: no user of client 1 has this address."),
        ({"email": "off@example.com"}, "user: user 3 is disabled."),
        (
            {"email": "ana@example.com", "role": Role.ADMINISTRATOR},
            "role: user 1 has the role analytic, which admin exceeds.",
        ),
        (
            {"email": "ana@example.com", "role": Role.PARTNER_ANALYST},
            "role: user 1 has the role analytic, which partner_analytic exceeds.",
        ),
        (
            {"email": "ana@example.com", "client_id": None, "role": Role.OPERATOR},
            "user: no user of no client has this address.",
        ),
        ({"name": KEY}, "name: this holds what looks like an integration key"),
        ({"name": "end of pause"}, "name: «end of pause» stands for what the system does"),
        ({"role": Role.SYSTEM}, "role: system cannot be given here."),
        ({"role": Role.PRODUCER}, "role: producer is of all clients, not of one."),
        ({"client_id": None}, "role: analytic is of one client, not of all."),
        ({"expires_at": datetime(2026, 3, 1, tzinfo=UTC)}, "expires: 2026-03-01 00:00 UTC is past"),
    ],
    ids=str,
)
def test_a_token_that_cannot_be_is_refused_and_nothing_is_stored(
    bench: Bench, fields: dict[str, Any], sentence: str
) -> None:
    user(bench)
    user(bench, client_id=2, email="bob@example.com")
    off = user(bench, email="off@example.com")
    disable_user(bench.ctx, OPS, EVERY_CLIENT, off.id)
    before = bench.all_rows()
    with pytest.raises(Refused) as refused:
        token(bench, **fields)
    assert str(refused.value).startswith(sentence)
    assert KEY not in str(refused.value)
    assert bench.all_rows() == before


def test_nobody_is_given_a_token_in_anothers_name_but_on_the_server(bench: Bench) -> None:
    user(bench)
    admin, sentence = of_api("admin"), "^A token of a user is made on the server's command line"
    with pytest.raises(Forbidden, match=sentence):
        token(bench, admin, email="ana@example.com")
    made = token(bench, email="ana@example.com")
    with pytest.raises(Forbidden, match=sentence):
        renew_token(bench.ctx, admin, only([1]), made.token.id)
    assert not disable_token(bench.ctx, admin, only([1]), made.token.id).enabled


def test_a_token_of_the_server_is_renewed_there_alone(bench: Bench) -> None:
    made = token(bench, client_id=None, role=Role.PRODUCER)
    with pytest.raises(Forbidden, match="given on the server's command line alone"):
        renew_token(bench.ctx, of_api("operator"), EVERY_CLIENT, made.token.id)
    assert renew_token(bench.ctx, OPS, EVERY_CLIENT, made.token.id).token.id == made.token.id


def test_a_renewed_token_keeps_all_but_its_secrets(bench: Bench) -> None:
    end = datetime.now(UTC) + timedelta(days=1)
    made = token(bench, name="CI", expires_at=end, with_uuid=True)
    kept = renew_token(bench.ctx, OPS, EVERY_CLIENT, made.token.id)
    assert kept.credentials.token != made.credentials.token
    assert (kept.token.name, kept.token.expires_at, kept.token.uuid) == ("CI", end, None)
    later = end + timedelta(days=1)
    again = renew_token(
        bench.ctx, OPS, EVERY_CLIENT, made.token.id, expires_at=later, with_uuid=True
    )
    assert list(list_tokens(bench.ctx, EVERY_CLIENT, limit=9).items) == [again.token]
    assert again.token.expires_at == later
    ends = {"expires_at": end.isoformat()}, {"expires_at": later.isoformat(), "with_uuid": True}
    assert log(bench)[1:] == [
        Change(Action.RENEWED, ObjectType.TOKEN, 1, made.token.id, {}, {"with_uuid": False}),
        Change(Action.RENEWED, ObjectType.TOKEN, 1, made.token.id, *ends),
    ]


def test_an_expired_token_is_renewed_with_an_end_to_come_alone(bench: Bench) -> None:
    made = token(bench)
    bench.sql("UPDATE tokens SET expires_at = now() - interval '1 hour'")
    with pytest.raises(Refused, match=r"^expires: the token has expired; give a time to come"):
        renew_token(bench.ctx, OPS, EVERY_CLIENT, made.token.id)
    past, ahead = (datetime.now(UTC) + timedelta(hours=n) for n in (-1, 1))
    with pytest.raises(Refused, match="is past"):
        renew_token(bench.ctx, OPS, EVERY_CLIENT, made.token.id, expires_at=past)
    again = renew_token(bench.ctx, OPS, EVERY_CLIENT, made.token.id, expires_at=ahead)
    assert again.token.expires_at == ahead


def test_a_disabled_token_stays_so(bench: Bench) -> None:
    made = token(bench)
    disable_token(bench.ctx, OPS, EVERY_CLIENT, made.token.id)
    with pytest.raises(Refused, match=f"^Token {made.token.id} is disabled already.$"):
        disable_token(bench.ctx, OPS, EVERY_CLIENT, made.token.id)
    with pytest.raises(Refused, match="is disabled, which is for good; create another one"):
        renew_token(bench.ctx, OPS, EVERY_CLIENT, made.token.id)
    change = log(bench)[-1]
    assert (change.action, change.before, change.after) == (
        Action.DISABLED,
        {"enabled": True},
        {"enabled": False},
    )
    with pytest.raises(NotFound, match="There is no token 99"):
        disable_token(bench.ctx, OPS, EVERY_CLIENT, 99)


def test_users_and_tokens_are_listed_page_by_page_and_by_client(bench: Bench) -> None:
    for n in range(5):
        user(bench, client_id=1 + n % 2, email=f"u{n}@example.com")
        token(bench, client_id=1 + n % 2)
    for listed in (list_users, list_tokens):
        first = listed(bench.ctx, EVERY_CLIENT, limit=3)
        rest = listed(bench.ctx, EVERY_CLIENT, limit=3, cursor=first.following)
        assert [one.id for one in (*first.items, *rest.items)] == [1, 2, 3, 4, 5]
        assert rest.following is None
        of_second = listed(bench.ctx, EVERY_CLIENT, client_id=2, limit=9)
        assert [one.id for one in of_second.items] == [2, 4]


# Clients.


def child(bench: Bench, client_id: int, parent_id: int | None) -> None:
    set_client(bench.ctx, OPS, EVERY_CLIENT, client_id, parent=ParentOf(parent_id))


def parents(bench: Bench) -> dict[int, int]:
    rows = bench.sql("SELECT id, parent_id FROM clients WHERE parent_id IS NOT NULL")
    return {row["id"]: row["parent_id"] for row in rows}


def test_a_client_is_given_a_parent_and_loses_it_and_the_log_has_both(bench: Bench) -> None:
    child(bench, 2, 1)
    child(bench, 2, 1)
    assert parents(bench) == {2: 1}
    set_client(bench.ctx, OPS, EVERY_CLIENT, 2, name="Two", access=False)
    assert parents(bench) == {2: 1}
    child(bench, 2, None)
    lines = [(one.client_id, one.before, one.after) for one in log(bench)]
    assert lines == [
        (2, {"parent_id": None}, {"parent_id": 1}),
        (2, {"name": None, "access": True}, {"name": "Two", "access": False}),
        (2, {"parent_id": 1}, {"parent_id": None}),
    ]


def test_there_is_one_level_of_children_and_no_circle(bench: Bench) -> None:
    child(bench, 2, 1)
    for client_id, parent_id, sentence in (
        (1, 1, "parent: a client is not its own parent."),
        (3, 2, "parent: client 2 has a parent itself, 1; there is one level of children."),
        (1, 2, "parent: client 2 has a parent itself, 1; there is one level of children."),
        (1, 3, "parent: client 1 has children itself; there is one level of children."),
    ):
        with pytest.raises(Refused) as refused:
            child(bench, client_id, parent_id)
        assert str(refused.value) == sentence
    assert parents(bench) == {2: 1}
    child(bench, 2, 3)
    assert parents(bench) == {2: 3}


def test_of_changes_at_once_that_would_make_a_circle_one_is_refused(bench: Bench) -> None:
    pairs = [(1, 2), (2, 1), (2, 3), (3, 1)] * 3
    start = threading.Barrier(len(pairs))

    def change(client_id: int, parent_id: int) -> None:
        start.wait(30)
        try:
            child(bench, client_id, parent_id)
        except Refused as refused:
            refusals.append(str(refused))

    refusals: list[str] = []
    threads = [threading.Thread(target=change, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    made = parents(bench)
    assert made
    assert not set(made) & set(made.values())
    assert refusals


def test_a_client_with_a_user_or_a_token_alone_is_listed(bench: Bench) -> None:
    user(bench, client_id=5)
    token(bench, client_id=6)
    token(bench, client_id=None, role=Role.OPERATOR)
    shown = list_clients(bench.ctx, EVERY_CLIENT, limit=9).items
    assert [(one.id, one.parent_id, one.access) for one in shown] == [
        (5, None, True),
        (6, None, True),
    ]


# Roles.


def test_a_role_is_changed_and_the_log_says_from_what(bench: Bench) -> None:
    ana = user(bench)
    changed = change_role(bench.ctx, OPS, EVERY_CLIENT, ana.id, Role.READ_ONLY)
    assert changed.role is Role.READ_ONLY
    assert change_role(bench.ctx, OPS, EVERY_CLIENT, ana.id, Role.READ_ONLY) == changed
    was, is_now = {"role": "analytic"}, {"role": "auditor"}
    assert log(bench)[1:] == [Change(Action.UPDATED, ObjectType.USER, 1, ana.id, was, is_now)]


def test_nobody_changes_the_own_role_or_disables_themselves(bench: Bench) -> None:
    ana = user(bench, role=Role.ADMINISTRATOR)
    herself = Actor("Ana", Role.ADMINISTRATOR, Source.CONSOLE, ana.id)
    with pytest.raises(Refused, match=r"^role: nobody changes the own role"):
        change_role(bench.ctx, herself, only([1]), ana.id, Role.ANALYST)
    with pytest.raises(Refused, match=r"nobody disables themselves"):
        disable_user(bench.ctx, herself, only([1]), ana.id)
    assert len(log(bench)) == 1


def test_no_role_is_given_or_taken_that_exceeds_the_own(bench: Bench) -> None:
    partner, ana = user(bench, role=Role.PARTNER_ADMINISTRATOR), user(bench, email="b@example.com")
    admin = Actor("Eve", Role.ADMINISTRATOR, Source.CONSOLE, 99)
    with pytest.raises(Forbidden):
        change_role(bench.ctx, admin, only([1]), ana.id, Role.PARTNER_ADMINISTRATOR)
    with pytest.raises(Forbidden):
        change_role(bench.ctx, admin, only([1]), partner.id, Role.ANALYST)
    with pytest.raises(Refused):
        change_role(bench.ctx, OPS, EVERY_CLIENT, ana.id, Role.OPERATOR)
    analyst = Actor("Tom", Role.ANALYST, Source.CONSOLE, 98)
    with pytest.raises(Forbidden):
        change_role(bench.ctx, analyst, only([1]), ana.id, Role.READ_ONLY)
