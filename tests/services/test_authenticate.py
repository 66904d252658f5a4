"""Who is let in, on a real database: what ends a token does so at once, and nothing says what was wrong."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from build import Bench, FailingStore

from wallarm_notify.domain.actor import Actor, Role, Source, operator
from wallarm_notify.domain.client import ParentOf
from wallarm_notify.domain.errors import NotAuthenticated, TooManyFailures, Unavailable
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.domain.token import Presented, Secret, TokenDraft, make_credentials
from wallarm_notify.domain.user import User, UserDraft
from wallarm_notify.services.authenticate import authenticate
from wallarm_notify.services.context import Context
from wallarm_notify.services.manage_clients import set_client
from wallarm_notify.services.manage_tokens import Made, create_token, disable_token, renew_token
from wallarm_notify.services.manage_users import create_user, disable_user, enable_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from wallarm_notify.domain.caller import Caller

OPERATOR: Final = operator("Ops")
ADDRESS: Final = "192.0.2.1"
SENTENCE: Final = "No valid token was given: it is unknown, expired or disabled."


def now() -> datetime:
    return datetime.now(UTC)


def user(bench: Bench, role: str = "partner_admin", **fields: Any) -> User:
    draft = UserDraft(
        **{"client_id": 1, "email": "ana@example.com", "name": "Ana", "role": Role(role), **fields}
    )
    return create_user(bench.ctx, OPERATOR, EVERY_CLIENT, draft)


def token(
    bench: Bench, role: str = "partner_admin", email: str | None = None, **fields: Any
) -> Made:
    draft = TokenDraft(**{"client_id": 1, "role": Role(role), "name": "CI", **fields})
    return create_token(bench.ctx, OPERATOR, EVERY_CLIENT, draft, email=email, with_uuid=True)


def shown(made: Made) -> Presented:
    return Presented(token=made.credentials.token.reveal())


def pair_of(made: Made) -> Presented:
    pair = made.credentials.pair
    assert pair is not None
    return Presented(uuid=str(pair.uuid), secret=pair.secret.reveal())


def asked(ctx: Context, presented: Presented, at: datetime | None = None) -> Caller:
    return authenticate(ctx, presented, ADDRESS, at or now())


def refusal_of(ctx: Context, presented: Presented, at: datetime | None = None) -> str | None:
    try:
        asked(ctx, presented, at)
    except NotAuthenticated as error:
        return str(error)
    return None


def is_let_in(ctx: Context, presented: Presented, at: datetime | None = None) -> bool:
    words = refusal_of(ctx, presented, at)
    assert words in (None, SENTENCE)
    return words is None


def test_a_token_and_the_pair_that_stands_for_it_let_the_same_one_in(bench: Bench) -> None:
    ana = user(bench)
    set_client(bench.ctx, OPERATOR, EVERY_CLIENT, 3, parent=ParentOf(1))
    made = token(bench, email="ana@example.com")
    caller = asked(bench.ctx, shown(made))
    assert caller == asked(bench.ctx, pair_of(made))
    assert caller.actor == Actor("Ana", Role.PARTNER_ADMINISTRATOR, Source.API, ana.id)
    assert caller.scope == only([1, 3])
    assert (caller.client_id, caller.user_id, caller.token_id) == (1, ana.id, made.token.id)


def test_a_token_that_is_no_partners_reaches_its_own_client_alone(bench: Bench) -> None:
    set_client(bench.ctx, OPERATOR, EVERY_CLIENT, 3, parent=ParentOf(1))
    assert asked(bench.ctx, shown(token(bench, "admin"))).scope == only([1])


def test_a_child_that_has_left_its_parent_is_out_of_reach_at_once(bench: Bench) -> None:
    made = token(bench)
    for parent, reached in ((1, [1, 3]), (None, [1])):
        set_client(bench.ctx, OPERATOR, EVERY_CLIENT, 3, parent=ParentOf(parent))
        assert asked(bench.ctx, shown(made)).scope == only(reached)


@pytest.mark.parametrize("role", ["operator", "producer"])
def test_tokens_of_all_clients_reach_all_of_them(bench: Bench, role: str) -> None:
    caller = asked(bench.ctx, shown(token(bench, role, client_id=None)))
    assert (caller.scope, caller.client_id, caller.actor.role) == (EVERY_CLIENT, None, role)


def disabled_token(bench: Bench, made: Made) -> None:
    disable_token(bench.ctx, OPERATOR, EVERY_CLIENT, made.token.id)


def renewed_token(bench: Bench, made: Made) -> None:
    renew_token(bench.ctx, OPERATOR, EVERY_CLIENT, made.token.id, with_uuid=True)


def disabled_user(bench: Bench, made: Made) -> None:
    assert made.token.user_id is not None
    disable_user(bench.ctx, OPERATOR, EVERY_CLIENT, made.token.user_id)


def closed_client(bench: Bench, _: Made) -> None:
    set_client(bench.ctx, OPERATOR, EVERY_CLIENT, 1, access=False)


def user_of_another_client(bench: Bench, _: Made) -> None:
    bench.sql("UPDATE users SET client_id = 2")


def user_that_is_gone(bench: Bench, _: Made) -> None:
    bench.sql("DELETE FROM users")


ENDS: Final = (
    disabled_token, renewed_token, disabled_user, closed_client, user_of_another_client, user_that_is_gone,
)  # fmt: skip


@pytest.mark.parametrize("end", ENDS, ids=[one.__name__ for one in ENDS])
def test_what_ends_a_token_ends_it_and_its_pair_at_once_in_the_words_for_an_unknown_one(
    bench: Bench, end: Callable[[Bench, Made], None]
) -> None:
    user(bench)
    made = token(bench, email="ana@example.com")
    other = token(bench, "auditor", client_id=2)
    for presented in (shown(made), pair_of(made), shown(other)):
        assert is_let_in(bench.ctx, presented)
    end(bench, made)
    assert not is_let_in(bench.ctx, shown(made))
    assert not is_let_in(bench.ctx, pair_of(made))
    assert is_let_in(bench.ctx, shown(other))


def test_a_user_who_is_enabled_again_and_a_client_that_is_open_again_are_let_in(
    bench: Bench,
) -> None:
    ana = user(bench)
    made = token(bench, email="ana@example.com")
    disable_user(bench.ctx, OPERATOR, EVERY_CLIENT, ana.id)
    enable_user(bench.ctx, OPERATOR, EVERY_CLIENT, ana.id)
    for access in (False, True):
        set_client(bench.ctx, OPERATOR, EVERY_CLIENT, 1, access=access)
    assert is_let_in(bench.ctx, shown(made))


def test_a_renewed_token_lets_in_by_its_new_secrets(bench: Bench) -> None:
    made = token(bench)
    again = renew_token(bench.ctx, OPERATOR, EVERY_CLIENT, made.token.id)
    assert asked(bench.ctx, shown(again)).token_id == made.token.id
    assert again.credentials.pair is None
    assert not is_let_in(bench.ctx, pair_of(made))


def test_a_token_lets_in_until_the_moment_it_expires(bench: Bench) -> None:
    end = now() + timedelta(hours=1)
    made = token(bench, expires_at=end)
    assert is_let_in(bench.ctx, shown(made), end - timedelta(microseconds=1))
    for presented in (shown(made), pair_of(made)):
        assert not is_let_in(bench.ctx, presented, end)


def test_rights_fall_with_those_of_the_owner(bench: Bench) -> None:
    user(bench)
    made = token(bench, email="ana@example.com")
    set_client(bench.ctx, OPERATOR, EVERY_CLIENT, 3, parent=ParentOf(1))
    bench.sql("UPDATE users SET role = 'auditor'")
    caller = asked(bench.ctx, shown(made))
    assert (caller.actor.role, caller.scope) == (Role.READ_ONLY, only([1]))


def wrong(made: Made) -> list[Presented]:
    """Return what is almost right: of each part of what was given out, something else."""
    pair, other = made.credentials.pair, make_credentials(with_uuid=True)
    assert pair is not None
    assert other.pair is not None
    uuid, secret = str(pair.uuid), pair.secret.reveal()
    text = made.credentials.token.reveal()
    turned = ("A" if text[0] != "A" else "B") + text[1:]
    return [
        Presented(token=other.token.reveal()),
        Presented(token=turned),
        Presented(token=text.swapcase()),
        Presented(token=f" {text}"),
        Presented(token=made.credentials.token.hash.hex()),
        Presented(token="x" * 1_000_000),
        Presented(token="' OR true --"),
        Presented(token=text[:5]),
        Presented(uuid=uuid, secret=other.pair.secret.reveal()),
        Presented(uuid=uuid, secret=text),
        Presented(uuid=str(other.pair.uuid), secret=secret),
        Presented(uuid=uuid),
        Presented(secret=secret),
        Presented(token="", uuid=uuid, secret=secret),
        Presented(uuid=uuid, secret=pair.secret.hash.hex()),
        Presented(),
    ]


def test_whatever_is_not_valid_is_refused_in_the_same_words_and_nothing_of_it_is_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = token(bench)
    for presented in wrong(made):
        with pytest.raises(NotAuthenticated) as refused:
            asked(bench.ctx, presented)
        assert (str(refused.value), refused.value.args) == (SENTENCE, (SENTENCE,))
    assert caplog.text == ""


def test_the_21st_failure_of_an_address_waits_and_a_valid_token_from_there_does_not(
    bench: Bench,
) -> None:
    made, at = token(bench), now()
    guess = Presented(token=make_credentials(with_uuid=False).token.reveal())
    for _ in range(20):
        assert not is_let_in(bench.ctx, guess, at)
    for presented in (guess, Presented(token="no token"), Presented(uuid="x", secret="y")):
        with pytest.raises(TooManyFailures) as refused:
            asked(bench.ctx, presented, at + timedelta(seconds=10))
        assert refused.value.seconds == 50
    for presented in (shown(made), pair_of(made)):
        assert is_let_in(bench.ctx, presented, at)
    with pytest.raises(NotAuthenticated):
        authenticate(bench.ctx, guess, "192.0.2.2", at)


def test_who_presents_nothing_guesses_nothing(bench: Bench) -> None:
    for _ in range(30):
        assert not is_let_in(bench.ctx, Presented())
    assert len(bench.ctx.failed_tokens) == 0


def test_an_outage_is_no_failure_of_who_asks(bench: Bench) -> None:
    made = token(bench)
    store = FailingStore(bench.store, "admission_by_hash", Unavailable("down"))
    ctx = Context(store, bench.publisher, bench.ctx.settings)
    with pytest.raises(Unavailable):
        asked(ctx, shown(made))
    assert len(ctx.failed_tokens) == 0


def last_use(bench: Bench) -> datetime | None:
    found: datetime | None = bench.value("SELECT last_used_at FROM tokens")
    return found


def test_the_last_use_is_written_once_a_minute_and_by_valid_ones_alone(bench: Bench) -> None:
    made, at = token(bench), now()
    bench.sql("UPDATE tokens SET enabled = false")
    assert not is_let_in(bench.ctx, shown(made), at)
    assert last_use(bench) is None
    bench.sql("UPDATE tokens SET enabled = true")
    seen = []
    for seconds in (0, 1, 59, 60, 61):
        assert is_let_in(bench.ctx, shown(made), at + timedelta(seconds=seconds))
        seen.append(last_use(bench))
    later = at + timedelta(seconds=60)
    assert seen == [at, at, at, later, later]


def test_a_use_is_not_waited_for_where_another_process_writes_the_same_token(
    bench: Bench,
) -> None:
    made = token(bench)
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("SELECT id FROM tokens FOR UPDATE")
        assert is_let_in(bench.ctx, shown(made))
    assert last_use(bench) is None


def test_the_database_holds_nothing_that_lets_anybody_in(bench: Bench) -> None:
    user(bench)
    made = token(bench, email="ana@example.com")
    again = renew_token(bench.ctx, OPERATOR, EVERY_CLIENT, made.token.id, with_uuid=True)
    secrets = [
        secret.reveal()
        for one in (made, again)
        if one.credentials.pair
        for secret in (one.credentials.token, one.credentials.pair.secret)
    ]
    rows = bench.value(
        """SELECT string_agg(CAST(r AS text), ' ') FROM (
               SELECT CAST(t AS text) AS r FROM tokens t UNION ALL SELECT CAST(a AS text) FROM activity a
               UNION ALL SELECT CAST(u AS text) FROM users u) s"""
    )
    assert Secret(secrets[2]).hash.hex() in rows
    for secret in secrets:
        assert secret not in rows
        assert secret[:20] not in rows


@pytest.mark.parametrize(
    ("table", "role", "client"),
    [("users", "admin", "NULL"), ("users", "operator", "1"), ("tokens", "admin", "NULL"),
     ("tokens", "producer", "1"), ("tokens", "operator", "1")],
)  # fmt: skip
def test_the_database_itself_takes_no_role_of_a_client_for_all_clients(
    bench: Bench, table: str, role: str, client: str
) -> None:
    user(bench)
    token(bench)
    with pytest.raises(Exception, match=f"ck_{table}_all_clients"):
        bench.sql(f"UPDATE {table} SET role = '{role}', client_id = {client}")
