"""PostgreSQL with a clock that a test sets, and Redis as if its clock had been set."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wallarm_notify.broker.redis_transport import NotingChannel
from wallarm_notify.devstack.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.scenario import Scenario

FAKETIME_LIBRARIES: Final = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
)

_READ_EVERY: Final = 1
"""Seconds for which a process trusts what it has read of the clock's file.

Were it read at each look at the clock, then also in signal handlers, where a server process may not open files:
it aborts or hangs.
"""


def libfaketime() -> str:
    """Return the file of libfaketime; fail where it is missing."""
    assert shutil.which("faketime"), "libfaketime is needed: apt-get install faketime"
    return next(path for path in FAKETIME_LIBRARIES if Path(path).exists())


def set_clock(file: Path, seconds: int) -> None:
    """Write into ``file`` by how many seconds a clock is off from now on."""
    # In one step: what goes by it reads it at any moment, and ends where it is empty.
    made = file.with_suffix(".new")
    made.write_text(f"{seconds:+}")
    made.chmod(0o644)
    made.replace(file)


class PostgresClock:
    """The clock of a running PostgreSQL, set to be off by so many seconds."""

    def __init__(self, file: Path, postgres: EmbeddedPostgres) -> None:
        self._file = file
        self.postgres = postgres

    def set(self, seconds: int) -> None:
        """Set the clock to be off by ``seconds`` from now on."""
        set_clock(self._file, seconds)
        # Until all of its processes have read it.
        time.sleep(_READ_EVERY + 0.2)


@contextmanager
def postgres_by_a_clock() -> Iterator[PostgresClock]:
    """Yield the clock of a new PostgreSQL, which can be set while that runs."""
    folder = Path(tempfile.mkdtemp(prefix="wallarm-notify-clock-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(settings={"fsync": "off"})
    clock = PostgresClock(folder / "clock", server)
    clock.set(0)
    given = {
        "LD_PRELOAD": libfaketime(),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_CACHE_DURATION": str(_READ_EVERY),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    try:
        # Only what is started meanwhile goes by it.
        os.environ.update(given)
        try:
            server.start()
        finally:
            for name in given:
                del os.environ[name]
        yield clock
    finally:
        server.stop()
        shutil.rmtree(folder)


def redis_clock_jumps(scenario: Scenario, seconds: int) -> None:
    """Move the times that are stored in Redis, as if its clock had jumped by ``seconds``."""
    index = NotingChannel.unacked_index_key
    with scenario.system.ask_broker() as client:
        for tag, score in dict(client.zrange(index, 0, -1, withscores=True)).items():
            client.zadd(index, {tag: score - seconds}, xx=True)
