"""One trigger and event for each condition, and the golden file of the alert it makes.

What differs from run to run, ids and times, is written as what it is. The files are written anew, to
be read in the diff, by ``PYTHONPATH=tests python tests/pagerduty/test_firing_alerts.py``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden_triggers"


@dataclass(frozen=True)
class Sample:
    """A trigger, and an event that meets it."""

    name: str
    filters: tuple[str, ...]
    threshold: str | None
    event: dict[str, Any] = field(default_factory=dict)


SAMPLES = {
    "attacks_exceeded": Sample(
        "Injections",
        ("attack_type=sqli,xss", "pool!=3", "response_status=5xx,404"),
        "0 in 1h",
        {"attack_type": "sqli", "application_id": 8, "response_status": 503},
    ),
    "hits_exceeded": Sample("SQLi hits", ("attack_type=sqli",), "0 in 1m", {"attack_type": "sqli"}),
    "incidents_exceeded": Sample(
        "Incidents", ("target=server,database",), "0 in 1s", {"target": "database"}
    ),
    "api_structure_changed": Sample(
        "New endpoints",
        ("change_type=added", "pii=email"),
        None,
        {
            "sensitive_data": ["email"],
            "changed_parameters": [
                {
                    "name": "ACCEPT",
                    "type": "header",
                    "point": ["header", "ACCEPT"],
                    "change_type": "new",
                }
            ],
            "link": "https://us1.my.wallarm.com/api-discovery?instance=1&method=GET",
        },
    ),
    "blacklist_ip_added": Sample(
        "Denylisted",
        ("pool=8",),
        None,
        {
            "ip": "1.1.1.1",
            "reason": "Produces many attacks",
            "expires_at": "2026-06-10T02:27:15+03:00",
            "application_id": 8,
        },
    ),
    "rogue_api_detected": Sample(
        "Shadow endpoints",
        ("deviation_type=shadow",),
        None,
        {
            "application_name": "Shop",
            "specification_title": "Shop API",
            "link": "https://us1.my.wallarm.com/api-discovery/rogue",
        },
    ),
    "user_created": Sample(
        "New administrators",
        ("user_role=admin",),
        None,
        {"actor": {"name": "John Doe", "email": "john.doe@example.com"}},
    ),
}

_CHANGING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<dedup_key>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000"), "<time>"),
    (re.compile(r"time_(from|to)=\d+"), r"time_\1=<seconds>"),
)


def without_what_changes(body: dict[str, Any]) -> dict[str, Any]:
    """``body`` with ids and times written as what they are."""
    text = json.dumps({k: v for k, v in body.items() if k != "routing_key"})
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    stable: dict[str, Any] = json.loads(text)
    return stable


def golden(condition: str) -> dict[str, Any]:
    """What is in the golden file of ``condition``."""
    read: dict[str, Any] = json.loads((FOLDER / f"{condition}.json").read_text("utf-8"))
    return read


def write(condition: str, body: dict[str, Any]) -> None:
    """Writes the golden file of ``condition``."""
    text = json.dumps(without_what_changes(body), indent=2, ensure_ascii=False)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{condition}.json").write_text(f"{text}\n", "utf-8")
