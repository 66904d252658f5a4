"""Replay: notifications that failed, were skipped or cancelled are sent anew, by choice (spec 5)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.message import messages
from wallarm_notify.domain.notification import REPLAYABLE, Notification, replayed
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services.ports import Doorbell, Store

SLICE: Final = 500


class ReplayQueries(Protocol):
    """What replay asks of the database."""

    @property
    def now(self) -> datetime:
        """The transaction's time by the database's clock."""
        ...

    def lock(self, ids: Sequence[int]) -> list[Notification]:
        """The notifications, locked in the order of their ids."""
        ...

    def switches(self, integration_ids: Sequence[int]) -> Mapping[int, tuple[bool, int]]:
        """Of integrations that are not deleted: enabled or not, and how often switched off."""
        ...

    def replayable(self, wanted: Wanted, after: int, limit: int) -> list[int]:
        """The ids above ``after`` of what is wanted, ascending."""
        ...

    def count_replayable(self, wanted: Wanted) -> int:
        """How many there are."""
        ...

    def save(self, notifications: Sequence[Notification]) -> None:
        """Writes what changes of locked notifications."""
        ...


class Replay:
    """The same notifications, the same dedup keys, one run more; old attempts stay."""

    def __init__(self, store: Store[ReplayQueries], doorbell: Doorbell, *, ring: timedelta) -> None:
        self._store = store
        self._doorbell = doorbell
        self._ring = ring

    def by_id(self, ids: Sequence[int]) -> int:
        """Replays these, all or none; how many. Raises NotFound, Refused, Unavailable."""

        def work(tx: ReplayQueries) -> tuple[list[Notification], datetime]:
            rows = tx.lock(sorted(set(ids)))
            missing = sorted(set(ids) - {n.id for n in rows})
            if missing:
                raise NotFound(f"There is no notification {', '.join(map(str, missing))}.")
            switches = tx.switches([n.integration_id for n in rows])
            for n in rows:
                _refuse_unfit(n, switches)
            return self._replay(tx, rows, switches), tx.now

        return self._ring_for(*self._store.transact(work))

    def count(self, wanted: Wanted) -> int:
        """How many notifications ``wanted`` means. Raises Refused, Unavailable."""

        def work(tx: ReplayQueries) -> int:
            _switch_of(wanted.integration_id, tx.switches([wanted.integration_id]))
            return tx.count_replayable(wanted)

        return self._store.transact(work)

    def one_slice(self, wanted: Wanted, after: int) -> tuple[int, int | None]:
        """Replays the next slice above id ``after``; how many, and where to go on (None: done).

        Raises Refused, Unavailable; what was replayed before stays so.
        """

        def work(tx: ReplayQueries) -> tuple[list[Notification], datetime, list[int]]:
            ids = tx.replayable(wanted, after, SLICE)
            switches = tx.switches([wanted.integration_id])
            _switch_of(wanted.integration_id, switches)
            rows = [n for n in tx.lock(ids) if n.state is wanted.state]
            return self._replay(tx, rows, switches), tx.now, ids

        rows, now, ids = self._store.transact(work)
        return self._ring_for(rows, now), ids[-1] if len(ids) == SLICE else None

    def _replay(
        self,
        tx: ReplayQueries,
        rows: Sequence[Notification],
        switches: Mapping[int, tuple[bool, int]],
    ) -> list[Notification]:
        again = [replayed(n, switches[n.integration_id][1], tx.now, self._ring) for n in rows]
        tx.save(again)
        return again

    def _ring_for(self, rows: Sequence[Notification], now: datetime) -> int:
        self._doorbell.ring(messages(rows, now))
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
            f"Integration {integration_id} is disabled; enable it first: "
            f"wallarm-notify integrations enable {integration_id}"
        )
