"""A worker process: its wiring, made after the fork; its logging; what it checks before it starts."""

import gc
import logging
import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from celery import signals

from wallarm_notify.adapters.database import make_engine
from wallarm_notify.adapters.logging import set_up_logging
from wallarm_notify.adapters.queue import app, check_broker
from wallarm_notify.adapters.quorum import QuorumQueue
from wallarm_notify.adapters.store import Store
from wallarm_notify.bootstrap import Wiring
from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.domain.notification import START_WITHIN
from wallarm_notify.settings import settings
from wallarm_notify.task_names import INGEST_QUEUES, NOTIFICATIONS_QUEUE, RETRIES_QUEUE

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _wiring_of(pid: int) -> Wiring:
    del pid  # only the cache's key: a forked child must not use its parent's connections
    return Wiring(settings(), delivers=NOTIFICATIONS_QUEUE in app.amqp.queues.consume_from)


def wiring() -> Wiring:
    """This process's parts."""
    return _wiring_of(os.getpid())


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | str | None = None, **_: Any) -> None:
    set_up_logging(loglevel or logging.INFO)


@signals.worker_init.connect
def _check_before_start(**_: Any) -> None:
    """Stops the start with a sentence where database or broker is down, or the schema is old."""
    store = Store(make_engine(settings().database(), pool_size=0))
    try:
        _check_queues(app.amqp.queues.consume_from)
        store.check()
        check_broker(app)
    except (Refused, Unavailable) as error:
        sys.exit(f"wallarm-notify: {error}")


def _check_queues(queues: Mapping[str, Any]) -> None:
    """A quorum queue's prefetch is fixed: what is held until it is due would use it up."""
    delivering = sorted(queues.keys() & {NOTIFICATIONS_QUEUE, RETRIES_QUEUE})
    if delivering and any(isinstance(queue, QuorumQueue) for queue in queues.values()):
        raise Refused(
            f"{' and '.join(INGEST_QUEUES)} are quorum queues (WALLARM_NOTIFY_EVENTS_QUEUE_TYPE): a worker "
            f"that consumes them cannot consume {' and '.join(delivering)} too. Run one with "
            f"-Q {','.join(INGEST_QUEUES)}, and others for the rest."
        )


@signals.beat_init.connect
def _check_broker_before_beat(**_: Any) -> None:
    try:
        check_broker(app)
    except Unavailable as error:
        sys.exit(f"wallarm-notify: {error}")


@signals.worker_process_init.connect
def _look_for_garbage_less_often(**_: Any) -> None:
    """A batch makes tens of thousands of objects, none of them in a circle; modules stay for ever."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@signals.worker_process_shutdown.connect
def _record_what_is_under_way(**_: Any) -> None:
    """Gives requests that are under way the time to end and be recorded."""
    if "courier" in vars(wiring()):
        wiring().courier.drain(settings().request_timeout + START_WITHIN.total_seconds() + 1)
