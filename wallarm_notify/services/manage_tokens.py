"""Manage tokens: make, renew and disable them; what is secret is returned once and never stored (spec 9)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wallarm_notify.domain.activity import Action, Change, ObjectType
from wallarm_notify.domain.actor import Source, check_not_of_the_system
from wallarm_notify.domain.errors import Forbidden, NotFound, Refused
from wallarm_notify.domain.page import Page, page_of
from wallarm_notify.domain.pause import text_of
from wallarm_notify.domain.rights import (
    OF_TOKENS,
    Thing,
    Verb,
    check_given,
    check_right,
    is_within,
)
from wallarm_notify.domain.text import LONGEST_NAME, read_name
from wallarm_notify.domain.token import (
    Credentials,
    Token,
    check_expiry,
    default_name,
    is_expired,
    make_credentials,
)
from wallarm_notify.domain.user import read_email
from wallarm_notify.services.activity import log_changes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.token import TokenDraft
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


@dataclass(frozen=True, slots=True)
class Made:
    """A token that was made or renewed, with its secrets: nobody can ask for them a second time."""

    token: Token
    credentials: Credentials


def create_token(
    ctx: Context,
    actor: Actor,
    scope: Scope,
    draft: TokenDraft,
    *,
    email: str | None = None,
    with_uuid: bool = False,
) -> Made:
    """Store a new token; return it with its secrets.

    It belongs to the user of ``email``; None: to nobody, it is shared. Raise Forbidden, NotFound, Refused, Unavailable.
    """
    check_right(actor, Thing.TOKENS, Verb.CREATE)
    if draft.client_id is not None:
        scope.check(draft.client_id)
    check_given(actor, draft.role, draft.client_id, among=OF_TOKENS)
    _check_in_whose_name(actor, shared=email is None)
    name = None if draft.name is None else _read_token_name(draft.name)
    address = None if email is None else read_email(email)
    credentials = make_credentials(with_uuid=with_uuid)

    def work(tx: Transaction) -> Token:
        check_expiry(draft.expires_at, tx.now)
        owner_id = None if address is None else _owner_of(tx, scope, draft, address)
        called = name or default_name(actor.name, tx.now)[:LONGEST_NAME]
        token = tx.insert_token(
            replace(draft, user_id=owner_id), called, credentials, by=actor.name
        )
        log_changes(tx, actor, _change_of(Action.CREATED, token, after=_settings(token)))
        return token

    return Made(ctx.store.transact(work), credentials)


def renew_token(
    ctx: Context,
    actor: Actor,
    scope: Scope,
    token_id: int,
    *,
    expires_at: datetime | None = None,
    with_uuid: bool = False,
) -> Made:
    """Give a token new secrets; the old ones, a UUID's too, let nobody in from then on.

    ``expires_at`` None: the end stays as it was. Raise Forbidden, NotFound, Unavailable, and Refused where it is
    disabled, or would be expired at once.
    """
    check_right(actor, Thing.TOKENS, Verb.UPDATE)
    credentials = make_credentials(with_uuid=with_uuid)

    def work(tx: Transaction) -> Token:
        check_expiry(expires_at, tx.now)
        before = _there_is(token_id, tx.lock_token(scope, token_id))
        check_given(actor, before.role, before.client_id, among=OF_TOKENS)
        _check_in_whose_name(actor, shared=before.user_id is None)
        if not before.enabled:
            raise Refused(f"Token {token_id} is disabled, which is for good; create another one.")
        if expires_at is None and is_expired(before.expires_at, tx.now):
            raise Refused("the token has expired; give a time to come.", field="expires")
        pair = credentials.pair
        after = replace(
            before,
            first_characters=credentials.token.first_characters,
            uuid=None if pair is None else pair.uuid,
            expires_at=expires_at or before.expires_at,
        )
        tx.renew_token(token_id, credentials, after.expires_at)
        tx.end_sessions_of_token(token_id)
        was, is_now = ({"expires_at": text_of(one.expires_at)} for one in (before, after))
        changed = was != is_now
        change = _change_of(
            Action.RENEWED,
            after,
            before=was if changed else {},
            after={**(is_now if changed else {}), "with_uuid": with_uuid},
        )
        log_changes(tx, actor, change)
        return after

    return Made(ctx.store.transact(work), credentials)


def disable_token(ctx: Context, actor: Actor, scope: Scope, token_id: int) -> Token:
    """Disable a token for good and return it; it lets nobody in from then on.

    Raise Forbidden, NotFound, Unavailable, and Refused where it is disabled already.
    """
    check_right(actor, Thing.TOKENS, Verb.UPDATE)

    def work(tx: Transaction) -> Token:
        before = _there_is(token_id, tx.lock_token(scope, token_id))
        if not before.enabled:
            raise Refused(f"Token {token_id} is disabled already.")
        tx.disable_token(token_id)
        tx.end_sessions_of_token(token_id)
        change = _change_of(
            Action.DISABLED, before, before={"enabled": True}, after={"enabled": False}
        )
        log_changes(tx, actor, change)
        return replace(before, enabled=False)

    return ctx.store.transact(work)


def show_token(ctx: Context, scope: Scope, token_id: int) -> Token:
    """Return one token, without what is secret. Raise NotFound, Unavailable."""
    return _there_is(token_id, ctx.store.transact(lambda tx: tx.token(scope, token_id)))


def list_tokens(
    ctx: Context,
    scope: Scope,
    *,
    client_id: int | None = None,
    limit: int,
    cursor: int | None = None,
) -> Page[Token]:
    """Return tokens by their ids, without what is secret, of one client where that is given. Raise Unavailable."""
    rows = ctx.store.transact(lambda tx: tx.tokens(scope, client_id, cursor or 0, limit + 1))
    return page_of(rows, limit, lambda token: token.id)


def _read_token_name(text: str) -> str:
    name = read_name(text)
    check_not_of_the_system(name, "name")
    return name


def _check_in_whose_name(actor: Actor, *, shared: bool) -> None:
    """Raise Forbidden where ``actor`` would be given a token by which to act in the name of somebody else."""
    if not shared and actor.source is not Source.COMMAND_LINE:
        raise Forbidden("A token of a user is made on the server's command line alone.")


def _owner_of(tx: Transaction, scope: Scope, draft: TokenDraft, email: str) -> int:
    """Return the user of an e-mail address, who may have such a token; the row is locked. Raise Refused."""
    owner = tx.lock_user_of_email(scope, email)
    if owner is None or owner.client_id != draft.client_id:
        whose = "no client" if draft.client_id is None else f"client {draft.client_id}"
        raise Refused(f"no user of {whose} has this address.", field="user")
    if not owner.enabled:
        raise Refused(f"user {owner.id} is disabled.", field="user")
    if not is_within(draft.role, owner.role):
        raise Refused(
            f"user {owner.id} has the role {owner.role}, which {draft.role} exceeds.",
            field="role",
        )
    return owner.id


def _there_is(token_id: int, token: Token | None) -> Token:
    if token is None:
        raise NotFound(f"There is no token {token_id}.")
    return token


def _settings(token: Token) -> Mapping[str, Any]:
    return {
        "name": token.name,
        "role": str(token.role),
        "user_id": token.user_id,
        "expires_at": text_of(token.expires_at),
        "with_uuid": token.uuid is not None,
        "enabled": token.enabled,
    }


def _change_of(
    action: Action,
    token: Token,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any],
) -> Change:
    return Change(
        *(action, ObjectType.TOKEN, token.client_id, token.id), before=before or {}, after=after
    )
