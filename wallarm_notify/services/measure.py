"""Measure: the figures that a monitoring system asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.health import WARNINGS
from wallarm_notify.domain.ledger import FIRED
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.prune import prune_lag
from wallarm_notify.services.review import AUTO_DISABLED, warning_kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from wallarm_notify.domain.scope import Scope
    from wallarm_notify.services.context import Context
    from wallarm_notify.store import Transaction


@dataclass(frozen=True, slots=True)
class Measurements:
    """The figures for monitoring: three counters, which only grow, and the others as they stand.

    The counters are ``warnings`` by their level in per cent, ``auto_disabled`` and ``fired``. ``prune_lag`` is
    how long the oldest event that PRUNE has to look at is past its retention.
    """

    warnings: Mapping[int, int]
    auto_disabled: int
    fired: int
    enabled: int
    disabled: int
    outage: bool
    prune_lag: timedelta


def measure(ctx: Context, scope: Scope) -> Measurements:
    """Return the figures of all clients together. Raise NotFound where ``scope`` is of some; Unavailable."""
    if scope != EVERY_CLIENT:
        raise NotFound("There are no figures of some clients alone.")

    def work(tx: Transaction) -> Measurements:
        counts, switches = tx.running_counts(), tx.integrations_by_switch()
        return Measurements(
            warnings={level: counts.get(warning_kind(level), 0) for level in WARNINGS},
            auto_disabled=counts.get(AUTO_DISABLED, 0),
            fired=counts.get(FIRED, 0),
            enabled=switches.get(True, 0),
            disabled=switches.get(False, 0),
            outage=bool(tx.outages_going_on()),
            prune_lag=prune_lag(tx, ctx.settings),
        )

    return ctx.store.transact(work)
