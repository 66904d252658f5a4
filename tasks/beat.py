"""Beat's side, where it has the database: HEARTBEAT_URL, and what it tells of queues that nobody takes from."""

import sys
import threading
from functools import partial
from typing import Any

from celery import signals

from wallarm_notify.bootstrap import context_of
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.services.attendance import watch_until
from wallarm_notify.services.context import Context
from wallarm_notify.services.readiness import is_attended
from wallarm_notify.settings import Settings, settings
from wallarm_notify.task_names import QUEUES


@signals.beat_init.connect
def _begin(**_: Any) -> None:
    given = settings()
    if given.database_url is not None:
        _start("attendance", watch_until, threading.Event(), _context_of(given), QUEUES)
    if given.heartbeat_url is not None:
        _call(str(given.heartbeat_url.get_secret_value()), given)


def _context_of(given: Settings) -> Context:
    return context_of(given, keyless=True)


def _call(url: str, given: Settings) -> None:
    """Call ``url`` each minute while alerts are attended to."""
    from wallarm_notify.heartbeat_url import call_while  # noqa: PLC0415 - workers import this and need it not

    try:
        ctx = _context_of(given)
    except NotifyError as error:
        sys.exit(f"wallarm-notify: WALLARM_NOTIFY_HEARTBEAT_URL needs the database: {error}")
    look = partial(is_attended, ctx, QUEUES)
    _start("heartbeat", call_while, look, url, given.trusted(), threading.Event())


def _start(name: str, run: Any, *given: Any) -> None:
    threading.Thread(target=run, args=given, name=name, daemon=True).start()
