"""Fault-tolerant reading of a call of ``events.ingest`` from its text, event by event (spec 2).

The ordinary way (``read``) decodes a whole message at once, so one wrong event spoils the message: a number
of 4,301 digits, 300 levels, an invalid time or UUID in Celery's notation, a byte that is not UTF-8. Only
what that way refuses is read here: ``json_text`` cuts the text into pieces, and each event is decoded by
itself.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import zip_longest
from typing import Any, Final

from wallarm_notify.domain.event import Event, Rejection, Wrong
from wallarm_notify.schemas.json_text import NoJson, Piece, outline_of, value_of
from wallarm_notify.schemas.read import read_call, read_calls, read_event
from wallarm_notify.schemas.storable import KEPT_BYTES, MAX_EVENT_BYTES

_EMPTY: Final = re.compile(r'(?:null|false|0|""|\[\s*\]|\{\s*\})?')
"""The texts that mean "no arguments" in one language or another."""

_NAMES: Final = ("id", "client_id", "type")
"""The fields that identify a rejected event, if they can be read."""

_LONGEST_NAME: Final = 60

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose arguments are not decoded yet.

    In Celery's protocol 1, where a message is one object, ``fields`` are all its fields.
    """

    text: str
    positional: Sequence[Piece] = ()
    keywords: Mapping[str, Piece] = field(default_factory=dict)
    fields: Mapping[str, Piece] = field(default_factory=dict)

    @property
    def events(self) -> Sequence[Piece] | None:
        """The events, not decoded yet; None if the arguments are not those of ``events.ingest``."""
        given = [*self.positional, *self.keywords.values()]
        is_right = len(given) == 1 and (self.positional or "events" in self.keywords)
        return given[0].items if is_right else None

    def field_value(self, name: str) -> Any:
        """Return a field of the message itself, or None if it is absent or cannot be read."""
        try:
            return value_of(self.fields[name].text)
        except (KeyError, NoJson):
            return None


def call_in(text: str) -> Call:
    """Return the call in ``text``, a message's body. Raise NoJson if there is none."""
    body = outline_of(text, 3)
    if body.items is None:
        fields = body.fields
        if not {"args", "task"} & fields.keys():
            raise NoJson("is not a task message")
        args, kwargs = fields.get("args", _NULL), fields.get("kwargs", _NULL)
    else:
        fields = {}
        match body.items:
            case [args, kwargs, embed] if embed.text.startswith("{") or _is_empty(embed):
                pass
            case _:
                raise NoJson("is not a task message")
    if args.items is None and args != _NULL:
        raise NoJson("has arguments that are not a list and an object")
    keywords = {} if _is_empty(kwargs) else kwargs.fields
    return Call(text, args.items or (), keywords, fields)


_NULL: Final = Piece("null")


def _is_empty(piece: Piece) -> bool:
    """Return whether it means "no arguments", in one language or another."""
    return _EMPTY.fullmatch(piece.text) is not None and not piece.head


def read_call_text(text: str) -> tuple[list[Event], list[Rejection]]:
    """Return the events of the call in ``text``, and its rejections. Raise NoJson if there is no call.

    Wrong arguments make one rejection that keeps the whole call.
    """
    call = call_in(text)
    if call.events is None:
        # Only the kinds of the values: the sentence says nothing else of them.
        _, (wrong,) = read_call(
            [_value_or_shape(value) for value in call.positional],
            {name: _value_or_shape(value) for name, value in call.keywords.items()},
        )
        return [], [_kept(wrong, wrong.reason, text)]
    return _read(call.events)


def read_message_text(text: str) -> tuple[list[Event], list[Rejection]]:
    """Return the events and rejections of a message that was undecodable, or was corrected by hand.

    A list of events is accepted as well as a call. Raise NoJson if there is neither.
    """
    items = outline_of(text, 1).items
    if items is not None and all(item.text.startswith("{") for item in items):
        return _read(items)
    return read_call_text(text)


def read_calls_or_texts(
    calls: Sequence[Any], senders: Sequence[str | None] = ()
) -> tuple[list[Event], list[Rejection]]:
    """Return the events and rejections of several calls, in their order; ``senders`` are those of the calls.

    Each call is in Celery's form, or an object with the ``text`` of a call that was not decoded.
    """
    events: list[Event] = []
    rejections: list[Rejection] = []
    for call, sent_by in zip_longest(calls, senders[: len(calls)]):
        match call:
            case {"text": str(text)}:
                some, refused = _read_or_kept(text)
                some = [replace(one, sent_by=sent_by) for one in some]
                refused = [replace(one, sent_by=sent_by) for one in refused]
            case _:
                some, refused = read_calls([call], [sent_by])
        events += some
        rejections += refused
    return events, rejections


def _read_or_kept(text: str) -> tuple[list[Event], list[Rejection]]:
    try:
        return read_call_text(text)
    except NoJson as error:  # the sender of this text could read it
        return [], [_kept(_nothing_but({}), f"The call {error}.", text)]


def read_event_text(text: str) -> Event | Rejection:
    """Return the event in ``text``, or its rejection; never raise."""
    try:
        value = value_of(text)
    except NoJson as error:
        return _unread(text, error)
    return read_event(value)


def _read(pieces: Sequence[Piece]) -> tuple[list[Event], list[Rejection]]:
    read = [read_event_text(f"{piece.head} {piece.text}".lstrip()) for piece in pieces]
    return (
        [one for one in read if isinstance(one, Event)],
        [one for one in read if isinstance(one, Rejection)],
    )


def _unread(text: str, error: NoJson) -> Rejection:
    """Return the rejection of an event that cannot be read, with its readable fields and the field at fault."""
    known: dict[str, Any] = {}
    reason = ""
    for name, value in _fields(text).items():
        if error.is_of_form and name not in _NAMES:
            continue
        try:
            read = value_of(value.text)
        except NoJson as trouble:
            if not (error.is_of_form or trouble.is_of_form):
                reason = reason or f"{_shown(name)} {trouble}."
        else:
            known |= {name: read} if name in _NAMES else {}
    return _kept(_nothing_but(known), reason or f"The event {error}.", text)


def _fields(text: str) -> Mapping[str, Piece]:
    try:
        return outline_of(text, 1).fields if text.startswith("{") else {}
    except NoJson:
        return {}


def _nothing_but(known: Mapping[str, Any]) -> Rejection:
    read = read_event(known)
    if isinstance(read, Event):
        raise TypeError(known)  # an event without a time
    return read


def _kept(rejection: Rejection, reason: str, text: str) -> Rejection:
    """Return ``rejection`` with another reason, and with its ``text`` as it came where that can be stored."""
    text = _UNSTORABLE.sub("\ufffd", text)
    raw = text.encode()
    cut = len(raw) > MAX_EVENT_BYTES
    return replace(
        rejection,
        reason=reason,
        text=raw[:KEPT_BYTES].decode(errors="ignore") if cut else text,
        body_hash=sha256(raw).digest(),
        hash_before=None,
        cut=cut,
        wrong=Wrong.JSON,
    )


def _value_or_shape(value: Piece) -> Any:
    """Return the value, or an empty value of its kind if it cannot be read."""
    try:
        return value_of(value.text)
    except NoJson:
        return {"{": {}, "[": []}.get(value.text[:1], value.text)


def _shown(name: str) -> str:
    return name if name.isprintable() and 0 < len(name) <= _LONGEST_NAME else "A field"
