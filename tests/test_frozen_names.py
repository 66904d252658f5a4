"""What others rely on by name stays as it is, whatever our own code calls it."""

from __future__ import annotations

import hashlib
import json

from wallarm_notify import task_names
from wallarm_notify.broker.quarantine import RETURNED
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.schemas.catalogue import json_schema

TASKS_AND_QUEUES = {
    "INGEST": "events.ingest",
    "INGEST_CALLS": "events.ingest_calls",
    "DELIVER": "notifications.deliver",
    "SWEEP": "upkeep.sweep",
    "REVIEW": "upkeep.review",
    "PRUNE": "upkeep.prune",
    "DRILL": "upkeep.drill",
    "REPLAY": "upkeep.replay",
    "EVENTS_QUEUE": "events",
    "DEFAULT_QUEUE": "celery",
    "NOTIFICATIONS_QUEUE": "notifications",
    "RETRIES_QUEUE": "retries",
    "UPKEEP_QUEUE": "upkeep",
}
SCHEMA = "a7a1a0c4a27480541110e01867fac54a977ed20295951d31ddd0c33608cec236"
"""SHA-256 of what ``wallarm-notify events schema`` prints, in canonical JSON."""


def test_tasks_and_queues_have_the_names_that_producers_know() -> None:
    tasks = {name: value for name, value in vars(task_names).items() if isinstance(value, str)}
    tasks = {name: value for name, value in tasks.items() if name.isupper()}
    assert tasks == TASKS_AND_QUEUES


def test_a_call_that_came_back_is_marked_in_the_header_that_other_versions_read() -> None:
    assert RETURNED == "wallarm_notify_returned"


def test_a_command_that_fails_exits_with_1() -> None:
    assert FAILED == 1


def test_the_printed_schema_is_the_one_that_producers_have() -> None:
    text = json.dumps(json_schema(), sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == SCHEMA
