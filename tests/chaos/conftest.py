"""Servers that chaos may kill, and a scene for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from conftest import Databases, sibling

from chaos.killable import KillableBroker, KillablePostgres
from chaos.outside import World
from chaos.report import Report
from chaos.scene import SHORTENED, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.system import System


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption(
        "--minutes", default="1", help="How long the random history, or the outage, goes on."
    )
    group.addoption("--seed", type=int, help="Plays the random history of this seed again.")
    group.addoption("--waiting", default="200000", help="How many notifications an outage meets.")
    group.addoption("--reliability", help="The file whose table is written anew.")


@pytest.fixture(scope="session")
def postgres() -> Iterator[KillablePostgres]:
    """A PostgreSQL of our own: what is given by the environment is nobody's to kill."""
    with KillablePostgres() as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: KillablePostgres) -> Iterator[Databases]:
    with Databases(postgres.url) as made:
        yield made


@pytest.fixture
def database_url(postgres: KillablePostgres, databases: Databases) -> Iterator[str]:
    name = databases.take()
    try:
        yield sibling(postgres.url, name)
    finally:
        databases.give_back(name)


@pytest.fixture(scope="session")
def valkey() -> Iterator[KillableBroker]:
    """A broker of our own, likewise."""
    with KillableBroker() as server:
        yield server


@pytest.fixture
def world(postgres: KillablePostgres, valkey: KillableBroker) -> World:
    return World(valkey, postgres)


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """What every fault came to, for docs/reliability.md."""
    made = Report()
    yield made
    made.write(request.config.getoption("--reliability"))


@pytest.fixture
def broker(valkey: KillableBroker) -> str:
    """Its URL, empty and without a limit."""
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory", "0")
        client.flushall()
    return valkey.url


@pytest.fixture
def make_scene(make_system: Callable[..., System], tmp_path: Path) -> Callable[..., Scene]:
    """Makes a scene over this test's database and broker, unless told otherwise."""

    def make(**settings: float | str) -> Scene:
        scene = Scene(make_system(**{**SHORTENED, **settings}), tmp_path)
        # How much PagerDuty takes of one key in a minute is not what is tried here.
        scene.system.sandbox.set_faults(rate_limit=0)
        scene.set_up()
        return scene

    return make
