"""What the demo runs on: database, broker, sandbox, worker and beat, up together and down together."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wallarm_notify.bootstrap import Wiring
from wallarm_notify.devstack.embedded import BROKER_URL, DATABASE_URL, services
from wallarm_notify.devstack.shared_servers import broker_to_ourselves, database_of_our_own
from wallarm_notify.entrypoints.demo.processes import Crew
from wallarm_notify.entrypoints.demo.scenario import PACE_PER_MINUTE, SHORTENED
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox
from wallarm_notify.settings import PREFIX, Settings, read_settings
from wallarm_notify.store.encryption import generate
from wallarm_notify.store.migrations import upgrade

Say = Callable[[str], None]

_ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_NO_VARIABLE: Final = f"{PREFIX}DEMO_"
"""No variable begins so: the shell's settings are for another installation."""


@dataclass(frozen=True)
class Stage:
    """The parts, all running."""

    wiring: Wiring
    broker_url: str
    sandbox: SandboxClient
    crew: Crew


@contextmanager
def stage(say: Say) -> Iterator[Stage]:
    """Start everything, telling ``say`` what is up; end it with the block, however that ends.

    Raises NotifyError where a part cannot be had.
    """
    if os.environ.get(DATABASE_URL) or os.environ.get(BROKER_URL):
        read_settings()  # a URL that is none gets its sentence here
    with ExitStack() as parts:
        logs = parts.enter_context(tempfile.TemporaryDirectory(prefix="wallarm-notify-demo-"))
        database_url, broker_url = parts.enter_context(services(os.environ))
        if os.environ.get(DATABASE_URL):
            database_url, is_new = parts.enter_context(database_of_our_own(database_url))
            say(
                "PostgreSQL of the environment, in a database made for this and dropped after it"
                if is_new
                else "PostgreSQL of the environment, in its own database: what is written there stays"
            )
        else:
            say("PostgreSQL started")
        if os.environ.get(BROKER_URL):
            parts.enter_context(broker_to_ourselves(broker_url))
            say("Broker of the environment; nobody else may use its database meanwhile")
        else:
            say("Broker started")
        upgrade(database_url)
        say("Database migrated")
        sandbox = parts.enter_context(Sandbox())
        say("Sandbox started, a PagerDuty that is none")
        own = _own_settings(database_url, broker_url, sandbox.url)
        crew = Crew(_environ(own), Path(logs))
        parts.callback(crew.stop)
        crew.start()
        say("Celery worker and beat started")
        wiring = Wiring(Settings(_env_prefix=_NO_VARIABLE, **own))
        parts.callback(wiring.store.close)
        parts.enter_context(_deaf_at_the_end())  # the last to come is the first to go
        yield Stage(wiring, broker_url, SandboxClient(sandbox.url), crew)


def _own_settings(database_url: str, broker_url: str, pagerduty_url: str) -> dict[str, Any]:
    return {
        "database_url": database_url,
        "broker_url": broker_url,
        "pagerduty_us_url": pagerduty_url,
        "pagerduty_eu_url": pagerduty_url,
        "secret_keys": generate(),
        "retry_time_scale": str(1 / SHORTENED),
        "pace_per_minute": str(PACE_PER_MINUTE),
        # The wrong key is shown to the end of its schedule, not switched off before.
        "review_seconds": "3600",
    }


def _environ(own: Mapping[str, str]) -> dict[str, str]:
    """The processes' environment: this one's, with none but ``own`` of our variables."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return rest | {PREFIX + name.upper(): value for name, value in own.items()}


@contextmanager
def _deaf_at_the_end() -> Iterator[None]:
    """From the end of the block on no signal interrupts: all parts are about to be stopped."""
    try:
        yield
    finally:
        for number in _ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, by an exception: SystemExit."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in _ENDING_SIGNALS}
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
