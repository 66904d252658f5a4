"""Manage users: create, disable and enable the people who may sign in, and give them roles (spec 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from wallarm_notify.domain.activity import Action, Change, ObjectType, action_of
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.page import Page, page_of
from wallarm_notify.domain.rights import (
    OF_ALL_CLIENTS,
    OF_USERS,
    RIGHTS,
    Thing,
    Verb,
    check_given,
    check_right,
    check_within,
)
from wallarm_notify.domain.user import read_email, read_user_name
from wallarm_notify.services.activity import log_changes
from wallarm_notify.services.pages import whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wallarm_notify.domain.actor import Actor, Role
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.user import User, UserDraft
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

_PART: Final = 500
"""So many of a whole listing are read at once."""


def create_user(ctx: Context, actor: Actor, scope: Scope, draft: UserDraft) -> User:
    """Store a new user and return it. Raise Forbidden, NotFound, Refused, Unavailable."""
    check_right(actor, Thing.USERS, Verb.CREATE)
    if draft.client_id is not None:
        scope.check(draft.client_id)
    check_given(actor, draft.role, draft.client_id, among=OF_USERS)
    made = replace(draft, email=read_email(draft.email), name=read_user_name(draft.name))

    def work(tx: Transaction) -> User:
        user = tx.insert_user(made, by=actor.name)
        if user is None:
            raise Refused("somebody has this address already.", field="email")
        log_changes(tx, actor, _change_of(Action.CREATED, user, after=_settings(user)))
        return user

    return ctx.store.transact(work)


def enable_user(ctx: Context, actor: Actor, scope: Scope, user_id: int) -> User:
    """Enable a user, whose tokens are valid again, and return it.

    Raise Forbidden, NotFound, Unavailable, and Refused where the user is enabled already.
    """
    return _switch(ctx, actor, scope, user_id, enabled=True)


def disable_user(ctx: Context, actor: Actor, scope: Scope, user_id: int) -> User:
    """Disable a user, whose tokens let nobody in from then on and whose sessions end, and return it.

    Raise Forbidden, NotFound, Unavailable, and Refused where the user is disabled already.
    """
    return _switch(ctx, actor, scope, user_id, enabled=False)


def change_role(ctx: Context, actor: Actor, scope: Scope, user_id: int, role: Role) -> User:
    """Give a user another role, which holds at once, and return the user.

    Nobody changes the own one: a client's last administrator would lock everybody out. Raise Forbidden, NotFound,
    Refused, Unavailable.
    """
    check_right(actor, Thing.USERS, Verb.UPDATE)

    def work(tx: Transaction) -> User:
        before = _there_is(user_id, tx.lock_user(scope, user_id))
        if before.id == actor.user_id:
            raise Refused("nobody changes the own role; ask another administrator.", field="role")
        for one in (before.role, role):
            check_given(actor, one, before.client_id, among=OF_USERS)
        if before.role is role:
            return before
        tx.set_user_role(user_id, role)
        change = _change_of(
            Action.UPDATED, before, before={"role": str(before.role)}, after={"role": str(role)}
        )
        log_changes(tx, actor, change)
        return replace(before, role=role)

    return ctx.store.transact(work)


def show_user(ctx: Context, scope: Scope, user_id: int) -> User:
    """Return one user. Raise NotFound, Unavailable."""
    return _there_is(user_id, ctx.store.transact(lambda tx: tx.user(scope, user_id)))


def list_users(
    ctx: Context,
    scope: Scope,
    *,
    client_id: int | None = None,
    limit: int,
    cursor: int | None = None,
) -> Page[User]:
    """Return users by their ids, of one client where that is given. Raise Unavailable."""
    rows = ctx.store.transact(lambda tx: tx.users(scope, client_id, cursor or 0, limit + 1))
    return page_of(rows, limit, lambda user: user.id)


def people_who_may(
    ctx: Context, client_id: int | None, thing: Thing, verb: Verb, most: int = 3
) -> list[str]:
    """Return the e-mail addresses of a few users of a client who may do something.

    ``client_id`` None: nobody's, who has no colleagues here. Raise Unavailable.
    """
    if client_id is None:
        return []
    roles = sorted(RIGHTS[thing].get(verb, frozenset()) - OF_ALL_CLIENTS)
    return ctx.store.transact(lambda tx: tx.emails_of(client_id, roles, most))


def users_among(
    ctx: Context, scope: Scope, *, user_id: int | None = None, client_id: int | None = None
) -> list[User]:
    """Return all users in ``scope``, by id. Raise Unavailable.

    Of one client, or the one of a number, where that is given.
    """
    if user_id is not None:
        found = ctx.store.transact(lambda tx: tx.user(scope, user_id))
        is_meant = found is not None and client_id in (None, found.client_id)
        return [found] if found is not None and is_meant else []
    return whole(
        lambda cursor: list_users(ctx, scope, client_id=client_id, limit=_PART, cursor=cursor)
    )


def _switch(ctx: Context, actor: Actor, scope: Scope, user_id: int, *, enabled: bool) -> User:
    check_right(actor, Thing.USERS, Verb.UPDATE)

    def work(tx: Transaction) -> User:
        before = _there_is(user_id, tx.lock_user(scope, user_id))
        if before.id == actor.user_id:
            raise Refused("nobody disables themselves; ask another administrator.")
        check_within(actor, before.role)
        if enabled:
            check_given(actor, before.role, before.client_id, among=OF_USERS)
        if before.enabled is enabled:
            raise Refused(f"User {user_id} is {'enabled' if enabled else 'disabled'} already.")
        tx.set_user_enabled(user_id, enabled=enabled)
        if not enabled:
            tx.end_sessions_of_user(user_id)
        change = _change_of(
            action_of(enabled), before, before={"enabled": not enabled}, after={"enabled": enabled}
        )
        log_changes(tx, actor, change)
        return replace(before, enabled=enabled)

    return ctx.store.transact(work)


def _there_is(user_id: int, user: User | None) -> User:
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


def _settings(user: User) -> Mapping[str, Any]:
    return {
        "email": user.email,
        "name": user.name,
        "role": str(user.role),
        "enabled": user.enabled,
    }


def _change_of(
    action: Action,
    user: User,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any],
) -> Change:
    return Change(
        *(action, ObjectType.USER, user.client_id, user.id), before=before or {}, after=after
    )
