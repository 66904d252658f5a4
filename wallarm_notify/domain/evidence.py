"""The evidence of a decision about an integration, as it is kept and shown (spec 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wallarm_notify.domain.advice import advice_on
from wallarm_notify.domain.health import WARNINGS, Window
from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.outcome import FailureReason, message_of

SLOTS: Final = 48
"""The number of points of the ratio over time: one for each quarter of an hour in a window of 12 hours."""


LONGEST_ERROR: Final = 300
"""The most characters of an answer that are shown to subscribers."""


@dataclass(frozen=True, slots=True)
class FailureTally:
    """How many failed attempts had one answer; ``status_code`` is None for no answer."""

    error: FailureReason
    status_code: int | None
    number: int


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """The answer to one attempt."""

    notification_id: int
    at: datetime
    status_code: int | None
    error: str | None
    response: str

    @property
    def words(self) -> str:
        """For people: the status code or the network error, and the text of the answer."""
        text = " ".join(message_of(self.response).split())[:LONGEST_ERROR]
        printable = "".join(c if c.isprintable() else "?" for c in text)
        if self.status_code is None:
            return f"{self.error}: {printable}" if printable else f"{self.error}"
        return f"{self.status_code} {printable}".rstrip()


@dataclass(frozen=True, slots=True)
class Slot:
    """The attempts up to ``at``, since the slot before."""

    at: datetime
    attempts: int
    failed: int


@dataclass(frozen=True, slots=True)
class Details:
    """The parts of evidence that the decision does not need."""

    answers: Sequence[FailureTally] = ()
    last: LastAnswer | None = None
    last_failure: LastAnswer | None = None
    slots: Sequence[Slot] = ()


@dataclass(frozen=True, slots=True)
class ReviewCandidate:
    """An enabled integration whose ratio may have crossed a limit; ``warned`` is its current warning."""

    integration_id: int
    generation: int
    warned: int
    window: Window


@dataclass(frozen=True, slots=True)
class Crossing:
    """A change of an integration's warning from ``before`` to ``now``, in per cent, 0 for none."""

    integration_id: int
    generation: int
    before: int
    now: int

    @property
    def levels(self) -> list[int]:
        """The warnings that are crossed on the way up."""
        return [level for level in WARNINGS if self.before < level <= self.now]


@dataclass(frozen=True, slots=True)
class SwitchOff:
    """An automatic disabling as it is kept."""

    integration_id: int
    generation: int
    policy: Mapping[str, Any]
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an integration is, or is not, disabled.

    ``evidence`` and ``policy`` are documents as they are stored with a disabling: see
    ``schemas.documents.health``. ``automatic``: they are of an automatic disabling.
    """

    integration: Integration
    at: datetime
    automatic: bool
    policy: Mapping[str, Any]
    evidence: Mapping[str, Any]

    @property
    def advice(self) -> str | None:
        """What to do about its last answer; None: PagerDuty took the alert, or it is of long ago."""
        last = self.evidence["last_answer"]
        if last is None or (self.automatic and self.integration.enabled):
            return None
        return advice_on(last["error"], last["status_code"], last["response"])
