"""Summaries: what a phone shows of an alert, in three forms (spec 4).

The first 60 characters tell an alert from others. What is more is cut where it says least: a path keeps its
beginning, a long title gives way to the place.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from wallarm_notify.domain.event import Event
from wallarm_notify.domain.roles import role_name
from wallarm_notify.domain.summary_form import SummaryForm
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.pagerduty.texts import changes_of, endpoint, line_of

_LONGEST_PATH: Final = 60
_LONGEST_BRIEF: Final = 60
_SHORT_TITLE: Final = 24
_LONGEST_NOTE: Final = 100
"""The characters of a note in parentheses: a reason, an error, what has changed."""

_LATE_FROM: Final = timedelta(days=1)


class Brief(NamedTuple):
    """What happened (``head``), and to what."""

    head: str
    what: str

    @property
    def text(self) -> str:
        """``New user: ana@example.com (Analyst)``."""
        return f"{self.head}: {self.what}" if self.what else self.head


def summary_of(
    event: Event, firing: Firing | None, *, headline: str, partner: str, form: SummaryForm
) -> str:
    """Return the summary of an alert whose headline in the original's words is ``headline``."""
    origin = "" if firing is None else "Trigger: "
    original = f"[{partner}] {origin}{headline}"
    if form is SummaryForm.ORIGINAL:
        return original
    brief = brief_of(event, firing)
    if form is SummaryForm.BRIEF:
        return f"[{partner}] {brief.text}"
    what = brief.text if firing is not None and firing.window is not None else brief.what
    return f"{original}: {what}" if what else original


def late_prefix(run: int, age: timedelta) -> str:
    """Return ``[Late 2 d] `` for a replay of what happened over 24 hours ago, else an empty text."""
    return f"[Late {age // _LATE_FROM} d] " if run > 1 and age > _LATE_FROM else ""


def brief_of(event: Event, firing: Firing | None) -> Brief:
    """Return the brief of an alert. Raise ValueError for a type that is only counted."""
    if firing is not None and firing.window is not None:
        counted = firing.criteria.condition.terms.counted
        threshold = firing.criteria.threshold
        if threshold is not None:
            return Brief(line_of(firing.trigger_name), f"more than {threshold.words_of(counted)}")
    if event.type not in _BRIEFS:
        raise ValueError(f"{event.type} has no alert of its own: triggers only count it")
    return _BRIEFS[event.type](event.body)


# Each type of event.


def _noted(text: Any, *notes: Any) -> str:
    """Return ``text`` with the first of ``notes`` that says something, in parentheses."""
    note = next((line for n in notes if (line := line_of(n))), "")
    return f"{line_of(text)} ({_cut(note, _LONGEST_NOTE)})" if note else line_of(text)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _user(head: str) -> Callable[[Mapping[str, Any]], Brief]:
    def brief(body: Mapping[str, Any]) -> Brief:
        role = body.get("user_role")
        who = line_of(body["user_email"]) or line_of(body["user_name"])
        return Brief(head, _noted(who, role and role_name(role)))

    return brief


def _role(body: Mapping[str, Any]) -> Brief:
    before, after = (
        line_of(role_name(body[name] or "")) for name in ("previous_role", "user_role")
    )
    who = line_of(body["user_email"]) or line_of(body["user_name"])
    return Brief("Role changed", f"{who} {before} → {after}")


def _integration(head: str) -> Callable[[Mapping[str, Any]], Brief]:
    return lambda body: Brief(head, _noted(body["integration_name"], body.get("reason")))


def _broken(body: Mapping[str, Any]) -> Brief:
    ratio = f"{round(body['failure_ratio'] * 100)} % of {body['attempts']} attempts failed"
    return Brief("Integration disabled automatically", _noted(body["integration_name"], ratio))


def _application(head: str) -> Callable[[Mapping[str, Any]], Brief]:
    return lambda body: Brief(
        head, _noted(body["application_name"], f"ID {line_of(body['application_id'])}")
    )


def _renamed(body: Mapping[str, Any]) -> Brief:
    before, after = line_of(body["previous_name"]), line_of(body["application_name"])
    return Brief("Application renamed", f"{before} → {after}")


def _specification(body: Mapping[str, Any]) -> Brief:
    return Brief("Specification not updated", _noted(body["specification_title"], body["error"]))


def _rule(head: str) -> Callable[[Mapping[str, Any]], Brief]:
    def brief(body: Mapping[str, Any]) -> Brief:
        named = line_of(body.get("name")) or f"rule {line_of(body['rule_id'])}"
        return Brief(head, _noted(named, changes_of(body), body.get("rule_type")))

    return brief


def _trigger(head: str) -> Callable[[Mapping[str, Any]], Brief]:
    def brief(body: Mapping[str, Any]) -> Brief:
        named = line_of(body["name"]) or f"trigger {line_of(body['trigger_id'])}"
        return Brief(head, _noted(named, changes_of(body)))

    return brief


def _issue(body: Mapping[str, Any]) -> Brief:
    head = f"{body['risk'].capitalize()} issue{' re-opened' if body.get('reopened') else ''}"
    title, place = line_of(body["title"]), _place(body)
    whole = Brief(head, f"{title} at {place}" if place else title)
    if not place or len(whole.text) <= _LONGEST_BRIEF:
        return whole
    return Brief(head, f"{_cut(title, _SHORT_TITLE)} at {place}")


def _place(body: Mapping[str, Any]) -> str:
    """Return where an issue is: ``shop.example.com/api/login``; empty if that is not known."""
    host, path = line_of(body.get("host")), line_of(body.get("path"))
    if not host and (url := line_of(body.get("url"))):
        try:
            parts = urlsplit(url)
        except ValueError:
            return _cut(url, _LONGEST_PATH)
        host, path = parts.netloc.rpartition("@")[2], path or parts.path
    port = line_of(body.get("port"))
    if host and port and port not in ("80", "443") and ":" not in host:
        host = f"{host}:{port}"
    slash = "/" if path and not path.startswith("/") else ""
    path = "" if path == "/" else _cut(f"{slash}{path}", _LONGEST_PATH)
    return f"{host}{path}"


def _endpoint(heads: Mapping[str, str], field: str) -> Callable[[Mapping[str, Any]], Brief]:
    def brief(body: Mapping[str, Any]) -> Brief:
        return Brief(heads[body[field]], endpoint(body, longest_path=_LONGEST_PATH))

    return brief


_BRIEFS: Final[Mapping[str, Callable[[Mapping[str, Any]], Brief]]] = {
    "user.created": _user("New user"),
    "user.deleted": _user("User deleted"),
    "user.role_changed": _role,
    "integration.disabled": _integration("Integration disabled"),
    "integration.deleted": _integration("Integration deleted"),
    "integration.auto_disabled": _broken,
    "application.created": _application("New application"),
    "application.deleted": _application("Application deleted"),
    "application.renamed": _renamed,
    "specification.update_failed": _specification,
    "rule.created": _rule("New rule"),
    "rule.updated": _rule("Rule changed"),
    "rule.deleted": _rule("Rule deleted"),
    "trigger.created": _trigger("New trigger"),
    "trigger.updated": _trigger("Trigger changed"),
    "trigger.deleted": _trigger("Trigger deleted"),
    "security_issue.detected": _issue,
    "api.changed": _endpoint(
        {"added": "New endpoint", "changed": "Changed endpoint", "unused": "Unused endpoint"},
        "change_type",
    ),
    "ip.denylisted": lambda body: Brief("IP denylisted", _noted(body["ip"], body["reason"])),
    "rogue_api.detected": _endpoint(
        {"shadow": "Shadow endpoint", "zombie": "Zombie endpoint", "orphan": "Orphan endpoint"},
        "kind",
    ),
}
