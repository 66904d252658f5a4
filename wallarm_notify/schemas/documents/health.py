"""Documents of the failure ratio: policies, the evidence of a decision, simulations (spec 6)."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from typing_extensions import TypedDict

from wallarm_notify.domain.evidence import SLOTS, Details, Explanation, LastAnswer, Slot
from wallarm_notify.domain.health import (
    Decision,
    FailureClass,
    Guard,
    Policy,
    Window,
    evaluate,
    failures_to_limit,
    ratio_of,
)
from wallarm_notify.domain.simulation import SimulatedDecision, Simulation
from wallarm_notify.schemas.documents.integrations import (
    IntegrationDocument,
    integration_document,
)


class PolicyDocument(TypedDict):
    """When integrations are disabled automatically."""

    ratio: float
    """Per cent of failed attempts: at least so many are too many."""
    window_seconds: float
    """How far back attempts count, in seconds."""
    min_attempts: int
    """Attempts that the window must have; 0: no guard."""
    min_span_seconds: float
    """Seconds that must lie between the first failure and the last; 0: no guard."""
    outage_guard: bool
    """Whether failures in an outage of PagerDuty are left out."""


class AnswersDocument(TypedDict):
    """Failed attempts that were answered alike."""

    error: str
    """Why they failed, one of a closed list (spec 5)."""
    status_code: int | None
    """The HTTP status of the answers; null: there was none."""
    count: int
    """How many they are."""


class LastAnswerDocument(TypedDict):
    """What came of the last attempt of the window."""

    notification_id: int
    """The notification that it was made for."""
    at: str
    """When it began."""
    status_code: int | None
    """The HTTP status of the answer; null: there was none."""
    error: str | None
    """Why it failed, one of a closed list (spec 5); null: it did not."""
    response: str
    """The first 2,048 bytes of the answer, or the network error's text; without the key."""


class GuardDocument(TypedDict):
    """A guard that is on, which may keep the rule from disabling."""

    guard: str
    """attempts, span (first to last failure, in seconds) or last_attempt (that it failed)."""
    needed: float | bool
    """What the policy asks for."""
    found: float | bool
    """What there is."""
    holds: bool
    """Whether it stands in the way of a disabling."""


class SlotDocument(TypedDict):
    """A point of the ratio over time."""

    at: str
    """The moment at which this point stands."""
    attempts: int
    """Attempts since the point before."""
    failed: int
    """How many of them failed."""
    ratio: float | None
    """The failure ratio from 0 to 1 of the window that ended then, outages included; null: no attempts."""


_From = TypedDict("_From", {"from": str})


class EvidenceDocument(_From):
    """The evidence of a decision: the attempts from ``from`` until ``until``.

    It is stored with a disabling as it is, so its times are text: ISO 8601, in UTC.
    """

    until: str
    """Where the window ends."""
    attempts: int
    """Attempts that count."""
    failed: int
    """How many of them failed."""
    ratio: float | None
    """The share that failed, from 0 to 1, rounded down; null: no attempts."""
    left_out: int
    """Failures that are not counted, as PagerDuty was down."""
    outage: bool
    """Whether the integration's region of PagerDuty is down at the end of the window."""
    failures: dict[str, int]
    """All failures, those left out too, by class: network, server, throttled, client, other."""
    answers: list[AnswersDocument]
    """How failed attempts were answered."""
    first_failed_at: str | None
    """When the first failure that counts began; null: there is none."""
    last_failed_at: str | None
    """When the last failure that counts began; null: there is none."""
    last_answer: LastAnswerDocument | None
    """What came of the last attempt; null: there was none."""
    guards: list[GuardDocument]
    """The guards that are on."""
    failures_to_limit: int | None
    """How many more failures in a row reach the limit; 0: it is reached; null: none can."""
    disables: bool
    """Whether the rule asks for a disabling."""
    over_time: list[SlotDocument]
    """48 points of the ratio, a 48th of the window apart, the last at its end."""


class ExplanationDocument(TypedDict):
    """Why an integration is, or is not, disabled."""

    integration: IntegrationDocument
    """The integration as it stands."""
    at: datetime
    """The end of the window: now, or when it was disabled."""
    automatic: bool
    """Whether policy and evidence are those that it was disabled by."""
    policy: PolicyDocument
    """The policy of the decision."""
    evidence: EvidenceDocument
    """The evidence of the decision."""
    advice: str | None
    """What to do about the last answer in the window, in a sentence; null: it took the alert."""


class SimulatedDecisionDocument(TypedDict):
    """An integration that would have been disabled."""

    integration_id: int
    """Its number."""
    client_id: int
    """The client whose it is."""
    name: str | None
    """What people call it; null: it was deleted."""
    at: datetime
    """When it would have been disabled."""
    attempts: int
    """Attempts that counted then."""
    failed: int
    """How many of them failed."""
    ratio: float | None
    """The share that failed, from 0 to 1, rounded down."""
    healed_at: datetime | None
    """When its first attempt after that succeeded; null: none did."""
    healed_soon: bool
    """Whether that was within one schedule of retries, so that disabling it would have been wrong."""


class SimulationDocument(TypedDict):
    """What a policy would have come to between two times."""

    policy: PolicyDocument
    """The policy that was tried."""
    since: datetime
    """Attempts from then on are counted, and those of the window before."""
    until: datetime
    """Attempts before then are counted."""
    integrations: int
    """Integrations that made attempts in this time."""
    attempts: int
    """Attempts that they made."""
    items: list[SimulatedDecisionDocument]
    """What it would have disabled, in the order of time."""


def policy_document(policy: Policy) -> PolicyDocument:
    """Return the document of a policy."""
    return {
        "ratio": float(policy.ratio),
        "window_seconds": policy.window.total_seconds(),
        "min_attempts": policy.min_attempts,
        "min_span_seconds": policy.min_span.total_seconds(),
        "outage_guard": policy.outage_guard,
    }


def evidence_document(
    window: Window, policy: Policy, until: datetime, details: Details
) -> EvidenceDocument:
    """Return the document of the evidence in ``window``, which ends at ``until``."""
    decision = evaluate(window, policy)
    counts, everything = decision.counts, window.all
    return {
        "from": policy.window_from(until).isoformat(),
        "until": until.isoformat(),
        "attempts": counts.attempts,
        "failed": counts.failed,
        "ratio": ratio_of(decision),
        "left_out": decision.left_out,
        "outage": window.outage,
        "failures": {str(kind): getattr(everything, kind) for kind in FailureClass},
        "answers": [
            {"error": s.error, "status_code": s.status_code, "count": s.number}
            for s in details.answers
        ],
        "first_failed_at": _iso(counts.first_failed_at),
        "last_failed_at": _iso(counts.last_failed_at),
        "last_answer": None if details.last is None else _last_answer(details.last),
        "guards": _guards(decision, policy),
        "failures_to_limit": failures_to_limit(counts, policy),
        "disables": decision.disables,
        "over_time": _over_time(details.slots),
    }


def explanation_document(found: Explanation) -> ExplanationDocument:
    """Return the document of an explanation."""
    return {
        "integration": integration_document(found.integration),
        "at": found.at,
        "automatic": found.automatic,
        # As they were made here, and stored where it was disabled automatically.
        "policy": cast("PolicyDocument", dict(found.policy)),
        "evidence": cast("EvidenceDocument", dict(found.evidence)),
        "advice": found.advice,
    }


def simulation_document(done: Simulation) -> SimulationDocument:
    """Return the document of a simulated policy."""
    return {
        "policy": policy_document(done.policy),
        "since": done.since,
        "until": done.until,
        "integrations": done.integrations,
        "attempts": done.attempts,
        "items": [_simulated_decision(one) for one in done.decisions],
    }


def _simulated_decision(one: SimulatedDecision) -> SimulatedDecisionDocument:
    return {
        "integration_id": one.integration_id,
        "client_id": one.client_id,
        "name": one.name,
        "at": one.at,
        "attempts": one.decision.counts.attempts,
        "failed": one.decision.counts.failed,
        "ratio": ratio_of(one.decision),
        "healed_at": one.healed_at,
        "healed_soon": one.healed_soon,
    }


def _last_answer(last: LastAnswer) -> LastAnswerDocument:
    return {
        "notification_id": last.notification_id,
        "at": last.at.isoformat(),
        "status_code": last.status_code,
        "error": last.error,
        "response": last.response,
    }


def _guards(decision: Decision, policy: Policy) -> list[GuardDocument]:
    """Return every guard that is on: what it asks for, what there is, and whether it stands in the way."""
    counts = decision.counts
    asked: list[tuple[Guard, float | bool, float | bool]] = []
    if policy.min_attempts:
        asked.append((Guard.ATTEMPTS, policy.min_attempts, counts.attempts))
    if policy.min_span:
        asked += [
            (Guard.SPAN, policy.min_span.total_seconds(), counts.span.total_seconds()),
            (Guard.LAST_ATTEMPT, True, counts.last_attempt_failed),
        ]
    return [
        {"guard": guard, "needed": needed, "found": found, "holds": guard in decision.guards}
        for guard, needed, found in asked
    ]


def _over_time(slots: Sequence[Slot]) -> list[SlotDocument]:
    """Return the ratio of the window that ended at each point, with the attempts since the point before.

    It is the bare ratio: what an outage excuses is in it.
    """
    return [
        {
            "at": slot.at.isoformat(),
            "attempts": slot.attempts,
            "failed": slot.failed,
            "ratio": _rolling(slots[n + 1 : n + 1 + SLOTS]),
        }
        for n, slot in enumerate(slots[SLOTS:])
    ]


def _rolling(slots: Sequence[Slot]) -> float | None:
    attempts = sum(s.attempts for s in slots)
    return round(sum(s.failed for s in slots) / attempts, 4) if attempts else None


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
