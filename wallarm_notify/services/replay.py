"""Replay: notifications that failed, were skipped or cancelled are sent anew, by choice (spec 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.batches import messages
from wallarm_notify.domain.errors import Hint, NotFound, Refused, Todo
from wallarm_notify.domain.notification import REPLAYABLE, Notification, replayed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from wallarm_notify.domain.views import Wanted
    from wallarm_notify.services.ports import Publisher
    from wallarm_notify.store import Store, Transaction

SLICE: Final = 500


class Replay:
    """The same notifications, the same dedup keys, one run more; old attempts stay."""

    def __init__(self, store: Store, publisher: Publisher, *, grace: timedelta) -> None:
        self._store = store
        self._publisher = publisher
        self._grace = grace

    def by_id(self, ids: Sequence[int]) -> int:
        """Replays these, all or none; how many. Raises NotFound, Refused, Unavailable."""

        def work(tx: Transaction) -> tuple[list[Notification], datetime]:
            rows = tx.lock(sorted(set(ids)))
            missing = sorted(set(ids) - {n.id for n in rows})
            if missing:
                raise NotFound(f"There is no notification {', '.join(map(str, missing))}.")
            switches = tx.switches([n.integration_id for n in rows])
            for n in rows:
                _refuse_unfit(n, switches)
            return self._replay(tx, rows, switches), tx.now

        return self._publish_for(*self._store.transact(work))

    def count(self, wanted: Wanted) -> int:
        """How many notifications ``wanted`` means. Raises Refused, Unavailable."""

        def work(tx: Transaction) -> int:
            _switch_of(wanted.integration_id, tx.switches([wanted.integration_id]))
            return tx.count_replayable(wanted)

        return self._store.transact(work)

    def one_slice(self, wanted: Wanted, after: int) -> tuple[int, int | None]:
        """Replays the next slice above id ``after``; how many, and where to go on (None: done).

        Raises Refused, Unavailable; what was replayed before stays so.
        """

        def work(tx: Transaction) -> tuple[list[Notification], datetime, list[int]]:
            ids = tx.replayable(wanted, after, SLICE)
            switches = tx.switches([wanted.integration_id])
            _switch_of(wanted.integration_id, switches)
            rows = [n for n in tx.lock(ids) if n.state is wanted.state]
            return self._replay(tx, rows, switches), tx.now, ids

        rows, now, ids = self._store.transact(work)
        return self._publish_for(rows, now), ids[-1] if len(ids) == SLICE else None

    def _replay(
        self,
        tx: Transaction,
        rows: Sequence[Notification],
        switches: Mapping[int, tuple[bool, int]],
    ) -> list[Notification]:
        again = [replayed(n, switches[n.integration_id][1], tx.now, self._grace) for n in rows]
        tx.save(again)
        return again

    def _publish_for(self, rows: Sequence[Notification], now: datetime) -> int:
        self._publisher.publish(messages(rows, now))
        return len(rows)


def _refuse_unfit(n: Notification, switches: Mapping[int, tuple[bool, int]]) -> None:
    if n.state not in REPLAYABLE:
        raise Refused(
            f"Notification {n.id} is {n.state}; only {', '.join(REPLAYABLE)} ones can be replayed."
        )
    _switch_of(n.integration_id, switches)


def _switch_of(integration_id: int, switches: Mapping[int, tuple[bool, int]]) -> None:
    if integration_id not in switches:
        raise Refused(
            f"Integration {integration_id} does not exist any more; nothing can be replayed to it."
        )
    if not switches[integration_id][0]:
        raise Refused(
            f"Integration {integration_id} is disabled.",
            hint=Hint(Todo.ENABLE_INTEGRATION, integration_id),
        )
