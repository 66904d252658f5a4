"""Samples: events of each type, as producers send them."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def sample_objects() -> tuple[dict[str, Any], ...]:
    """Return the sample events of the package, in the order of their file."""
    text = (files("wallarm_notify") / "samples" / "events.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line) for line in text.splitlines())


def sample_of(event_type: str) -> dict[str, Any]:
    """Return the first sample of a type, without what tells one event from another: its id, client and time."""
    found = next(one for one in sample_objects() if one["type"] == event_type)
    return {n: v for n, v in found.items() if n not in {"id", "client_id", "occurred_at"}}
