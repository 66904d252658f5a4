"""The demo's checks: every expectation that was not met, in a sentence."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wallarm_notify.domain.ledger import Ledger
from wallarm_notify.domain.notification import OPEN, State
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.views import ShownAttempt, ShownFiring, ShownNotification
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.demo.scenario import ATTACKS, Expected, Part

OUTAGE_STATUS: Final = 503
REFUSAL_STATUS: Final = 400
REFUSAL: Final = "Invalid routing key"


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one integration; ``alerts`` are PagerDuty's for its key."""

    part: Part
    name: str
    notifications: Sequence[ShownNotification]
    alerts: Sequence[Mapping[str, Any]]


def check_endings(endings: Iterable[Ending], ledger: Ledger, expected: Expected) -> list[str]:
    """Return what did not end as ``expected``; nothing if all did."""
    findings = [f"No sample event is of type {name}." for name in expected.missing]
    for ending in endings:
        findings += [
            f"{ending.name}: {finding}"
            for finding in _of_one(ending, expected.notifications[ending.part])
        ]
    return [*findings, *_of_ledger(ledger, expected)]


def check_trigger(firings: Sequence[ShownFiring]) -> list[str]:
    """Return what is wrong with the trigger's firings: one is expected, of all attacks, and delivered."""
    if len(firings) != 1:
        return [f"The trigger made {counted(len(firings), 'firing')}, not 1."]
    (shown,) = firings
    findings = []
    if shown.firing.count != ATTACKS:
        findings.append(f"The trigger fired at {shown.firing.count} attacks, not at {ATTACKS}.")
    states = [n.state.value for n in shown.notifications]
    if states != [State.DELIVERED]:
        findings.append(
            f"The firing's notifications are {', '.join(states) or 'none'}, not one delivered."
        )
    return findings


def _of_one(ending: Ending, expected: int) -> Iterator[str]:
    made = len(ending.notifications)
    if made != expected:
        yield f"{counted(made, 'notification')} made, not {expected}."
    unlike = [n for n in ending.notifications if n.state is not _end_of(ending.part)]
    if unlike:
        states = Counter(n.state.value for n in unlike)
        ends = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        yield f"{len(unlike)} of {made} did not end {_end_of(ending.part).value}: {ends}."
    yield from _of_alerts(ending)
    if ending.part is Part.HEALS and not _failed_for_a_while(ending):
        yield f"no attempt failed with HTTP {OUTAGE_STATUS}, so nothing was shown to heal."
    if ending.part is Part.WRONG_KEY:
        yield from _of_refusals(ending)


def _end_of(part: Part) -> State:
    return State.FAILED if part is Part.WRONG_KEY else State.DELIVERED


def _of_alerts(ending: Ending) -> Iterator[str]:
    """Yield what is wrong: each delivered notification has exactly one alert, and people were notified once."""
    opened = Counter(str(alert["dedup_key"]) for alert in ending.alerts)
    delivered = {n.dedup_key for n in ending.notifications if n.state is State.DELIVERED}
    missing = len(delivered - opened.keys())
    if missing:
        yield f"{counted(missing, 'delivered notification')} opened no alert."
    stray = len(opened.keys() - delivered)
    if stray:
        yield f"{counted(stray, 'alert')} of no delivered notification."
    twice = sum(number > 1 for number in opened.values())
    twice += sum(alert["notifications"] != 1 for alert in ending.alerts)
    if twice:
        yield f"{counted(twice, 'alert')} paged more than once."
    repeated = sum(alert["triggers"] != 1 for alert in ending.alerts)
    if repeated:
        yield f"{counted(repeated, 'alert')} sent again after PagerDuty had taken it."


def _failed_for_a_while(ending: Ending) -> bool:
    return any(a.status_code == OUTAGE_STATUS for n in ending.notifications for a in n.attempts)


def _of_refusals(ending: Ending) -> Iterator[str]:
    short = [n for n in ending.notifications if len(n.attempts) != ATTEMPTS]
    if short:
        numbers = ", ".join(map(str, sorted({len(n.attempts) for n in short})))
        yield f"{counted(len(short), 'notification')} with {numbers} attempts, not {ATTEMPTS}."
    others = [a for n in ending.notifications for a in n.attempts if not _is_refusal(a)]
    if others:
        yield (
            f"{counted(len(others), 'attempt')} not answered with HTTP {REFUSAL_STATUS} "
            f"“{REFUSAL}”, the first with {answer_words(others[0])}."
        )


def _is_refusal(attempt: ShownAttempt) -> bool:
    return attempt.status_code == REFUSAL_STATUS and attempt.response.strip() == REFUSAL


def _of_ledger(ledger: Ledger, expected: Expected) -> Iterator[str]:
    figures = (
        ("received", ledger.received, expected.events),
        ("rejected", ledger.rejected, 0),
        ("unmatched", ledger.unmatched, expected.unmatched),
        ("matched", ledger.matched, expected.events - expected.unmatched),
    )
    for name, have, want in figures:
        if have != want:
            yield f"Ledger: {name} {have}, not {want}."
    still_open = sum(ledger.notifications.get(state, 0) for state in OPEN)
    if still_open:
        yield f"Ledger: {counted(still_open, 'notification')} still open."
    for finding in ledger.findings:
        yield f"Ledger does not balance: {finding}."


_WORDS: Final = {
    "dns": "no such host",
    "refused": "connection refused",
    "tls": "TLS failed",
    "connect_timeout": "could not connect in time",
    "timeout": "no answer in time",
    "reset": "connection reset",
    "network": "network error",
}


def answer_words(attempt: ShownAttempt) -> str:
    """Return the answer in words: ``HTTP 400 “Invalid routing key”``."""
    if attempt.status_code is None:
        return _WORDS.get(attempt.error or "", attempt.error or "no answer")
    text = attempt.response.strip().partition("\n")[0][:60]
    return f"HTTP {attempt.status_code} “{text}”" if text else f"HTTP {attempt.status_code}"
