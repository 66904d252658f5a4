"""What an alert says: an event rendered as the body of a PagerDuty request (spec 4)."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.event import EVENT_TYPES, Event
from wallarm_notify.domain.integration import IntegrationKey
from wallarm_notify.domain.roles import role_name

MAX_BODY_BYTES: Final = 512_000
"""PagerDuty refuses what is larger; the smaller reading of its 512 KB."""

MAX_SUMMARY_CHARACTERS: Final = 1024
MAX_DEDUP_KEY_CHARACTERS: Final = 255

SOURCE: Final = "Wallarm"
SEVERITIES: Final = ("critical", "error", "warning", "info")
TEST_PREFIX: Final = "[Test message] "

_CONSOLE: Final = "Wallarm Console"
_MAX_WORDS: Final = 1024
_MAX_URL: Final = 8_000


# Rendering.


@dataclass(frozen=True, slots=True)
class _Alert:
    """What is particular to an event's type: the text's body, details, and PagerDuty's fields."""

    lines: tuple[str, ...]
    details: Mapping[str, Any]
    component: str | None = None
    group: str | None = None


def render(
    event: Event,
    client: Client,
    *,
    dedup_key: str,
    console_host: str | None,
    prefix: str = "",
) -> dict[str, Any]:
    """Return the body of ``event``'s alert, all but the routing key (spec 4).

    ``console_host`` is where the console of the client's cloud is, as a host or URL; None: there
    is none to link to. ``prefix`` goes before the summary, as ``TEST_PREFIX``.
    Raises ValueError for a type that only triggers use.
    """
    if event.type not in _ALERTS:
        raise ValueError(f"{event.type} has no alert of its own: only triggers use it")
    kind = EVENT_TYPES[event.type]
    alert = _ALERTS[event.type](event.body)
    cloud = client.cloud.upper()
    payload: dict[str, Any] = {
        "summary": f"{prefix}[{client.partner_name}] {kind.headline}",
        "source": SOURCE,
        "severity": event.severity.word,
        "timestamp": event.occurred_at.astimezone(UTC).isoformat(),
        "component": alert.component,
        "group": alert.group,
        "class": kind.notification_type,
        "custom_details": {
            "client_name": client.name,
            "cloud": cloud,
            "notification_type": kind.notification_type,
            "event_id": str(event.id),
            "description": _description(kind.notification_type, alert.lines, client.name, cloud),
            **alert.details,
        },
    }
    body: dict[str, Any] = {
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "payload": {name: value for name, value in payload.items() if value is not None},
        "links": _event_links(event.body),
    }
    if console := _console_url(console_host):
        body |= {"client": _CONSOLE, "client_url": console}
    return body


def test_alerts(client: Client, now: datetime) -> list[dict[str, Any]]:
    """Return the three alerts of a test: new user, new trigger, new security issue (spec 1)."""
    samples: tuple[dict[str, Any], ...] = (
        {
            "type": "user.created",
            "user_name": "Test User",
            "user_email": "test@example.com",
            "user_role": "admin",
        },
        {"type": "trigger.created", "trigger_id": 1, "name": "Test trigger"},
        {
            "type": "security_issue.detected",
            "issue_id": "test",
            "title": "Test",
            "risk": "medium",
            "host": "example.com",
            "path": "/",
            "method": "GET",
            "issue_type": "Info",
        },
    )
    return [
        render(
            Event(uuid4(), client.id, sample["type"], now, sample, b""),
            client,
            dedup_key=uuid4().hex,
            console_host=None,
            prefix=TEST_PREFIX,
        )
        for sample in samples
    ]


def _description(notification_type: str, lines: Iterable[str], client_name: str, cloud: str) -> str:
    text = "\n".join(lines)
    return (
        f"Notification type: {notification_type}\n\n{text}\n\n"
        f"Client: {_line(client_name)}\nCloud: {cloud}\n"
    )


def _line(value: Any) -> str:
    """Return a value as a stretch of one line, so that none can forge lines of the text."""
    return "" if value is None else " ".join(str(value).split())


def _by(body: Mapping[str, Any]) -> str:
    """Return `` by John Doe <john@example.com>``, as much of it as is known."""
    actor = body.get("actor") or {}
    name, email = _line(actor.get("name")), _line(actor.get("email"))
    if not name and not email:
        return ""
    return f" by {name} <{email}>" if name and email else f" by {name or email}"


def _noted(*notes: tuple[str, Any]) -> tuple[str, ...]:
    """Return the notes that say something, a line each, apart from the text before them."""
    lines = tuple(f"{label}: {_line(value)}" for label, value in notes if _line(value))
    return ("", *lines) if lines else ()


def _record(
    body: Mapping[str, Any], action: str, object_type: str, entity: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ``data`` in the shape of the original's audit records; what is unknown is left out."""
    known = {name: value for name, value in entity.items() if value is not None}
    actor = body.get("actor") or {}
    return {
        "data": [
            {
                "action": action,
                "object_type": object_type,
                "entity": known,
                "object_userid": actor.get("id"),
            }
        ]
    }


def _user(action: str) -> Callable[[Mapping[str, Any]], _Alert]:
    def alert(body: Mapping[str, Any]) -> _Alert:
        person = f"{_line(body['user_name'])} <{_line(body['user_email'])}>"
        role = body.get("user_role")
        in_role = f" with the role {_line(role_name(role))}" if role else ""
        match action:
            case "create":
                text = f"A new user {person}{in_role} was added to the company account"
            case "delete":
                text = f"The user {person}{in_role} was deleted from the company account"
            case _:
                before, after = role_name(body["previous_role"]), role_name(body["user_role"])
                text = f"The role of the user {person} was changed"
                text += f" from {_line(before)} to {_line(after)}"
        entity = {
            "name": body["user_name"],
            "email": body["user_email"],
            "role": role,
            "previous_role": body.get("previous_role"),
        }
        return _Alert((f"{text}{_by(body)}.",), _record(body, action, "user", entity))

    return alert


def _integration(action: str) -> Callable[[Mapping[str, Any]], _Alert]:
    def alert(body: Mapping[str, Any]) -> _Alert:
        sort = _line(body.get("integration_type"))
        text = f'The {f"{sort} " if sort else ""}integration "{_line(body["integration_name"])}"'
        text += f" (ID {_line(body['integration_id'])}) was "
        text += f"{'deleted' if action == 'delete' else 'disabled'}{_by(body)}."
        return _Alert(
            (text, *_noted(("Reason", body.get("reason")))),
            _record(body, action, "integration", _integration_entity(body, action)),
        )

    return alert


def _broken_integration(body: Mapping[str, Any]) -> _Alert:
    text = (
        f'The integration "{_line(body["integration_name"])}" (ID {_line(body["integration_id"])}) '
        f"was disabled automatically: {body['failed']} of {body['attempts']} requests "
        f"({body['failure_ratio']:.0%}) failed."
    )
    entity = {
        **_integration_entity(body, "update"),
        **{name: body.get(name) for name in ("failure_ratio", "attempts", "failed", "last_error")},
    }
    return _Alert(
        (text, *_noted(("Reason", body.get("reason")), ("Last error", body.get("last_error")))),
        _record(body, "update", "integration", entity),
    )


def _integration_entity(body: Mapping[str, Any], action: str) -> dict[str, Any]:
    return {
        "id": body["integration_id"],
        "name": body["integration_name"],
        "type": body.get("integration_type"),
        "enabled": False if action == "update" else None,
        "reason": body.get("reason"),
    }


def _application(action: str) -> Callable[[Mapping[str, Any]], _Alert]:
    def alert(body: Mapping[str, Any]) -> _Alert:
        name, before = _line(body["application_name"]), body.get("previous_name")
        number = f"(ID {body['application_id']})"
        if action == "update":
            text = f'The application "{_line(before)}" {number} was renamed to "{name}"'
        else:
            text = f'The application "{name}" {number} was {action}d'
        entity = {
            "id": body["application_id"],
            "name": body["application_name"],
            "previous_name": before,
        }
        return _Alert(
            (f"{text}{_by(body)}.",),
            _record(body, action, "pool", entity),
            component=body["application_name"],
        )

    return alert


_PURPOSES: Final = {
    "rogue_api_detection": "rogue API detection",
    "specification_enforcement": "API specification enforcement",
}


def _specification(body: Mapping[str, Any]) -> _Alert:
    text = f'The specification "{_line(body["specification_title"])}" could not be updated.'
    entity = {
        "id": body["specification_id"],
        "title": body["specification_title"],
        "error": body["error"],
        "url": body.get("url"),
        "used_for": body.get("used_for"),
    }
    notes = _noted(
        ("Error", body["error"]),
        ("URL", body.get("url")),
        ("Used for", _PURPOSES.get(body.get("used_for") or "")),
    )
    return _Alert((text, *notes), _record(body, "update", "api_spec", entity))


_DONE: Final = {"create": "created", "update": "changed", "delete": "deleted"}


def _rule(action: str) -> Callable[[Mapping[str, Any]], _Alert]:
    def alert(body: Mapping[str, Any]) -> _Alert:
        entity = {
            "id": body["rule_id"],
            "name": body.get("name"),
            "type": body.get("rule_type"),
            "changes": body.get("changes"),
        }
        text = _titled("rule", body.get("name"), body["rule_id"])
        return _Alert(
            (
                f"{text} was {_DONE[action]}{_by(body)}.",
                *_noted(("Type", body.get("rule_type")), ("Changes", _changed(body))),
            ),
            _record(body, action, "grouped_hint", entity),
        )

    return alert


def _trigger(action: str) -> Callable[[Mapping[str, Any]], _Alert]:
    def alert(body: Mapping[str, Any]) -> _Alert:
        entity = {
            "id": body["trigger_id"],
            "name": body["name"],
            "template_id": body.get("template_id"),
            "changes": body.get("changes"),
        }
        text = _titled("trigger", body["name"], body["trigger_id"])
        return _Alert(
            (
                f"{text} was {_DONE[action]}{_by(body)}.",
                *_noted(("Condition", body.get("template_id")), ("Changes", _changed(body))),
            ),
            _record(body, action, "triggers.trigger", entity),
        )

    return alert


def _titled(noun: str, name: Any, number: Any) -> str:
    title = _line(name)
    return f'The {noun} "{title}" (ID {_line(number)})' if title else f"The {noun} {_line(number)}"


def _changed(body: Mapping[str, Any]) -> str:
    return ", ".join(body.get("changes") or ())


def _security_issue(body: Mapping[str, Any]) -> _Alert:
    found = "Security issue was re-opened" if body.get("reopened") else "New security issue was"
    found += " in your system." if body.get("reopened") else " detected in your system."
    fields = (
        ("ID", body["issue_id"]),
        ("Title", body["title"]),
        ("Host", body.get("host")),
        ("Port", body.get("port")),
        ("URL", body.get("url")),
        ("Path", body.get("path")),
        ("Method", body.get("method")),
        ("Discovered by", body.get("discovered_by")),
        ("Parameter", body.get("parameter")),
        ("Type", body.get("issue_type")),
        ("Risk", body["risk"].capitalize()),
    )
    # The original shows most lines even where they are empty.
    shown = (f"{k}: {_line(v)}" for k, v in fields if _line(v) or k not in ("Port", "URL"))
    more = ("", f"More details: {_line(body['link'])}", "") if body.get("link") else ()
    details: dict[str, Any] = {
        "security_issue": {
            "id": body["issue_id"],
            "title": body["title"],
            "host": body.get("host"),
            "path": body.get("path"),
            "method": body.get("method"),
            "parameter": body.get("parameter"),
            "discovered_by": body.get("discovered_by"),
            "type": body.get("issue_type"),
            "risk": body["risk"].capitalize(),
        }
    }
    if body.get("link"):
        details["security_issue_link"] = body["link"]
    return _Alert((found, "", *shown, *more), details, group=body.get("host"))


_ALERTS: Final[Mapping[str, Callable[[Mapping[str, Any]], _Alert]]] = {
    "user.created": _user("create"),
    "user.deleted": _user("delete"),
    "user.role_changed": _user("update"),
    "integration.disabled": _integration("update"),
    "integration.deleted": _integration("delete"),
    "integration.auto_disabled": _broken_integration,
    "application.created": _application("create"),
    "application.deleted": _application("delete"),
    "application.renamed": _application("update"),
    "specification.update_failed": _specification,
    "rule.created": _rule("create"),
    "rule.updated": _rule("update"),
    "rule.deleted": _rule("delete"),
    "trigger.created": _trigger("create"),
    "trigger.updated": _trigger("update"),
    "trigger.deleted": _trigger("delete"),
    "security_issue.detected": _security_issue,
}


# Links.


def _event_links(body: Mapping[str, Any]) -> list[dict[str, str]]:
    for field, text in (("link", "More details"), ("url", "URL")):
        if _is_url(body.get(field)):
            return [{"href": body[field], "text": text}]
    return []


def _console_url(host: str | None) -> str | None:
    if not host:
        return None
    url = host if "://" in host else f"https://{host}"
    return url if _is_url(url) else None


_NO_URL_CHARACTER: Final = re.compile(r"[^!-~]|[\"<>\\^`{|}]")


def _is_url(value: Any) -> bool:
    """Tell whether ``value`` is an absolute http or https URL as RFC 3986 has it."""
    if not isinstance(value, str) or len(value) > _MAX_URL or _NO_URL_CHARACTER.search(value):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


# Encoding: whatever the body holds, PagerDuty takes the result.


def encode(body: Mapping[str, Any], key: IntegrationKey) -> bytes:
    """Return the request's bytes: ``body`` with the routing key, in UTF-8, made acceptable.

    A summary over 1024 characters is cut and stays whole in ``custom_details.summary``; blank and
    wrong fields are replaced or left out; over 512,000 bytes ``custom_details`` shrinks, its
    longest strings first, and ``custom_details.cut`` says what was cut (spec 4).
    """
    sound = {"routing_key": key.reveal(), **_sound(body)}
    encoded = _compact(sound)
    return encoded if len(encoded) <= MAX_BODY_BYTES else _fitted(sound)


def _compact(value: Any) -> bytes:
    try:
        encoded = _JSON(value).encode()
    except (ValueError, TypeError):  # NaN, half a surrogate pair, what is no JSON
        encoded = _JSON(_clean(value)).encode()
    if b"\\u0000" in encoded:
        encoded = _JSON(_clean(value)).encode()
    return encoded


_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _clean(value: Any) -> Any:
    """Return ``value`` as JSON that everybody reads: no NUL, no half surrogate pair, no NaN."""
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
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
    """Return the fields PagerDuty knows, each of them one it accepts."""
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
        if isinstance(link, dict) and _is_url(link.get("href"))
    ]
    if name := _text(body.get("client"))[:_MAX_WORDS]:
        sound["client"] = name
    if _is_url(body.get("client_url")):
        sound["client_url"] = body["client_url"]
    return sound


_MAX_LINKS: Final = 10


def _sound_payload(given: Mapping[str, Any]) -> dict[str, Any]:
    details = given.get("custom_details")
    if details is None:
        details = {}
    elif not isinstance(details, dict):
        details = {"details": details}
    summary = _text(given.get("summary")) or _text(given.get("class")) or "Notification"
    if len(summary) > MAX_SUMMARY_CHARACTERS:
        details = {**details, "summary": summary}
        summary = f"{summary[: MAX_SUMMARY_CHARACTERS - 1]}…"
    severity = given.get("severity")
    payload: dict[str, Any] = {
        "summary": summary,
        "source": _text(given.get("source"))[:_MAX_WORDS] or SOURCE,
        "severity": severity if severity in SEVERITIES else "info",
    }
    if timestamp := _timestamp(given.get("timestamp")):
        payload["timestamp"] = timestamp
    for name in ("component", "group", "class"):
        if text := _text(given.get(name))[:_MAX_WORDS]:
            payload[name] = text
    payload["custom_details"] = details
    return payload


def _text(value: Any) -> str:
    """Return a value as text with something to see in it, or the empty text."""
    if value is None or isinstance(value, dict | list | tuple):
        return ""
    text = str(value)
    return text if text.strip("\0").strip() else ""


def _timestamp(value: Any) -> str | None:
    """Return a time as ISO 8601 with offset; None, and PagerDuty takes its own, where it is none."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time.astimezone(UTC).isoformat() if time and time.tzinfo else None
    except (ValueError, OverflowError):
        return None


# Shrinking.

_SHORTEST: Final = 64
_HEAD: Final = 2_000
"""Characters that ids, links and the description keep while anything else can give way."""

_ALWAYS: Final = (
    "client_name",
    "cloud",
    "notification_type",
    "event_id",
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
        short = {**cut.fields(details, ""), "cut": cut.said()}
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
    """Cuts what is longer than so many characters or items, and remembers what it was."""

    def __init__(self, characters: int, items: int) -> None:
        self._characters = characters
        self._items = items
        self._cuts: list[str] = []

    def said(self) -> list[str]:
        """Return what was cut, a sentence's worth each, at most 20 by name."""
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
