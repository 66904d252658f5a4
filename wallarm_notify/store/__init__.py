"""The database as the use cases see it: transactions, and every query by its subject."""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from psycopg2 import Error as PsycopgError

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.store import schema_check
from wallarm_notify.store.activity import ActivityQueries
from wallarm_notify.store.ahead import AheadQueries
from wallarm_notify.store.applications import ApplicationQueries
from wallarm_notify.store.clients import ClientQueries
from wallarm_notify.store.clock import ClockQueries
from wallarm_notify.store.computations import ComputationQueries
from wallarm_notify.store.connection import (
    BEGIN,
    Connections,
    is_lost,
    may_run_again,
    meaning,
    transaction,
)
from wallarm_notify.store.database_check import check_server, check_time_outs
from wallarm_notify.store.delivery import DeliveryQueries
from wallarm_notify.store.diagnosis import DiagnosisQueries
from wallarm_notify.store.drills import DrillQueries
from wallarm_notify.store.encryption import KeyCipher
from wallarm_notify.store.event_listings import EventListingQueries
from wallarm_notify.store.evidence import EvidenceQueries
from wallarm_notify.store.health import HealthQueries
from wallarm_notify.store.heartbeats import HeartbeatQueries
from wallarm_notify.store.integration_cards import IntegrationCardQueries
from wallarm_notify.store.integration_listings import IntegrationListingQueries
from wallarm_notify.store.integrations import IntegrationQueries
from wallarm_notify.store.key_samples import KeySampleQueries
from wallarm_notify.store.ledger import LedgerQueries
from wallarm_notify.store.listings import ListingQueries
from wallarm_notify.store.overview import OverviewQueries
from wallarm_notify.store.quarantine import QuarantineQueries
from wallarm_notify.store.replay_jobs import ReplayJobQueries
from wallarm_notify.store.replays import ReplayQueries
from wallarm_notify.store.restore import RestoreQueries
from wallarm_notify.store.retention import RetentionQueries
from wallarm_notify.store.routing import RoutingQueries
from wallarm_notify.store.rules import RulesQueries
from wallarm_notify.store.sessions import SessionQueries
from wallarm_notify.store.tokens import TokenQueries
from wallarm_notify.store.trigger_cells import TriggerCellQueries
from wallarm_notify.store.trigger_rows import TriggerRowQueries
from wallarm_notify.store.triggers import TriggerQueries
from wallarm_notify.store.upkeep import UpkeepQueries
from wallarm_notify.store.users import UserQueries
from wallarm_notify.store.why import WhyQueries

T = TypeVar("T")

_RUNS: Final = 6
"""How often a transaction is run in all when others get in its way."""


class Transaction(
    RoutingQueries,
    QuarantineQueries,
    AheadQueries,
    HeartbeatQueries,
    ClockQueries,
    TriggerQueries,
    TriggerCellQueries,
    TriggerRowQueries,
    DeliveryQueries,
    IntegrationCardQueries,
    DiagnosisQueries,
    OverviewQueries,
    HealthQueries,
    EvidenceQueries,
    UpkeepQueries,
    RetentionQueries,
    LedgerQueries,
    ClientQueries,
    IntegrationQueries,
    KeySampleQueries,
    DrillQueries,
    ListingQueries,
    EventListingQueries,
    ReplayQueries,
    ReplayJobQueries,
    RestoreQueries,
    ComputationQueries,
    IntegrationListingQueries,
    ActivityQueries,
    RulesQueries,
    WhyQueries,
    UserQueries,
    TokenQueries,
    SessionQueries,
    ApplicationQueries,
):
    """One transaction, with every query. A use case names the groups that it needs."""


class Store:
    """PostgreSQL. Make one in each process: connections do not survive a fork.

    With ``checks_first`` it checks before its first transaction that the database can be read. With ``within`` its
    transactions change nothing, and each may take so long.
    """

    def __init__(
        self,
        connections: Connections,
        cipher: KeyCipher | None = None,
        *,
        checks_first: bool = False,
        within: timedelta | None = None,
    ) -> None:
        self._connections = connections
        self._cipher = cipher
        self._is_unchecked = checks_first
        self._within = within

    def reading(self, within: timedelta) -> "Store":
        """Return this database for transactions that change nothing, each of which may take so long.

        It shares the connections of this one.
        """
        return Store(
            self._connections, self._cipher, checks_first=self._is_unchecked, within=within
        )

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in one transaction, commit it, and return what ``work`` returned.

        After a deadlock, serialization failure or lock time-out, which are surely rolled back, the
        whole of ``work`` is run again; once also after a connection that broke before the commit. Raise
        Unavailable where the database cannot be reached, BadRow where it refuses the data, TooMuch where it takes
        too long.
        """
        return self._transact(work, is_one=False)

    def look_up(self, work: Callable[[Transaction], T]) -> T:
        """Return what ``work`` finds with one statement, in one round trip. Raise as ``transact`` does."""
        return self._transact(work, is_one=True)

    def _transact(self, work: Callable[[Transaction], T], *, is_one: bool) -> T:
        if self._is_unchecked:
            self.check(writes=False)
            self._is_unchecked = False
        ends_at = None if self._within is None else since_boot() + self._within.total_seconds()
        for run in range(1, _RUNS + 1):
            tx: Transaction | None = None
            try:
                with transaction(self._connections) as cursor:
                    tx = Transaction(cursor, self._cipher, run, ends_at, is_one=is_one)
                    result = work(tx)
                    tx.commit()
                    return result
            except PsycopgError as error:
                # A connection that broke while it was idle is replaced, once.
                broke = run == 1 and tx is not None and not tx.is_ending and is_lost(error)
                if run == _RUNS or not (broke or may_run_again(error)):
                    raise meaning(error) from None
                time.sleep(random.uniform(0, 0.02 * run))  # noqa: S311 - so that rivals part
        raise AssertionError("unreachable")

    def check(self, *, writes: bool = True) -> None:
        """Raise Unavailable where the database cannot be reached, or this program cannot work with it.

        Without ``writes`` a read replica is enough.
        """
        try:
            with transaction(self._connections) as cursor:
                cursor.execute(BEGIN)
                check_server(cursor, writes=writes)
                check_time_outs(cursor)
                schema_check.check(cursor)
                cursor.execute("COMMIT")
        except PsycopgError as error:
            raise meaning(error) from None

    def check_keys(self) -> None:
        """Raise Unavailable where WALLARM_NOTIFY_SECRET_KEYS does not decrypt the stored integration keys.

        A few keys of enabled integrations are tried, from the oldest to the newest.
        """
        locked_up = self.transact(lambda tx: tx.locked_up_keys())
        if locked_up:
            named = ", ".join(map(str, locked_up))
            raise Unavailable(
                f"WALLARM_NOTIFY_SECRET_KEYS lacks the key under which the key of integration {named} is stored, "
                "and maybe of more; add it after the newest one, or give the integration a new key or disable it."
            )

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._connections.close()
