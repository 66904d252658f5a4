"""The bodies of the original's calls, their names of fields, and what is answered of what is not there."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from wallarm_notify.domain.errors import NotFound
from wallarm_notify.domain.scope import Scope, only
from wallarm_notify.entrypoints.api.fields import DIGITS, LARGEST_ID, Id, fields_named
from wallarm_notify.entrypoints.api.parts import Call

MOST_SENT: Final = 1000
"""So many items of a list are read at most."""

_FIELDS: Final = {
    "key": "target",
    "subscriptions": "events",
    "condition": "template_id",
    "filter": "filters",
    "integration": "actions",
    "client_id": "clientid",
}
"""Our names of fields, and those of the original."""


class OriginalSent(BaseModel):
    """A body of the original's calls; what it does not know is ignored, and nothing is converted."""

    model_config = ConfigDict(extra="ignore", strict=True, hide_input_in_errors=True)


class OriginalAsked(BaseModel):
    """A query of the original's calls; what it does not know is ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


ClientId = Annotated[int, Path(alias="client_id", ge=1, le=LARGEST_ID), DIGITS]
"""The number of the client in a path."""

Ids = Annotated[list[Id], Field(max_length=MOST_SENT)]


def _as_list(given: Any) -> Any:
    return given if isinstance(given, list) else [given]


_ONE: Final = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}

OneOrMore = Annotated[
    Ids,
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [_ONE, {"type": "array", "items": _ONE, "maxItems": MOST_SENT}]}),
]
"""One number or several."""

Anything = Annotated[Any, Field(repr=False)]
"""A value of any kind, which may be a key: it is not shown."""


@contextmanager
def about(what: str, number: int) -> Iterator[None]:
    """Say of what is not there what it is, and name fields as the original does."""
    try:
        with original_words():
            yield
    except NotFound as error:
        raise NotFound(error.sentence, about=(what, number)) from None


def original_words() -> AbstractContextManager[None]:
    """Name fields that are at fault as the original does."""
    return fields_named(_FIELDS)


def client_of(call: Call, given: int | None) -> int:
    """Return the client that is meant: the one given, or the caller's own. Raise Refused, NotFound."""
    with about("client", given or 0):
        return call.client(given)


def scope_in(call: Call, client_id: int) -> Scope:
    """Return the scope of the client in a path alone. Raise NotFound where the caller does not see it."""
    return only([client_of(call, client_id)])


def clients_of(call: Call, given: Sequence[int] | None) -> list[int]:
    """Return the clients that are meant: one or several, or the caller's own. Raise Refused, NotFound."""
    if not given:
        return [client_of(call, None)]
    return [client_of(call, one) for one in dict.fromkeys(given)]
