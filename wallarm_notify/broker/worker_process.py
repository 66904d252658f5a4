"""Signal handlers of a worker and its processes: how they end, and how often they collect garbage."""

import gc
import os
import signal
import threading
from typing import Any

from billiard import current_process
from celery import signals
from celery.platforms import EX_OK
from celery.worker import state


@signals.worker_shutdown.connect
def _end_well(sender: Any, **_: Any) -> None:
    """Make a warm stop a success: Celery exits with 1 after Ctrl-C."""
    if state.should_stop is not None:
        sender.exitcode = EX_OK


@signals.worker_process_init.connect
def _leave_term_to_the_parent(**_: Any) -> None:
    """Ignore a TERM to the whole process group, as ``timeout`` and systemd send it: the parent acts on it.

    The parent lets its processes end their work. A TERM from the parent itself ends this process.
    """
    if current_process().name == "MainProcess":
        return  # without a pool of processes (-P solo) this is the parent
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_wait_for_term, args=(os.getppid(),), name="term", daemon=True).start()


def _wait_for_term(parent: int) -> None:
    sender = None
    while sender != parent and os.getppid() == parent:
        sender = signal.sigwaitinfo({signal.SIGTERM}).si_pid
    # The signal of Celery's cold stop. It goes to the main thread, which may be reading or asleep.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGQUIT)


@signals.worker_process_init.connect
def _look_for_garbage_less_often(**_: Any) -> None:
    """Collect garbage rarely: a batch makes tens of thousands of objects, and no cycles."""
    gc.freeze()  # modules are never garbage
    gc.set_threshold(50_000, 20, 20)
