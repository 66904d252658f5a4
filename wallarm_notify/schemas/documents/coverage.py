"""Documents of coverage: of which events whom a client's rules notify, and of which nobody."""

from datetime import datetime

from typing_extensions import TypedDict

from wallarm_notify.domain.coverage import Coverage, Covered, Way
from wallarm_notify.domain.coverage_words import hole_sentences, idle_sentences, part_sentence
from wallarm_notify.schemas.documents.triggers import (
    FilterDocument,
    ThresholdDocument,
    filter_document,
    threshold_document,
)


class WayDocument(TypedDict):
    """How an integration is notified of a kind of events: as its subscriber, or by a trigger."""

    integration_id: int | None
    """The integration; null: the trigger names none."""
    integration_name: str | None
    """What people call it."""
    trigger_id: int | None
    """The trigger; null: the integration subscribes to the kind."""
    trigger_name: str | None
    """What people call it."""
    extent: str
    """each, some or none: of how many events of the kind it notifies."""
    obstacles: list[str]
    """Why it leads nowhere: integration_disabled, trigger_disabled, no_integration, nothing_passes; or empty."""
    filters: list[FilterDocument]
    """What an event must have, what a condition asks for by itself included: all of these."""
    threshold: ThresholdDocument | None
    """How many such events are needed; null: each one notifies."""


class CoveredDocument(TypedDict):
    """A kind of events, and who is notified of it."""

    type: str
    """The event type."""
    risk: str | None
    """The risk of security issues; null for other types."""
    subscription: str | None
    """What an integration must subscribe to for it; null: only triggers use it."""
    condition: str | None
    """The condition of triggers that look at it; null: no trigger does."""
    extent: str
    """each, some or none: of how many events of the kind anybody is notified."""
    ways: list[WayDocument]
    """Every way that the rules have for it, those that lead nowhere included."""


class CoverageDocument(TypedDict):
    """What a client's rules cover."""

    client_id: int
    """The client."""
    rules_version: int
    """The number of the rules that it is of; 0: the client never had any."""
    rules_since: datetime | None
    """Since when these rules stand; null: there are none."""
    holes: list[str]
    """A sentence for what nobody is told of, and why."""
    notes: list[str]
    """Sentences for what is told of in part, and for integrations that nothing leads to."""
    items: list[CoveredDocument]
    """Each event type, of security issues each risk, in the order of spec 2."""


def coverage_document(coverage: Coverage) -> CoverageDocument:
    """Return the document of what a client's rules cover."""
    part = part_sentence(coverage)
    return {
        "client_id": coverage.client_id,
        "rules_version": coverage.rules.version,
        "rules_since": coverage.rules.since,
        "holes": hole_sentences(coverage),
        "notes": [*([part] if part else []), *idle_sentences(coverage)],
        "items": [_covered_document(one) for one in coverage.kinds],
    }


def _covered_document(covered: Covered) -> CoveredDocument:
    kind = covered.kind
    return {
        "type": kind.type,
        "risk": kind.risk,
        "subscription": kind.subscription,
        "condition": kind.condition,
        "extent": covered.extent,
        "ways": [_way_document(way) for way in covered.ways],
    }


def _way_document(way: Way) -> WayDocument:
    integration, trigger = way.integration, way.trigger
    threshold = None if trigger is None else trigger.criteria.threshold
    return {
        "integration_id": None if integration is None else integration.id,
        "integration_name": None if integration is None else integration.name,
        "trigger_id": None if trigger is None else trigger.id,
        "trigger_name": None if trigger is None else trigger.name,
        "extent": way.extent,
        "obstacles": list(way.obstacles),
        "filters": [filter_document(one) for one in way.filters],
        "threshold": None if threshold is None else threshold_document(threshold),
    }
