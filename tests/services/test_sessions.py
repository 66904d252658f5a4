"""Sessions on a real database: who signs in, whom a session lets in, and what ends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from wallarm_notify.domain.activity import ActivityFilter, ObjectType
from wallarm_notify.domain.activity_words import change_lines, change_words
from wallarm_notify.domain.actor import Actor, Role, Source, operator
from wallarm_notify.domain.errors import (
    Forbidden,
    NotAuthenticated,
    NotFound,
    Refused,
    TooManyFailures,
)
from wallarm_notify.domain.scope import EVERY_CLIENT, only
from wallarm_notify.domain.session import (
    IDLE,
    LINK_VALID,
    LONGEST,
    MOST_SESSIONS,
    form_token,
    is_form_token,
    new_secret,
)
from wallarm_notify.domain.token import Presented, TokenDraft
from wallarm_notify.domain.user import User, UserDraft
from wallarm_notify.services.activity import list_activity
from wallarm_notify.services.manage_tokens import (
    Made,
    create_token,
    disable_token,
    renew_token,
)
from wallarm_notify.services.manage_users import create_user, disable_user, enable_user
from wallarm_notify.services.prune import prune
from wallarm_notify.services.sessions import (
    SignedIn,
    end_session,
    find_link,
    list_own_sessions,
    list_sessions,
    make_sign_in_link,
    resume,
    sign_in_by_link,
    sign_in_by_proxy,
    sign_in_by_token,
    sign_out,
)

if TYPE_CHECKING:
    from build import Bench

    from wallarm_notify.domain.session import Visitor

OPERATOR: Final = operator("Ops")
ADDRESS: Final = "192.0.2.1"
MINUTE: Final = timedelta(minutes=1)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def ana(bench: Bench) -> User:
    return a_user(bench, "ana@example.com", 1)


def a_user(bench: Bench, email: str, client_id: int, role: Role = Role.ADMINISTRATOR) -> User:
    draft = UserDraft(client_id, email, "Ana", role)
    return create_user(bench.ctx, OPERATOR, EVERY_CLIENT, draft)


def by_link(bench: Bench, email: str = "ana@example.com") -> SignedIn:
    link = make_sign_in_link(bench.ctx, OPERATOR, EVERY_CLIENT, email)
    return sign_in_by_link(bench.ctx, link.reveal(), ADDRESS, now())


def resumed(bench: Bench, done: SignedIn, at: datetime | None = None) -> Visitor | None:
    return resume(bench.ctx, done.secret.reveal(), at or now())


def test_a_link_signs_its_user_in_by_the_console(bench: Bench, ana: User) -> None:
    visitor = resumed(bench, by_link(bench, " Ana@Example.com "))
    assert visitor is not None
    assert visitor.caller.actor == Actor("Ana", Role.ADMINISTRATOR, Source.CONSOLE, ana.id)
    assert (visitor.caller.scope, visitor.email) == (only([1]), "ana@example.com")
    assert bench.value("SELECT last_login_at IS NOT NULL FROM users")


def test_a_link_signs_in_once(bench: Bench, ana: User) -> None:
    link = make_sign_in_link(bench.ctx, OPERATOR, EVERY_CLIENT, ana.email).reveal()
    sign_in_by_link(bench.ctx, link, ADDRESS, now())
    with pytest.raises(NotAuthenticated):
        sign_in_by_link(bench.ctx, link, ADDRESS, now())


@pytest.mark.parametrize("late", [False, True])
def test_a_link_signs_in_within_10_minutes(bench: Bench, ana: User, late: bool) -> None:
    link = make_sign_in_link(bench.ctx, OPERATOR, EVERY_CLIENT, ana.email).reveal()
    at = now() + LINK_VALID + (MINUTE if late else -MINUTE)
    if late:
        with pytest.raises(NotAuthenticated):
            sign_in_by_link(bench.ctx, link, ADDRESS, at)
    else:
        assert sign_in_by_link(bench.ctx, link, ADDRESS, at)


def test_a_link_names_whom_it_signs_in_until_it_was_used(bench: Bench, ana: User) -> None:
    link = make_sign_in_link(bench.ctx, OPERATOR, EVERY_CLIENT, ana.email).reveal()
    assert find_link(bench.ctx, link, now()) == ana.email
    assert find_link(bench.ctx, link, now() + LINK_VALID + MINUTE) is None
    assert find_link(bench.ctx, new_secret().reveal(), now()) is None
    sign_in_by_link(bench.ctx, link, ADDRESS, now())
    assert find_link(bench.ctx, link, now()) is None


def test_the_oldest_session_of_a_person_ends_once_there_are_more_than_20(
    bench: Bench, ana: User
) -> None:
    other = by_link(bench, a_user(bench, "eve@example.com", 1).email)
    done = [by_link(bench) for _ in range(MOST_SESSIONS)]
    assert resumed(bench, done[0])
    by_link(bench)
    assert resumed(bench, done[0]) is None
    assert resumed(bench, done[1])
    assert resumed(bench, other)
    assert bench.value("SELECT count(*) FROM sessions") == MOST_SESSIONS + 1


def test_sessions_that_have_ended_take_the_place_of_none_that_goes_on(
    bench: Bench, ana: User
) -> None:
    own = by_link(bench)
    for _ in range(MOST_SESSIONS):
        visitor = resumed(bench, by_link(bench))
        assert visitor is not None
        sign_out(bench.ctx, visitor)
    assert resumed(bench, own)
    assert bench.value("SELECT count(*) FROM sessions") == MOST_SESSIONS


def test_the_oldest_session_of_a_shared_token_ends_once_there_are_more_than_20(
    bench: Bench,
) -> None:
    one, two = (
        create_token(bench.ctx, OPERATOR, EVERY_CLIENT, TokenDraft(1, Role.ANALYST))
        for _ in range(2)
    )

    def begun(made: Made) -> SignedIn:
        presented = Presented(made.credentials.token.reveal())
        return sign_in_by_token(bench.ctx, presented, ADDRESS, now())

    other = begun(two)
    done = [begun(one) for _ in range(MOST_SESSIONS + 1)]
    assert resumed(bench, done[0]) is None
    assert resumed(bench, done[1])
    assert resumed(bench, other)


@pytest.mark.parametrize("email", ["nobody@example.com", "no address"])
def test_no_link_is_made_for_who_is_no_user(bench: Bench, ana: User, email: str) -> None:
    with pytest.raises(Refused):
        make_sign_in_link(bench.ctx, OPERATOR, EVERY_CLIENT, email)


def test_a_link_is_made_within_the_own_scope_and_role_alone(bench: Bench, ana: User) -> None:
    with pytest.raises(Refused):
        make_sign_in_link(bench.ctx, OPERATOR, only([2]), ana.email)
    analyst = Actor("Tom", Role.ANALYST, Source.API)
    with pytest.raises(Forbidden):
        make_sign_in_link(bench.ctx, analyst, only([1]), ana.email)


def test_who_guesses_links_is_made_to_wait(bench: Bench) -> None:
    for _ in range(20):
        with pytest.raises(NotAuthenticated):
            sign_in_by_link(bench.ctx, new_secret().reveal(), ADDRESS, now())
    with pytest.raises(TooManyFailures):
        sign_in_by_link(bench.ctx, new_secret().reveal(), ADDRESS, now())


def test_a_session_ends_after_12_hours_without_use_and_goes_on_with_it(
    bench: Bench, ana: User
) -> None:
    done = by_link(bench)
    began = done.session.created_at
    assert resumed(bench, done, began + IDLE - MINUTE)
    assert resumed(bench, done, began + 2 * IDLE - 2 * MINUTE)
    assert resumed(bench, done, began + 4 * IDLE) is None


def test_a_session_ends_after_7_days_however_much_it_is_used(bench: Bench, ana: User) -> None:
    done = by_link(bench)
    began = done.session.created_at
    end = began + LONGEST
    for hours in range(11, 24 * 7, 11):
        assert resumed(bench, done, began + timedelta(hours=hours))
    assert resumed(bench, done, end - MINUTE)
    assert resumed(bench, done, end) is None


def test_what_a_page_asks_by_itself_keeps_no_session_open(bench: Bench, ana: User) -> None:
    done = by_link(bench)
    began = done.session.created_at
    asked = resume(bench.ctx, done.secret.reveal(), began + IDLE - MINUTE, is_use=False)
    assert asked is not None
    assert resumed(bench, done, began + IDLE) is None


def test_no_link_is_made_for_whoever_may_do_more(bench: Bench) -> None:
    draft = UserDraft(1, "partner@example.com", "Pat", Role.PARTNER_ADMINISTRATOR)
    create_user(bench.ctx, OPERATOR, EVERY_CLIENT, draft)
    administrator = Actor("Ana", Role.ADMINISTRATOR, Source.CONSOLE)
    with pytest.raises(Forbidden):
        make_sign_in_link(bench.ctx, administrator, only([1]), draft.email)


def test_nobody_ends_the_session_of_whoever_may_do_more(bench: Bench) -> None:
    pat = a_user(bench, "partner@example.com", 1, Role.PARTNER_ADMINISTRATOR)
    made = create_token(
        bench.ctx, OPERATOR, EVERY_CLIENT, TokenDraft(1, Role.PARTNER_ADMINISTRATOR)
    )
    presented = Presented(made.credentials.token.reveal())
    administrator = Actor("Ana", Role.ADMINISTRATOR, Source.CONSOLE)
    partner = Actor("Pam", Role.PARTNER_ADMINISTRATOR, Source.CONSOLE)
    for done in (
        by_link(bench, pat.email),
        sign_in_by_token(bench.ctx, presented, ADDRESS, now()),
    ):
        with pytest.raises(Forbidden, match=r"^The role partner_admin exceeds admin\.$"):
            end_session(bench.ctx, administrator, only([1]), done.session.id)
        assert resumed(bench, done)
        end_session(bench.ctx, partner, only([1]), done.session.id)
        assert resumed(bench, done) is None


def test_a_token_that_sends_events_signs_nobody_in(bench: Bench) -> None:
    made = create_token(bench.ctx, OPERATOR, EVERY_CLIENT, TokenDraft(None, Role.PRODUCER))
    presented = Presented(made.credentials.token.reveal())
    with pytest.raises(Refused, match=r"^This token sends events, and signs nobody in\.$"):
        sign_in_by_token(bench.ctx, presented, ADDRESS, now())
    assert bench.value("SELECT count(*) FROM sessions") == 0


def test_a_session_of_a_token_that_sends_events_by_now_lets_nobody_in(bench: Bench) -> None:
    made = create_token(bench.ctx, OPERATOR, EVERY_CLIENT, TokenDraft(None, Role.OPERATOR))
    presented = Presented(made.credentials.token.reveal())
    done = sign_in_by_token(bench.ctx, presented, ADDRESS, now())
    assert resumed(bench, done)
    bench.sql("UPDATE tokens SET role = 'producer'")
    assert resumed(bench, done) is None


def test_signing_out_ends_a_session(bench: Bench, ana: User) -> None:
    done, other = by_link(bench), by_link(bench)
    visitor = resumed(bench, done)
    assert visitor is not None
    sign_out(bench.ctx, visitor)
    assert resumed(bench, done) is None
    assert resumed(bench, other)


def test_disabling_a_user_ends_the_users_sessions_for_good_and_takes_links_back(
    bench: Bench, ana: User
) -> None:
    done = by_link(bench)
    link = make_sign_in_link(bench.ctx, OPERATOR, EVERY_CLIENT, ana.email).reveal()
    disable_user(bench.ctx, OPERATOR, EVERY_CLIENT, ana.id)
    assert resumed(bench, done) is None
    enable_user(bench.ctx, OPERATOR, EVERY_CLIENT, ana.id)
    assert resumed(bench, done) is None
    with pytest.raises(NotAuthenticated):
        sign_in_by_link(bench.ctx, link, ADDRESS, now())


@pytest.mark.parametrize("end", [disable_token, renew_token])
def test_what_ends_a_token_ends_its_sessions(bench: Bench, end: object) -> None:
    made = create_token(bench.ctx, OPERATOR, EVERY_CLIENT, TokenDraft(1, Role.ANALYST))
    presented = Presented(made.credentials.token.reveal())
    done = sign_in_by_token(bench.ctx, presented, ADDRESS, now())
    visitor = resumed(bench, done)
    assert visitor is not None
    assert (visitor.caller.actor.role, visitor.caller.actor.source) == ("analytic", "console")
    assert callable(end)
    end(bench.ctx, OPERATOR, EVERY_CLIENT, made.token.id)
    assert resumed(bench, done) is None


def test_a_proxy_signs_in_whom_it_names_and_nobody_else(bench: Bench, ana: User) -> None:
    assert resumed(bench, sign_in_by_proxy(bench.ctx, "Ana@example.com", ADDRESS, now()))
    with pytest.raises(NotAuthenticated):
        sign_in_by_proxy(bench.ctx, "eve@example.com", ADDRESS, now())


@pytest.mark.parametrize("text", ["", "x", "a" * 43, "ä" * 43])
def test_what_is_no_session_lets_nobody_in(bench: Bench, text: str) -> None:
    assert resume(bench.ctx, text, now()) is None


def test_sessions_are_listed_and_ended_within_the_scope_alone(bench: Bench, ana: User) -> None:
    other = a_user(bench, "eve@example.com", 2)
    mine, others = by_link(bench), by_link(bench, other.email)
    admin = Actor("Ana", Role.ADMINISTRATOR, Source.CONSOLE)
    listed = list_sessions(bench.ctx, only([1]), limit=9).items
    assert [one.id for one in listed] == [mine.session.id]
    assert len(list_sessions(bench.ctx, EVERY_CLIENT, limit=9).items) == 2
    with pytest.raises(NotFound):
        end_session(bench.ctx, admin, only([1]), others.session.id)
    end_session(bench.ctx, admin, only([1]), mine.session.id)
    assert (resumed(bench, mine), list_sessions(bench.ctx, only([1]), limit=9).items) == (None, [])


def test_whoever_may_not_manage_users_ends_the_own_sessions_alone(bench: Bench, ana: User) -> None:
    tom = a_user(bench, "tom@example.com", 1)
    analyst = Actor("Tom", Role.ANALYST, Source.CONSOLE)
    own, anas = by_link(bench, tom.email), by_link(bench)
    end_session(bench.ctx, analyst, only([1]), own.session.id, own=own.session)
    assert resumed(bench, own) is None
    with pytest.raises(Forbidden):
        end_session(bench.ctx, analyst, only([1]), anas.session.id, own=own.session)
    assert resumed(bench, anas)


def test_prune_deletes_what_lets_nobody_in_any_more(bench: Bench, ana: User) -> None:
    kept, old = by_link(bench), by_link(bench)
    make_sign_in_link(bench.ctx, OPERATOR, EVERY_CLIENT, ana.email)
    bench.sql(
        f"UPDATE sessions SET last_used_at = now() - interval '25 hours' WHERE id = {old.session.id}"
    )
    bench.sql("UPDATE sign_in_links SET expires_at = now() - interval '1 second'")
    prune(bench.ctx)
    assert bench.value("SELECT array_agg(id) FROM sessions") == [kept.session.id]
    assert bench.value("SELECT count(*) FROM sign_in_links") == 0


def test_forms_of_a_session_are_known_by_it_alone() -> None:
    mine, others = new_secret(), new_secret()
    assert is_form_token(mine, form_token(mine))
    assert not is_form_token(mine, form_token(others))
    assert not is_form_token(mine, "")
    assert not is_form_token(mine, "ä")
    assert mine.reveal() not in form_token(mine)


def test_signing_in_and_the_end_of_a_session_are_in_the_activity_log(
    bench: Bench, ana: User
) -> None:
    own, others = by_link(bench), by_link(bench)
    admin = Actor("Eve", Role.ADMINISTRATOR, Source.CONSOLE, 99)
    visitor = resumed(bench, own)
    assert visitor is not None
    sign_out(bench.ctx, visitor)
    for _ in range(2):  # the second time it is over already
        end_session(bench.ctx, admin, only([1]), others.session.id)
    page = list_activity(
        *(bench.ctx, only([1]), Role.ADMINISTRATOR),
        client_id=None,
        cursor=None,
        limit=9,
        wanted=ActivityFilter(object_types=frozenset({ObjectType.SESSION})),
    )
    assert [
        (line.actor.name, line.actor.source, change_words(line.change)) for line in page.items
    ] == [
        ("Eve", Source.CONSOLE, "ended the session of ana@example.com"),
        ("Ana", Source.CONSOLE, "ended the session of ana@example.com"),
        ("Ana", Source.CONSOLE, "signed in"),
        ("Ana", Source.CONSOLE, "signed in"),
    ]
    assert {line.change.client_id for line in page.items} == {1}


def test_the_activity_log_says_who_made_a_link_for_whom(bench: Bench, ana: User) -> None:
    eve = Actor("Eve", Role.ADMINISTRATOR, Source.CONSOLE, 99)
    secret = make_sign_in_link(bench.ctx, eve, only([1]), ana.email)
    page = list_activity(
        bench.ctx, only([1]), Role.ADMINISTRATOR, client_id=None, cursor=None, limit=1
    )
    (line,) = page.items
    assert (line.actor, change_words(line.change)) == (
        eve,
        f"made a sign-in link for user {ana.id}",
    )
    assert (line.change.client_id, line.change.object_id) == (1, ana.id)
    assert change_lines(line.change) == ["sign in link for: ana@example.com"]
    assert secret.reveal() not in repr(line)


@pytest.mark.parametrize("email", ["partner@example.com", "nobody@example.com"])
def test_a_link_that_is_not_made_is_in_no_log(bench: Bench, email: str) -> None:
    a_user(bench, "partner@example.com", 1, Role.PARTNER_ADMINISTRATOR)
    before = len(bench.activity())
    with pytest.raises((Forbidden, Refused)):
        make_sign_in_link(
            bench.ctx, Actor("Ana", Role.ADMINISTRATOR, Source.CONSOLE), only([1]), email
        )
    assert len(bench.activity()) == before


def test_a_shared_token_that_signs_in_owns_its_own_session_alone(bench: Bench, ana: User) -> None:
    made = create_token(bench.ctx, OPERATOR, EVERY_CLIENT, TokenDraft(1, Role.ANALYST))
    presented = Presented(made.credentials.token.reveal())
    done, anas = sign_in_by_token(bench.ctx, presented, ADDRESS, now()), by_link(bench)
    analyst = Actor("shared", Role.ANALYST, Source.CONSOLE)
    assert [one.id for one in list_own_sessions(bench.ctx, only([1]), done.session)] == [
        done.session.id
    ]
    with pytest.raises(Forbidden):
        end_session(bench.ctx, analyst, only([1]), anas.session.id, own=done.session)
    end_session(bench.ctx, analyst, only([1]), done.session.id, own=done.session)
    assert resumed(bench, done) is None
