"""Manage clients: what alerts say of a client (spec 0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from wallarm_notify.domain.activity import Action, Change, ObjectType, difference
from wallarm_notify.domain.client import Client
from wallarm_notify.domain.text import check_name
from wallarm_notify.services.activity import log_changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

Record: TypeAlias = "tuple[str | None, str | None, str | None]"
"""A client's name, cloud and partner name, as they are stored."""


def set_client(
    ctx: Context,
    actor: Actor,
    scope: Scope,
    client_id: int,
    *,
    name: str | None = None,
    cloud: str | None = None,
    partner_name: str | None = None,
) -> Client:
    """Set the fields of a client's record that are not None; return the client.

    Do nothing where nothing differs. Raise NotFound, Refused, Unavailable.
    """
    scope.check(client_id)
    for field, text in (("name", name), ("partner", partner_name)):
        if text is not None:
            check_name(text, field)

    def work(tx: Transaction) -> Record:
        before = tx.lock_client(client_id)
        after = (name or before[0], cloud or before[1], partner_name or before[2])
        if after != before:
            tx.set_client(client_id, name=name, cloud=cloud, partner_name=partner_name)
            log_changes(tx, actor, _change_of(client_id, before, after))
        return after

    return Client.of(client_id, *ctx.store.transact(work), default_cloud=ctx.settings.cloud)


def _change_of(client_id: int, before: Record, after: Record) -> Change:
    was, is_now = difference(_fields(before), _fields(after))
    return Change(
        *(Action.UPDATED, ObjectType.CLIENT, client_id, client_id), before=was, after=is_now
    )


def _fields(record: Record) -> Mapping[str, str | None]:
    return dict(zip(("name", "cloud", "partner_name"), record, strict=True))
