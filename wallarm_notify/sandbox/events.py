"""The rules for an event's body, and PagerDuty's words for each one broken."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

MAX_BODY_BYTES = 524_288
MAX_SUMMARY_CHARACTERS = 1024
MAX_DEDUP_KEY_CHARACTERS = 255
ROUTING_KEY_CHARACTERS = 32
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "warning", "error", "info")

# PagerDuty's own words for these are not known; the wording is the sandbox's.
TOO_LARGE = f"Event object is too large (maximum is {MAX_BODY_BYTES} bytes)"
UNKNOWN_ACTION = (
    "'event_action' is invalid (must be one of the following: "
    "'trigger', 'acknowledge' or 'resolve')"
)
LONG_DEDUP_KEY = f"'dedup_key' is too long (maximum is {MAX_DEDUP_KEY_CHARACTERS} characters)"
TEXTLESS_DEDUP_KEY = "'dedup_key' is not a string"
BAD_TIMESTAMP = "'payload.timestamp' is not an ISO 8601 date and time"
BAD_DETAILS = "'payload.custom_details' is not an object"

_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII
)
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]*")


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_decode = json.JSONDecoder(parse_constant=_no_number).decode


def read_body(raw: bytes) -> dict[str, Any] | None:
    """Return the JSON object in `raw` (UTF-8), or None if there is none."""
    try:
        document = read_json(raw)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def read_json(raw: bytes) -> Any:
    """Return the JSON value in `raw`; raise ValueError if it is no JSON in UTF-8."""
    try:
        return _decode(raw.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def routing_key_of(body: Mapping[str, Any] | None, header: str | None) -> str | None:
    """Return the key as sent, well formed or not: the body's, or else that of the `X-Routing-Key` header."""
    sent = None if body is None else body.get("routing_key")
    return sent if isinstance(sent, str) else header


def is_well_formed_key(key: str) -> bool:
    """Return whether `key` has the form of an integration key."""
    return not _key_errors(key)


def alert_errors(body: Mapping[str, Any], key: str | None) -> list[str]:
    """Return every rule an alert event breaks; an empty list means it is valid.

    `key` is what `routing_key_of` found for this body.
    """
    errors = _key_errors(key)
    action = body.get("event_action")
    if is_blank(action):
        errors.append("'event_action' is missing or blank")
    elif action not in ACTIONS:
        errors.append(UNKNOWN_ACTION)
    errors += _dedup_key_errors(body.get("dedup_key"), needed=action in ("acknowledge", "resolve"))
    payload = _payload(body)
    if action == "trigger":
        errors += _missing(payload, "summary", "source", "severity")
    errors += _summary_errors(payload)
    severity = payload.get("severity")
    if not is_blank(severity) and severity not in SEVERITIES:
        errors.append(
            "'payload.severity' is invalid (must be one of the following: "
            "'critical', 'warning', 'error' or 'info')"
        )
    return errors + _detail_errors(payload) + _attachment_errors(body)


def change_errors(body: Mapping[str, Any], key: str | None) -> list[str]:
    """Return every rule a change event breaks; an empty list means it is valid.

    `key` is what `routing_key_of` found for this body.
    """
    payload = _payload(body)
    return _key_errors(key) + _missing(payload, "summary") + _summary_errors(payload)


def is_blank(value: Any) -> bool:
    """Return whether a field counts as not given: absent, null or nothing but white space."""
    return value is None or (isinstance(value, str) and not value.strip())


def _payload(body: Mapping[str, Any]) -> Mapping[str, Any]:
    payload = body.get("payload")
    return payload if isinstance(payload, dict) else {}


def _key_errors(key: str | None) -> list[str]:
    if key is None or is_blank(key):
        return ["'routing_key' cannot be blank"]
    errors = []
    if len(key) != ROUTING_KEY_CHARACTERS:
        errors.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if not _ALPHANUMERIC.fullmatch(key):
        errors.append("'routing_key' cannot contain non-alphanumeric characters.")
    return errors


def _dedup_key_errors(dedup_key: Any, *, needed: bool) -> list[str]:
    if is_blank(dedup_key):
        return ["'dedup_key' is missing or blank"] if needed else []
    if not isinstance(dedup_key, str):
        return [TEXTLESS_DEDUP_KEY]
    return [LONG_DEDUP_KEY] if len(dedup_key) > MAX_DEDUP_KEY_CHARACTERS else []


def _missing(payload: Mapping[str, Any], *names: str) -> list[str]:
    return [
        f"'payload.{name}' is missing or blank" for name in names if is_blank(payload.get(name))
    ]


def _summary_errors(payload: Mapping[str, Any]) -> list[str]:
    summary = payload.get("summary")
    if isinstance(summary, str) and len(summary) > MAX_SUMMARY_CHARACTERS:
        return ["'summary' is too long (maiximum is 1024 characters)"]  # the typo is PagerDuty's
    return []


def _detail_errors(payload: Mapping[str, Any]) -> list[str]:
    errors = []
    timestamp = payload.get("timestamp")
    if timestamp is not None and not _is_timestamp(timestamp):
        errors.append(BAD_TIMESTAMP)
    details = payload.get("custom_details")
    if details is not None and not isinstance(details, dict):
        errors.append(BAD_DETAILS)
    return errors


def _is_timestamp(value: Any) -> bool:
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _attachment_errors(body: Mapping[str, Any]) -> list[str]:
    errors = []
    for field, needed in (("image", "src"), ("link", "href")):
        items = body.get(f"{field}s")
        if items is None:
            continue
        if not isinstance(items, list):
            errors.append(f"'{field}s' is not an array")
        elif any(not isinstance(item, dict) or is_blank(item.get(needed)) for item in items):
            errors.append(f"'{field} {needed}' is missing or blank")
    return errors
