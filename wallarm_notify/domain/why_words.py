"""The answer to why an event was or was not notified, in sentences for people (spec 9)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from wallarm_notify.domain.actor import REVIEW
from wallarm_notify.domain.event import Event, Subscription
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.state_words import state_words
from wallarm_notify.domain.subscription_words import SUBSCRIPTION_WORDS
from wallarm_notify.domain.why import Absent, Cause, Line, Reason, Why
from wallarm_notify.domain.words import duration_of

MOST_CLAUSES: Final = 3
"""The most integrations and triggers that the first sentence names."""

NOUNS: Final = {
    "user.created": "new users",
    "user.deleted": "deleted users",
    "user.role_changed": "changes of roles",
    "integration.disabled": "disabled integrations",
    "integration.deleted": "deleted integrations",
    "integration.auto_disabled": "integrations that were disabled automatically",
    "application.created": "new applications",
    "application.deleted": "deleted applications",
    "application.renamed": "renamed applications",
    "specification.update_failed": "specifications that could not be updated",
    "rule.created": "new rules",
    "rule.updated": "changed rules",
    "rule.deleted": "deleted rules",
    "trigger.created": "new triggers",
    "trigger.updated": "changed triggers",
    "trigger.deleted": "deleted triggers",
    "security_issue.detected": "security issues",
    "attack.detected": "attacks",
    "hit.detected": "hits",
    "incident.detected": "incidents",
    "api.changed": "changes of the API",
    "ip.denylisted": "denylisted IP addresses",
    "rogue_api.detected": "rogue APIs",
}
"""What each type of events is about, in the plural."""

Moments: TypeAlias = Callable[[datetime, datetime], str]
"""How a moment is written, beside another one."""

_ON_ITS_WAY: Final = (Reason.WAITING, Reason.RETRYING)
_COUNTED: Final = (Reason.COUNTED, Reason.QUIET, Reason.COUNTED_IN_FIRING)
_UNSENT: Final = (Reason.FAILED, Reason.CANCELLED, Reason.SKIPPED)


def moment_words(moment: datetime, beside: datetime) -> str:
    """Return a moment in UTC to the second, without its day where that is the day of ``beside``."""
    utc = moment.astimezone(UTC)
    day = "" if utc.date() == beside.astimezone(UTC).date() else f"{utc:%Y-%m-%d} "
    return f"{day}{utc:%H:%M:%S}Z"


@dataclass(frozen=True, slots=True)
class _Telling:
    """An answer that is put into words, and how its moments are written."""

    why: Why
    moments: Moments

    @property
    def event(self) -> Event:
        return self.why.event

    @property
    def lines(self) -> Sequence[Line]:
        return self.why.lines

    def moment(self, at: datetime | None) -> str:
        """Return a moment in words; where it is not known, when the event came."""
        came = self.why.received_at
        return self.moments(at or came, came)


def name_of(line: Line) -> str:
    """Return what a line is about: ``SOC``, ``trigger Flood``, or ``SOC, by trigger Flood``."""
    by = f"trigger {line.trigger.name}" if line.trigger else ""
    to = line.integration.name if line.integration else ""
    return f"{to}, by {by}" if to and by else to or by


def line_words(line: Line, why: Why, moments: Moments = moment_words) -> str:
    """Return what an event came to at an integration or trigger, with all that stood in its way."""
    telling = _Telling(why, moments)
    causes: Sequence[Cause] = line.causes
    if line.reason in (Reason.OTHER_TYPE, Reason.NEEDS_TRIGGER):
        causes = causes[:1]  # whatever else stands in the way of it would mislead
    elif line.trigger is None:  # what is off is the integration itself
        causes = [
            replace(c, reason=Reason.SKIPPED) if c.reason is Reason.INTEGRATION_OFF else c
            for c in causes
        ]
    since = f"; deleted at {telling.moment(line.deleted_at)}" if line.deleted_at else ""
    return "; ".join(_words(c, telling) for c in causes) + since


def is_counted(line: Line) -> bool:
    """Return whether the trigger of a line has counted the event."""
    return line.reason in _COUNTED


def answer_of(why: Why) -> str:
    """Return the answer in one sentence: who was paged, or that nobody was, and for which reasons."""
    answer, rest = answer_parts(why)
    joined = " " if any(p.reason is Reason.ACCEPTED for p in why.lines) else ": "
    return f"{answer}{joined}{rest}."


def answer_parts(why: Why, moments: Moments = moment_words) -> tuple[str, str]:
    """Return the answer in a few words, and in words that go on for whom or why."""
    telling = _Telling(why, moments)
    lines = why.lines
    accepted = [p for p in lines if p.reason is Reason.ACCEPTED]
    open_ = [p for p in lines if p.reason in _ON_ITS_WAY]
    unsent = [p for p in lines if p.reason in _UNSENT]
    if accepted:
        names = _listed([f"{name_of(p)} at {telling.moment(p.causes[0].at)}" for p in accepted])
        rest = _clauses([*open_, *unsent], telling)
        return "PagerDuty accepted it", f"for {names}{'; ' if rest else ''}{rest}"
    if open_:
        return "Nobody was paged yet", _clauses([*open_, *unsent], telling)
    firings = [p for p in lines if p.reason is Reason.COUNTED_IN_FIRING]
    if firings:
        return "No alert of its own", _clauses([*firings, *unsent], telling)
    return "Nobody was paged", _reasons(unsent, telling)


def _reasons(unsent: Sequence[Line], telling: _Telling) -> str:
    if not telling.lines:
        return f"client {telling.event.client_id} had no integrations and no triggers"
    others = [p for p in telling.lines if p not in unsent]
    near = [p for p in others if p.reason not in (Reason.NEEDS_TRIGGER, Reason.OTHER_TYPE)]
    if unsent or near:
        return _clauses([*unsent, *near], telling)
    nouns = NOUNS[telling.event.type]
    looking = any(p.trigger for p in others)
    if any(p.reason is Reason.NEEDS_TRIGGER for p in others):
        return f"{nouns} reach nobody without a trigger" + (
            ", and no trigger looks at them" if looking else ""
        )
    if telling.event.subscription is None:
        return f"no trigger looks at {nouns}"
    return f"client {telling.event.client_id} had no integrations, and no trigger looks at {nouns}"


def _clauses(lines: Sequence[Line], telling: _Telling) -> str:
    named = [f"{name_of(p)} {_words(p.causes[0], telling)}" for p in lines[:MOST_CLAUSES]]
    if (more := len(lines) - MOST_CLAUSES) > 0:
        named.append(f"and {more} more, see below")
    return ", ".join(named)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_CLAUSES
    shown = [*names[:MOST_CLAUSES], *([f"{more} more"] if more > 0 else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _words(cause: Cause, telling: _Telling) -> str:
    """Return a reason in words that go on after the name of whom it is about."""
    return _WORDS[cause.reason](cause, telling)


def _accepted(cause: Cause, telling: _Telling) -> str:
    return f"was accepted by PagerDuty at {telling.moment(cause.at)}{_status(cause)}"


def _retrying(cause: Cause, telling: _Telling) -> str:
    last = f", last answer {cause.note}" if cause.note else ""
    after = f", next at {telling.moment(cause.until)}" if cause.until else ""
    return f"is being retried ({cause.count} of {cause.limit}{last}{after})"


def _failed(cause: Cause, _telling: _Telling) -> str:
    words = state_words(State.FAILED, cause.count)
    last = f" (last answer {cause.note})" if cause.note else ""
    return f"was {words[0].lower()}{words[1:]}{last}"


def _cancelled(cause: Cause, telling: _Telling) -> str:
    noted = f": {cause.note}" if cause.note else ""
    why = f": it {_off_by(cause.by)}{_because(cause)}" if cause.by else noted
    return f"was cancelled at {telling.moment(cause.at)}{why}"


def _disabled(cause: Cause, telling: _Telling) -> str:
    at = f" at {telling.moment(cause.at)}" if cause.at else ""
    return f"{_off_by(cause.by)}{at}{_because(cause)}"


def _off_by(name: str | None) -> str:
    """Return who disabled an integration or a trigger, in the console's words: its failures are nobody."""
    if name == REVIEW.name:
        return "switched itself off"
    return f"was disabled by {name}" if name else "was disabled"


def _because(cause: Cause) -> str:
    return f" ({cause.note})" if cause.note else ""


def _not_subscribed(cause: Cause, _telling: _Telling) -> str:
    return f"does not subscribe to {SUBSCRIPTION_WORDS[Subscription(cause.wanted or '')]}"


def _created(cause: Cause, telling: _Telling) -> str:
    return f"was created only {f'at {telling.moment(cause.at)}' if cause.at else 'later'}"


def _changed(_cause: Cause, telling: _Telling) -> str:
    if telling.why.as_they_were:
        return "was changed while the event came"
    return "was changed since: by today's rules it would be notified"


def _deleted(cause: Cause, telling: _Telling) -> str:
    return f"was deleted {f'at {telling.moment(cause.at)}' if cause.at else 'while the event came'}"


def _counted(cause: Cause, _telling: _Telling) -> str:
    fires = f"fires for more than {cause.note}"
    if cause.count is None:
        return f"counted it (how many there were is not kept any more) and {fires}"
    return f"has counted {cause.count} of the more than {cause.note} that it fires for"


def _quiet(cause: Cause, telling: _Telling) -> str:
    until = f" until {telling.moment(cause.until)}" if cause.until else ""
    return f"has fired and is quiet{until}"


def _late(cause: Cause, telling: _Telling) -> str:
    return f"does not count it: {telling.moment(cause.at)} is longer ago than its period and a day"


_WORDS: Final[Mapping[Reason, Callable[[Cause, _Telling], str]]] = {
    Reason.ACCEPTED: _accepted,
    Reason.WAITING: lambda _c, _w: "waits for its turn",
    Reason.RETRYING: _retrying,
    Reason.FAILED: _failed,
    Reason.CANCELLED: _cancelled,
    Reason.SKIPPED: _disabled,
    Reason.NOT_SUBSCRIBED: _not_subscribed,
    Reason.NEEDS_TRIGGER: lambda _c, w: f"is notified of {NOUNS[w.event.type]} by triggers alone",
    Reason.OTHER_TYPE: lambda c, w: (
        f"looks at {NOUNS[c.wanted or '']}, not at {NOUNS[w.event.type]}"
    ),
    Reason.FILTER: lambda c, _w: f"wants {c.wanted} (the event has {c.found})",
    Reason.TRIGGER_OFF: _disabled,
    Reason.INTEGRATION_OFF: lambda c, w: f"notifies only what is off: it {_disabled(c, w)}",
    Reason.NO_INTEGRATIONS: lambda _c, _w: "names no integration",
    Reason.EXPERIMENTAL: lambda _c, _w: "does not count it: it is marked experimental",
    Reason.UNSAMPLED: lambda _c, _w: "does not count it: the hit was not saved in the sample",
    Reason.LATE: _late,
    Reason.COUNTED: _counted,
    Reason.QUIET: _quiet,
    Reason.COUNTED_IN_FIRING: lambda c, w: (
        f"counted it and fired at {w.moment(c.at)} ({c.note or 'nobody was notified'})"
    ),
    Reason.ENDPOINT_BEFORE: lambda _c, _w: "has fired for this endpoint before",
    Reason.CREATED: _created,
    Reason.CHANGED: _changed,
    Reason.DELETED: _deleted,
}
"""The reasons that a line of an integration or trigger may have, in words."""


def absence_words(absent: Absent) -> list[str]:
    """Return what is known of an id without an event, a sentence each, the answer first."""
    reason = absent.causes[0].reason
    if reason is Reason.NOT_HERE:
        return _nothing_known(absent)
    first, *others = [_ABSENT[c.reason](c) for c in absent.causes]
    if reason is Reason.OTHER_CLIENT:
        answer = f"No event of this id is client {absent.client_id}'s, but {first}."
    else:
        answer = f"Nobody was paged{' yet' if reason is Reason.AHEAD else ''}: {first}"
    return [_ended(answer), *(_ended(f"Also: {other}") for other in others)]


def _nothing_known(absent: Absent) -> list[str]:
    kept, unmatched = (duration_of(t.total_seconds()) for t in (absent.kept, absent.kept_unmatched))
    return [
        (
            f"No event {absent.event_id} of client {absent.client_id} is here: it was never taken in, or is not kept "
            f"any more; nor was it rejected."
        ),
        (
            f"By the settings of now, events are kept until {kept} after their last notification ended; those of which "
            f"nothing was made, and that no trigger counted, for {unmatched}; rejected ones for {kept}."
        ),
    ]


def other_words(why: Why) -> list[str]:
    """Return what else came under an event's id, a sentence each."""
    return [_ended(f"Of another event under this id: {_ABSENT[c.reason](c)}") for c in why.others]


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."


_ABSENT: Final[Mapping[Reason, Callable[[Cause], str]]] = {
    Reason.AHEAD: lambda c: (
        f"it is kept apart until {_utc(c.until)}, as its time is ahead of the database's clock"
    ),
    Reason.CONFLICT: lambda c: f"it was rejected at {_utc(c.at)}, as number {c.number}: {c.note}",
    Reason.REJECTED: lambda c: f"it was rejected at {_utc(c.at)}, as number {c.number}: {c.note}",
    Reason.UNDECODABLE: lambda c: (
        f"its id is in message {c.number} of {_utc(c.at)}, which could not be decoded: {c.note}"
    ),
    Reason.SET_ASIDE: lambda c: (
        f"its id is in call {c.number}, which was set aside at {_utc(c.at)} because workers died of it"
    ),
    Reason.OTHER_CLIENT: lambda c: f"client {c.number} has one",
}
"""What may be known of an id under which no event was taken in, in words."""


def _utc(moment: datetime | None) -> str:
    return "an unknown time" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def after_acceptance(why: Why, moments: Moments = moment_words) -> list[str]:
    """Return what cannot be known here of each alert that PagerDuty has accepted, a sentence or two each."""
    telling = _Telling(why, moments)
    found = [line for line in why.lines if line.reason is Reason.ACCEPTED]
    return [
        f"PagerDuty accepted it{f' for {name_of(line)}' if len(found) > 1 else ''} at "
        f"{telling.moment(line.causes[0].at)}{_status(line.causes[0])}. If no phone rang, look there for dedup key "
        f"{line.notification.dedup_key}: nobody on call, low urgency, maintenance, an orchestration rule, or an "
        "incident already open."
        for line in found
        if line.notification
    ]


def _status(cause: Cause) -> str:
    return f" ({cause.count})" if cause.count else ""
