"""Servers that the chaos suite may kill, and a scenario for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from conftest import Databases, sibling

from chaos.killable import KillableBroker, KillablePostgres
from chaos.outside import Servers
from chaos.report import Report
from chaos.scenario import SHORTENED, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.system import System


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption(
        "--minutes", default="1", help="Minutes of the random history, or of the outage."
    )
    group.addoption("--seed", type=int, help="Repeats the random history of this seed.")
    group.addoption("--waiting", default="200000", help="Notifications that wait in an outage.")
    group.addoption("--reliability", help="The file whose table is rewritten.")


@pytest.fixture(scope="session")
def postgres() -> Iterator[KillablePostgres]:
    """A PostgreSQL of the suite's own: one given by the environment must not be killed."""
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
    """A broker of the suite's own: one given by the environment must not be killed."""
    with KillableBroker() as server:
        yield server


@pytest.fixture
def servers(postgres: KillablePostgres, valkey: KillableBroker) -> Servers:
    return Servers(valkey, postgres)


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """The results of all faults, for docs/reliability.md."""
    made = Report()
    yield made
    made.write(request.config.getoption("--reliability"))


@pytest.fixture
def broker(valkey: KillableBroker) -> str:
    """The URL of the broker, emptied and without a limit of memory."""
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory", "0")
        client.flushall()
    return valkey.url


@pytest.fixture
def make_scenario(make_system: Callable[..., System], tmp_path: Path) -> Callable[..., Scenario]:
    """What makes a scenario on this test's database and broker, unless ``settings`` name others."""

    def make(**settings: float | str) -> Scenario:
        scenario = Scenario(make_system(**{**SHORTENED, **settings}), tmp_path)
        # How much PagerDuty takes of one key in a minute is not what is tried here.
        scenario.system.sandbox.set_faults(rate_limit=0)
        scenario.set_up()
        return scenario

    return make
