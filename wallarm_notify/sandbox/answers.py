"""The answers PagerDuty gives, word for word."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

JSON = {"Content-Type": "application/json"}
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, its headers (lengths are added when it is sent) and the bytes of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def json_answer(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Return `document` as a JSON answer; `headers` come on top of the content type."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return Answer(status, JSON | dict(headers or {}), body)


def processed(dedup_key: str | None) -> Answer:
    """202: the event was taken in; a change event has no `dedup_key`."""
    document = {"status": "success", "message": "Event processed"}
    if dedup_key is not None:
        document["dedup_key"] = dedup_key
    return json_answer(HTTPStatus.ACCEPTED, document)


def invalid(errors: Sequence[str]) -> Answer:
    """400: the event breaks these rules, all of them named."""
    document = {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": list(errors),
    }
    return json_answer(HTTPStatus.BAD_REQUEST, document)


def unrecognized() -> Answer:
    """400: the body is no JSON object."""
    document = {
        "status": "Unrecognized object",
        "message": "Event object format is unrecognized",
        "errors": ["JSON parse error"],
    }
    return json_answer(HTTPStatus.BAD_REQUEST, document)


def unknown_key() -> Answer:
    """400: the key is well formed but nobody's; the one answer that is no JSON."""
    return Answer(HTTPStatus.BAD_REQUEST, PLAIN, b"Invalid routing key")


def throttled(retry_after: str | None) -> Answer:
    """429: too many events for the key; `retry_after` is the header's value, None leaves it out."""
    document = {
        "status": "throttle exceeded",
        "message": "Requests for this service are arriving too quickly.  Please retry later.",
    }
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return json_answer(HTTPStatus.TOO_MANY_REQUESTS, document, headers)


def refused(status: int, sentence: str) -> Answer:
    """Refuse a request that is no event: an unknown route, method or control document."""
    return json_answer(status, {"error": sentence})
