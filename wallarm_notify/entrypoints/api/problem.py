"""The documents of what cannot be served: a problem (RFC 9457), and the original's envelope."""

from typing import Any, NotRequired

from typing_extensions import TypedDict


class FieldProblem(TypedDict):
    """What is wrong with one field."""

    field: str
    """The field, as ``filters.0.values``."""
    detail: str
    """What is wrong with it, in a sentence that repeats nothing of what was sent."""


class Problem(TypedDict):
    """Why a request was not served."""

    type: str
    """The kind of problem: a stable name for programs."""
    title: str
    """The same in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong and what to do, in sentences for people."""
    errors: NotRequired[list[FieldProblem]]
    """What is wrong with each field, where fields are at fault."""
    ids: NotRequired[list[str]]
    """Of events that the broker did not confirm: the id of each, in the order of the call."""
    sent: NotRequired[list[str]]
    """The ids of those among them that it did confirm."""
    occurred_at: NotRequired[str]
    """The time that events without one were given."""


class Envelope(TypedDict):
    """Why a request to a call of the original was not served, in its own form."""

    status: int
    """The HTTP status."""
    body: str | dict[str, Any]
    """A sentence; or for each field ``{"error": sentence}``; or ``error`` and ``value`` of what is not there."""
