"""Servers that chaos may kill, and a scene for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import Databases, sibling
from e2e.system import System

from chaos.outside import World
from chaos.report import Report
from chaos.scene import SHORTENED, Scene
from wallarm_notify.devstack.embedded import EmbeddedBroker, EmbeddedPostgres
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption(
        "--minutes", default="1", help="How long the random history, or the outage, goes on."
    )
    group.addoption("--seed", type=int, help="Plays the random history of this seed again.")
    group.addoption("--waiting", default="200000", help="How many notifications an outage meets.")
    group.addoption("--reliability", help="The file whose table is written anew.")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of our own: what is given by the environment is nobody's to kill."""
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Iterator[Databases]:
    with Databases(postgres.url) as made:
        yield made


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, databases: Databases) -> Iterator[str]:
    name = databases.take()
    try:
        yield sibling(postgres.url, name)
    finally:
        databases.give_back(name)


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedBroker]:
    """A broker of our own, likewise."""
    with EmbeddedBroker() as server:
        yield server


@pytest.fixture
def world(postgres: EmbeddedPostgres, valkey: EmbeddedBroker) -> World:
    return World(valkey, postgres)


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """What every fault came to, for docs/reliability.md."""
    made = Report()
    yield made
    made.write(request.config.getoption("--reliability"))


@pytest.fixture
def make_scene(
    database_url: str, valkey: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Scene]]:
    """Makes a scene over this test's database; everything of it is stopped at the end."""
    made: list[System] = []
    with Sandbox() as sandbox:

        def make(broker_url: str | None = None, **knobs: float | str) -> Scene:
            system = System(
                database_url,
                broker_url or valkey.url,
                sandbox.url,
                SandboxClient(sandbox.url),
                tmp_path,
                **{**SHORTENED, **knobs},
            )
            for name, value in system.environment.items():
                monkeypatch.setenv(name, value)
            made.append(system)
            if broker_url is None:
                with system.ask_broker() as client:
                    client.config_set("maxmemory", "0")
                    client.flushall()
            # How much PagerDuty takes of one key in a minute is not what is tried here.
            system.sandbox.set_faults(rate_limit=0)
            scene = Scene(system, tmp_path)
            scene.set_up()
            return scene

        yield make
        for system in made:
            system.close()
