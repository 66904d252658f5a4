"""The activity log (audit log): written in the transaction of the change, read by people (spec 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.activity import ActivityFilter
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.page import Page, search
from wallarm_notify.domain.rights import visible_in_log
from wallarm_notify.services.pages import whole

if TYPE_CHECKING:
    from wallarm_notify.domain.activity import Activity, Change
    from wallarm_notify.domain.actor import Actor, Role
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


_ALL: Final = ActivityFilter()

EXPORT_SECONDS: Final = 2.0
"""After this time no further part is read for a file."""

_PART: Final = 1000
"""So many lines are read at once for a file."""


def log_changes(tx: Transaction, actor: Actor, *changes: Change) -> None:
    """Write ``changes`` of one client, and raise its ``rules_version`` where they change its rules.

    Call it when the transaction has locked all rows that it changes, and before it announces the change.
    The lock on the client's versions is taken last, so that no two changes wait for each other.
    """
    tx.log_activity(actor, changes)
    for client_id in sorted({c.client_id for c in changes if c.is_of_rules and c.client_id}):
        tx.raise_rules_version(client_id)


def list_activity(
    ctx: Context,
    scope: Scope,
    role: Role,
    *,
    client_id: int | None,
    cursor: int | None,
    limit: int,
    wanted: ActivityFilter = _ALL,
) -> Page[Activity]:
    """Return a page of the activity log as somebody in ``role`` sees it, the newest line first. Raise Unavailable.

    Lines that belong to no client are there only where ``scope`` is every client.
    """
    whose = scope.only_client if client_id is None else client_id
    seen = wanted.among(visible_in_log(role))
    return _page(ctx, scope, whose, seen, limit=limit, cursor=cursor)


def export_activity(
    ctx: Context,
    scope: Scope,
    role: Role,
    *,
    client_id: int | None,
    cursor: int | None,
    limit: int,
    wanted: ActivityFilter = _ALL,
) -> Page[Activity]:
    """Return many lines of the activity log at once, the newest first. Raise Unavailable.

    It ends at ``limit`` lines or after 2 seconds: ``searched_back_to`` says how far back it goes, where there may be
    older ones.
    """
    began = ctx.clock()
    lines: list[Activity] = []
    while True:
        few = min(_PART, limit - len(lines))
        page = list_activity(
            *(ctx, scope, role), client_id=client_id, cursor=cursor, limit=few, wanted=wanted
        )
        lines += page.items
        cursor = page.following
        if cursor is None:
            return Page(lines)
        if len(lines) >= limit or ctx.clock() - began > EXPORT_SECONDS:
            return Page(lines, cursor, page.searched_back_to or page.items[-1].at)


def find_activity(
    ctx: Context,
    scope: Scope,
    role: Role,
    wanted: ActivityFilter,
    *,
    client_id: int | None,
    offset: int,
    limit: int,
) -> list[Activity]:
    """Return the ``limit`` lines of the activity log behind the first ``offset`` of those that are wanted.

    They are all there are that somebody in ``role`` sees, however many others have to be read. Raise Unavailable.
    """
    whose = scope.only_client if client_id is None else client_id
    seen = wanted.among(visible_in_log(role))
    most = offset + limit
    return whole(lambda cursor: _page(ctx, scope, whose, seen, limit=most, cursor=cursor), most)[
        offset:
    ]


def show_activity(ctx: Context, scope: Scope, role: Role, line_id: int) -> Activity:
    """Return one line of the activity log. Raise Unavailable, and NotFound too where ``role`` does not see it."""
    line = ctx.store.transact(lambda tx: tx.activity_line(scope, line_id))
    if line is None or line.change.object_type not in visible_in_log(role):
        raise NotFound(f"There is no line {line_id} in the activity log.")
    return line


def _page(
    ctx: Context,
    scope: Scope,
    whose: int | None,
    seen: ActivityFilter,
    *,
    limit: int,
    cursor: int | None,
) -> Page[Activity]:
    """Return a page of the lines of ``seen``; one that reads too much ends early."""

    def work(tx: Transaction) -> Page[Activity]:
        ids = tx.activity_ids(seen.period)
        return search(
            lambda part: tx.activity(scope, whose, part, seen, ids), limit, cursor, ctx.clock
        )

    return ctx.store.transact(work)
