"""What worker and beat find out of the broker before they start, and say of it while they run."""

import logging
import sys
import threading
from typing import Any, Final

from celery import signals

from wallarm_notify.broker.app import app, check_broker, eviction
from wallarm_notify.broker.broker_check import BEAT, MAY_EVICT, Doubt, Uses
from wallarm_notify.domain.errors import NotifyError, Unavailable
from wallarm_notify.settings import settings

log = logging.getLogger(__name__)

HOUR: Final = 3600.0
"""Seconds from one warning of a broker that evicts to the next."""

_doubts: list[Doubt] = []
"""Found before logging was set up."""


def check(uses: Uses) -> None:
    """Raises Refused or Unavailable where the broker cannot do for ``uses``, or not now."""
    _doubts[:] = check_broker(app, uses, may_evict=settings().broker_may_evict)


@signals.celeryd_after_setup.connect
def _say(**_: Any) -> None:
    """Warns of what was found, once."""
    for doubt in _doubts:
        log.warning(doubt.event, extra={"reason": doubt.reason})


@signals.worker_ready.connect
def _say_each_hour(**_: Any) -> None:
    """Warns of a broker that evicts, again and again."""
    if any(doubt.event == MAY_EVICT for doubt in _doubts):
        stopped = threading.Event()
        threading.Thread(target=warn_each_hour, args=(stopped,), name="evicts", daemon=True).start()


def warn_each_hour(stopped: threading.Event, seconds: float = HOUR) -> None:
    """Warns of a broker that still evicts, until ``stopped``."""
    while not stopped.wait(seconds):
        try:
            doubt = eviction(app)
        except Unavailable:  # whoever needs it says so
            continue
        if doubt is not None:
            log.warning(doubt.event, extra={"reason": doubt.reason})


@signals.beat_init.connect
def _check_before_beat(**_: Any) -> None:
    try:
        check(BEAT)
    except NotifyError as error:
        sys.exit(f"wallarm-notify: {error}")
    _say()
    _say_each_hour()
