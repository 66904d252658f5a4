"""What people look at: a trigger's last firings, and what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.errors import NotFound

if TYPE_CHECKING:
    from wallarm_notify.domain.triggers.trigger import Trigger
    from wallarm_notify.domain.views import ShownFiring
    from wallarm_notify.store import Store, Transaction

FIRINGS_SHOWN: Final = 10


def show_trigger(
    store: Store, trigger_id: int, limit: int = FIRINGS_SHOWN
) -> tuple[Trigger, list[ShownFiring]]:
    """One trigger with its last firings. Raises NotFound, Unavailable."""

    def work(tx: Transaction) -> tuple[Trigger | None, list[ShownFiring]]:
        return tx.trigger(trigger_id), tx.firings(trigger_id, limit)

    trigger, firings = store.transact(work)
    return there_is(trigger_id, trigger), firings


def there_is(trigger_id: int, trigger: Trigger | None) -> Trigger:
    """``trigger``, which was looked up by this id. Raises NotFound where there is none."""
    if trigger is None:
        raise NotFound(f"There is no trigger {trigger_id}.")
    return trigger
