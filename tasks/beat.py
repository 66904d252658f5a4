"""Beat's side: where HEARTBEAT_URL is set, it calls that each minute while alerts are attended to."""

import sys
import threading
from functools import partial
from typing import Any

from celery import signals

from wallarm_notify.bootstrap import context_of
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.services.readiness import is_attended
from wallarm_notify.settings import settings
from wallarm_notify.task_names import QUEUES


@signals.beat_init.connect
def _begin(**_: Any) -> None:
    given = settings()
    if given.heartbeat_url is None:
        return
    from wallarm_notify.heartbeat_url import call_while  # noqa: PLC0415 - workers import this and need it not

    try:
        ctx = context_of(given, keyless=True)
    except NotifyError as error:
        sys.exit(f"wallarm-notify: WALLARM_NOTIFY_HEARTBEAT_URL needs the database: {error}")
    url = str(given.heartbeat_url.get_secret_value())
    threading.Thread(
        target=call_while,
        args=(partial(is_attended, ctx, QUEUES), url, given.trusted(), threading.Event()),
        name="heartbeat",
        daemon=True,
    ).start()
