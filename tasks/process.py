"""A worker process: its wiring, made after the fork; its logging; what it checks before it starts."""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from billiard import current_process
from celery import signals
from celery.platforms import EX_OK
from celery.utils.nodenames import gethostname
from celery.worker import state

from tasks import broker_at_start
from wallarm_notify.bootstrap import Wiring
from wallarm_notify.broker.app import app
from wallarm_notify.broker.broker_check import uses_of_worker
from wallarm_notify.broker.process_check import (
    PREFORK,
    allow_open_files,
    check_pool,
    check_semaphores,
    check_temporary_folder,
    files_needed,
)
from wallarm_notify.broker.quorum import QuorumQueue
from wallarm_notify.domain.errors import NotifyError, Refused
from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.logs import set_up_logging
from wallarm_notify.sender.dispatcher import CONNECTIONS
from wallarm_notify.settings import settings
from wallarm_notify.store import Store
from wallarm_notify.store.connection import make_engine
from wallarm_notify.store.encryption import KeyCipher
from wallarm_notify.task_names import INGEST_QUEUES, NOTIFICATIONS_QUEUE, RETRIES_QUEUE

log = logging.getLogger(__name__)

_DELIVERING: Final = frozenset({NOTIFICATIONS_QUEUE, RETRIES_QUEUE})

_making = threading.Lock()


@lru_cache(maxsize=1)
def _wiring_of(pid: int) -> Wiring:
    del pid  # only the cache's key: a forked child must not use its parent's connections
    return Wiring(settings(), delivers=NOTIFICATIONS_QUEUE in app.amqp.queues.consume_from)


def wiring() -> Wiring:
    """This process's parts, of which tasks in threads have the same."""
    with _making:
        return _wiring_of(os.getpid())


_node = [f"beat@{gethostname()}"]
"""The name of this node: a worker says its own before it sets up its log, and beat none."""


@signals.celeryd_init.connect
def _note_node(sender: str, **_: Any) -> None:
    _node[:] = [sender]


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | str | None = None, **_: Any) -> None:
    set_up_logging(loglevel or logging.INFO, _node[0])


@signals.worker_init.connect
def _check_before_start(sender: Any, **_: Any) -> None:
    """Stops the start with a sentence where something is missing that the worker cannot do without."""
    delivers = not _DELIVERING.isdisjoint(app.amqp.queues.consume_from)
    try:
        _check_machine(sender, delivers=delivers)
        _check_queues(app.amqp.queues.consume_from)
        _check_database(delivers=delivers)
        broker_at_start.check(uses_of_worker(app.amqp.queues.consume_from, sender.hostname))
    except NotifyError as error:
        sys.exit(f"wallarm-notify: {error}")
    except Exception as error:  # noqa: BLE001 - Celery would start all the same, and say nothing
        sys.exit(f"wallarm-notify: the worker could not be checked before its start ({error!r}).")


def _check_machine(worker: Any, *, delivers: bool) -> None:
    pool = check_pool(worker.pool_cls)
    check_temporary_folder()
    if pool == PREFORK:
        check_semaphores()
    most, *_ = worker.options.get("autoscale") or [0]
    allow_open_files(
        files_needed(max(worker.concurrency, most), connections=CONNECTIONS if delivers else 0)
    )


def _check_database(*, delivers: bool) -> None:
    cipher = KeyCipher(settings().fernet_keys())
    store = Store(make_engine(settings().database(), pool_size=0), cipher)
    store.check()
    if delivers:
        store.check_keys()


def _check_queues(queues: Mapping[str, Any]) -> None:
    """A quorum queue's prefetch is fixed: what is held until it is due would use it up."""
    delivering = sorted(queues.keys() & _DELIVERING)
    if delivering and any(isinstance(queue, QuorumQueue) for queue in queues.values()):
        raise Refused(
            f"{' and '.join(INGEST_QUEUES)} are quorum queues (WALLARM_NOTIFY_EVENTS_QUEUE_TYPE): a worker "
            f"that consumes them cannot consume {' and '.join(delivering)} too. Run one with "
            f"-Q {','.join(INGEST_QUEUES)}, and others for the rest."
        )


@signals.worker_shutdown.connect
def _a_warm_stop_is_no_failure(sender: Any, **_: Any) -> None:
    """Celery ends with 1 where Ctrl-C asked for it."""
    if state.should_stop is not None:
        sender.exitcode = EX_OK


@signals.worker_process_init.connect
def _leave_term_to_the_parent(**_: Any) -> None:
    """A TERM of the whole process group, as ``timeout`` and systemd send it, is meant for the parent.

    It lets its processes end what they are at. One that the parent sends itself ends this process.
    """
    if current_process().name == "MainProcess":
        return  # without a pool of processes (-P solo) it is the parent
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_wait_for_term, args=(os.getppid(),), name="term", daemon=True).start()


def _wait_for_term(parent: int) -> None:
    sender = None
    while sender != parent and os.getppid() == parent:
        sender = signal.sigwaitinfo({signal.SIGTERM}).si_pid
    # As Celery ends a process at a cold stop. The main thread has to hear it, which may be reading or asleep.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGQUIT)


@signals.worker_process_init.connect
def _look_for_garbage_less_often(**_: Any) -> None:
    """A batch makes tens of thousands of objects, none of them in a circle; modules stay for ever."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def _record_what_is_under_way(**_: Any) -> None:
    """Gives requests that are under way the time to end and be recorded.

    In a process of a worker when it ends; in the worker itself, which sends by -P threads and solo, when its
    tasks have ended.
    """
    if "dispatcher" in vars(wiring()):
        wiring().dispatcher.drain(settings().request_timeout + START_WITHIN.total_seconds() + 1)
