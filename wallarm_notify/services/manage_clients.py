"""Manage clients: what alerts say of a client (spec 0), and by whom it is reached (spec 9)."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from wallarm_notify.domain.activity import Action, Change, ObjectType, difference
from wallarm_notify.domain.client import Client, check_parent
from wallarm_notify.domain.text import read_name
from wallarm_notify.services.activity import log_changes

if TYPE_CHECKING:
    from wallarm_notify.domain.actor import Actor
    from wallarm_notify.domain.client import ClientRecord, ParentOf
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def set_client(
    ctx: Context,
    actor: Actor,
    scope: Scope,
    client_id: int,
    *,
    name: str | None = None,
    cloud: str | None = None,
    partner_name: str | None = None,
    parent: ParentOf | None = None,
    access: bool | None = None,
) -> Client:
    """Set the fields of a client's record that are not None; return the client.

    Do nothing where nothing differs. Raise NotFound, Refused, Unavailable.
    """
    scope.check(client_id)
    name = None if name is None else read_name(name)
    partner_name = None if partner_name is None else read_name(partner_name, "partner")
    parent_id = None if parent is None else parent.client_id
    if parent_id is not None:
        scope.check(parent_id)

    def work(tx: Transaction) -> ClientRecord:
        before = _locked(tx, client_id, parent_id)
        after = replace(
            before,
            name=name or before.name,
            cloud=cloud or before.cloud,
            partner_name=partner_name or before.partner_name,
            parent_id=before.parent_id if parent is None else parent_id,
            access=before.access if access is None else access,
        )
        if after != before:
            tx.set_client(client_id, name=name, cloud=cloud, partner_name=partner_name)
            tx.set_reach(client_id, parent_id=after.parent_id, access=after.access)
            log_changes(tx, actor, _change_of(client_id, before, after))
        return after

    record = ctx.store.transact(work)
    return Client.of_record(client_id, record, default_cloud=ctx.settings.cloud)


def _locked(tx: Transaction, client_id: int, parent_id: int | None) -> ClientRecord:
    """Return the record of a client, locked; where it is to have a parent, check that it can, that one locked too.

    Both are locked by their ids, so that no two changes wait for each other. Whoever makes either a parent or a
    child has to lock it too, so what is checked stands until the commit.
    """
    if parent_id is None:
        return tx.lock_client(client_id)
    records = {one: tx.lock_client(one) for one in sorted({client_id, parent_id})}
    check_parent(
        *(client_id, parent_id),
        parents_parent=records[parent_id].parent_id,
        has_children=tx.has_children(client_id),
    )
    return records[client_id]


def _change_of(client_id: int, before: ClientRecord, after: ClientRecord) -> Change:
    was, is_now = difference(asdict(before), asdict(after))
    return Change(
        *(Action.UPDATED, ObjectType.CLIENT, client_id, client_id), before=was, after=is_now
    )
