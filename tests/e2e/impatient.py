"""Programs that look every second for queues that nobody takes from, and tell of them after seconds, not minutes.

A worker: ``celery -A tasks worker -I e2e.impatient``; any other: ``python -m e2e.impatient PROGRAM [WORD]...``.
"""

import sys
from datetime import timedelta

from wallarm_notify.domain import attendance as rules
from wallarm_notify.services import attendance

rules.LOGGED_AFTER = timedelta(seconds=5)  # type: ignore[misc]  # a constant of the product
attendance.HEARTBEAT = timedelta(seconds=1)  # type: ignore[attr-defined]  # it is what the loop waits for
if (process := sys.modules.get("tasks.process")) is not None:
    process.HEARTBEAT = attendance.HEARTBEAT  # type: ignore[attr-defined]  # likewise, in a worker

if __name__ == "__main__":
    program = sys.argv.pop(1)
    if program == "celery":
        from celery.__main__ import main as run
    else:
        from wallarm_notify.entrypoints.command import main as run
    run()
