"""Faults of what a worker stands on: the broker, the database, and messages that come twice.

Each lets paused workers go on in the middle of it, mends what it broke, and says what happened.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from build import eventually
from celery import Celery

from wallarm_notify.domain.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.killable import KillableBroker, KillablePostgres
    from chaos.scenario import Scenario

AWAY: Final = 1.5
REFUSING: Final = 3.0
"""Seconds that a server is away, or refuses."""


@dataclass(frozen=True)
class Servers:
    """The database and broker servers that may be killed."""

    broker: KillableBroker
    postgres: KillablePostgres

    def administer(self, statement: str, **parameters: str | None) -> list[sa.Row[Any]]:
        """Run one statement on the server's own database, outside a transaction; return its rows."""
        engine = sa.create_engine(
            sa.make_url(self.postgres.url).set(drivername="postgresql+psycopg2"),
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
        )
        with engine.connect() as connection:
            result = connection.execute(sa.text(statement), parameters)
            return list(result) if result.returns_rows else []


def database_of(scenario: Scenario) -> str | None:
    """Return the name of the scenario's database."""
    return sa.make_url(scenario.system.settings.database()).database


def broker_killed(scenario: Scenario, servers: Servers, seconds: float = AWAY) -> str:
    """Kill the broker, which comes back with its data after ``seconds``."""
    servers.broker.kill()
    scenario.go_on()
    time.sleep(seconds)
    servers.broker.start()
    return f"away for {seconds:.1f} s, back with its data"


def broker_emptied(scenario: Scenario, _servers: Servers) -> str:
    """Delete everything that was enqueued."""
    with scenario.system.ask_broker() as client:
        client.flushall()
    scenario.go_on()
    return "SWEEP published again"


def broker_full(scenario: Scenario, _servers: Servers, seconds: float = REFUSING) -> str:
    """Let the broker run out of memory: it refuses new messages and takes acknowledgements."""
    with scenario.system.ask_broker() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        scenario.go_on()
        time.sleep(seconds)
        client.config_set("maxmemory", "0")
    return f"refused messages for {seconds:.1f} s and took acknowledgements"


def database_killed(scenario: Scenario, servers: Servers, seconds: float = AWAY) -> str:
    """Kill the database server, which comes back with what was committed."""
    servers.postgres.kill()
    scenario.go_on()
    time.sleep(seconds)
    servers.postgres.start()
    return f"away for {seconds:.1f} s"


def connections_cut(scenario: Scenario, servers: Servers) -> str:
    """Cut all connections to the database, in the middle of their statements."""
    servers.administer(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name",
        name=database_of(scenario),
    )
    scenario.go_on()
    return "every connection was ended by the server"


def statement_cut(scenario: Scenario, servers: Servers, table: str) -> str:
    """Cut a connection while a statement on ``table`` runs, which waits for a lock until then."""
    engine = sa.create_engine(scenario.system.settings.database(), poolclass=sa.NullPool)
    with engine.connect() as holder:
        holder.execute(sa.text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        scenario.go_on()
        cut = cut_those_who_wait(scenario, servers, "Lock")
    return f"{cut} cut in the middle of a statement on {table}"


def commit_cut(scenario: Scenario, servers: Servers) -> str:
    """Cut a connection that waits for the answer to its COMMIT, which the server has done."""
    servers.administer("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try:
        servers.administer("SELECT pg_reload_conf()")
        scenario.go_on()
        cut = cut_those_who_wait(scenario, servers, "IPC")
    finally:
        servers.administer("ALTER SYSTEM RESET synchronous_standby_names")
        servers.administer("SELECT pg_reload_conf()")
    return f"{cut} cut whose COMMIT was done and not answered"


def cut_those_who_wait(scenario: Scenario, servers: Servers, what: str) -> str:
    """Cut the connections that wait for ``what`` in the scenario's database; return how many, in words."""
    statement = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = :name AND state = 'active' AND wait_event_type = :what"""

    def cut() -> int:
        return len(servers.administer(statement, name=database_of(scenario), what=what))

    return counted(eventually(cut, 60, "a statement was running"), "connection")


def database_read_only(scenario: Scenario, servers: Servers, seconds: float = REFUSING) -> str:
    """Make the database read only, like a standby that a worker uses by mistake; nothing ends its connections then."""
    name = database_of(scenario)
    servers.administer(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    connections_cut(scenario, servers)
    time.sleep(seconds)
    servers.administer(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    return f"refused to write for {seconds:.1f} s"


def messages_doubled(scenario: Scenario, _servers: Servers) -> str:
    """Send each waiting message twice, and publish everything that is open once more."""
    with scenario.system.ask_broker() as client:
        for queue in ("events", "celery", "notifications", "retries"):
            for raw in client.lrange(queue, 0, -1):
                client.lpush(queue, raw)
    ids = [n.id for n in scenario.system.notifications() if n.next_attempt_at]
    with Celery(broker=scenario.system.broker_url) as producer:
        for queue in ("notifications", "retries"):
            for start in range(0, len(ids), 50):
                producer.send_task(
                    "notifications.deliver", kwargs={"ids": ids[start : start + 50]}, queue=queue
                )
    scenario.go_on()
    return "the second of each found nothing to do"


FAULTS: Final[dict[str, Callable[[Scenario, Servers], str]]] = {
    "broker killed and restarted": broker_killed,
    "broker emptied": broker_emptied,
    "broker out of memory": broker_full,
    "database killed and restarted": database_killed,
    "connections cut": connections_cut,
    "database read-only": database_read_only,
    "every message doubled": messages_doubled,
}
