"""What a client's rules cover, in sentences: the holes by name, and each way to whom it leads."""

from collections.abc import Iterable, Sequence
from typing import Final

from wallarm_notify.domain.coverage import (
    KINDS,
    SECURITY_ISSUE,
    Coverage,
    Covered,
    Extent,
    Kind,
    Obstacle,
    Way,
)
from wallarm_notify.domain.rules import IntegrationRule, TriggerRule
from wallarm_notify.domain.subscription_words import ALL_RISKS, SUBSCRIPTION_WORDS
from wallarm_notify.domain.triggers.condition import Condition

_NOUNS: Final = {
    "user.created": "new users",
    "user.deleted": "deleted users",
    "user.role_changed": "changed roles of users",
    "integration.disabled": "disabled integrations",
    "integration.deleted": "deleted integrations",
    "integration.auto_disabled": "integrations disabled automatically",
    "application.created": "new applications",
    "application.deleted": "deleted applications",
    "application.renamed": "renamed applications",
    "specification.update_failed": "failed updates of specifications",
    "rule.created": "new rules",
    "rule.updated": "changed rules",
    "rule.deleted": "deleted rules",
    "trigger.created": "new triggers",
    "trigger.updated": "changed triggers",
    "trigger.deleted": "deleted triggers",
    "attack.detected": "attacks",
    "hit.detected": "hits",
    "incident.detected": "incidents",
    "api.changed": "changes of the API",
    "ip.denylisted": "denylisted IP addresses",
    "rogue_api.detected": "rogue APIs",
}

_NOUNS_OF_ALL: Final = {
    "system": "users, integrations, applications and specifications",
    "rules_and_triggers": "rules and triggers",
    "security_issue": "security issues",
}
"""The words for all kinds of a family."""


def hole_sentences(coverage: Coverage) -> list[str]:
    """Return a sentence for the kinds of which nobody is notified, and why: ``Nobody is told of incidents: …``.

    Kinds that lack the same are in one sentence.
    """
    by_reason: dict[tuple[str, ...], list[Kind]] = {}
    for one in coverage.kinds:
        if one.extent is Extent.NONE:
            by_reason.setdefault(_reason(one), []).append(one.kind)
    return [
        f"Nobody is told of {listed(_nouns(kinds), 'or')}: {'; '.join(_in_words(reason, kinds))}."
        for reason, kinds in by_reason.items()
    ]


def part_sentence(coverage: Coverage) -> str | None:
    """Return a sentence for the kinds of which only some events reach anybody; None: there are none."""
    kinds = [one.kind for one in coverage.kinds if one.extent is Extent.SOME]
    return f"Only some are told: {listed(_nouns(kinds), 'and')}." if kinds else None


def idle_sentences(coverage: Coverage) -> list[str]:
    """Return a sentence for each integration that nothing leads to."""
    return [
        f"{named(one)} is told of nothing: it has no subscription, and no trigger names it."
        for one in coverage.idle
    ]


def way_words(way: Way) -> str:
    """Return a way in words: who, of how much, by what, or what stands in the way."""
    who = "nobody" if way.integration is None else f"{named(way.integration)}:"
    by = "" if way.trigger is None else f"by trigger {named(way.trigger)}"
    if way.obstacles:
        nothing = " ".join(filter(None, [who, "nothing" if way.integration else "", by]))
        return f"{nothing}, as {' and '.join(_OBSTACLES[one] for one in way.obstacles)}"
    only = f"only where {' and '.join(f.clause for f in way.filters)}" if way.filters else ""
    return f"{who} {', '.join(filter(None, [_how_often(way), by, only]))}"


_OBSTACLES: Final = {
    Obstacle.INTEGRATION_DISABLED: "the integration is disabled",
    Obstacle.TRIGGER_DISABLED: "the trigger is disabled",
    Obstacle.NO_INTEGRATION: "the trigger has no integration",
    Obstacle.NOTHING_PASSES: "no event can pass its filters",
}


def named(one: IntegrationRule | TriggerRule) -> str:
    """Return ``SOC (3)``: its name and its number."""
    return f"{one.name} ({one.id})"


def listed(words: Sequence[str], last: str) -> str:
    """Return ``a, b or c``, where ``last`` is the word before the last of them."""
    return f" {last} ".join([*([", ".join(words[:-1])] if words[:-1] else []), words[-1]])


def _how_often(way: Way) -> str:
    if way.trigger is None:
        return "each"
    criteria = way.trigger.criteria
    if criteria.condition is Condition.ROGUE_API_DETECTED:
        return "each endpoint once"
    return "each" if criteria.threshold is None else f"more than {criteria.threshold.words}"


def _reason(covered: Covered) -> tuple[str, ...]:
    """Return what stands in every way, without repeats; where there is no way, what kind of way could be."""
    if not covered.ways:
        return (_NO_TRIGGER if covered.kind.family is None else _NO_SUBSCRIBER,)
    return tuple(dict.fromkeys(words for way in covered.ways for words in _obstacle_words(way)))


_NO_SUBSCRIBER: Final = "no subscriber"
_NO_TRIGGER: Final = "no trigger"


def _in_words(reason: tuple[str, ...], kinds: Sequence[Kind]) -> tuple[str, ...]:
    """Return a reason for people; where ``kinds`` lack a way, with what would be one."""
    if reason == (_NO_SUBSCRIBER,):
        wanted = list(dict.fromkeys(_subscribed_by(kinds)))
        return (f"no integration subscribes to {listed(wanted, 'or')}",)
    if reason == (_NO_TRIGGER,):
        return ("no trigger looks at them",)
    return reason


def _obstacle_words(way: Way) -> Iterable[str]:
    trigger = "" if way.trigger is None else f"trigger {named(way.trigger)}"
    for obstacle in way.obstacles:
        match obstacle:
            case Obstacle.TRIGGER_DISABLED:
                yield f"{trigger} is disabled"
            case Obstacle.NOTHING_PASSES:
                yield f"no event can pass the filters of {trigger}"
            case Obstacle.NO_INTEGRATION:
                yield f"{trigger} has no integration"
            case Obstacle.INTEGRATION_DISABLED:
                yield f"{named(way.integration)} is disabled" if way.integration else ""


def _subscribed_by(kinds: Sequence[Kind]) -> Iterable[str]:
    """Yield what would have to be subscribed to, as the form says it: all risks together where all of them lack."""
    for kind in kinds:
        if kind.family is not None and kind.subscription is not None:
            is_any = kind.risk is not None and _is_all(kind.family, kinds)
            yield f"«{ALL_RISKS if is_any else SUBSCRIPTION_WORDS[kind.subscription]}»"


def _is_all(family: str | None, kinds: Sequence[Kind]) -> bool:
    return all(kind in kinds for kind in KINDS if kind.family == family)


def _nouns(kinds: Sequence[Kind]) -> list[str]:
    """Return the kinds as people call them: one noun for a whole family, and the risks of issues together."""
    found: dict[str, None] = {}
    risks = [kind.risk for kind in kinds if kind.risk is not None]
    for kind in kinds:
        if kind.family is not None and _is_all(kind.family, kinds):
            found[_NOUNS_OF_ALL[kind.family]] = None
        elif kind.type == SECURITY_ISSUE:
            found[f"security issues of {listed(risks, 'or')} risk"] = None
        else:
            found[_NOUNS[kind.type]] = None
    return list(found)
