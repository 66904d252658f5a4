"""What one would write first: a Celery task per event, which posts it to PagerDuty and forgets it.

``celery -A benchmarks.plain worker``, with the broker and the settings of our workers, but Celery's own
consumer and kombu's own way to take messages.
"""

import os
from typing import Any, Final

import requests
from celery import Celery

from benchmarks.sink import SINK

QUEUE: Final = "plain"

app = Celery("plain")
app.config_from_object("celeryconfig")
app.conf.update(
    worker_consumer="celery.worker.consumer:Consumer",
    task_queues=None,
    task_routes={},
    task_default_queue=QUEUE,
    beat_schedule={},
)

_session: Any = None


@app.task(name="plain.nothing")
def nothing() -> None:
    """Do nothing: what it takes is what Celery alone costs."""


@app.task(name="plain.post")
def post(key: str, title: str) -> None:
    """Post one event."""
    global _session  # noqa: PLW0603 - a process's own, made after the fork
    if _session is None:
        _session = requests.Session()
        _session.trust_env = False
    _session.post(os.environ[SINK], json=body_of(key, title), timeout=15)


def body_of(key: str, title: str) -> dict[str, Any]:
    """Return an alert such as ours."""
    return {
        "routing_key": key,
        "event_action": "trigger",
        "payload": {
            "summary": title,
            "source": "wallarm",
            "severity": "critical",
            "component": "security_issue",
            "custom_details": {"title": title, "risk": "high", "client_id": 1},
        },
    }
