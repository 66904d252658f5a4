"""A kept folder: what stays of an installation between its starts, used by one program at a time."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from wallarm_notify.devstack.processes import CannotStart
from wallarm_notify.devstack.server import is_open_to_all


def marker_of(kind: str) -> str:
    """Return the name of the file that says what ``kind`` of folder it is.

    Who uses the folder locks it.
    """
    return f"wallarm-notify-{kind}"


@contextmanager
def used_alone(folder: Path, kind: str, contents: Sequence[str]) -> Iterator[None]:
    """Make the folder, and use it alone until the end of the block. Raise CannotStart.

    ``kind`` is what it is of, in a word. Files named as ``contents`` are, in a folder without the marker, are another
    program's, and stay untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / marker_of(kind)
    taken = [name for name in contents if (folder / name).exists()]
    if taken and not marker.exists():
        raise CannotStart(
            f"{folder.resolve()} has a {taken[0]} that is not of a {kind}; name another folder."
        )
    with marker.open("a", encoding="ascii") as opened:
        try:
            flock(opened, LOCK_EX | LOCK_NB)
        except OSError:
            raise CannotStart(
                f"Another {kind} uses {folder.resolve()}; stop it first, or name another folder."
            ) from None
        yield


def check_postgres_reaches(folder: Path) -> None:
    """Raise CannotStart where PostgreSQL, which does not run as root, could not enter the folder."""
    if os.geteuid() == 0 and not is_open_to_all(folder.resolve()):
        raise CannotStart(
            f"Started by root, PostgreSQL runs as nobody, who does not reach {folder.resolve()}; name another folder."
        )
