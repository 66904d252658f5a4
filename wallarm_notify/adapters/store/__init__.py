"""The database, as the use cases see it: every query, grouped by who asks it."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from psycopg2 import Error as PsycopgError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from wallarm_notify.adapters.database import is_lost, may_run_again, meaning, transaction
from wallarm_notify.adapters.migrations import current, newest
from wallarm_notify.adapters.secrets import KeyCipher
from wallarm_notify.adapters.store.ahead import AheadQueries
from wallarm_notify.adapters.store.clock import ClockQueries
from wallarm_notify.adapters.store.delivery import DeliveryQueries
from wallarm_notify.adapters.store.health import HealthQueries
from wallarm_notify.adapters.store.integrations import IntegrationQueries
from wallarm_notify.adapters.store.listings import ListingQueries
from wallarm_notify.adapters.store.routing import RoutingQueries
from wallarm_notify.adapters.store.triggers import TriggerQueries
from wallarm_notify.adapters.store.upkeep import UpkeepQueries
from wallarm_notify.domain.errors import Unavailable

T = TypeVar("T")

_RUNS: Final = 6
"""How often a transaction is run in all when others get in its way."""


class Transaction(
    RoutingQueries,
    AheadQueries,
    ClockQueries,
    TriggerQueries,
    DeliveryQueries,
    HealthQueries,
    UpkeepQueries,
    IntegrationQueries,
    ListingQueries,
):
    """One transaction, with every query; each use case names those it uses."""


class Store:
    """PostgreSQL. Make one in each process: connections do not survive a fork."""

    def __init__(self, engine: Engine, cipher: KeyCipher | None = None) -> None:
        self._engine = engine
        self._cipher = cipher

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Runs ``work`` in one transaction and commits it.

        A deadlock, serialization failure or lock time-out, which are surely rolled back, runs the
        whole of it again; so does, once, a connection that broke before the commit. Raises
        Unavailable where the database is away, BadRow where it refuses the data.
        """
        for run in range(1, _RUNS + 1):
            tx: Transaction | None = None
            try:
                with transaction(self._engine) as cursor:
                    tx = Transaction(cursor, self._cipher)
                    result = work(tx)
                    tx.commit()
                    return result
            except (PsycopgError, SQLAlchemyError) as error:
                # A connection that broke while nobody looked is made anew, once.
                broke = run == 1 and tx is not None and not tx.is_ending and is_lost(error)
                if run == _RUNS or not (broke or may_run_again(error)):
                    raise meaning(error) from None
                time.sleep(random.uniform(0, 0.02 * run))  # noqa: S311 - so that rivals part
        raise AssertionError("unreachable")

    def check(self) -> None:
        """Raises Unavailable where the database is away or not migrated to this version."""
        try:
            with self._engine.connect() as connection:
                have = current(connection)
        except SQLAlchemyError as error:
            raise meaning(error) from None
        if have != newest():
            raise Unavailable(
                f"The database is {'empty' if have is None else f'at version {have}'}, this program needs "
                f"version {newest()}; run: wallarm-notify db upgrade"
            )

    def close(self) -> None:
        """Closes the connections that nobody uses."""
        self._engine.dispose()
