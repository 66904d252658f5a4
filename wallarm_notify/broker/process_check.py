"""What a worker needs of its machine and of Celery's pool: refused at start rather than lost later."""

import resource
import tempfile
from typing import Any, Final

import billiard
from celery.concurrency import get_implementation

from wallarm_notify.domain.errors import Refused, system_words

PREFORK: Final = "prefork"

_POOLS: Final = {
    "celery.concurrency.prefork": PREFORK,
    "celery.concurrency.thread": "threads",
    "celery.concurrency.solo": "solo",
}
"""The modules of the pools that record what is under way when they are stopped, and their names."""

FILES: Final = 100
"""Open files of a process by itself: modules, logs, the broker's connections and the database's."""

FILES_FOR_EACH_PROCESS: Final = 8
"""Pipes: a worker holds 6 to each of its processes, of which every process inherits some."""


def check_pool(pool: Any) -> str:
    """The name of a pool of Celery's, which is given by name or as a class.

    Raises Refused for one that no worker of ours can use.
    """
    module = str(get_implementation(pool).__module__)
    if module not in _POOLS:
        raise Refused(
            f"-P {module.rpartition('.')[2]}: a worker of this pool cannot send and record beside its tasks, for "
            "what speaks to PostgreSQL and PagerDuty waits in C, where green threads do not switch. Use -P "
            f"{', '.join(_POOLS.values())}; without -P it is prefork."
        )
    return _POOLS[module]


def check_temporary_folder() -> None:
    """Raises Refused where no file or folder can be made for a while: Celery's processes need some."""
    try:
        tempfile.TemporaryDirectory(prefix="wallarm-notify-").cleanup()
    except OSError as error:
        raise Refused(
            f"No temporary folder can be written to ({system_words(error)}); name one by TMPDIR, or mount one "
            "at /tmp."
        ) from None


def check_semaphores() -> None:
    """Raises Refused where none can be made: a worker and its processes take turns by them."""
    try:
        billiard.Lock()
    except OSError as error:
        raise Refused(
            f"No semaphore can be made ({system_words(error)}); /dev/shm has to be a folder that this account "
            "can write to. Mount one there, or use -P threads."
        ) from None


def files_needed(processes: int, *, connections: int) -> int:
    """How many files each process of a worker with so many may have open at once, ``connections`` to PagerDuty."""
    return FILES + FILES_FOR_EACH_PROCESS * processes + connections


def allow_open_files(needed: int) -> None:
    """Raises this process's limit of open files to ``needed``, which its children inherit.

    Raises Refused where it may not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError):
        raise Refused(
            f"A process of this worker may need {needed} open files, and at most {hard} are allowed. Raise the "
            "limit (ulimit -Hn; LimitNOFILE= in systemd, ulimits: nofile in Docker), or give the worker fewer "
            "processes (-c)."
        ) from None
