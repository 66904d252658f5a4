"""Integrations at a glance: what a card of the console shows beside an integration's settings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wallarm_notify.domain.drill import PERIODS_UNTIL_OVERDUE, is_unknown_key_text
from wallarm_notify.domain.event import SECURITY_ISSUES, Subscription
from wallarm_notify.domain.evidence import Explanation
from wallarm_notify.domain.health import Counts
from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.subscription_words import ALL_RISKS, SUBSCRIPTION_WORDS

COUNTED_UP_TO: Final = 1000
"""Figures of a card that would grow with history are counted no further, and shown as ``1,000+``."""

PROOF_OLD_AFTER: Final = timedelta(days=30)
"""A proof by drill is called old after so long, where no schedule drills."""


@dataclass(frozen=True, slots=True)
class IntegrationCounts:
    """How many integrations there are, by whether they are sent anything."""

    enabled: int = 0
    disabled: int = 0
    automatically: int = 0
    """Of the disabled ones, those that their failures disabled: they need somebody."""

    @property
    def all(self) -> int:
        """How many there are."""
        return self.enabled + self.disabled


@dataclass(frozen=True, slots=True)
class CardFigures:
    """What is counted for one card, each figure up to ``COUNTED_UP_TO``.

    ``triggers`` name the integration. ``retrying`` are its notifications that are being retried, ``unsent`` those
    that it missed since it broke, as ``Unsent`` counts them: 0 of one that is enabled. ``accepted_in`` is the last
    hour in which PagerDuty accepted something, in the days that are kept. ``has_others``: another enabled integration
    of the client takes system events, among them that this one was disabled.
    """

    triggers: int = 0
    retrying: int = 0
    unsent: int = 0
    accepted_in: datetime | None = None
    has_others: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """An integration at a glance.

    ``counts`` are the attempts of the window that count for the failure ratio. ``why_off`` is the evidence of an
    automatic disabling; None: it was none.
    """

    integration: Integration
    figures: CardFigures
    counts: Counts
    why_off: Explanation | None = None

    @property
    def failed_share(self) -> float:
        """The share of failed attempts in the window, from 0 to 1."""
        return self.counts.failed / self.counts.attempts if self.counts.attempts else 0.0

    @property
    def lacks_key(self) -> bool:
        """Whether it is off by its failures, and PagerDuty's last words were that it does not know the key."""
        last = None if self.why_off is None else self.why_off.evidence["last_answer"]
        return last is not None and is_unknown_key_text(last["status_code"], last["response"])

    def is_proof_old(self, now: datetime, drilled_every: timedelta | None) -> bool:
        """Return whether nothing has proven key and way for long; ``drilled_every`` is the schedule's interval."""
        proven_at = self.integration.proven_at
        limit = PROOF_OLD_AFTER if drilled_every is None else PERIODS_UNTIL_OVERDUE * drilled_every
        return proven_at is None or now - proven_at > limit


def subscription_words(subscriptions: Iterable[str]) -> str:
    """Return what an integration subscribes to: ``System related · Critical, High risk``."""
    chosen = {one for one in Subscription if one in set(subscriptions)}
    words = [
        SUBSCRIPTION_WORDS[one] for one in Subscription if one in chosen - set(SECURITY_ISSUES)
    ]
    risks = [
        SUBSCRIPTION_WORDS[one] for one in Subscription if one in chosen & set(SECURITY_ISSUES)
    ]
    if len(risks) == len(SECURITY_ISSUES):
        words.append(ALL_RISKS)
    elif risks:
        words.append(f"{', '.join(one.removesuffix(' risk') for one in risks)} risk")
    return " · ".join(words) or "No events of its own"
