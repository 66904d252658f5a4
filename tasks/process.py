"""A worker process: its parts, made after the fork, its logging, and its checks and signals."""

import logging
import os
import threading
import time
from typing import Any

from billiard import current_process
from celery import signals
from celery.utils.nodenames import gethostname

from wallarm_notify.broker import worker_process  # noqa: F401 - connects the signals of worker and processes
from wallarm_notify.broker.app import app
from wallarm_notify.broker.start_check import check_worker
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.domain.readiness import HEARTBEAT
from wallarm_notify.logs import set_up_logging
from wallarm_notify.sender.dispatcher import CONNECTIONS
from wallarm_notify.services.attendance import Watch
from wallarm_notify.services.readiness import note_heartbeat
from wallarm_notify.settings import settings
from wallarm_notify.task_names import QUEUES
from wallarm_notify.worker_parts import WorkerParts

log = logging.getLogger(__name__)

_making = threading.Lock()
_made: dict[int, WorkerParts] = {}
"""The parts by their process: a forked child must not use its parent's connections."""


def wiring() -> WorkerParts:
    """Return this process's parts; tasks in threads share them.

    A process of a pool makes them at its start; without such a pool, or where that failed, they are made here.
    """
    with _making:
        if (pid := os.getpid()) not in _made:
            _made[pid] = WorkerParts(settings(), app.amqp.queues.consume_from)
            _note_that_it_lives(_made[pid], frozenset(app.amqp.queues.consume_from))
        return _made[pid]


def _note_once(parts: WorkerParts, queues: frozenset[str]) -> None:
    try:
        note_heartbeat(parts.context, _node[0], queues)
    except NotifyError:
        pass  # readiness says that the database is away
    except Exception:  # whatever it is, the process lives, and would count as dead from here on
        log.exception("heartbeat.failed")


def _note_that_it_lives(parts: WorkerParts, queues: frozenset[str]) -> None:
    """Have a thread note every few seconds that this process lives, until the process ends.

    Of the processes of a node the first one also looks which queues nobody takes from.
    """
    # A process that takes the place of one that died has its index; without a pool there is none.
    is_first = getattr(current_process(), "index", 0) == 0
    watch = Watch(parts.context, QUEUES) if is_first else None

    def note() -> None:
        while True:
            _note_once(parts, queues)
            if watch is not None:
                watch.look()
            time.sleep(HEARTBEAT.total_seconds())

    threading.Thread(target=note, name="heartbeat", daemon=True).start()


@signals.worker_process_init.connect
def _make_parts(**_: Any) -> None:
    wiring()


_node = [f"beat@{gethostname()}"]
"""The name of this node: a worker sets it before it sets up its log, and beat never does."""


@signals.celeryd_init.connect
def _note_node(sender: str, **_: Any) -> None:
    _node[:] = [sender]


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | str | None = None, **_: Any) -> None:
    set_up_logging(loglevel or logging.INFO, _node[0], as_json=settings().log_format == "json")


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
    if (parts := _made.get(os.getpid())) is not None:
        parts.drain(settings().request_timeout + START_WITHIN.total_seconds() + 1)
