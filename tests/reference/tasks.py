"""The page of the tasks and queues."""

from __future__ import annotations

import ast
import inspect
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from reference.markdown import filled, of_docstring, page, table
from reference.source import meanings
from wallarm_notify import task_names

if TYPE_CHECKING:
    from collections.abc import Mapping

INTRODUCTION: Final = """
What a worker does when a message asks for it. Producers send `events.ingest` and nothing else
([how](../how-to/produce-events.md)); the other tasks are sent by this system itself. Every task may run twice, or be
lost, without harm: the database is the truth ([engine.md](../engine.md)).
"""

_ANY_BROKER: Final = "redis://127.0.0.1:6379/0"


def tasks_page() -> str:
    """Return the page: each task with its queue, its arguments and what it does, and each queue."""
    app = _app()
    notes = notes_of_names()
    every = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
    parts = []
    for name, task in sorted(app.tasks.items()):
        if name.startswith("celery."):
            continue
        queue = app.conf.task_routes[name]["queue"]
        runs = f", each {every[name].total_seconds():g} s by default" if name in every else ""
        takes = f"`{name}{_arguments(task)}` in the queue `{queue}`{runs}."
        parts.append(f"## `{name}`\n\n{filled(takes)}\n\n{of_docstring(notes[name])}")
    return page("Tasks and queues", INTRODUCTION, [*parts, _queues(notes)])


def _app() -> Any:
    """Return Celery's app with its tasks, which it does not make without the URL of a broker."""
    before = dict(os.environ)
    os.environ.setdefault("WALLARM_NOTIFY_BROKER_URL", _ANY_BROKER)
    os.environ.setdefault("WALLARM_NOTIFY_ENV_FILE", "none")
    try:
        app = import_module("tasks").app
        _ = app.tasks, app.conf.beat_schedule
    finally:
        os.environ.clear()
        os.environ.update(before)
    return app


def _arguments(task: Any) -> str:
    if task.name == task_names.INGEST:
        return "(events)"  # it takes anything, so that a wrong call is kept and not lost
    return f"({', '.join(inspect.signature(task.run).parameters)})"


def notes_of_names() -> Mapping[str, str]:
    """Return what is written after the name of each task and queue, by the name."""
    body = ast.parse(inspect.getsource(task_names)).body
    return {
        str(one.value.value): text
        for one, text in meanings(body)
        if isinstance(one.value, ast.Constant)
    }


def _queues(notes: Mapping[str, str]) -> str:
    rows = ((f"`{queue}`", of_docstring(notes[queue])) for queue in task_names.QUEUES)
    return f"## Queues\n\n{table(('queue', 'what is in it'), rows)}"
