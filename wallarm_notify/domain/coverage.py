"""Coverage: of which events whom a client's rules notify, and of which nobody (spec 2, spec 3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wallarm_notify.domain.event import EVENT_TYPES, SEVERITY_OF_RISK, Event, Subscription
from wallarm_notify.domain.rules import IntegrationRule, Rules, TriggerRule
from wallarm_notify.domain.triggers.condition import (
    CONDITIONS_OF,
    Condition,
    Filter,
    deciding_filters,
)
from wallarm_notify.domain.triggers.satisfiable import is_satisfiable

SECURITY_ISSUE: Final = "security_issue.detected"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is asked about: an event type, of security issues one risk."""

    type: str
    risk: str | None = None

    @property
    def words(self) -> str:
        """``rule.created``, ``security_issue.detected low``."""
        return self.type if self.risk is None else f"{self.type} {self.risk}"

    @property
    def subscription(self) -> Subscription | None:
        """What an integration must subscribe to for it; None: only triggers use it."""
        if self.risk is not None:
            return Subscription(f"security_issue_{self.risk}")
        return EVENT_TYPES[self.type].subscription

    @property
    def family(self) -> str | None:
        """The word by which an integration subscribes to it and its like; None: only triggers use it."""
        return "security_issue" if self.risk is not None else self.subscription

    @property
    def condition(self) -> Condition | None:
        """The condition of triggers that look at it; None: no trigger does."""
        return CONDITIONS_OF.get(self.type)


KINDS: Final = tuple(
    Kind(name, risk)
    for name in EVENT_TYPES
    for risk in (SEVERITY_OF_RISK if name == SECURITY_ISSUE else (None,))
)
"""All kinds, in the order of the table of spec 2."""


class Obstacle(StrEnum):
    """Why a way leads nowhere; JSON has these words."""

    INTEGRATION_DISABLED = "integration_disabled"
    TRIGGER_DISABLED = "trigger_disabled"
    NO_INTEGRATION = "no_integration"
    NOTHING_PASSES = "nothing_passes"


class Extent(StrEnum):
    """Whether somebody is notified of each event of a kind, of some, or of none; JSON has these words."""

    EACH = "each"
    SOME = "some"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Way:
    """How an integration is notified of a kind: as its subscriber, or by a trigger.

    ``integration`` is None for a trigger that names none.
    """

    integration: IntegrationRule | None
    trigger: TriggerRule | None = None

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """What keeps every event of the kind from it; empty: nothing does."""
        found = []
        if self.trigger is not None:
            if not self.trigger.enabled:
                found.append(Obstacle.TRIGGER_DISABLED)
            if not is_satisfiable(self.filters):
                found.append(Obstacle.NOTHING_PASSES)
        if self.integration is None:
            found.append(Obstacle.NO_INTEGRATION)
        elif not self.integration.enabled:
            found.append(Obstacle.INTEGRATION_DISABLED)
        return tuple(found)

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The filters that an event has to pass, the one that a condition has by itself included."""
        if self.trigger is None:
            return ()
        criteria = self.trigger.criteria
        return deciding_filters(criteria.condition, criteria.filters)

    @property
    def extent(self) -> Extent:
        """Of how many events of the kind it notifies."""
        if self.obstacles:
            return Extent.NONE
        if self.filters or (self.trigger is not None and self.trigger.criteria.threshold):
            return Extent.SOME
        return Extent.EACH


def kind_of(event: Event) -> Kind:
    """Return the kind that an event is of."""
    return Kind(event.type, event.body["risk"] if event.type == SECURITY_ISSUE else None)


@dataclass(frozen=True, slots=True)
class Covered:
    """A kind, and every way that the rules have for it, those that lead nowhere included."""

    kind: Kind
    ways: tuple[Way, ...]

    @property
    def extent(self) -> Extent:
        """Of how many events of the kind anybody is notified."""
        extents = {way.extent for way in self.ways}
        return next((e for e in (Extent.EACH, Extent.SOME) if e in extents), Extent.NONE)

    @property
    def notified(self) -> frozenset[int]:
        """The integrations that are notified of some events of the kind at least."""
        return frozenset(
            way.integration.id
            for way in self.ways
            if way.integration is not None and way.extent is not Extent.NONE
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a client's ``rules`` cover: every kind once, in the order of ``KINDS``."""

    client_id: int
    rules: Rules
    kinds: tuple[Covered, ...]

    @property
    def idle(self) -> tuple[IntegrationRule, ...]:
        """The integrations that nothing leads to: no subscription, and no trigger that names them."""
        named = {w.integration.id for c in self.kinds for w in c.ways if w.integration is not None}
        return tuple(i for i in self.rules.integrations if i.id not in named)


def coverage_of(client_id: int, rules: Rules) -> Coverage:
    """Return what a client's ``rules`` cover."""
    covered = tuple(Covered(kind, tuple(ways_of(kind, rules))) for kind in KINDS)
    return Coverage(client_id, rules, covered)


def ways_of(kind: Kind, rules: Rules) -> Iterator[Way]:
    """Yield every way that ``rules`` have for a kind, those that lead nowhere included."""
    subscription, condition = kind.subscription, kind.condition
    for one in rules.integrations:
        if subscription is not None and subscription in one.subscriptions:
            yield Way(one)
    by_id = {one.id: one for one in rules.integrations}
    for trigger in rules.triggers:
        if condition is None or trigger.criteria.condition is not condition:
            continue
        named = [by_id[i] for i in trigger.integration_ids if i in by_id]
        for one in named:
            yield Way(one, trigger)
        if not named:
            yield Way(None, trigger)


def blocks(coverage: Coverage) -> list[list[Covered]]:
    """Return the kinds in their order, neighbours of one family that the rules treat alike together."""
    found: list[list[Covered]] = []
    for one in coverage.kinds:
        before = found[-1][0] if found else None
        if before and before.ways == one.ways and before.kind.family == one.kind.family:
            found[-1].append(one)
        else:
            found.append([one])
    return found
