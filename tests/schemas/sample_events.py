"""Events of every type, each with its required and its optional fields."""

from __future__ import annotations

from typing import Any

from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.schemas.read import read_event

ID = "7b0c6a52-0001-4000-8000-00000000000a"

ALWAYS: dict[str, Any] = {"id": ID, "client_id": 1, "occurred_at": "2026-03-01T10:00:00+03:00"}

_INTEGRATION = {"integration_id": 17, "integration_name": "On-call"}

_TRAFFIC = {"attack_type": "sqli"}

_ENDPOINT = {"method": "GET", "host": "api.example.com", "path": "/users"}

_RULE_OPTIONS = {"name": "Patch", "rule_type": "vpatch", "changes": {"mode": ["off", "block"]}}

_TRIGGER_OPTIONS = {"template_id": "attacks_exceeded", "changes": {}}

_INTEGRATION_OPTIONS = {"integration_type": "PagerDuty", "reason": "Moved"}

_APPLICATION_OPTIONS = {"application_id": -1, "application_name": "default"}

_TRAFFIC_OPTIONS = {
    **_APPLICATION_OPTIONS,
    "ip": "203.0.113.7",
    "host": "shop.example.com",
    "path": "/login",
    "response_status": 403,
    "target": "server",
    "experimental": True,
}

# For each type: its required fields, and its optional ones.
FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "user.created": (
        {"user_name": "Alex", "user_email": "alex@example.com", "user_role": "admin"},
        {},
    ),
    "user.deleted": (
        {"user_name": "Alex", "user_email": "alex@example.com"},
        {"user_role": "admin"},
    ),
    "user.role_changed": (
        {
            "user_name": "Alex",
            "user_email": "alex@example.com",
            "user_role": "admin",
            "previous_role": "deploy",
        },
        {},
    ),
    "integration.disabled": (_INTEGRATION, _INTEGRATION_OPTIONS),
    "integration.deleted": (_INTEGRATION, _INTEGRATION_OPTIONS),
    "integration.auto_disabled": (
        {**_INTEGRATION, "failure_ratio": 0.6, "attempts": 20, "failed": 12},
        {**_INTEGRATION_OPTIONS, "last_error": "400"},
    ),
    "application.created": ({"application_id": 8, "application_name": "Shop"}, {}),
    "application.deleted": ({"application_id": 8, "application_name": "Shop"}, {}),
    "application.renamed": (
        {"application_id": 8, "application_name": "Shop", "previous_name": "Store"},
        {},
    ),
    "specification.update_failed": (
        {"specification_id": 4, "specification_title": "Orders", "error": "404"},
        {"url": "https://example.com/a.yaml", "used_for": "specification_enforcement"},
    ),
    "rule.created": ({"rule_id": 7}, _RULE_OPTIONS),
    "rule.updated": ({"rule_id": 7}, _RULE_OPTIONS),
    "rule.deleted": ({"rule_id": "r-7"}, _RULE_OPTIONS),
    "trigger.created": ({"trigger_id": 3, "name": "Many attacks"}, _TRIGGER_OPTIONS),
    "trigger.updated": ({"trigger_id": 3, "name": "Many attacks"}, _TRIGGER_OPTIONS),
    "trigger.deleted": ({"trigger_id": 3, "name": "Many attacks"}, _TRIGGER_OPTIONS),
    "security_issue.detected": (
        {"issue_id": 106279, "title": "Old Nginx", "risk": "info"},
        {
            "host": "www.example.com",
            "port": 443,
            "path": "/",
            "url": "https://www.example.com/",
            "method": "GET",
            "parameter": "HEADER_HOST",
            "discovered_by": "AASM",
            "issue_type": "Vulnerable component",
            "reopened": True,
            "link": "https://console.example.com/1",
        },
    ),
    "attack.detected": ({**_TRAFFIC, "attack_id": "a-1"}, _TRAFFIC_OPTIONS),
    "hit.detected": ({**_TRAFFIC, "hit_id": "h-1"}, {**_TRAFFIC_OPTIONS, "in_sample": False}),
    "incident.detected": ({**_TRAFFIC, "incident_id": 5}, {**_TRAFFIC_OPTIONS, "issue_id": 9}),
    "api.changed": (
        {**_ENDPOINT, "change_type": "unused"},
        {
            **_APPLICATION_OPTIONS,
            "changed_parameters": [{"name": "ACCEPT", "change_type": "new"}],
            "sensitive_data": ["email"],
            "link": "https://console.example.com/2",
        },
    ),
    "ip.denylisted": (
        {"ip": "203.0.113.7", "reason": "Bot"},
        {**_APPLICATION_OPTIONS, "expires_at": "2026-03-02T10:00:00Z"},
    ),
    "rogue_api.detected": (
        {**_ENDPOINT, "kind": "orphan"},
        {
            **_APPLICATION_OPTIONS,
            "specification_id": 4,
            "specification_title": "Orders",
            "link": "https://console.example.com/3",
        },
    ),
}


def an_event(event_type: str = "security_issue.detected", **fields: Any) -> dict[str, Any]:
    return {**ALWAYS, "type": event_type, **FIELDS[event_type][0], **fields}


def without(event: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != field}


def accepted(obj: Any) -> Event:
    read = read_event(obj)
    assert isinstance(read, Event), read
    return read


def reason(obj: Any) -> str:
    read = read_event(obj)
    assert isinstance(read, Rejection), read
    return read.reason
