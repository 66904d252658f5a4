"""The database as the use cases see it: transactions, and every query by its subject."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from psycopg2 import Error as PsycopgError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.store import migrations
from wallarm_notify.store.activity import ActivityQueries
from wallarm_notify.store.ahead import AheadQueries
from wallarm_notify.store.clients import ClientQueries
from wallarm_notify.store.clock import ClockQueries
from wallarm_notify.store.connection import is_lost, may_run_again, meaning, transaction
from wallarm_notify.store.database_check import check_server, check_time_outs
from wallarm_notify.store.delivery import DeliveryQueries
from wallarm_notify.store.encryption import KeyCipher
from wallarm_notify.store.evidence import EvidenceQueries
from wallarm_notify.store.health import HealthQueries
from wallarm_notify.store.integration_listings import IntegrationListingQueries
from wallarm_notify.store.integrations import IntegrationQueries
from wallarm_notify.store.key_samples import KeySampleQueries
from wallarm_notify.store.ledger import LedgerQueries
from wallarm_notify.store.listings import ListingQueries
from wallarm_notify.store.quarantine import QuarantineQueries
from wallarm_notify.store.replays import ReplayQueries
from wallarm_notify.store.retention import RetentionQueries
from wallarm_notify.store.routing import RoutingQueries
from wallarm_notify.store.rules import RulesQueries
from wallarm_notify.store.trigger_cells import TriggerCellQueries
from wallarm_notify.store.triggers import TriggerQueries
from wallarm_notify.store.upkeep import UpkeepQueries

T = TypeVar("T")

_RUNS: Final = 6
"""How often a transaction is run in all when others get in its way."""


class Transaction(
    RoutingQueries,
    QuarantineQueries,
    AheadQueries,
    ClockQueries,
    TriggerQueries,
    TriggerCellQueries,
    DeliveryQueries,
    HealthQueries,
    EvidenceQueries,
    UpkeepQueries,
    RetentionQueries,
    LedgerQueries,
    ClientQueries,
    IntegrationQueries,
    KeySampleQueries,
    ListingQueries,
    ReplayQueries,
    IntegrationListingQueries,
    ActivityQueries,
    RulesQueries,
):
    """One transaction, with every query. A use case names the groups that it needs."""


class Store:
    """PostgreSQL. Make one in each process: connections do not survive a fork.

    With ``checks_first`` it checks before its first transaction that the database can be read.
    """

    def __init__(
        self, engine: Engine, cipher: KeyCipher | None = None, *, checks_first: bool = False
    ) -> None:
        self._engine = engine
        self._cipher = cipher
        self._is_unchecked = checks_first

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in one transaction, commit it, and return what ``work`` returned.

        After a deadlock, serialization failure or lock time-out, which are surely rolled back, the
        whole of ``work`` is run again; once also after a connection that broke before the commit. Raise
        Unavailable where the database cannot be reached, BadRow where it refuses the data.
        """
        if self._is_unchecked:
            self.check(writes=False)
            self._is_unchecked = False
        for run in range(1, _RUNS + 1):
            tx: Transaction | None = None
            try:
                with transaction(self._engine) as cursor:
                    tx = Transaction(cursor, self._cipher, run)
                    result = work(tx)
                    tx.commit()
                    return result
            except (PsycopgError, SQLAlchemyError) as error:
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
            with self._engine.connect() as connection:
                check_server(connection, writes=writes)
                check_time_outs(connection)
                migrations.check(connection)
        except SQLAlchemyError as error:
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
        self._engine.dispose()
