"""The console on one machine, with a week of data to look at: everything is started and stopped here."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from wallarm_notify.devstack.kept import kept_stack
from wallarm_notify.devstack.processes import product_command
from wallarm_notify.devstack.server import free_port
from wallarm_notify.devstack.stack import READY_SECONDS, Say, Stack
from wallarm_notify.devstack.week import (
    ADMINISTRATOR,
    DRILL_HOURS,
    OPERATOR,
    faults_of_week,
    play_week,
)
from wallarm_notify.domain.actor import operator
from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.entrypoints.demo.signals import ending_in_order, uninterrupted_at_the_end
from wallarm_notify.services.sessions import make_sign_in_link

_PATIENCE: Final = 10.0
"""Seconds between asking a process to end and killing it."""

_POLL_SECONDS: Final = 0.2


def run(folder: Path, port: int, say: Say, *, fresh: bool) -> None:
    """Serve the console until Ctrl-C or SIGTERM, with its state in ``folder``; then nothing is left running.

    ``fresh``: what was there is deleted first. ``port`` 0: a free one. ``say`` gets a line for people, several
    times. Raise NotifyError.
    """
    with ending_in_order():
        try:
            with _running(folder, port or free_port(), say, fresh=fresh) as stack:
                _wait(stack)
        except (KeyboardInterrupt, SystemExit):
            say(f"Stopped; nothing is left running. What there was is in {folder}.")


@contextmanager
def _running(folder: Path, port: int, say: Say, *, fresh: bool) -> Iterator[Stack]:
    began = time.monotonic()

    def note(what: str) -> None:
        say(f"{time.monotonic() - began:4.0f} s  {what}")

    def fill(stack: Stack) -> None:
        play_week(stack.environment["WALLARM_NOTIFY_DATABASE_URL"], stack.settings, _now())
        note("A week of six clients is stored")

    url = f"http://127.0.0.1:{port}"
    settings = {"public_url": url, "drill_hours": DRILL_HOURS}
    with kept_stack(folder, fill, note, fresh=fresh, patience=_PATIENCE, **settings) as stack:
        stack.sandbox.set_faults(faults_of_week())
        stack.begin_worker(name="worker")
        stack.start_beat(name="beat")
        note("Celery worker and beat started")
        served = stack.start("serve", product_command("serve", "--port", str(port)))
        served.wait_for("until Ctrl-C", READY_SECONDS)
        with _settings_in(folder, stack) as settings_file:
            for line in _greeting(stack, url, settings_file):
                say(line)
            with uninterrupted_at_the_end():
                yield stack


@contextmanager
def _settings_in(folder: Path, stack: Stack) -> Iterator[Path]:
    """Write a file of settings by which commands reach the installation; it goes with it, as its servers do."""
    path = folder / "settings"
    path.unlink(missing_ok=True)
    # Nobody else may read it, from its first byte on.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{name}='{value}'\n" for name, value in stack.environment.items())
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _greeting(stack: Stack, url: str, settings_file: Path) -> list[str]:
    return [
        "",
        f"The console is at {url} until Ctrl-C. Sign in by one of these links, as an operator, who sees all clients,",
        _link(stack, url, OPERATOR),
        "or as an administrator of a client that was attacked:",
        _link(stack, url, ADMINISTRATOR),
        "Each is good once, within 10 minutes; start again for new ones.",
        f"What its PagerDuty, which is none, was sent: {stack.settings.pagerduty_url('us')}/sandbox/alerts",
        f"For commands in another terminal: export WALLARM_NOTIFY_ENV_FILE={settings_file.resolve()}",
    ]


def _link(stack: Stack, url: str, email: str) -> str:
    """Return a line with a link, or why there is none: somebody may have disabled the user."""
    try:
        secret = make_sign_in_link(stack.wiring.context, operator("console"), EVERY_CLIENT, email)
    except Refused as error:
        return f"  (none for {email}: {error.sentence} FRESH=1 begins anew.)"
    return f"  {url}/sign-in/{secret.reveal()}"


def _wait(stack: Stack) -> None:
    """Wait until a process ends by itself, which none should. Raise Unavailable."""
    while not (ended := stack.ended()):
        time.sleep(_POLL_SECONDS)
    raise Unavailable(f"{' and '.join(ended)} ended:\n{stack.tails()}")


def _now() -> datetime:
    return datetime.now(UTC)
