"""The check of a worker's machine and of Celery's pool: what is missing is refused at start."""

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
"""The modules and names of the pools that record the requests under way when they are stopped."""

FILES: Final = 100
"""The open files of a process by itself: modules, logs, connections to the broker and the database."""

FILES_FOR_EACH_PROCESS: Final = 8
"""The pipes to each of a worker's processes: the worker holds 6, and every process inherits some."""


def check_pool(pool: Any) -> str:
    """Return the name of one of Celery's pools, which is given by name or as a class.

    Raise Refused for a pool that workers of this system cannot use.
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
    """Raise Refused if no temporary file or folder can be made; Celery's processes need some."""
    try:
        tempfile.TemporaryDirectory(prefix="wallarm-notify-").cleanup()
    except OSError as error:
        raise Refused(
            f"No temporary folder can be written to ({system_words(error)}); name one by TMPDIR, or mount one "
            "at /tmp."
        ) from None


def check_semaphores() -> None:
    """Raise Refused if no semaphore can be made; a worker and its processes lock with them."""
    try:
        billiard.Lock()
    except OSError as error:
        raise Refused(
            f"No semaphore can be made ({system_words(error)}); /dev/shm has to be a folder that this account "
            "can write to. Mount one there, or use -P threads."
        ) from None


def files_needed(processes: int, *, connections: int) -> int:
    """Return how many files each process of a worker may have open at once.

    ``processes`` are the worker's, ``connections`` those of one process to PagerDuty.
    """
    return FILES + FILES_FOR_EACH_PROCESS * processes + connections


def allow_open_files(needed: int) -> None:
    """Set this process's limit of open files to at least ``needed``; its children inherit it.

    Raise Refused if that is not allowed.
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
