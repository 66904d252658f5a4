"""The story of one notification: all that a page about it has, read in one transaction (spec 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.notification import trigger_of
from wallarm_notify.domain.page import Page
from wallarm_notify.domain.story import Row, Story
from wallarm_notify.services.listings import list_notifications, sending_in, with_grant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wallarm_notify.domain.actor import Role
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.sending import ShownSending
    from wallarm_notify.domain.views import Filter, ShownNotification
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


def show_story(ctx: Context, scope: Scope, role: Role, notification_id: int) -> Story:
    """Return a notification with what made it, and what else that made. Raise NotFound, Unavailable.

    The end of the integration's key is shown to who may view integrations alone.
    """

    def work(tx: Transaction) -> Story:
        tx.read_one_snapshot()
        shown = tx.notification(scope, notification_id)
        sending = sending_in(tx, scope, role, notification_id)
        if shown is None or sending is None:
            raise NotFound(f"There is no notification {notification_id}.")
        others = _others(tx, scope, shown, sending)
        firing, trigger_id = sending.payload.firing, trigger_of(shown.origin)
        named = {shown.integration_id, *(one.integration_id for one in others)}
        return Story(
            shown=with_grant(ctx, shown),
            sending=sending,
            names=tx.integration_names(
                scope, sorted(named | set(() if firing is None else firing.integration_ids))
            ),
            integration=tx.integration(scope, shown.integration_id),
            trigger=None if trigger_id is None else tx.trigger(scope, trigger_id),
            others=others,
        )

    return ctx.store.transact(work)


def list_rows(
    ctx: Context, scope: Scope, wanted: Filter, *, limit: int, cursor: int | None = None
) -> Page[Row]:
    """Return a page of ``list_notifications`` with what each of them sends, and to whom. Raise Unavailable."""
    page = list_notifications(ctx, scope, wanted, limit=limit, cursor=cursor)
    if not page.items:
        return Page([], page.following, page.searched_back_to)

    def work(tx: Transaction) -> Page[Row]:
        sendings = tx.sendings(scope, [n.id for n in page.items])
        names = tx.integration_names(scope, sorted({n.integration_id for n in page.items}))
        return page.map(
            lambda n: Row(n, sendings.get(n.id), names.get(n.integration_id, str(n.integration_id)))
        )

    return ctx.store.transact(work)


def _others(
    tx: Transaction, scope: Scope, shown: ShownNotification, sending: ShownSending
) -> Sequence[ShownNotification]:
    """Return what its event made by the rule that made it, for other integrations."""
    stored = tx.stored_event(scope, shown.client_id, sending.payload.event.id)
    if stored is None:
        return []
    made = tx.notifications_of_event(scope, stored.no)
    return [one for one in made if one.origin == shown.origin and one.id != shown.id]
