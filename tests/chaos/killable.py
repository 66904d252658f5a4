"""Servers from wheels that can be killed, and come back at their URL with what was written to disk."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import psutil  # type: ignore[import-untyped]  # publishes no types

from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.processes import wait_until
from wallarm_notify.devstack.valkey import EmbeddedBroker


class KillablePostgres(EmbeddedPostgres):
    """A PostgreSQL that can be killed; ``start`` brings it back."""

    def kill(self) -> None:
        """Send SIGKILL to the postmaster and each of its processes."""
        os.kill(self.pid, signal.SIGSTOP)  # so that no child is born while they are counted
        postmaster = psutil.Process(self.pid)
        family = [postmaster, *postmaster.children()]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        assert self._process is not None
        self._process.kill()
        self._process = None
        # The next start is refused while one of them still holds the shared memory.
        wait_until(lambda: not any(map(is_alive, family)), 60, "the end of every process")


class KillableBroker(EmbeddedBroker):
    """A broker that can be killed; ``start`` brings it back, with its port and password."""

    def kill(self) -> None:
        """Send SIGKILL to the server."""
        assert self.pid
        self._kill()


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
