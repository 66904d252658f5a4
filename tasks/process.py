"""A worker process: its wiring, made after the fork; its logging; what it checks before it starts."""

import logging
import os
import sys
from functools import lru_cache
from typing import Any

from celery import signals

from wallarm_notify.adapters.database import make_engine
from wallarm_notify.adapters.logging import set_up_logging
from wallarm_notify.adapters.queue import app, check_broker
from wallarm_notify.adapters.store import Store
from wallarm_notify.bootstrap import Wiring
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.settings import settings

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _wiring_of(pid: int) -> Wiring:
    del pid  # only the cache's key: a forked child must not use its parent's connections
    return Wiring(settings())


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
        store.check()
        check_broker(app)
    except Unavailable as error:
        sys.exit(f"wallarm-notify: {error}")


@signals.beat_init.connect
def _check_broker_before_beat(**_: Any) -> None:
    try:
        check_broker(app)
    except Unavailable as error:
        sys.exit(f"wallarm-notify: {error}")


@signals.worker_process_shutdown.connect
def _record_what_is_under_way(**_: Any) -> None:
    """Gives requests that are under way the time to end and be recorded."""
    if "courier" in vars(wiring()):
        wiring().courier.drain(settings().request_timeout + 1)
