"""A worker process: its parts, made after the fork, its logging, and its checks and signals."""

import logging
import os
import threading
from functools import lru_cache
from typing import Any

from celery import signals
from celery.utils.nodenames import gethostname

from wallarm_notify.bootstrap import Wiring
from wallarm_notify.broker import worker_process  # noqa: F401 - connects the signals of worker and processes
from wallarm_notify.broker.app import app
from wallarm_notify.broker.start_check import check_worker
from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.logs import set_up_logging
from wallarm_notify.sender.dispatcher import CONNECTIONS
from wallarm_notify.settings import settings
from wallarm_notify.task_names import NOTIFICATIONS_QUEUE

_making = threading.Lock()


@lru_cache(maxsize=1)
def _wiring_of(pid: int) -> Wiring:
    del pid  # only the key of the cache: a forked child must not use its parent's connections
    return Wiring(settings(), delivers=NOTIFICATIONS_QUEUE in app.amqp.queues.consume_from)


def wiring() -> Wiring:
    """Return this process's parts; tasks in threads share them."""
    with _making:
        return _wiring_of(os.getpid())


_node = [f"beat@{gethostname()}"]
"""The name of this node: a worker sets it before it sets up its log, and beat never does."""


@signals.celeryd_init.connect
def _note_node(sender: str, **_: Any) -> None:
    _node[:] = [sender]


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | str | None = None, **_: Any) -> None:
    set_up_logging(loglevel or logging.INFO, _node[0])


@signals.worker_init.connect
def _check_before_start(sender: Any, **_: Any) -> None:
    check_worker(sender, connections=CONNECTIONS)


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def _record_what_is_under_way(**_: Any) -> None:
    """Give requests that are under way the time to end and be recorded.

    This runs at the end of each of a worker's processes; with -P threads and solo, in the worker itself,
    after its last task.
    """
    if "dispatcher" in vars(wiring()):
        wiring().dispatcher.drain(settings().request_timeout + START_WITHIN.total_seconds() + 1)
