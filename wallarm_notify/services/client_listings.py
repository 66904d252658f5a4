"""Listings of clients at a glance: found by name or number, or because nothing reaches anybody of theirs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.client_overview import ClientOverview
from wallarm_notify.domain.page import Page, page_of

if TYPE_CHECKING:
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def list_client_overviews(
    ctx: Context,
    scope: Scope,
    *,
    sought: str = "",
    only_unreached: bool = False,
    limit: int,
    cursor: int | None = None,
) -> Page[ClientOverview]:
    """Return clients at a glance, by their ids. Raise Unavailable.

    ``sought`` is a part of the name, or the number; empty: any. With ``only_unreached`` nothing is sent to anybody of
    theirs.
    """

    def work(tx: Transaction) -> list[ClientOverview]:
        rows = tx.sought_clients(
            scope, cursor or 0, limit + 1, sought, number_in(sought), only_unreached=only_unreached
        )
        figures = tx.client_figures([client_id for client_id, _ in rows])
        return [
            ClientOverview(
                Client.of_record(client_id, record, default_cloud=ctx.settings.cloud),
                figures[client_id],
            )
            for client_id, record in rows
        ]

    return page_of(ctx.store.transact(work), limit, lambda one: one.id)


def number_in(sought: str) -> int | None:
    """Return the number of a client that was sought, ``7`` or ``Client 7``; None: it is none."""
    found = re.fullmatch(r"(?:client )?([0-9]{1,18})", sought, re.IGNORECASE | re.ASCII)
    return None if found is None else int(found[1])
