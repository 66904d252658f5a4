"""Manage applications: create, rename and delete them (spec 9).

None of it is an event: those of applications come from producers (spec 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wallarm_notify.domain.activity import Action, Change, ObjectType
from wallarm_notify.domain.application import (
    DEFAULT_NAME,
    MOST_APPLICATIONS,
    AlreadyThere,
    Application,
    check_deletable,
    with_defaults,
)
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.text import read_name
from wallarm_notify.domain.triggers.filters import DEFAULT_APPLICATION
from wallarm_notify.services.activity import log_changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def list_applications(ctx: Context, scope: Scope, client_ids: Sequence[int]) -> list[Application]:
    """Return the applications of clients, by client and number. Raise NotFound, Unavailable."""
    for client_id in client_ids:
        scope.check(client_id)
    stored = ctx.store.transact(lambda tx: tx.applications(scope, client_ids))
    return with_defaults(stored, client_ids)


def create_application(
    ctx: Context,
    actor: Actor,
    scope: Scope,
    client_id: int,
    *,
    application_id: int | None,
    name: str,
) -> Application:
    """Store a new application; without a number it gets the next one. Raise NotFound, Refused, Unavailable."""
    scope.check(client_id)
    named = read_name(name)

    def work(tx: Transaction) -> Application:
        tx.lock_client(client_id)
        following, there = tx.next_application(client_id)
        number = following if application_id is None else application_id
        if _standing(tx, client_id, number) is not None:
            raise AlreadyThere
        if there >= MOST_APPLICATIONS:
            raise Refused(f"a client has at most {MOST_APPLICATIONS} applications.", field="id")
        made = Application(client_id, number, named)
        tx.save_application(made)
        log_changes(tx, actor, _change_of(Action.CREATED, made, after={"name": made.name}))
        return made

    return ctx.store.transact(work)


def rename_application(
    ctx: Context, actor: Actor, scope: Scope, client_id: int, application_id: int, *, name: str
) -> Application:
    """Give an application another name. Raise NotFound, Refused, Unavailable."""
    scope.check(client_id)
    named = read_name(name)

    def work(tx: Transaction) -> Application:
        tx.lock_client(client_id)
        before = _standing(tx, client_id, application_id)
        if before is None:
            raise _not_there(application_id)
        after = Application(client_id, application_id, named)
        if before != named:
            tx.save_application(after)
            change = _change_of(
                Action.UPDATED, after, before={"name": before}, after={"name": named}
            )
            log_changes(tx, actor, change)
        return after

    return ctx.store.transact(work)


def delete_application(
    ctx: Context, actor: Actor, scope: Scope, client_id: int, application_id: int
) -> None:
    """Delete an application; one that was deleted already stays so. Raise NotFound, Refused, Unavailable."""
    scope.check(client_id)
    check_deletable(application_id)

    def work(tx: Transaction) -> None:
        tx.lock_client(client_id)
        found = tx.application(client_id, application_id)
        if found is None:
            raise _not_there(application_id)
        name, is_deleted = found
        if is_deleted:
            return
        tx.delete_application(client_id, application_id)
        gone = Application(client_id, application_id, name)
        log_changes(tx, actor, _change_of(Action.DELETED, gone, before={"name": name}))

    ctx.store.transact(work)


# In a transaction.


def _standing(tx: Transaction, client_id: int, application_id: int) -> str | None:
    """Return the name of an application that is there; None: it is not. The default one always is."""
    found = tx.application(client_id, application_id)
    if found is not None and not found[1]:
        return found[0]
    return DEFAULT_NAME if application_id == DEFAULT_APPLICATION else None


def _not_there(application_id: int) -> NotFound:
    return NotFound(f"There is no application {application_id}.")


def _change_of(
    action: Action,
    application: Application,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> Change:
    return Change(
        *(action, ObjectType.APPLICATION, application.client_id, application.id),
        before=before or {},
        after=after or {},
    )
