"""A notification as a story: what happened, which rule matched, and how it ended, in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from wallarm_notify.domain.coverage_words import listed
from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.notification import RESTORED, WORKER_LOST, State
from wallarm_notify.domain.sending import Payload, ShownSending
from wallarm_notify.domain.state_words import state_words
from wallarm_notify.domain.subjects import words_of
from wallarm_notify.domain.subscription_words import SUBSCRIPTION_WORDS
from wallarm_notify.domain.triggers.condition import Condition
from wallarm_notify.domain.triggers.firing import Firing
from wallarm_notify.domain.triggers.trigger import Trigger, period_words
from wallarm_notify.domain.views import ShownNotification
from wallarm_notify.domain.why_words import NOUNS

ONLY_PAGERDUTY: Final = (
    "After a 202, only PagerDuty can tell whom it paged: search there for the dedup key."
)


@dataclass(frozen=True, slots=True)
class Row:
    """A notification in a listing, with what it sends and to whom; ``sending`` None: that is not kept."""

    shown: ShownNotification
    sending: ShownSending | None
    to: str


@dataclass(frozen=True, slots=True)
class Story:
    """What a page about one notification has.

    ``names`` are those of the integrations in it, by id. ``integration`` and ``trigger`` are as they are now; None: it
    is deleted, or no trigger made the notification. ``others`` are the notifications that its event or firing made
    beside it.
    """

    shown: ShownNotification
    sending: ShownSending
    names: Mapping[int, str]
    integration: Integration | None
    trigger: Trigger | None
    others: Sequence[ShownNotification] = ()

    @property
    def to(self) -> str:
        """The name of the integration that it is sent to."""
        return self.name_of(self.shown.integration_id)

    def name_of(self, integration_id: int) -> str:
        """Return the name of an integration in it."""
        return self.names.get(integration_id, f"integration {integration_id}")

    def happened(self, headline: str) -> str:
        """Return what happened in a sentence; ``headline`` is that of the alert."""
        return happened_words(self.sending.payload, headline)

    def brief(self, headline: str) -> str:
        """Return what happened in a few words, without its full stop."""
        firing = self.sending.payload.firing
        if firing is None or firing.criteria.threshold is None:
            return headline.rstrip(".")
        return (
            f"{_number(firing)} within {period_words(firing.criteria.threshold.period)}, the last"
        )

    @property
    def rule(self) -> str:
        """Which subscription or trigger matched, in a sentence."""
        payload = self.sending.payload
        if payload.firing is None:
            return f"{self.to} subscribes to {_subscription(payload)}."
        to = [self.name_of(one) for one in payload.firing.integration_ids]
        who = listed(to, "and") if to else self.to
        return f"When {_condition(payload.firing)}, tell {who}."

    @property
    def others_words(self) -> list[str]:
        """What became of the others, a sentence each."""
        return [_other_words(one, self.name_of(one.integration_id)) for one in self.others]

    @property
    def end(self) -> str:
        """How it ended, in a sentence or two."""
        return _end_words(self.shown)


def happened_words(payload: Payload, headline: str) -> str:
    """Return what happened in a sentence: what was counted, or the headline and what the event is about."""
    about, firing = words_of(payload.event), payload.firing
    if firing is not None and firing.criteria.threshold is not None:
        within = period_words(firing.criteria.threshold.period)
        last = f" The last: {about}." if about else ""
        return f"{_number(firing)}{_where(firing)} within {within}.{last}"
    return f"{headline.rstrip('.')}{f': {about}' if about else ''}."


def _number(firing: Firing) -> str:
    return f"{firing.count} {firing.criteria.condition.terms.counted or 'events'}"


def _condition(firing: Firing) -> str:
    criteria = firing.criteria
    terms = criteria.condition.terms
    if criteria.threshold is not None:
        within = period_words(criteria.threshold.period)
        number = f"{criteria.threshold.count} {terms.counted or 'events'}"
        return f"more than {number}{_where(firing)} come within {within}"
    once = ", once for each endpoint" if criteria.condition is Condition.ROGUE_API_DETECTED else ""
    return f"an event about {NOUNS[terms.event_type]} comes{_where(firing)}{once}"


def _where(firing: Firing) -> str:
    clauses = [one.clause for one in firing.criteria.filters]
    return f" where {' and '.join(clauses)}" if clauses else ""


def _subscription(payload: Payload) -> str:
    subscription = payload.event.subscription
    return "it" if subscription is None else SUBSCRIPTION_WORDS[subscription]


def _other_words(one: ShownNotification, name: str) -> str:
    words = state_words(one.state, one.attempts_made, one.attempts_at_most)
    return f"{name}: {words[0].lower()}{words[1:]}."


def _end_words(shown: ShownNotification) -> str:
    match shown.state:
        case State.DELIVERED:
            return f"PagerDuty accepted it. {ONLY_PAGERDUTY}"
        case State.FAILED if shown.end_reason == WORKER_LOST:
            return (
                "It was given up: each worker that tried to send it was lost. It can be sent again."
            )
        case State.FAILED:
            return "PagerDuty accepted none of its attempts. It can be sent again."
        case State.CANCELLED:
            return _cancelled_words(shown)
        case State.SKIPPED:
            return "It was kept and not sent: its integration was disabled when it was made."
        case _:
            return f"Not yet. {ONLY_PAGERDUTY}"


def _cancelled_words(shown: ShownNotification) -> str:
    if shown.end_reason == RESTORED:
        return (
            "It was cancelled: the database was restored from a backup that had it open, so that it may have been "
            "sent already. It can be sent again."
        )
    return "It was cancelled: its integration was disabled before PagerDuty accepted it."
