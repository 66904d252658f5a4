"""How processes are put together: servers at once, commands when they need something."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from wallarm_notify import bootstrap, worker_parts
from wallarm_notify.bootstrap import context_of
from wallarm_notify.broker.publisher import CeleryPublisher
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.settings import Settings, SettingsError
from wallarm_notify.store.connection import Unpooled
from wallarm_notify.store.encryption import generate
from wallarm_notify.store.pool import Pool
from wallarm_notify.task_names import (
    EVENTS_QUEUE,
    NOTIFICATIONS_QUEUE,
    RETRIES_QUEUE,
    UPKEEP_QUEUE,
)
from wallarm_notify.worker_parts import WorkerParts, sender_of

if TYPE_CHECKING:
    from wallarm_notify.sender.dispatcher import Dispatcher

NO_DATABASE = "postgresql://127.0.0.1:1/nothing"


def settings_for(url: str = NO_DATABASE) -> Settings:
    return Settings(database_url=url, secret_keys=generate())


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Dispatcher]:
    """The dispatchers that were made."""
    dispatchers: list[Dispatcher] = []

    def remembered(*given: object) -> Dispatcher:
        dispatchers.append(sender_of(*given))  # type: ignore[arg-type]  # as they were given
        return dispatchers[-1]

    monkeypatch.setattr(worker_parts, "sender_of", remembered)
    return dispatchers


def test_a_command_keeps_no_connection_and_a_server_some() -> None:
    command, server = (context_of(settings_for(), pooled=pooled) for pooled in (False, True))
    assert isinstance(command.store._connections, Unpooled)
    assert isinstance(server.store._connections, Pool)


def test_a_command_imports_what_sends_only_where_it_sends_and_celery_for_the_first_message() -> (
    None
):
    script = """
import sys
from wallarm_notify.bootstrap import context_of
from wallarm_notify.settings import Settings
from wallarm_notify.store.connection import Unpooled
from wallarm_notify.store.encryption import generate
from wallarm_notify.store.pool import Pool

settings = Settings(database_url="postgresql://127.0.0.1:1/nothing", secret_keys=generate())
ctx = context_of(settings)
ctx.publisher.publish([])
print({"celery", "pycurl", "wallarm_notify.sender"} & sys.modules.keys())
context_of(settings, pooled=True)
print("celery" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["set()", "True"]


def test_the_late_publisher_of_a_command_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[CeleryPublisher] = []

    class Quiet(CeleryPublisher):
        def __init__(self) -> None:
            made.append(self)

        def length(self, *, first: bool) -> int | None:
            return int(first)

        def lengths(self) -> dict[str, int]:
            return {"events": 3}

    monkeypatch.setattr(bootstrap, "_celery_publisher", Quiet)
    publisher = context_of(settings_for()).publisher
    assert made == []
    assert [publisher.length(first=first) for first in (True, False)] == [1, 0]
    assert publisher.lengths() == {"events": 3}
    assert len(made) == 1


def test_a_command_checks_the_database_before_it_asks_it_anything(empty_database: str) -> None:
    ctx = context_of(settings_for(empty_database), keyless=True)
    with pytest.raises(Unavailable, match="run: wallarm-notify db upgrade"):
        ctx.store.transact(lambda tx: tx.now)


def test_who_handles_no_keys_needs_none_and_has_none(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WALLARM_NOTIFY_SECRET_KEYS", raising=False)
    settings = Settings(database_url=database_url)
    with pytest.raises(SettingsError, match="SECRET_KEYS"):
        context_of(settings)
    ctx = context_of(settings, keyless=True)
    with pytest.raises(RuntimeError, match="without WALLARM_NOTIFY_SECRET_KEYS"):
        ctx.store.transact(lambda tx: tx.cipher)


@pytest.mark.parametrize(
    ("queues", "number", "inline"),
    [
        ([UPKEEP_QUEUE], 0, False),
        ([EVENTS_QUEUE], 0, False),
        ([RETRIES_QUEUE], 1, False),
        ([EVENTS_QUEUE, NOTIFICATIONS_QUEUE], 1, True),
    ],
)
def test_a_worker_that_delivers_makes_its_dispatcher_at_once(
    made: list[Dispatcher], queues: list[str], number: int, *, inline: bool
) -> None:
    parts = WorkerParts(settings_for(), queues)
    assert len(made) == number
    assert (parts.inline_dispatcher is not None) == inline
    assert len(made) == number


def test_a_worker_has_one_dispatcher(made: list[Dispatcher]) -> None:
    parts = WorkerParts(settings_for(), [NOTIFICATIONS_QUEUE])
    assert made == [parts.dispatcher]
    assert parts.dispatcher is parts.inline_dispatcher
    assert len(made) == 1


def test_a_dispatcher_that_could_not_be_made_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(worker_parts, "sender_of", refuse)
        parts = WorkerParts(settings_for(), [NOTIFICATIONS_QUEUE])
        assert parts.inline_dispatcher is None
        assert [record.message for record in caplog.records] == ["ingest.no_dispatcher"]
        with pytest.raises(OSError, match="too many open files"):
            parts.dispatcher  # noqa: B018 - it is made by asking for it
    assert parts.dispatcher is parts.inline_dispatcher


def test_draining_makes_no_dispatcher(made: list[Dispatcher]) -> None:
    WorkerParts(settings_for(), [UPKEEP_QUEUE]).drain(0)
    assert made == []
