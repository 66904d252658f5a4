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
    from chaos.scene import Scene

AWAY: Final = 1.5
REFUSING: Final = 3.0
"""Seconds that something is away, or refuses."""


@dataclass(frozen=True)
class World:
    """The servers that may be killed."""

    broker: KillableBroker
    postgres: KillablePostgres

    def administer(self, statement: str, **parameters: str | None) -> list[sa.Row[Any]]:
        """One statement on the server's own database, outside a transaction; its rows."""
        engine = sa.create_engine(
            sa.make_url(self.postgres.url).set(drivername="postgresql+psycopg2"),
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
        )
        with engine.connect() as connection:
            result = connection.execute(sa.text(statement), parameters)
            return list(result) if result.returns_rows else []


def database_of(scene: Scene) -> str | None:
    """The name of the scene's database."""
    return sa.make_url(scene.system.settings.database()).database


def broker_killed(scene: Scene, world: World, seconds: float = AWAY) -> str:
    """It comes back with its data."""
    world.broker.kill()
    scene.go_on()
    time.sleep(seconds)
    world.broker.start()
    return f"away for {seconds:.1f} s, back with its data"


def broker_emptied(scene: Scene, _world: World) -> str:
    """Everything that was enqueued is gone."""
    with scene.system.ask_broker() as client:
        client.flushall()
    scene.go_on()
    return "SWEEP published again"


def broker_full(scene: Scene, _world: World, seconds: float = REFUSING) -> str:
    """Out of memory: it refuses new messages and takes acknowledgements."""
    with scene.system.ask_broker() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        scene.go_on()
        time.sleep(seconds)
        client.config_set("maxmemory", "0")
    return f"refused messages for {seconds:.1f} s and took acknowledgements"


def database_killed(scene: Scene, world: World, seconds: float = AWAY) -> str:
    """It comes back with what was committed."""
    world.postgres.kill()
    scene.go_on()
    time.sleep(seconds)
    world.postgres.start()
    return f"away for {seconds:.1f} s"


def connections_cut(scene: Scene, world: World) -> str:
    """In the middle of whatever statement they are at."""
    world.administer(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name",
        name=database_of(scene),
    )
    scene.go_on()
    return "every connection was ended by the server"


def statement_cut(scene: Scene, world: World, table: str) -> str:
    """A connection ends while a statement on ``table`` runs: it is held up until it is cut."""
    engine = sa.create_engine(scene.system.settings.database(), poolclass=sa.NullPool)
    with engine.connect() as holder:
        holder.execute(sa.text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        scene.go_on()
        cut = cut_those_who_wait(scene, world, "Lock")
    return f"{cut} cut in the middle of a statement on {table}"


def commit_cut(scene: Scene, world: World) -> str:
    """A connection ends while it waits for its COMMIT, which the server has done: nobody is told."""
    world.administer("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try:
        world.administer("SELECT pg_reload_conf()")
        scene.go_on()
        cut = cut_those_who_wait(scene, world, "IPC")
    finally:
        world.administer("ALTER SYSTEM RESET synchronous_standby_names")
        world.administer("SELECT pg_reload_conf()")
    return f"{cut} cut whose COMMIT was done and not answered"


def cut_those_who_wait(scene: Scene, world: World, what: str) -> str:
    """Ends whoever waits for ``what`` in the scene's database; how many there were, in words."""
    statement = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = :name AND state = 'active' AND wait_event_type = :what"""

    def cut() -> int:
        return len(world.administer(statement, name=database_of(scene), what=what))

    return counted(eventually(cut, 10, "a statement was running"), "connection")


def database_read_only(scene: Scene, world: World, seconds: float = REFUSING) -> str:
    """As a standby that a worker was led to by mistake."""
    name = database_of(scene)
    world.administer(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    connections_cut(scene, world)
    time.sleep(seconds)
    world.administer(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    connections_cut(scene, world)
    return f"refused to write for {seconds:.1f} s"


def messages_doubled(scene: Scene, _world: World) -> str:
    """Each message that waits comes twice, and so does a publish everything that is open."""
    with scene.system.ask_broker() as client:
        for queue in ("events", "celery", "notifications", "retries"):
            for raw in client.lrange(queue, 0, -1):
                client.lpush(queue, raw)
    ids = [n.id for n in scene.system.notifications() if n.next_attempt_at]
    with Celery(broker=scene.system.broker_url) as producer:
        for queue in ("notifications", "retries"):
            for start in range(0, len(ids), 50):
                producer.send_task(
                    "notifications.deliver", kwargs={"ids": ids[start : start + 50]}, queue=queue
                )
    scene.go_on()
    return "the second of each found nothing to do"


FAULTS: Final[dict[str, Callable[[Scene, World], str]]] = {
    "broker killed and restarted": broker_killed,
    "broker emptied": broker_emptied,
    "broker out of memory": broker_full,
    "database killed and restarted": database_killed,
    "connections cut": connections_cut,
    "database read-only": database_read_only,
    "every message doubled": messages_doubled,
}
