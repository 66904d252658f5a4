"""Commands on a real database, broker and sandbox."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil  # type: ignore[import-untyped]  # publishes no types
import pytest
from conftest import publish_to

from entrypoints.command_line import KEY, CommandLine
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox
from wallarm_notify.settings import settings
from wallarm_notify.store.encryption import generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@pytest.fixture
def pagerduty() -> Iterator[Sandbox]:
    with Sandbox() as server:
        yield server


@pytest.fixture
def sandbox(pagerduty: Sandbox) -> SandboxClient:
    return SandboxClient(pagerduty.url)


@pytest.fixture
def quiet_logging() -> Iterator[None]:
    """Restore logging after commands, which set it up for their process: here that is the tests' own."""
    loggers = [logging.getLogger(), logging.getLogger("wallarm_notify"), logging.getLogger("tasks")]
    before = [(logger, logger.level) for logger in loggers]
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for logger, level in before:
        logger.setLevel(level)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, quiet_logging: None) -> Iterator[CommandLine]:
    """The command line without any setting."""
    yield from command_line({}, monkeypatch)


@pytest.fixture
def line(
    database_url: str,
    broker: str,
    pagerduty: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    quiet_logging: None,
) -> Iterator[CommandLine]:
    """The command line with everything set; no output of any test may hold the known key."""
    environment = {
        "WALLARM_NOTIFY_DATABASE_URL": database_url,
        "WALLARM_NOTIFY_BROKER_URL": broker,
        "WALLARM_NOTIFY_PAGERDUTY_US_URL": pagerduty.url,
        "WALLARM_NOTIFY_PAGERDUTY_EU_URL": pagerduty.url,
        "WALLARM_NOTIFY_SECRET_KEYS": generate(),
    }
    yield from command_line(environment, monkeypatch)


def command_line(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    if environment:
        publish_to(environment["WALLARM_NOTIFY_BROKER_URL"])
    driven = CommandLine(environment)
    yield driven
    settings.cache_clear()
    assert KEY.lower() not in "".join(driven.outputs).lower()


@pytest.fixture
def stray() -> Iterator[Callable[[], list[str]]]:
    """Tell which processes that inherited this test's mark still run."""
    mark = uuid4().hex
    os.environ["TEST_MARK"] = mark

    def find() -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.environ().get("TEST_MARK") == mark:
                    found.append(" ".join(process.cmdline()))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    yield find
    del os.environ["TEST_MARK"]
