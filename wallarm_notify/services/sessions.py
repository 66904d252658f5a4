"""Sessions: sign in to the console, stay signed in, and sign out (spec 9)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wallarm_notify.domain.activity import Action, Change, ObjectType, link_made
from wallarm_notify.domain.actor import Source
from wallarm_notify.domain.caller import caller_of, caller_of_user
from wallarm_notify.domain.errors import NotAuthenticated, NotFound, Refused
from wallarm_notify.domain.page import Page, page_of
from wallarm_notify.domain.rights import (
    OF_USERS,
    Thing,
    Verb,
    check_given,
    check_right,
    check_within,
)
from wallarm_notify.domain.session import (
    LINK_VALID,
    MOST_SESSIONS,
    Session,
    Visitor,
    Way,
    is_over,
    is_own,
    is_use_to_be_noted,
    new_secret,
    read_secret,
)
from wallarm_notify.domain.user import read_email
from wallarm_notify.services.activity import log_changes
from wallarm_notify.services.authenticate import authenticate

if TYPE_CHECKING:
    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.caller import Caller, UserAdmission
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.session import ShownSession
    from wallarm_notify.domain.token import Presented, Secret
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun; ``secret`` is what the browser presents from then on."""

    session: Session
    secret: Secret


def make_sign_in_link(ctx: Context, actor: Actor, scope: Scope, email: str) -> Secret:
    """Return what a link carries by which a user signs in, once, within 10 minutes.

    Raise Forbidden, Refused where no user who is let in has the address, Unavailable.
    """
    check_right(actor, Thing.USERS, Verb.UPDATE)
    address = read_email(email)
    secret = new_secret()

    def work(tx: Transaction) -> None:
        user = tx.lock_user_of_email(scope, address)
        found = None if user is None else tx.user_admission(user.id)
        if found is None:
            raise Refused("no user has this address.", field="email")
        check_given(actor, found.role, found.client_id, among=OF_USERS)
        if caller_of_user(found) is None:
            raise Refused("the user is disabled, or the client is not let in.", field="email")
        # By the process's time, as the one that takes it back.
        tx.insert_link(secret.hash, found.user_id, datetime.now(UTC) + LINK_VALID)
        # What is done in a session that begins by it has the user's name: this line says who could have begun it.
        log_changes(tx, actor, link_made(found.client_id, found.user_id, found.email))

    ctx.store.transact(work)
    return secret


def find_link(ctx: Context, text: str, now: datetime) -> str | None:
    """Return the address of whom a link would sign in, and leave the link as it is.

    None: it is unknown, used or expired, or its user is not let in. Raise Unavailable.
    """
    read = read_secret(text)
    if read is None:
        return None

    def work(tx: Transaction) -> str | None:
        user_id = tx.user_of_link(read.hash, now)
        found = None if user_id is None else tx.user_admission(user_id)
        return None if found is None or caller_of_user(found) is None else found.email

    return ctx.store.transact(work)


def sign_in_by_link(ctx: Context, text: str, address: str, now: datetime) -> SignedIn:
    """Use up a link and begin a session.

    Raise NotAuthenticated where it is unknown, used or expired; TooManyFailures in its place where so many failed
    from this ``address``; Unavailable.
    """
    read = read_secret(text)

    def work(tx: Transaction) -> SignedIn | None:
        user_id = None if read is None else tx.use_link(read.hash, now)
        found = None if user_id is None else tx.user_admission(user_id)
        return _begin_of_user(tx, found, Way.LINK, now)

    return _begun(ctx, ctx.store.transact(work), address, now)


def sign_in_by_token(ctx: Context, presented: Presented, address: str, now: datetime) -> SignedIn:
    """Begin a session of whoever has a token.

    Raise NotAuthenticated, TooManyFailures, Unavailable, and Refused where the token is a producer's.
    """
    caller = authenticate(ctx, presented, address, now)
    if not _is_person(caller):
        raise Refused("This token sends events, and signs nobody in.")
    secret = new_secret()

    def work(tx: Transaction) -> Session:
        begun = tx.insert_session(secret.hash, Way.TOKEN, caller.user_id, caller.token_id, now)
        by = replace(caller.actor, source=Source.CONSOLE)
        log_changes(tx, by, _beginning(begun, caller.client_id))
        return begun

    return SignedIn(ctx.store.transact(work), secret)


def sign_in_by_proxy(ctx: Context, email: str, address: str, now: datetime) -> SignedIn:
    """Begin a session of the user whom a trusted proxy names. Raise NotAuthenticated, TooManyFailures, Unavailable."""

    def work(tx: Transaction) -> SignedIn | None:
        found = tx.user_admission_by_email(email.strip().lower())
        return _begin_of_user(tx, found, Way.PROXY, now)

    return _begun(ctx, ctx.store.transact(work), address, now)


def resume(ctx: Context, text: str, now: datetime, *, is_use: bool = True) -> Visitor | None:
    """Return whose session a browser presents; None: it has ended, or its user or token lets nobody in.

    ``is_use``: somebody uses it now, and not a page by itself. Raise Unavailable.
    """
    read = read_secret(text)
    if read is None:
        return None

    def work(tx: Transaction) -> Visitor | None:
        session = tx.session_by_hash(read.hash)
        if session is None or is_over(session, now):
            return None
        caller, email = _caller_of(tx, session, now)
        if caller is None or not _is_person(caller):
            return None
        if is_use and is_use_to_be_noted(session, now):
            tx.note_session_use(session.id, now)
        return Visitor(session, caller, email)

    return ctx.store.transact(work)


def sign_out(ctx: Context, visitor: Visitor) -> None:
    """End the own session. Raise Unavailable."""
    session, caller = visitor.session, visitor.caller

    def work(tx: Transaction) -> None:
        tx.end_session(session.id)
        who = visitor.email or caller.actor.name
        log_changes(tx, caller.actor, _end(session, who, caller.client_id))

    ctx.store.transact(work)


def list_sessions(
    ctx: Context,
    scope: Scope,
    *,
    user_id: int | None = None,
    limit: int,
    cursor: int | None = None,
) -> Page[ShownSession]:
    """Return the sessions that let somebody in, by their ids, of one user where that is given. Raise Unavailable."""
    now = datetime.now(UTC)
    rows = ctx.store.transact(
        lambda tx: tx.open_sessions(scope, user_id, now, cursor or 0, limit + 1)
    )
    return page_of(rows, limit, lambda shown: shown.id)


def list_own_sessions(ctx: Context, scope: Scope, own: Session) -> list[ShownSession]:
    """Return the sessions of whoever has the session ``own``: of a shared token that one alone. Raise Unavailable."""
    if own.user_id is None:
        shown = ctx.store.transact(lambda tx: tx.session(scope, own.id))
        return [] if shown is None else [shown]
    return list(list_sessions(ctx, scope, user_id=own.user_id, limit=MOST_SESSIONS).items)


def end_session(
    ctx: Context, actor: Actor, scope: Scope, session_id: int, *, own: Session | None = None
) -> None:
    """End a session; those of whoever has the session ``own`` need no right. One that is over stays so.

    Raise Forbidden, Unavailable, and NotFound where nobody in ``scope`` has it.
    """

    def work(tx: Transaction) -> None:
        shown = tx.session(scope, session_id)
        if shown is None:
            raise NotFound(f"There is no session {session_id}.")
        if own is None or not is_own(shown.session, own):
            check_right(actor, Thing.USERS, Verb.UPDATE)
            check_within(actor, shown.role)
        if shown.session.ended_at is None:
            tx.end_session(session_id)
            log_changes(tx, actor, _end(shown.session, shown.who, shown.client_id))

    ctx.store.transact(work)


def _begin_of_user(
    tx: Transaction, found: UserAdmission | None, way: Way, now: datetime
) -> SignedIn | None:
    caller = None if found is None else caller_of_user(found)
    if caller is None:
        return None
    secret = new_secret()
    session = tx.insert_session(secret.hash, way, caller.user_id, None, now)
    log_changes(tx, caller.actor, _beginning(session, caller.client_id))
    return SignedIn(session, secret)


def _is_person(caller: Caller) -> bool:
    """Return whether people may have the role: a program that sends events would read all clients' names."""
    return caller.actor.role in OF_USERS


def _beginning(session: Session, client_id: int | None) -> Change:
    what = (Action.CREATED, ObjectType.SESSION, client_id, session.id)
    return Change(*what, after={"way": str(session.way)})


def _end(session: Session, who: str, client_id: int | None) -> Change:
    what = (Action.DELETED, ObjectType.SESSION, client_id, session.id)
    return Change(*what, before={"way": str(session.way), "who": who})


def _begun(ctx: Context, done: SignedIn | None, address: str, now: datetime) -> SignedIn:
    if done is None:
        ctx.failed_tokens.count(address, now)
        raise NotAuthenticated
    return done


def _caller_of(
    tx: Transaction, session: Session, now: datetime
) -> tuple[Caller | None, str | None]:
    """Return who has a session, and the user's e-mail address; None: nobody is let in by it."""
    user = None if session.user_id is None else tx.user_admission(session.user_id)
    email = None if user is None else user.email
    if session.token_id is not None:
        found = tx.admission_by_id(session.token_id)
        return (None if found is None else caller_of(found, now, Source.CONSOLE)), email
    return (None if user is None else caller_of_user(user)), email
