"""A system of real parts for each test that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.system import System
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as server:
        yield server


@pytest.fixture
def make_system(
    database_url: str,
    broker: str,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., System]]:
    """Makes systems over this test's database; each is stopped at its end."""
    made: list[System] = []

    def make(**knobs: float) -> System:
        system = System(
            database_url, broker, sandbox.url, SandboxClient(sandbox.url), tmp_path, **knobs
        )
        for name, value in system.environment.items():
            monkeypatch.setenv(name, value)
        made.append(system)
        return system

    yield make
    for system in made:
        system.close()


@pytest.fixture
def system(make_system: Callable[..., System]) -> System:
    """One with waits shortened five hundred times; the test starts workers and beat."""
    return make_system(retry_time_scale=0.002, sweep_seconds=1)
