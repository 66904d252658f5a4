"""Answers: documents as the command line prints them, problems by RFC 9457, and the original's envelope."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from starlette.requests import HTTPConnection
from starlette.responses import Response

from wallarm_notify.domain.page import Page
from wallarm_notify.entrypoints.api.faults import Fault
from wallarm_notify.schemas.documents.encoding import json_value
from wallarm_notify.schemas.documents.listing import listing

T = TypeVar("T")

ORIGINALS: Final = ("/v1/", "/v2/")
"""Where the calls of the original are."""

PROBLEM: Final = "urn:wallarm-notify:problem:"
"""What the type of a problem begins with; the word behind it is stable."""

NOT_AUTHENTICATED: Final = 401

_JSON: Final = "application/json"
_PROBLEM_JSON: Final = "application/problem+json"


def answer(document: object, status: int = 200) -> Response:
    """Return a document as JSON."""
    return Response(_encoded(document), status, media_type=_JSON)


def page_answer(page: Page[T], document: Callable[[T], object]) -> Response:
    """Return a page of a listing as JSON, each item as ``document`` makes it."""
    following = None if page.following is None else str(page.following)
    items = [document(item) for item in page.items]
    return answer(listing(items, following, page.searched_back_to))


def fault_answer(request: HTTPConnection, fault: Fault) -> Response:
    """Return the answer of a request that cannot be served, in the form of its call."""
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if request.scope["path"].startswith(ORIGINALS):
        return Response(_encoded(envelope(fault)), fault.status, headers, _JSON)
    return Response(_encoded(problem(fault)), fault.status, headers, _PROBLEM_JSON)


def problem(fault: Fault) -> dict[str, Any]:
    """Return a fault as RFC 9457 has it, with a sentence for each field."""
    document: dict[str, Any] = {
        "type": f"{PROBLEM}{fault.word}",
        "title": fault.title,
        "status": fault.status,
        "detail": fault.sentence,
        **fault.more,
    }
    if fault.fields:
        document["errors"] = [
            {"field": name, "detail": sentence} for name, sentence in fault.fields.items()
        ]
    return document


def envelope(fault: Fault) -> dict[str, Any]:
    """Return a fault as the original has it: people are shown the body as it comes."""
    body: Mapping[str, Any] | str = fault.sentence
    if fault.status == NOT_AUTHENTICATED:
        body = "User not authenticated"
    elif fault.fields:
        body = {name: {"error": sentence} for name, sentence in fault.fields.items()}
    elif fault.about is not None:
        what, value = fault.about
        body = {"error": f"{what} not found", "value": value}
    return {"status": fault.status, "body": body}


def _encoded(document: object) -> bytes:
    """Return JSON without blanks, which the original's clients compare byte by byte."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=json_value)
    return text.encode("utf-8", "backslashreplace")
