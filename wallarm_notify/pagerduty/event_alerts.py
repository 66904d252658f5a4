"""The alert of each type of event: its text, its details, and PagerDuty's fields (spec 4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.roles import role_name
from wallarm_notify.domain.triggers.filters import DEFAULT_APPLICATION
from wallarm_notify.pagerduty.encode import is_url
from wallarm_notify.pagerduty.texts import changes_of, endpoint, line_of


@dataclass(frozen=True, slots=True)
class Alert:
    """The parts of an alert that are particular to an event or a firing.

    ``lines`` are the text; ``notes`` come after them, and after a trigger's name if there is one.
    ``headline`` is set if the event's type alone does not say what happened; ``own_headline`` if the original's
    words do not.
    """

    lines: tuple[str, ...]
    details: Mapping[str, Any]
    component: str | None = None
    group: str | None = None
    notes: tuple[str, ...] = ()
    headline: str | None = None
    own_headline: str | None = None


def alert_of(event: Event) -> Alert:
    """Return the alert of ``event``. Raise ValueError for a type that is only counted."""
    if event.type not in _ALERTS:
        raise ValueError(f"{event.type} has no alert of its own: triggers only count it")
    return _ALERTS[event.type](event.body)


def link_of(body: Mapping[str, Any], field: str = "link") -> str | None:
    """Return the link in a field of an event, or None if a browser may not follow it."""
    link = body.get(field)
    return link if is_url(link) else None


def _by(body: Mapping[str, Any]) -> str:
    """Return `` by John Doe <john@example.com>``, as much of it as is known."""
    actor = body.get("actor") or {}
    name, email = line_of(actor.get("name")), line_of(actor.get("email"))
    if not name and not email:
        return ""
    return f" by {name} <{email}>" if name and email else f" by {name or email}"


def _noted(*notes: tuple[str, Any]) -> tuple[str, ...]:
    """Return the notes that are not empty, one a line, separated from the text before them."""
    lines = tuple(f"{label}: {line_of(value)}" for label, value in notes if line_of(value))
    return ("", *lines) if lines else ()


def _record(
    body: Mapping[str, Any], action: str, object_type: str, entity: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ``data`` in the form of the original's audit records; what is unknown is left out."""
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


def _user(action: str) -> Callable[[Mapping[str, Any]], Alert]:
    def alert(body: Mapping[str, Any]) -> Alert:
        person = f"{line_of(body['user_name'])} <{line_of(body['user_email'])}>"
        role = body.get("user_role")
        in_role = f" with the role {line_of(role_name(role))}" if role else ""
        match action:
            case "create":
                text = f"A new user {person}{in_role} was added to the company account"
            case "delete":
                text = f"The user {person}{in_role} was deleted from the company account"
            case _:
                before, after = role_name(body["previous_role"]), role_name(body["user_role"])
                text = f"The role of the user {person} was changed"
                text += f" from {line_of(before)} to {line_of(after)}"
        entity = {
            "name": body["user_name"],
            "email": body["user_email"],
            "role": role,
            "previous_role": body.get("previous_role"),
        }
        return Alert((f"{text}{_by(body)}.",), _record(body, action, "user", entity))

    return alert


_INTEGRATION_TYPES: Final = {"pager_duty": "PagerDuty"}
"""The names of types of integrations, by the ids that the API has for them."""


def _named_integration(body: Mapping[str, Any]) -> str:
    """Return ``The PagerDuty integration "On-call" (ID 17)``."""
    sort = line_of(body.get("integration_type"))
    sort = _INTEGRATION_TYPES.get(sort, sort)
    name, number = line_of(body["integration_name"]), line_of(body["integration_id"])
    return f'The {f"{sort} " if sort else ""}integration "{name}" (ID {number})'


def _integration(action: str) -> Callable[[Mapping[str, Any]], Alert]:
    def alert(body: Mapping[str, Any]) -> Alert:
        text = f"{_named_integration(body)} was "
        text += f"{'deleted' if action == 'delete' else 'disabled'}{_by(body)}."
        return Alert(
            (text, *_noted(("Reason", body.get("reason")))),
            _record(body, action, "integration", _integration_entity(body, action)),
        )

    return alert


def _broken_integration(body: Mapping[str, Any]) -> Alert:
    text = (
        f"{_named_integration(body)} was disabled automatically: {body['failed']} of {body['attempts']} requests "
        f"({body['failure_ratio']:.0%}) failed."
    )
    entity = {
        **_integration_entity(body, "update"),
        **{name: body.get(name) for name in ("failure_ratio", "attempts", "failed", "last_error")},
    }
    return Alert(
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


def _application(action: str) -> Callable[[Mapping[str, Any]], Alert]:
    def alert(body: Mapping[str, Any]) -> Alert:
        name, before = line_of(body["application_name"]), body.get("previous_name")
        number = f"(ID {body['application_id']})"
        if action == "update":
            text = f'The application "{line_of(before)}" {number} was renamed to "{name}"'
        else:
            text = f'The application "{name}" {number} was {action}d'
        entity = {
            "id": body["application_id"],
            "name": body["application_name"],
            "previous_name": before,
        }
        return Alert(
            (f"{text}{_by(body)}.",),
            _record(body, action, "pool", entity),
            component=body["application_name"],
        )

    return alert


_PURPOSES: Final = {
    "rogue_api_detection": "rogue API detection",
    "specification_enforcement": "API specification enforcement",
}


def _specification(body: Mapping[str, Any]) -> Alert:
    text = f'The specification "{line_of(body["specification_title"])}" could not be updated.'
    entity = {
        "id": body["specification_id"],
        "title": body["specification_title"],
        "error": body["error"],
        "url": link_of(body, "url"),
        "used_for": body.get("used_for"),
    }
    notes = _noted(
        ("Error", body["error"]),
        ("URL", link_of(body, "url")),
        ("Used for", _PURPOSES.get(body.get("used_for") or "")),
    )
    return Alert((text, *notes), _record(body, "update", "api_spec", entity))


_DONE: Final = {"create": "created", "update": "changed", "delete": "deleted"}


def _rule(action: str) -> Callable[[Mapping[str, Any]], Alert]:
    def alert(body: Mapping[str, Any]) -> Alert:
        entity = {
            "id": body["rule_id"],
            "name": body.get("name"),
            "type": body.get("rule_type"),
            "changes": body.get("changes"),
        }
        text = _titled("rule", body.get("name"), body["rule_id"])
        return Alert(
            (
                f"{text} was {_DONE[action]}{_by(body)}.",
                *_noted(("Type", body.get("rule_type")), ("Changes", changes_of(body))),
            ),
            _record(body, action, "grouped_hint", entity),
        )

    return alert


def _trigger(action: str) -> Callable[[Mapping[str, Any]], Alert]:
    def alert(body: Mapping[str, Any]) -> Alert:
        entity = {
            "id": body["trigger_id"],
            "name": body["name"],
            "template_id": body.get("template_id"),
            "changes": body.get("changes"),
        }
        text = _titled("trigger", body["name"], body["trigger_id"])
        return Alert(
            (
                f"{text} was {_DONE[action]}{_by(body)}.",
                *_noted(("Condition", body.get("template_id")), ("Changes", changes_of(body))),
            ),
            _record(body, action, "triggers.trigger", entity),
        )

    return alert


def _titled(noun: str, name: Any, number: Any) -> str:
    title = line_of(name)
    return (
        f'The {noun} "{title}" (ID {line_of(number)})' if title else f"The {noun} {line_of(number)}"
    )


def _security_issue(body: Mapping[str, Any]) -> Alert:
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
    # The original shows most lines even if they are empty.
    shown = (f"{k}: {line_of(v)}" for k, v in fields if line_of(v) or k not in ("Port", "URL"))
    link = link_of(body)
    more = ("", f"More details: {link}", "") if link else ()
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
            "reopened": bool(body.get("reopened")),
        }
    }
    if link:
        details["security_issue_link"] = link
    return Alert(
        (found, "", *shown, *more),
        details,
        group=body.get("host") or _host_of(body.get("url")),
        own_headline="Security issue was re-opened" if body.get("reopened") else None,
    )


def _host_of(url: Any) -> str | None:
    return urlsplit(url).hostname if is_url(url) else None


def application_of(body: Mapping[str, Any]) -> str:
    """Return the application of an event as people call it: its name, or else its number."""
    if name := line_of(body.get("application_name")):
        return name
    number = body.get("application_id")
    return "default" if number in (None, DEFAULT_APPLICATION) else f"Application #{number}"


def _listed(details: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the original's block of details, one a line."""
    shown = (f"{k}: {line_of(v)}" for k, v in details.items() if not isinstance(v, list))
    return ("", "Details:", *shown)


def _known(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if value is not None}


_NEW: Final = {"added": "new", "changed": "changed", "unused": "unused"}


def _api_change(body: Mapping[str, Any]) -> Alert:
    word = _NEW[body["change_type"]]
    details = _known(
        {
            "application": application_of(body),
            "domain": body["host"],
            "endpoint_path": body["path"],
            "http_method": body["method"],
            "change_type": body["change_type"],
            "changed_parameters": body.get("changed_parameters"),
            "link": link_of(body),
        }
    )
    article = "An" if word == "unused" else "A"
    return Alert(
        (f"The {word} {endpoint(body)} endpoint has been discovered in your API.",),
        details,
        component=application_of(body),
        group=body["host"],
        notes=_listed(details),
        headline=f"{article} {word} endpoint has been discovered in your API",
    )


def _rogue(body: Mapping[str, Any]) -> Alert:
    kind = body["kind"]
    details = _known(
        {
            "application": application_of(body),
            "api_host": body["host"],
            "endpoint_path": body["path"],
            "http_method": body["method"],
            "type_of_endpoint": kind,
            "specification_name": body.get("specification_title"),
            "link": link_of(body),
        }
    )
    return Alert(
        (f"The new {endpoint(body)} {kind} endpoint has been discovered in your API.",),
        details,
        component=application_of(body),
        group=body["host"],
        notes=_listed(details),
        headline=f"A new {kind} endpoint has been discovered in your API",
    )


FOREVER: Final = "forever"


def _denylisted(body: Mapping[str, Any]) -> Alert:
    until = _moment(body.get("expires_at"))
    application = application_of(body)
    reason = line_of(body["reason"])
    how_long = FOREVER if until is None else f"until {until}"
    text = f'IP address {line_of(body["ip"])} was denylisted {how_long} for the reason "{reason}".'
    text += ' You can review blocked IP addresses in the "Denylist" section of Wallarm Console.'
    return Alert(
        (text,),
        {
            "ip": body["ip"],
            "reason": body["reason"],
            "expire_at": until or FOREVER,
            "application": application,
        },
        component=application,
        notes=(f"The IP is blocked for the application {application}.",),
    )


def _moment(text: Any) -> str | None:
    """Return a time as the original writes it, in its own time zone, or None if ``text`` is no time."""
    if text is None:
        return None
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S %z}"
    except ValueError:
        return line_of(text)


_ALERTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Alert]]] = {
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
    "api.changed": _api_change,
    "ip.denylisted": _denylisted,
    "rogue_api.detected": _rogue,
}
