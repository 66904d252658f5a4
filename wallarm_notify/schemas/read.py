"""Reading events and whole calls: what producers send becomes an ``Event``, or a ``Rejection`` with one sentence.

``read_event`` and ``read_call`` never raise (spec 2). Equal values have one hash, however they are written:
ids, times and whole numbers are brought into one form, by the types that the models in ``catalogue`` give
to fields.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import zip_longest
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from wallarm_notify.domain.canonical import body_hash, canonical, encoded
from wallarm_notify.domain.event import Event, Rejection, Wrong
from wallarm_notify.domain.spelling import (
    beginning,
    in_utf8,
    may_hold_whole_floats,
    same_number,
    sanitized,
    whole,
)
from wallarm_notify.schemas.catalogue import (
    EVENT,
    TIME_FIELDS,
    WHOLE_FIELDS,
    AnyEvent,
    EventObject,
)
from wallarm_notify.schemas.complaints import (
    SHOWN_CHARACTERS,
    call_complaint,
    event_complaint,
    every_complaint,
    every_rule,
    shown,
)
from wallarm_notify.schemas.fields import MAX_INT64, TOO_EARLY, EventId, Time, without_leap_second
from wallarm_notify.schemas.storable import (
    KEPT_BYTES,
    MAX_EVENT_BYTES,
    may_be_unstorable,
    unstorable,
)

_Read = TypeVar("_Read")

_EVENT_ID: Final[TypeAdapter[UUID]] = TypeAdapter(EventId)
_TIME: Final[TypeAdapter[datetime]] = TypeAdapter(Time)

_UUID_LENGTH: Final = 36
"""The length of a UUID in digits and hyphens."""

_NESTED: Final = frozenset((float, dict, list, tuple))
"""The types that floats may be in."""


def value_hash(text: str) -> bytes:
    """Return the SHA-256 of the values of canonical JSON, however they are written (spec 2).

    The spelling of the event's id, of its times and of whole numbers does not matter, nor does the value of
    a lone surrogate.
    """
    return body_hash(_in_one_spelling(text))


def read_event(obj: Any, sent_by: str | None = None) -> Event | Rejection:
    """Return the event in ``obj``, or its rejection; never raise.

    ``domain.event.is_ahead`` decides whether its time lies in the future, by the database's clock.
    """
    read = _read_event(obj, sent_by)
    if sent_by is not None and isinstance(read, Rejection):
        return replace(read, sent_by=sent_by)
    return read


def _read_event(obj: Any, sent_by: str | None) -> Event | Rejection:
    storable = _storable(obj)
    if isinstance(storable, Rejection):
        return storable
    body, sent = storable
    try:
        read, kept = _validated(body)
    except ValidationError as error:
        is_for_its_time = {one["type"] for one in error.errors(include_url=False)} == {TOO_EARLY}
        wrong = Wrong.TIME if is_for_its_time else Wrong.FIELDS
        return _rejection(event_complaint(error), body, sent, wrong)
    text = sent if kept is obj else canonical(kept)
    alike = _of_event_in_one_spelling(read, kept, text)
    return Event(
        id=read.id,
        client_id=read.client_id,
        type=read.type,
        occurred_at=read.occurred_at,
        body=kept,
        body_hash=body_hash(alike),
        text=text,
        hash_before=None if alike == sent else body_hash(sent),
        sent_by=sent_by,
    )


def faults_of(obj: Any) -> list[str]:
    """Return a sentence for each fault for which an event would be rejected."""
    storable = _storable(obj)
    if isinstance(storable, Rejection):
        return [storable.reason]
    try:
        _validated(storable[0])
    except ValidationError as error:
        return every_complaint(error)
    return []


def rules_broken_by(obj: Any) -> list[tuple[tuple[str | int, ...], str]]:
    """Return where an event that would be rejected is wrong, and what is asked for there.

    Nothing of what it has is repeated. An empty place: it is wrong as a whole.
    """
    storable = _storable(obj)
    if isinstance(storable, Rejection):
        return [((), storable.reason)]
    try:
        _validated(storable[0])
    except ValidationError as error:
        return every_rule(error)
    return []


def read_call(
    args: Sequence[Any], kwargs: Mapping[str, Any], sent_by: str | None = None
) -> tuple[list[Event], list[Rejection]]:
    """Return the events in the arguments of ``events.ingest``, in their order, duplicates included.

    Wrong arguments make one rejection that keeps the whole call.
    """
    given = list(args[:2]) + [kwargs[name] for name in kwargs if name == "events"]
    if len(given) != 1 or len(args) + len(kwargs) != 1 or not isinstance(given[0], list | tuple):
        call = {"args": list(args), "kwargs": dict(kwargs)}
        text = canonical(call)
        rejection = _rejection(call_complaint(args, kwargs), call, text, Wrong.CALL)
        rejection = replace(rejection, sent_by=sent_by)
        return [], [rejection if (long := _too_large(text)) is None else _cut(rejection, long)]
    events: list[Event] = []
    rejections: list[Rejection] = []
    for obj in given[0]:
        match read_event(obj, sent_by):
            case Event() as event:
                events.append(event)
            case rejection:
                rejections.append(rejection)
    return events, rejections


def read_calls(
    calls: Sequence[Any], senders: Sequence[str | None] = ()
) -> tuple[list[Event], list[Rejection]]:
    """Return the events and the rejections of several calls, in their order; ``senders`` are those of the calls.

    Each call is in Celery's form: a list of its positional arguments, its keyword arguments, and more.
    """
    events: list[Event] = []
    rejections: list[Rejection] = []
    for call, sent_by in zip_longest(calls, senders[: len(calls)]):
        match call:
            case [list(args), dict(kwargs), *_]:
                some, refused = read_call(args, kwargs, sent_by)
            case _:
                some, refused = read_call([call], {}, sent_by)
        events += some
        rejections += refused
    return events, rejections


def _storable(obj: Any) -> tuple[dict[str, Any], str] | Rejection:
    """Return an object as it is kept, and its JSON as it was sent; or why it cannot be stored."""
    sent, is_plain = encoded(obj)
    if (written := _too_large(sent)) is not None:
        reason = f"The event has {len(written)} bytes; permitted are {MAX_EVENT_BYTES}."
        return _cut(_rejection(reason, obj, sent, Wrong.SIZE), written)
    trouble, body = (None, obj) if is_plain else _reread(obj, sent)
    if trouble is None and may_be_unstorable(body, sent):
        trouble = unstorable(body)
    if trouble is not None:
        return _rejection(trouble, obj, sent, Wrong.JSON)
    body = sanitized(body, sent)
    if not isinstance(body, dict):
        reason = f"The event must be an object, not {shown(body)}."
        return _rejection(reason, body, sent, Wrong.JSON)
    return body, sent


def _reread(obj: Any, text: str) -> tuple[str | None, Any]:
    """Return what is wrong with ``obj``, which is not plain JSON, or None and its JSON values."""
    trouble = unstorable(obj)
    return trouble, obj if trouble else json.loads(text)


# Rejections.


def _too_large(text: str) -> bytes | None:
    """Return canonical JSON in UTF-8, which is never longer than ``text``, if it is too large; else None."""
    if len(text) <= MAX_EVENT_BYTES:
        return None
    return written if len(written := in_utf8(text)) > MAX_EVENT_BYTES else None


def _cut(rejection: Rejection, written: bytes) -> Rejection:
    return replace(rejection, text=beginning(written, KEPT_BYTES), cut=True)


def _rejection(reason: str, obj: Any, text: str, wrong: Wrong) -> Rejection:
    fields = obj if isinstance(obj, dict) else {}
    alike = _in_one_spelling(text)
    return Rejection(
        reason=reason,
        text=text,
        body_hash=body_hash(alike),
        hash_before=None if alike == text else body_hash(text),
        event_id=_readable_id(fields.get("id")),
        client_id=_readable_client(fields.get("client_id")),
        type=_readable_type(fields.get("type")),
        wrong=wrong,
    )


def _readable_id(value: Any) -> UUID | None:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _readable_client(value: Any) -> int | None:
    value = whole(value)
    return value if type(value) is int and 1 <= value <= MAX_INT64 else None


def _readable_type(value: Any) -> str | None:
    if not isinstance(value, str) or not value.isprintable():
        return None
    return value[:SHOWN_CHARACTERS]


# Values and their spellings.


def _validated(body: dict[str, Any]) -> tuple[AnyEvent, dict[str, Any]]:
    """Return the event in ``body``, and ``body`` as it is kept, with a few fields written in another way.

    A body that needs no change, as nearly all, costs nothing more. Raise ValidationError.
    """
    try:
        return EVENT.validate_python(body), body
    except ValidationError:
        plain = _in_plain_spelling(body)
        if plain is body:
            raise
        return EVENT.validate_python(plain), plain


def _in_plain_spelling(body: dict[str, Any]) -> dict[str, Any]:
    """Return ``body`` with ``12`` for ``12.0`` and ``:59`` for ``:60`` in the fields of its type.

    It is another object if anything was changed.
    """
    kind = body.get("type")
    kind = kind if isinstance(kind, str) else ""
    plain = {name: whole(body.get(name)) for name in WHOLE_FIELDS.get(kind, ())}
    for name in TIME_FIELDS.get(kind, ()):
        if isinstance(value := body.get(name), str):
            plain[name] = without_leap_second(value)
    if isinstance(actor := body.get("actor"), dict) and type(actor.get("id")) is float:
        plain["actor"] = {**actor, "id": whole(actor["id"])}
    changed = {name: value for name, value in plain.items() if value is not body.get(name)}
    return {**body, **changed} if changed else body


def _of_event_in_one_spelling(read: EventObject, body: dict[str, Any], text: str) -> str:
    """Return the result of ``_in_one_spelling`` for an event that was ``read``; quickly for most."""
    given_id, given = body["id"], body["occurred_at"]
    if (
        len(given_id) != _UUID_LENGTH
        or not given_id.islower()
        or "expires_at" in body
        or (not _NESTED.isdisjoint(map(type, body.values())) and may_hold_whole_floats(text))
    ):
        return _in_one_spelling(text)
    moment = read.occurred_at.isoformat()
    if moment == given:
        return text
    # The time is in the text as it was sent, except for a minus sign beyond ASCII.
    if text.count('"occurred_at":') != 1 or not given.isascii():
        return _in_one_spelling(text)
    return text.replace(f'"occurred_at":"{given}"', f'"occurred_at":"{moment}"')


def _in_one_spelling(text: str) -> str:
    """Return canonical JSON as if every client wrote its values in one way.

    JSON that is nested too deep to be read, or has a number of too many digits, is returned unchanged.
    """
    try:
        value = sanitized(json.loads(text, parse_float=same_number), text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict):
        kind = value.get("type")
        times = TIME_FIELDS.get(kind, ()) if isinstance(kind, str) else ()
        _spell(value, "id", _EVENT_ID, str)
        for name in times or ("occurred_at",):
            _spell(value, name, _TIME, datetime.isoformat)
    return canonical(value)


def _spell(
    value: dict[str, Any], name: str, adapter: TypeAdapter[_Read], spelling: Callable[[_Read], str]
) -> None:
    """Rewrite a field if it is a text that ``adapter`` accepts."""
    if isinstance(value.get(name), str):
        with suppress(ValidationError):
            value[name] = spelling(adapter.validate_python(without_leap_second(value[name])))
