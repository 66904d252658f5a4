"""The file by which a worker or beat shows that it lives, for whoever would start it again.

Its main loop touches the file, and so does each try to reach a broker that is away: starting the process again would
bring neither the broker nor the database back. Nothing else touches it, so a loop that hangs lets it grow old.
"""

import logging
import os
import time
from typing import Any, Final

from wallarm_notify.settings import settings

EVERY: Final = 10.0
"""Seconds from one touch to the next; who looks takes two minutes without one for a process that hangs."""

log = logging.getLogger(__name__)


class Liveness:
    """What touches a file, at most every ``EVERY`` seconds; without a ``path`` it does nothing."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._next = 0.0
        self._failed = False

    def note(self) -> None:
        """Touch the file, if that is due; where it cannot be, log that once."""
        if self._path is None or (now := time.monotonic()) < self._next:
            return
        self._next = now + EVERY
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            number = os.open(self._path, flags, 0o600)
            try:
                os.utime(number)
            finally:
                os.close(number)
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("liveness.not_noted", extra={"error": str(error)})
            self._failed = True

    def note_tries_of(self, connection: Any) -> None:
        """Have each try of a connection to the broker noted, while it is made or made anew."""
        connect = connection.ensure_connection

        def ensure_connection(*given: Any, callback: Any = None, **options: Any) -> Any:
            def tried() -> None:
                self.note()
                if callback is not None:
                    callback()

            self.note()
            return connect(*given, callback=tried, **options)

        connection.ensure_connection = ensure_connection


def of_this_process() -> Liveness:
    """Return what touches the file that the settings name."""
    return Liveness(settings().liveness_file)
