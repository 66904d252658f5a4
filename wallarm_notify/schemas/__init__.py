"""What producers may send: one model per event type, and the reading of events and whole calls.

``read_event`` and ``read_call`` never raise: what cannot be taken in becomes a ``Rejection`` with
one sentence for people (spec 2).
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar, get_args
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from wallarm_notify.domain.canonical import body_hash, canonical, encoded, key_text, scalar_text
from wallarm_notify.domain.event import EVENT_TYPES, Event, Rejection
from wallarm_notify.domain.spelling import (
    beginning,
    in_utf8,
    may_hold_whole_floats,
    mended,
    same_number,
    whole,
)

MAX_EVENT_BYTES: Final = 256_000
"""Bytes of UTF-8 an event may have, as JSON without blanks (spec 2: 256 kB)."""

KEPT_BYTES: Final = 64_000
"""Bytes of UTF-8 kept of what is larger than that."""

MAX_DEPTH: Final = 32
"""Objects and lists within one another, the event itself included."""

MAX_DIGITS: Final = 4_300
"""Digits a number may have: what Python prints and reads back; jsonb would hold 131,072."""

MAX_INT64: Final = 2**63 - 1

EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""What happened before is refused (spec 2)."""

CONTRACT: Final = (
    "events.ingest takes one argument, the keyword «events» (or the same as sole positional "
    "argument): a list of event objects"
)

_Read = TypeVar("_Read")

_NAMED_ERRORS: Final = 5
_SHOWN_CHARACTERS: Final = 60


# The fields' types.

_AS_TIME: Final = "must be a date and time with a time zone, as 2026-03-01T09:30:00Z"


_YEAR: Final = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_DATE: Final = "(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ZONE: Final = "(?:[Zz]|[+\u2212-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
_TIME_PATTERN: Final = (
    f"^{_YEAR}-{_DATE}[Tt ]{_CLOCK}(?::(?:[0-5][0-9]|60)(?:[.,][0-9]+)?)?{_ZONE}$"
)
"""RFC 3339, and what else clients write: no seconds, a comma, no colon in the offset, a minus sign.

It is printed, so it means the same to every engine: no look-around, no ``\\d``, no ``\\u``.
"""

# Without this pydantic takes seconds since 1970 too.
_TIME: Final = re.compile(_TIME_PATTERN.replace("|60)", ")"))


def _written_time(value: Any) -> Any:
    if not isinstance(value, str) or not _TIME.match(value):
        raise PydanticCustomError("time", _AS_TIME)
    return _without_line_end(value)


def _without_line_end(value: Any) -> Any:
    """Return a text without the line's end that ``$`` of a printed pattern lets pass in some engines."""
    return value.removesuffix("\n") if isinstance(value, str) else value


_LEAP_SECOND: Final = re.compile(r"\A(.{10}[Tt ][0-9]{2}:[0-9]{2}):60")


def _without_leap_second(text: str) -> str:
    """Return ``23:59:59`` for ``23:59:60``: no clock of ours has it (spec 2)."""
    return _LEAP_SECOND.sub(r"\1:59", text) if ":60" in text else text


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)  # PostgreSQL takes no offset of 16 hours or more
    except OverflowError:
        raise PydanticCustomError("time", "must lie before the year 10000") from None


_TOO_EARLY: Final = "too_early"
"""The kind of complaint that a clock which was never set makes."""


def _not_before_2015(value: datetime) -> datetime:
    if value < EARLIEST:
        raise PydanticCustomError(_TOO_EARLY, "must not lie before 2015")
    return value


_NOT_BLANK: Final = "[^\t\n\x0b\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
"""Unicode's white space, character by character: what ``\\S`` leaves out differs from engine to engine."""

_SEEN: Final = re.compile(_NOT_BLANK)


def _some_id(value: Any) -> int | str:
    if type(value) is int and -MAX_INT64 - 1 <= value <= MAX_INT64:
        return value
    if isinstance(value, str) and _SEEN.search(value):
        return value
    raise PydanticCustomError("id", "must be a whole number of at most 64 bits or a non-blank text")


_UUID_PATTERN: Final = (
    "^(?:[0-9A-Fa-f]{32}|(?:urn:uuid:)?{four}|\\{{four}\\})$"  # as it is, as a URN, in braces
).replace("{four}", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

EventId = Annotated[
    UUID,
    BeforeValidator(_without_line_end),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": _UUID_PATTERN}),
]
Time = Annotated[
    AwareDatetime,
    BeforeValidator(_written_time),
    AfterValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _TIME_PATTERN}),
]
Whole = Annotated[int, Strict(), Field(ge=-MAX_INT64 - 1, le=MAX_INT64)]
Count = Annotated[int, Strict(), Field(ge=0, le=MAX_INT64)]
Words = Annotated[str, Field(pattern=_NOT_BLANK)]
Flag = Annotated[bool, Strict()]
Id = Annotated[
    int | str,
    PlainValidator(_some_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": -MAX_INT64 - 1, "maximum": MAX_INT64},
                {"type": "string", "pattern": _NOT_BLANK},
            ]
        }
    ),
]


# The event types. Docstrings and fields are what ``json_schema`` shows to producers.


class Actor(BaseModel):
    """Who did it, where somebody did."""

    model_config = ConfigDict(extra="allow")

    id: Id | None = None
    name: str | None = None
    email: str | None = None


class EventObject(BaseModel):
    """What every event has. Unknown fields are kept in the record and not sent."""

    model_config = ConfigDict(extra="allow")

    id: EventId
    client_id: Annotated[int, Strict(), Field(ge=1, le=MAX_INT64)]
    occurred_at: Annotated[Time, AfterValidator(_not_before_2015)]
    actor: Actor | None = None


class UserCreated(EventObject):
    """A user was added to the company account."""

    type: Literal["user.created"]
    user_name: Words
    user_email: Words
    user_role: Words


class UserDeleted(EventObject):
    """A user was deleted from the company account."""

    type: Literal["user.deleted"]
    user_name: Words
    user_email: Words
    user_role: str | None = None


class UserRoleChanged(EventObject):
    """A user has another role now."""

    type: Literal["user.role_changed"]
    user_name: Words
    user_email: Words
    user_role: Words
    previous_role: Words


class _OfIntegration(EventObject):
    integration_id: Id
    integration_name: Words
    integration_type: str | None = None
    reason: str | None = None


class IntegrationDisabled(_OfIntegration):
    """An integration was disabled by somebody."""

    type: Literal["integration.disabled"]


class IntegrationDeleted(_OfIntegration):
    """An integration was deleted."""

    type: Literal["integration.deleted"]


class IntegrationAutoDisabled(_OfIntegration):
    """An integration was disabled because too many of its requests failed."""

    type: Literal["integration.auto_disabled"]
    failure_ratio: Annotated[float, Strict(), Field(ge=0, le=1)]
    attempts: Count
    failed: Count
    last_error: str | None = None


class _OfApplication(EventObject):
    application_id: Whole
    application_name: Words


class ApplicationCreated(_OfApplication):
    """An application was created."""

    type: Literal["application.created"]


class ApplicationDeleted(_OfApplication):
    """An application was deleted."""

    type: Literal["application.deleted"]


class ApplicationRenamed(_OfApplication):
    """An application has another name now."""

    type: Literal["application.renamed"]
    previous_name: Words


class SpecificationUpdateFailed(EventObject):
    """The regular update of an API specification failed."""

    type: Literal["specification.update_failed"]
    specification_id: Id
    specification_title: Words
    error: Words
    url: str | None = None
    used_for: Literal["rogue_api_detection", "specification_enforcement"] | None = None


class _OfRule(EventObject):
    rule_id: Id
    name: str | None = None
    rule_type: str | None = None
    changes: dict[str, Any] | None = None


class RuleCreated(_OfRule):
    """A rule was created."""

    type: Literal["rule.created"]


class RuleUpdated(_OfRule):
    """A rule was changed."""

    type: Literal["rule.updated"]


class RuleDeleted(_OfRule):
    """A rule was deleted."""

    type: Literal["rule.deleted"]


class _OfTrigger(EventObject):
    trigger_id: Id
    name: Words
    template_id: str | None = None
    changes: dict[str, Any] | None = None


class TriggerCreated(_OfTrigger):
    """A trigger was created."""

    type: Literal["trigger.created"]


class TriggerUpdated(_OfTrigger):
    """A trigger was changed, enabled or disabled."""

    type: Literal["trigger.updated"]


class TriggerDeleted(_OfTrigger):
    """A trigger was deleted."""

    type: Literal["trigger.deleted"]


class SecurityIssueDetected(EventObject):
    """A security issue was found, or found again."""

    type: Literal["security_issue.detected"]
    issue_id: Id
    title: Words
    risk: Literal["critical", "high", "medium", "low", "info"]
    host: str | None = None
    port: Annotated[int, Strict(), Field(ge=0, le=65_535)] | None = None
    path: str | None = None
    url: str | None = None
    method: str | None = None
    parameter: str | None = None
    discovered_by: str | None = None
    issue_type: str | None = None
    reopened: Flag | None = None
    link: str | None = None


class _OfTraffic(EventObject):
    attack_type: Words
    ip: str | None = None
    host: str | None = None
    application_id: Whole | None = None
    application_name: str | None = None
    path: str | None = None
    response_status: Annotated[int, Strict(), Field(ge=0, le=999)] | None = None
    target: Literal["server", "client", "database"] | None = None
    experimental: Flag | None = False


class AttackDetected(_OfTraffic):
    """An attack: hits of one type on one address."""

    type: Literal["attack.detected"]
    attack_id: Id


class HitDetected(_OfTraffic):
    """One malicious request."""

    type: Literal["hit.detected"]
    hit_id: Id
    in_sample: Flag | None = True


class IncidentDetected(_OfTraffic):
    """An attack that exploited a security issue."""

    type: Literal["incident.detected"]
    incident_id: Id
    issue_id: Id | None = None


class ApiChanged(EventObject):
    """An endpoint of the API is new, changed or unused."""

    type: Literal["api.changed"]
    method: Words
    host: Words
    path: Words
    change_type: Literal["added", "changed", "unused"]
    application_id: Whole | None = None
    application_name: str | None = None
    changed_parameters: list[Any] | None = None
    # One wrong item is enough: a hundred thousand complaints take half a second.
    sensitive_data: Annotated[list[str], Field(fail_fast=True)] | None = None
    link: str | None = None


class IpDenylisted(EventObject):
    """An address was put on the denylist; without ``expires_at`` it stays there for ever."""

    type: Literal["ip.denylisted"]
    ip: Words
    reason: Words
    expires_at: Time | None = None
    application_id: Whole | None = None
    application_name: str | None = None


class RogueApiDetected(EventObject):
    """An endpoint and the API's specification disagree."""

    type: Literal["rogue_api.detected"]
    method: Words
    host: Words
    path: Words
    kind: Literal["shadow", "zombie", "orphan"]
    application_id: Whole | None = None
    application_name: str | None = None
    specification_id: Id | None = None
    specification_title: str | None = None
    link: str | None = None


AnyEvent = Annotated[
    UserCreated
    | UserDeleted
    | UserRoleChanged
    | IntegrationDisabled
    | IntegrationDeleted
    | IntegrationAutoDisabled
    | ApplicationCreated
    | ApplicationDeleted
    | ApplicationRenamed
    | SpecificationUpdateFailed
    | RuleCreated
    | RuleUpdated
    | RuleDeleted
    | TriggerCreated
    | TriggerUpdated
    | TriggerDeleted
    | SecurityIssueDetected
    | AttackDetected
    | HitDetected
    | IncidentDetected
    | ApiChanged
    | IpDenylisted
    | RogueApiDetected,
    Field(discriminator="type"),
]

_EVENT: Final[TypeAdapter[AnyEvent]] = TypeAdapter(AnyEvent)
_EVENT_ID: Final[TypeAdapter[UUID]] = TypeAdapter(EventId)
_MOMENT: Final[TypeAdapter[datetime]] = TypeAdapter(Time)


def _names(kind: Any) -> dict[str, tuple[str, ...]]:
    """Return the fields of each event type that may hold a ``kind``."""
    models = get_args(get_args(AnyEvent)[0])
    return {
        get_args(model.model_fields["type"].annotation)[0]: tuple(
            name for name, field in model.model_fields.items() if _takes(field.annotation, kind)
        )
        for model in models
    }


def _takes(annotation: Any, kind: Any) -> bool:
    return annotation is kind or any(_takes(part, kind) for part in get_args(annotation))


_WHOLE_FIELDS: Final = _names(int)
_TIME_FIELDS: Final = _names(AwareDatetime)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one event, for producers in other languages."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event",
        "description": (
            f"One event of a client's account. {CONTRACT}. It is a Celery task (JSON serializer), "
            'sent to the queue «events»: the message\'s body is [[], {"events": [event, …]}, {}]. '
            f"An event has at most {MAX_EVENT_BYTES} bytes of UTF-8, as JSON without blanks, "
            f"{MAX_DEPTH} levels, and numbers of at most {MAX_DIGITS} digits that a double can hold. "
            "Times are dates that exist, up to the year 9999; occurred_at is neither before 2015 nor "
            "more than 24 hours ahead, and more than 5 minutes ahead the event waits until it is not. "
            "Whole numbers may be written 12.0 or 1.2e1; a leap second (:60) is :59; NUL and half surrogate "
            "pairs in texts become U+FFFD. The same id with the same body is a duplicate and harmless: "
            "values are compared, not their spelling."
        ),
        **_EVENT.json_schema(),
    }


# Reading.


def value_hash(text: str) -> bytes:
    """Return the SHA-256 of what canonical JSON says, however it is spelled (spec 2).

    The spelling of the event's id, of its times and of whole numbers does not matter, nor which
    half of a surrogate pair stands where no character does.
    """
    return body_hash(_in_one_spelling(text))


def read_event(obj: Any) -> Event | Rejection:
    """Return the event in ``obj``, or why it cannot be taken in; never raises.

    Whether it claims to come from the future is for ``domain.event.is_ahead`` to say, by
    the database's clock.
    """
    sent, is_plain = encoded(obj)
    if (written := _too_large(sent)) is not None:
        reason = f"The event has {len(written)} bytes; permitted are {MAX_EVENT_BYTES}."
        return _cut(_rejection(reason, obj, sent), written)
    trouble, body = (None, obj) if is_plain else _reread(obj, sent)
    if trouble is None and _is_suspect(body, sent):
        trouble = _unstorable(body)
    if trouble is not None:
        return _rejection(trouble, obj, sent)
    body = mended(body, sent)
    if not isinstance(body, dict):
        return _rejection(f"The event must be an object, not {_shown(body)}.", body, sent)
    try:
        read, kept = _validated(body)
    except ValidationError as error:
        is_for_its_time = {one["type"] for one in error.errors(include_url=False)} == {_TOO_EARLY}
        return replace(_rejection(_sentence(error), body, sent), is_for_its_time=is_for_its_time)
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
    )


def read_call(
    args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Event], list[Rejection]]:
    """Return the events in the arguments of ``events.ingest``, in their order, duplicates included.

    Wrong arguments make one rejection that keeps the whole call.
    """
    given = list(args[:2]) + [kwargs[name] for name in kwargs if name == "events"]
    if len(given) != 1 or len(args) + len(kwargs) != 1 or not isinstance(given[0], list | tuple):
        call = {"args": list(args), "kwargs": dict(kwargs)}
        text = canonical(call)
        rejection = _rejection(_call_sentence(args, kwargs), call, text)
        return [], [rejection if (long := _too_large(text)) is None else _cut(rejection, long)]
    events: list[Event] = []
    rejections: list[Rejection] = []
    for obj in given[0]:
        match read_event(obj):
            case Event() as event:
                events.append(event)
            case rejection:
                rejections.append(rejection)
    return events, rejections


def read_calls(calls: Sequence[Any]) -> tuple[list[Event], list[Rejection]]:
    """Return the same of several calls, each in Celery's form: positional arguments, keywords, and more."""
    events: list[Event] = []
    rejections: list[Rejection] = []
    for call in calls:
        match call:
            case [list(args), dict(kwargs), *_]:
                some, refused = read_call(args, kwargs)
            case _:
                some, refused = read_call([call], {})
        events += some
        rejections += refused
    return events, rejections


def _call_sentence(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    if len(args) + len(kwargs) == 1 and (args or "events" in kwargs):
        given = args[0] if args else kwargs["events"]
        return f"{CONTRACT}; «events» was {_shown(given)}."
    names = ", ".join(_name(key_text(name)) for name in list(kwargs)[:_NAMED_ERRORS]) or "none"
    return f"{CONTRACT}; given were {len(args)} positional arguments and these keywords: {names}."


def _too_large(text: str) -> bytes | None:
    """Return canonical JSON in UTF-8, in which no character takes more than here, if it is too large."""
    if len(text) <= MAX_EVENT_BYTES:
        return None
    return written if len(written := in_utf8(text)) > MAX_EVENT_BYTES else None


def _cut(rejection: Rejection, written: bytes) -> Rejection:
    return replace(rejection, text=beginning(written, KEPT_BYTES), cut=True)


def _rejection(reason: str, obj: Any, text: str) -> Rejection:
    told = obj if isinstance(obj, dict) else {}
    alike = _in_one_spelling(text)
    return Rejection(
        reason=reason,
        text=text,
        body_hash=body_hash(alike),
        hash_before=None if alike == text else body_hash(text),
        event_id=_told_id(told.get("id")),
        client_id=_told_client(told.get("client_id")),
        type=_told_type(told.get("type")),
    )


def _told_id(value: Any) -> UUID | None:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _told_client(value: Any) -> int | None:
    value = whole(value)
    return value if type(value) is int and 1 <= value <= MAX_INT64 else None


def _told_type(value: Any) -> str | None:
    if not isinstance(value, str) or not value.isprintable():
        return None
    return value[:_SHOWN_CHARACTERS]


# Values and their spellings.


def _validated(body: dict[str, Any]) -> tuple[AnyEvent, dict[str, Any]]:
    """Return the event in ``body``, and ``body`` as it is kept: in a few of its fields spelled otherwise.

    What is right as it is, as nearly all are, costs nothing more. Raises ValidationError.
    """
    try:
        return _EVENT.validate_python(body), body
    except ValidationError:
        plain = _in_plain_spelling(body)
        if plain is body:
            raise
        return _EVENT.validate_python(plain), plain


def _in_plain_spelling(body: dict[str, Any]) -> dict[str, Any]:
    """Return ``body`` with ``12`` for ``12.0`` and ``:59`` for ``:60`` in the fields that its type has.

    It is another object if there is anything of that.
    """
    kind = body.get("type")
    kind = kind if isinstance(kind, str) else ""
    plain = {name: whole(body.get(name)) for name in _WHOLE_FIELDS.get(kind, ())}
    for name in _TIME_FIELDS.get(kind, ()):
        if isinstance(value := body.get(name), str):
            plain[name] = _without_leap_second(value)
    if isinstance(actor := body.get("actor"), dict) and type(actor.get("id")) is float:
        plain["actor"] = {**actor, "id": whole(actor["id"])}
    changed = {name: value for name, value in plain.items() if value is not body.get(name)}
    return {**body, **changed} if changed else body


_UUID_LENGTH: Final = 36
"""Digits and hyphens."""

_NESTED: Final = frozenset((float, dict, list, tuple))
"""What floats may be in."""


def _of_event_in_one_spelling(read: EventObject, body: dict[str, Any], text: str) -> str:
    """Return what ``_in_one_spelling`` does of an event that was ``read``; quickly for most."""
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
    # As it was sent, it stands in the text but for a minus sign beyond ASCII.
    if text.count('"occurred_at":') != 1 or not given.isascii():
        return _in_one_spelling(text)
    return text.replace(f'"occurred_at":"{given}"', f'"occurred_at":"{moment}"')


def _in_one_spelling(text: str) -> str:
    """Return canonical JSON as it would be if every client spelled its values alike.

    What is nested too deep to be read, or has a number of too many digits, is returned as it is.
    """
    try:
        value = mended(json.loads(text, parse_float=same_number), text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict):
        kind = value.get("type")
        times = _TIME_FIELDS.get(kind, ()) if isinstance(kind, str) else ()
        _spell(value, "id", _EVENT_ID, str)
        for name in times or ("occurred_at",):
            _spell(value, name, _MOMENT, datetime.isoformat)
    return canonical(value)


def _spell(
    value: dict[str, Any], name: str, adapter: TypeAdapter[_Read], spelling: Callable[[_Read], str]
) -> None:
    """Spell a field anew where it is a text that ``adapter`` takes."""
    if isinstance(value.get(name), str):
        with suppress(ValidationError):
            value[name] = spelling(adapter.validate_python(_without_leap_second(value[name])))


def _reread(obj: Any, text: str) -> tuple[str | None, Any]:
    """Return what is wrong with ``obj``, which is not plain JSON, else it as JSON values."""
    trouble = _unstorable(obj)
    return trouble, obj if trouble else json.loads(text)


# What passes JSON and fails jsonb (engine 20).


def _is_suspect(obj: Any, text: str) -> bool:
    """Tell whether a closer look is needed; the text alone clears all but a few events."""
    return (
        (text.count("{") + text.count("[") > MAX_DEPTH and is_deep(obj, MAX_DEPTH))
        or "NaN" in text
        or "Infinity" in text
        or (len(text) > MAX_DIGITS and _TOO_MANY_DIGITS.search(text) is not None)
    )


_TOO_MANY_DIGITS: Final = re.compile(rf"(?<![0-9])[0-9]{{{MAX_DIGITS + 1}}}")
"""Begins only where digits begin: else it would look at each of them so many times."""


def is_deep(value: Any, levels: int) -> bool:
    """Tell whether lists and objects lie within one another over so many levels."""
    level = [value] if isinstance(value, dict | list | tuple) else []
    for _ in range(levels):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list | tuple)]
        if not level:
            return False
    return True


def _unstorable(obj: Any) -> str | None:
    """Say what in ``obj`` the database cannot hold, and where; None: nothing."""
    rest: list[tuple[Any, _Step | None, int]] = [(obj, None, 1)]
    while rest:
        value, step, depth = rest.pop()
        if isinstance(value, dict | list | tuple):
            if depth > MAX_DEPTH:
                return f"{_place(_path(step))} is nested over {MAX_DEPTH} levels deep."
            if isinstance(value, dict):
                for key in value:
                    if trouble := _trouble(key):
                        return f"A field's name in {_place(_path(step)).lower()} {trouble}."
                within = [(item, (step, key), depth + 1) for key, item in value.items()]
            else:
                within = [(item, (step, n), depth + 1) for n, item in enumerate(value)]
            rest += reversed(within)
        elif trouble := _trouble(value):
            return f"{_place(_path(step))} {trouble}."
    return None


_Step = tuple[Any, Any]
"""A step down into a value: the one before it, and a field's name or a place in a list."""


def _path(step: "_Step | None") -> str:
    """Write a path once it is needed: written at every step, deep ones would be written very often."""
    steps = []
    while step is not None:
        step, key = step
        is_place = isinstance(key, int) and not isinstance(key, bool)
        steps.append(f"[{key}]" if is_place else f".{_name(key_text(key))}")
    return "".join(reversed(steps))


def _trouble(value: Any) -> str | None:
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
            return "is NaN or infinite, which is no JSON number"
    elif isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        return f"is a number of over {MAX_DIGITS} digits"
    return None


# Sentences.


def _sentence(error: ValidationError) -> str:
    errors = error.errors(include_url=False)
    said = "; ".join(_complaint(one) for one in errors[:_NAMED_ERRORS])
    more = len(errors) - _NAMED_ERRORS
    return f"{said}; and {more} more." if more > 0 else f"{said}."


_RULES: Final = {
    "string_type": "must be a text",
    "string_pattern_mismatch": "must not be blank",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "timezone_aware": _AS_TIME,
}


def _complaint(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    permitted = ", ".join(EVENT_TYPES)
    if kind == "union_tag_not_found":
        return f"type is required; permitted are {permitted}"
    if kind == "union_tag_invalid":
        return f"type must be one of {permitted}, not {_shown(error['input']['type'])}"
    # The first step of the place is the event's type, which chose the model.
    place = _place("".join(_step(step) for step in error["loc"][1:]))
    if kind == "missing":
        return f"{place} is required"
    if kind == "literal_error":
        rule = f"must be {context['expected'].replace(chr(39), '')}"
    elif kind == "greater_than_equal":
        rule = f"must be at least {context['ge']}"
    elif kind == "less_than_equal":
        rule = f"must be at most {context['le']}"
    elif kind.startswith(("datetime_", "date_")):
        rule = _AS_TIME
    else:
        rule = _RULES.get(kind) or error["msg"]
    return f"{place} {rule}, not {_shown(error['input'])}"


def _step(step: int | str) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{_name(step)}"


def _place(path: str) -> str:
    return path.removeprefix(".") or "The event"


def _name(name: str) -> str:
    """Return a field's name as people can read it, however odd."""
    shown = (name if name.isprintable() else json.dumps(name)[1:-1]) or '""'
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}…"


def _shown(value: Any) -> str:
    """Return a value as it can stand in a sentence: short, and storable."""
    match value:
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case str():
            return f"«{_name(value)}»"
        case _:
            return _name(scalar_text(value))
