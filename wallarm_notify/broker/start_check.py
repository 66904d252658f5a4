"""The checks before a worker or beat starts: what it cannot do without, and what to warn of."""

import logging
import sys
import threading
from typing import Any, Final

from celery import signals

from wallarm_notify.broker.app import app
from wallarm_notify.broker.broker_check import check_broker, eviction
from wallarm_notify.broker.process_check import (
    PREFORK,
    allow_open_files,
    check_pool,
    check_semaphores,
    check_temporary_folder,
    files_needed,
)
from wallarm_notify.broker.uses import BEAT, MAY_EVICT, BrokerWarning, Uses, uses_of_worker
from wallarm_notify.domain.errors import NotifyError, Unavailable
from wallarm_notify.settings import settings
from wallarm_notify.store import Store
from wallarm_notify.store.connection import Unpooled
from wallarm_notify.store.encryption import KeyCipher
from wallarm_notify.task_names import NOTIFICATIONS_QUEUE, RETRIES_QUEUE

log = logging.getLogger(__name__)

HOUR: Final = 3600.0
"""Seconds from one warning of a broker that evicts to the next."""

_DELIVERING: Final = frozenset({NOTIFICATIONS_QUEUE, RETRIES_QUEUE})

_warnings: list[BrokerWarning] = []
"""The warnings that were found before logging was set up."""


def check_worker(worker: Any, *, connections: int) -> None:
    """End the process with a sentence on standard error if ``worker`` lacks something that it needs.

    ``connections`` is how many requests to PagerDuty a process that delivers may have at once.
    """
    try:
        _check_worker(worker, connections)
    except NotifyError as error:
        sys.exit(f"wallarm-notify: {error}")
    except Exception as error:  # noqa: BLE001 - Celery would start in spite of it, without a word
        sys.exit(f"wallarm-notify: the worker could not be checked before its start ({error!r}).")


def _check_worker(worker: Any, connections: int) -> None:
    queues = app.amqp.queues.consume_from
    delivers = not _DELIVERING.isdisjoint(queues)
    _check_machine(worker, connections=connections if delivers else 0)
    _check_database(delivers=delivers)
    _check_broker(uses_of_worker(queues, worker.hostname))


def _check_machine(worker: Any, *, connections: int) -> None:
    pool = check_pool(worker.pool_cls)
    check_temporary_folder()
    if pool == PREFORK:
        check_semaphores()
    most, *_ = worker.options.get("autoscale") or [0]
    allow_open_files(files_needed(max(worker.concurrency, most), connections=connections))


def _check_database(*, delivers: bool) -> None:
    cipher = KeyCipher(settings().fernet_keys())
    store = Store(Unpooled(settings().database()), cipher)
    store.check()
    if delivers:
        store.check_keys()


def _check_broker(uses: Uses) -> None:
    _warnings[:] = check_broker(app, uses, may_evict=settings().broker_may_evict)


@signals.beat_init.connect
def _check_beat(**_: Any) -> None:
    try:
        _check_broker(BEAT)
    except NotifyError as error:
        sys.exit(f"wallarm-notify: {error}")
    _warn()
    _warn_again()


@signals.celeryd_after_setup.connect
def _warn(**_: Any) -> None:
    """Log each warning that was found, once."""
    for warning in _warnings:
        log.warning(warning.event, extra={"reason": warning.reason})


@signals.worker_ready.connect
def _warn_again(**_: Any) -> None:
    """Warn each hour of a broker that evicts messages."""
    if any(warning.event == MAY_EVICT for warning in _warnings):
        stopped = threading.Event()
        threading.Thread(target=warn_each_hour, args=(stopped,), name="evicts", daemon=True).start()


def warn_each_hour(stopped: threading.Event, seconds: float = HOUR) -> None:
    """Warn of a broker that still evicts, every ``seconds``, until ``stopped``."""
    while not stopped.wait(seconds):
        try:
            warning = eviction(app)
        except Unavailable:  # reported by the parts that need the broker
            continue
        if warning is not None:
            log.warning(warning.event, extra={"reason": warning.reason})
