"""Encoding: any alert's body becomes a request that PagerDuty accepts (spec 4)."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

from wallarm_notify.domain.integration import IntegrationKey

MAX_BODY_BYTES: Final = 512_000
"""The largest body that PagerDuty accepts; the smaller meaning of its 512 KB."""

MAX_SUMMARY_CHARACTERS: Final = 1024
MAX_DEDUP_KEY_CHARACTERS: Final = 255

SOURCE: Final = "Wallarm"
SEVERITIES: Final = ("critical", "error", "warning", "info")

_MAX_WORDS: Final = 1024
_MAX_URL: Final = 8_000


def encode(body: Mapping[str, Any], key: IntegrationKey) -> bytes:
    """Return the bytes of a request: ``body`` with the routing key, in UTF-8, made acceptable.

    A summary over 1024 characters is cut and stays whole in ``custom_details.summary``; blank and wrong
    fields are replaced or left out; over 512,000 bytes ``custom_details`` shrinks, its longest strings
    first, and ``custom_details.cut`` says what was cut (spec 4).
    """
    sound = {"routing_key": key.reveal(), **_sound(body)}
    encoded = _compact(sound)
    return encoded if len(encoded) <= MAX_BODY_BYTES else _fitted(sound)


def encode_resolve(dedup_key: str, key: IntegrationKey) -> bytes:
    """Return the bytes of a request that resolves the alert with this dedup key, if one is open."""
    return _compact(
        {"routing_key": key.reveal(), "event_action": "resolve", "dedup_key": dedup_key}
    )


def _compact(value: Any) -> bytes:
    try:
        encoded = _JSON(value)
        if not _is_odd(encoded):
            return encoded.encode()
    except (ValueError, TypeError):  # NaN, a lone surrogate, a value that JSON lacks
        pass
    return _JSON(_clean(value)).encode()


_CONTROLS: Final = "\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_DIRECTIONS: Final = (
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
)
"""Invisible characters, and those that change how the text around them is read, line separators included."""

_UNSEEN: Final = re.compile(f"[{_CONTROLS}{_DIRECTIONS}]")

_ODD_IN_ASCII: Final = re.compile(r"\\[bfru]")
"""JSON escapes that need a check: attackers write an event's texts, and a terminal may show them."""

_ODD: Final = re.compile(rf"[\x80-\x9f{_DIRECTIONS}\ud800-\udfff]")
"""Other characters that need a check, searched only in text beyond ASCII: that takes ten times as long."""


def _is_odd(encoded: str) -> bool:
    return (
        _ODD_IN_ASCII.search(encoded) is not None
        or "\x7f" in encoded
        or (not encoded.isascii() and _ODD.search(encoded) is not None)
    )


_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _clean(value: Any) -> Any:
    """Return ``value`` as JSON that every parser accepts: no lone surrogate, no NaN, nothing invisible."""
    match value:
        case str():
            text = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
            return _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
        case dict():
            return {_clean(str(name)): _clean(item) for name, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case float():
            return value if value - value == 0 else str(value)
        case None | bool() | int():
            return value
        case _:
            return _clean(str(value))


def _sound(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that PagerDuty knows, each with a value that it accepts."""
    given = body.get("payload")
    payload = _sound_payload(given if isinstance(given, dict) else {})
    sound: dict[str, Any] = {"event_action": "trigger"}
    if dedup_key := _text(body.get("dedup_key")):
        if len(dedup_key) > MAX_DEDUP_KEY_CHARACTERS:
            dedup_key = sha256(dedup_key.encode("utf-8", "replace")).hexdigest()
        sound["dedup_key"] = dedup_key
    sound["payload"] = payload
    links = body.get("links")
    sound["links"] = [
        {"href": link["href"], "text": _text(link.get("text"))[:_MAX_WORDS] or link["href"]}
        for link in (links[:_MAX_LINKS] if isinstance(links, list) else ())
        if isinstance(link, dict) and is_url(link.get("href"))
    ]
    if name := _text(body.get("client"))[:_MAX_WORDS]:
        sound["client"] = name
    if is_url(body.get("client_url")):
        sound["client_url"] = body["client_url"]
    return sound


_MAX_LINKS: Final = 10


def _sound_payload(given: Mapping[str, Any]) -> dict[str, Any]:
    details = given.get("custom_details")
    if details is None:
        details = {}
    elif not isinstance(details, dict):
        details = {"details": details}
    summary = _line(given.get("summary")) or _line(given.get("class")) or "Notification"
    if len(summary) > MAX_SUMMARY_CHARACTERS:
        details = {**details, "summary": summary}
        summary = f"{summary[: MAX_SUMMARY_CHARACTERS - 1]}…"
    severity = given.get("severity")
    payload: dict[str, Any] = {
        "summary": summary,
        "source": _line(given.get("source"))[:_MAX_WORDS] or SOURCE,
        "severity": severity if severity in SEVERITIES else "info",
    }
    if timestamp := _timestamp(given.get("timestamp")):
        payload["timestamp"] = timestamp
    for name in ("component", "group", "class"):
        if text := _line(given.get(name))[:_MAX_WORDS]:
            payload[name] = text
    payload["custom_details"] = details
    return payload


def _text(value: Any) -> str:
    """Return ``value`` as text with at least one visible character, or an empty text."""
    if value is None or isinstance(value, dict | list | tuple):
        return ""
    text = str(value)
    seen = text if text.isprintable() else _UNSEEN.sub("", text).strip("\0")
    return text if seen and not seen.isspace() else ""


def _blank_of(unseen: re.Match[str]) -> str:
    """Return a space for a character that ends a line, which separates words, and nothing for an invisible one."""
    return " " if unseen[0].isspace() else ""


def _line(value: Any) -> str:
    """Return ``value`` as visible text in one line."""
    text = _text(value)
    return text if text.isprintable() else " ".join(_UNSEEN.sub(_blank_of, text).split())


def _timestamp(value: Any) -> str | None:
    """Return a time as ISO 8601 with offset; None if it is no time, and PagerDuty uses its own."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time.astimezone(UTC).isoformat() if time and time.tzinfo else None
    except (ValueError, OverflowError):
        return None


# Shrinking.

_SHORTEST: Final = 64
_HEAD: Final = 2_000
"""The characters that ids, links and the description keep while anything else can be cut."""

_ALWAYS: Final = (
    "client_name",
    "cloud",
    "notification_type",
    "event_id",
    "firing_id",
    "description",
    "security_issue_link",
)
_NAMED_CUTS: Final = 20


def _fitted(body: dict[str, Any]) -> bytes:
    """Return the bytes of ``body`` with as much of ``custom_details`` as there is room for."""
    payload = body["payload"]
    details = _clean(payload["custom_details"])

    def attempt(characters: int, items: int) -> bytes:
        cut = _Cut(characters, items)
        short = {**cut.fields(details, ""), "cut": cut.notes()}
        return _compact({**body, "payload": {**payload, "custom_details": short}})

    for items in (MAX_BODY_BYTES, 1_000, 100, 10, 3):
        low, high = _SHORTEST, max(_SHORTEST, _longest(details)) + 1
        best = attempt(low, items)
        if len(best) > MAX_BODY_BYTES:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            longer = attempt(middle, items)
            if len(longer) <= MAX_BODY_BYTES:
                low, best = middle, longer
            else:
                high = middle
        return best
    heads: dict[str, Any] = {
        name: _text(details.get(name))[:_HEAD] for name in _ALWAYS if details.get(name)
    }
    heads["cut"] = ["everything else: it could not be shortened to fit"]
    return _compact({**body, "payload": {**payload, "custom_details": heads}})


class _Cut:
    """A cut of everything longer than a number of characters or items, with notes of what was cut."""

    def __init__(self, characters: int, items: int) -> None:
        self._characters = characters
        self._items = items
        self._cuts: list[str] = []

    def notes(self) -> list[str]:
        """Return what was cut, one phrase each; at most 20 by name."""
        more = len(self._cuts) - _NAMED_CUTS
        return self._cuts[:_NAMED_CUTS] + ([f"and {more} more"] if more > 0 else [])

    def fields(self, fields: Mapping[str, Any], place: str) -> dict[str, Any]:
        kept = sorted(fields, key=lambda name: not _is_kept(name))[: self._items]
        if len(kept) < len(fields):
            self._note(place, len(kept), len(fields), "fields")
        chosen = set(kept)
        return {
            self._string(name, f"{place}.{name}", self._characters): self._value(
                item, f"{place}.{name}", kept=_is_kept(name)
            )
            for name, item in fields.items()
            if name in chosen
        }

    def _value(self, value: Any, place: str, *, kept: bool = False) -> Any:
        match value:
            case str():
                limit = max(self._characters, _HEAD) if kept else self._characters
                return self._string(value, place, limit)
            case dict():
                return self.fields(value, place)
            case list():
                if len(value) > self._items:
                    self._note(place, self._items, len(value), "items")
                return [
                    self._value(item, f"{place}[{n}]")
                    for n, item in enumerate(value[: self._items])
                ]
            case _:
                return value

    def _string(self, text: str, place: str, limit: int) -> str:
        if len(text) <= limit:
            return text
        self._note(place, limit, len(text), "characters")
        return f"{text[: limit - 1]}…"

    def _note(self, place: str, kept: int, whole: int, unit: str) -> None:
        if len(self._cuts) <= _NAMED_CUTS:
            name = place.removeprefix(".") or "custom_details"
            shown = name if len(name) <= _SHORTEST else f"{name[:_SHORTEST]}…"
            self._cuts.append(f"{shown}: {kept} of {whole} {unit} kept")
        else:
            self._cuts.append("")


def _is_kept(name: str) -> bool:
    return name in _ALWAYS or name == "id" or name.endswith(("_id", "link", "url"))


def _longest(value: Any) -> int:
    """Return the length of the longest text in ``value``, names of fields included."""
    match value:
        case str():
            return len(value)
        case dict():
            return max((max(len(k), _longest(v)) for k, v in value.items()), default=0)
        case list():
            return max(map(_longest, value), default=0)
        case _:
            return 0


# Links.

_NO_URL_CHARACTER: Final = re.compile(r"[^!-~]|[\"<>\\^`{|}]")


def is_url(value: Any) -> bool:
    """Return whether ``value`` is an absolute http or https URL according to RFC 3986."""
    return isinstance(value, str) and len(value) <= _MAX_URL and _is_url(value)


@lru_cache(maxsize=256)  # each URL of an alert is checked twice, and every alert has the console's
def _is_url(value: str) -> bool:
    if _NO_URL_CHARACTER.search(value):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
