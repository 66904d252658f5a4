"""What the command line prints of an explanation of the failure ratio."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from wallarm_notify.domain.evidence import Explanation, LastAnswer
from wallarm_notify.domain.health import Guard
from wallarm_notify.domain.words import counted, duration_of
from wallarm_notify.entrypoints.cli.output import (
    percent_of,
    print_advice,
    print_fields,
    print_line,
    print_table,
    sparkline,
    time_of,
)
from wallarm_notify.entrypoints.cli.switches import switch_words
from wallarm_notify.entrypoints.cli.tables import number

_GUARDS: Final = {
    Guard.ATTEMPTS: "attempts",
    Guard.SPAN: "from the first failure to the last",
    Guard.LAST_ATTEMPT: "the last attempt failed",
}


def print_explanation(found: Explanation) -> None:
    """Print an explanation to people."""
    evidence, integration = found.evidence, found.integration
    fields: dict[str, object] = {
        "Integration": f"{integration.id} {integration.name}",
        "State": switch_words(enabled=integration.enabled, until=integration.disabled_until),
        "Window": f"{_time(evidence['from'])} to {_time(evidence['until'])}",
        "Attempts": f"{evidence['attempts']}, {evidence['failed']} of them failed",
        "Failure ratio": f"{percent_of(evidence['ratio'])} (limit {found.policy['ratio']:g} %)",
        "Over time, 0-100 %": _line_of(evidence),
        "Left out": _left_out(evidence, integration.region),
        "First failure": _time(evidence["first_failed_at"]),
        "Last failure": _time(evidence["last_failed_at"]),
        "Last answer": _last_answer(evidence["last_answer"]),
    }
    print_fields((name, value) for name, value in fields.items() if value)
    print_table(
        ["Guard", number("Needed"), number("Found"), "Prevents\ndisabling"],
        [
            (
                _GUARDS[Guard(g["guard"])],
                _amount(g["guard"], g["needed"]),
                _amount(g["guard"], g["found"]),
                "yes" if g["holds"] else "no",
            )
            for g in evidence["guards"]
        ],
        nothing="No guards: every one of them is turned off.",
    )
    print_table(
        ["Failures", number("Status"), number("Attempts")],
        [(a["error"], a["status_code"], a["count"]) for a in evidence["answers"]],
        nothing="No failures.",
    )
    print_advice([_todo(found)])
    print_line(_conclusion(found))


def _todo(found: Explanation) -> str | None:
    """Return what to do so that the integration is sent to, and stays so; None: nothing."""
    number, is_off = found.integration.id, not found.integration.enabled
    if found.advice is None:
        enable = f"wallarm-notify integrations enable {number}"
        return f"to send to it again: {enable}" if is_off else None
    then = f"To see whether it is mended: wallarm-notify integrations test {number}"
    and_on = f"; then: wallarm-notify integrations enable {number}" * is_off
    return f"{found.advice} {then}{and_on}"


def _conclusion(found: Explanation) -> str:
    if found.automatic:
        since = ", and enabled again since" if found.integration.enabled else ""
        return f"It was disabled automatically at {time_of(found.at)}{since}."
    if not found.integration.enabled:
        until = found.integration.disabled_until
        end = "" if until is None else f", until {time_of(until)}"
        return f"It was disabled by {found.integration.disabled_by} at {time_of(found.at)}{end}."
    return _outlook(found.evidence)


def _outlook(evidence: Mapping[str, Any]) -> str:
    """Return what an enabled integration has to expect."""
    if evidence["disables"]:
        return "The next review disables it."
    if not evidence["attempts"]:
        return "It stays enabled: nothing was attempted that counts."
    asked = " and ".join(_asked(g) for g in evidence["guards"] if g["holds"])
    missing = evidence["failures_to_limit"]
    if missing == 0:
        return f"The ratio is over the limit, and yet it stays enabled: the rule asks for {asked}."
    if missing is None:
        return "It stays enabled: not all attempts in the window failed, and the rule asks for all."
    text = f"It stays enabled: {counted(missing, 'more failure')} in a row would reach the limit"
    return f"{text}, and the rule asks for {asked}." if asked else f"{text}."


def _asked(guard: Mapping[str, Any]) -> str:
    needed = _amount(guard["guard"], guard["needed"])
    match guard["guard"]:
        case Guard.LAST_ATTEMPT:
            return "a last attempt that failed"
        case kind:
            return f"{needed} {_GUARDS[Guard(kind)]}"


def _line_of(evidence: Mapping[str, Any]) -> str | None:
    """Return a row of bars: the ratio of the window that ended at each moment."""
    ratios = [slot["ratio"] for slot in evidence["over_time"]]
    return None if all(r is None for r in ratios) else sparkline(ratios)


def _left_out(evidence: Mapping[str, Any], region: str) -> str | None:
    if not evidence["left_out"]:
        return None
    when = f"an outage of PagerDuty in {region.upper()}{' that goes on' * evidence['outage']}"
    return f"{counted(evidence['left_out'], 'failure')} in {when}"


def _last_answer(answer: Mapping[str, Any] | None) -> str | None:
    if answer is None:
        return None
    last = LastAnswer(**{**answer, "at": datetime.fromisoformat(answer["at"])})
    return f"{last.words} (notification {last.notification_id}, {time_of(last.at)})"


def _amount(guard: str, amount: float | bool) -> str:
    match guard:
        case Guard.SPAN:
            return duration_of(amount)
        case Guard.LAST_ATTEMPT:
            return "yes" if amount else "no"
        case _:
            return str(amount)


def _time(text: str | None) -> str | None:
    return None if text is None else time_of(datetime.fromisoformat(text))
