"""A kept installation: a stack whose database stays in a folder from one start to the next."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

from wallarm_notify.devstack.kept_folder import check_postgres_reaches, used_alone
from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.stack import Say, Stack
from wallarm_notify.devstack.valkey import EmbeddedBroker
from wallarm_notify.sandbox.server import Sandbox
from wallarm_notify.store.encryption import generate
from wallarm_notify.store.migrations import upgrade

_DATABASE: Final = "wallarm_notify"
_DATA: Final = "database"
_KEYS: Final = "secret_keys"
_KIND: Final = "console"

_FILLED: Final = "filled"
"""The file that says that the database was filled to its end; one that was not is made anew."""


@contextmanager
def kept_stack(
    folder: Path,
    fill: Callable[[Stack], None],
    say: Say,
    *,
    fresh: bool,
    patience: float,
    **settings: object,
) -> Iterator[Stack]:
    """Yield a stack whose database is in ``folder``, with the sandbox for PagerDuty, and no process yet.

    Where the database is new, or ``fresh``, ``fill`` fills it. What the broker holds is not kept: SWEEP finds it in
    the database. Raise NotifyError.
    """
    with ExitStack() as parts:
        parts.enter_context(alone(folder))
        is_new = _prepare(folder, fresh=fresh)
        postgres = parts.enter_context(EmbeddedPostgres(folder / _DATA))
        database_url = postgres.create_database(_DATABASE) if is_new else postgres.url_of(_DATABASE)
        upgrade(database_url)
        say("Database started")
        broker = parts.enter_context(EmbeddedBroker())
        say("Broker started")
        sandbox = parts.enter_context(Sandbox())
        say("Sandbox started, a PagerDuty that is none")
        logs = parts.enter_context(tempfile.TemporaryDirectory(prefix="wallarm-notify-stack-"))
        stack = Stack(
            Path(logs),
            pagerduty_url=sandbox.url,
            database_url=database_url,
            broker_url=broker.url,
            secret_keys=(folder / _KEYS).read_text(encoding="ascii"),
            **settings,
        )
        parts.callback(stack.close, patience)
        if is_new:
            fill(stack)
            (folder / _FILLED).touch()
        yield stack


def alone(folder: Path) -> AbstractContextManager[None]:
    """Make the folder, and use it alone until the end of the block. Raise CannotStart."""
    return used_alone(folder, _KIND, (_DATA, _KEYS, _FILLED))


def _prepare(folder: Path, *, fresh: bool) -> bool:
    """Make what the folder lacks; return whether its database is to be made, and filled."""
    check_postgres_reaches(folder)
    is_new = fresh or not (folder / _FILLED).exists()
    if is_new:
        (folder / _FILLED).unlink(missing_ok=True)
        if (folder / _DATA).exists():
            shutil.rmtree(folder / _DATA)
        (folder / _KEYS).unlink(missing_ok=True)
        # Nobody else may read it, from its first byte on.
        opened = os.open(folder / _KEYS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "w", encoding="ascii") as file:
            file.write(generate())
    return is_new
