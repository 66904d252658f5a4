"""Measure: the figures that a monitoring system asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from wallarm_notify.domain.diagnosis import LATELY
from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.health import WARNINGS
from wallarm_notify.domain.lateness import lateness_in
from wallarm_notify.domain.ledger import FIRED, NOT_KEPT, made_in, states_in
from wallarm_notify.domain.readiness import consumers_of
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.traffic import traffic_in
from wallarm_notify.services.prune import prune_lag
from wallarm_notify.services.readiness import oldest_due
from wallarm_notify.services.review import AUTO_DISABLED, warning_kind
from wallarm_notify.task_names import QUEUES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wallarm_notify.domain.lateness import Lateness
    from wallarm_notify.domain.notification import State
    from wallarm_notify.domain.readiness import QueueLength
    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.domain.traffic import Traffic
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction

RUNS: Final = ("sweep", "review", "prune")
"""Beat's tasks that every installation has."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """The figures for monitoring: three counters, which only grow, and the others as they stand.

    The counters are ``warnings`` by their level in per cent, ``auto_disabled`` and ``fired``. ``prune_lag`` is
    how long the oldest event that PRUNE has to look at is past its retention. ``oldest_proof`` is how long ago that
    enabled integration was proven by a drill whose proof is oldest, None where none was. ``drills_failed`` is how many
    enabled ones failed their last drill. ``lateness`` has a histogram for each cycle, ``queues`` what was
    measured of each. ``not_kept`` are rejected events beyond the day's limit. ``made`` is how many notifications there
    ever were, ``states`` those that are stored. ``consumers`` are how many nodes take from each queue. ``nodes`` and
    ``runs`` are how long ago each worker's node was seen and each of beat's tasks began. ``overdue`` is how long the
    oldest delivery is overdue. ``slow`` integrations have one request at a time. ``quiet`` is of how many clients
    events stay away beyond their habit. ``failing`` has the share of failed attempts of the last hour, of the ten
    enabled integrations with most failures that failed more often than not.
    ``rate_limited`` has how long the last alert waits, of the ten integrations whose rate limit holds them for longest.
    ``set_aside`` calls are those that workers died of, ``undecodable`` the messages of the last hour that are no task.
    """

    warnings: Mapping[int, int]
    auto_disabled: int
    fired: int
    enabled: int
    disabled: int
    outage: bool
    prune_lag: timedelta
    lateness: Sequence[Lateness]
    queues: Sequence[QueueLength]
    traffic: Traffic
    not_kept: int
    made: int
    states: Mapping[State, int]
    consumers: Mapping[str, int]
    nodes: Mapping[str, timedelta]
    runs: Mapping[str, timedelta]
    overdue: timedelta
    slow: int
    quiet: int
    failing: Mapping[int, float]
    rate_limited: Mapping[int, timedelta]
    set_aside: int
    undecodable: int
    oldest_proof: timedelta | None = None
    drills_failed: int = 0


def measure(ctx: Context, scope: Scope) -> Measurements:
    """Return the figures of all clients together. Raise NotFound where ``scope`` is of some; Unavailable."""
    if scope != EVERY_CLIENT:
        raise NotFound("There are no figures of some clients alone.")

    def work(tx: Transaction) -> Measurements:
        counts, switches = tx.running_counts(), tx.integrations_by_switch()
        oldest, failed = tx.proofs()
        trouble, nodes = tx.trouble(LATELY), tx.nodes()
        return Measurements(
            warnings={level: counts.get(warning_kind(level), 0) for level in WARNINGS},
            auto_disabled=counts.get(AUTO_DISABLED, 0),
            fired=counts.get(FIRED, 0),
            enabled=switches.get(True, 0),
            disabled=switches.get(False, 0),
            outage=bool(tx.outages_going_on()),
            prune_lag=prune_lag(tx, ctx.settings),
            lateness=lateness_in(counts),
            queues=tx.queue_lengths(),
            traffic=traffic_in(counts),
            not_kept=counts.get(NOT_KEPT, 0),
            made=made_in(counts),
            states=states_in(counts),
            consumers=consumers_of(nodes, QUEUES, tx.now),
            nodes={node.name: tx.now - node.seen_at for node in nodes},
            runs={name: tx.now - at for name in RUNS if (at := tx.last_run(name)) is not None},
            overdue=_overdue(tx),
            slow=len(trouble.slow),
            quiet=trouble.quiet.number,
            failing={one.id: one.failed / one.attempts for one in trouble.failing},
            rate_limited={one.id: one.wait for one in trouble.rate_limited},
            set_aside=trouble.set_aside,
            undecodable=trouble.undecodable,
            oldest_proof=None if oldest is None else tx.now - oldest,
            drills_failed=failed,
        )

    return ctx.store.transact(work)


def _overdue(tx: Transaction) -> timedelta:
    due_at = oldest_due(tx)
    return timedelta(0) if due_at is None else max(tx.now - due_at, timedelta(0))
