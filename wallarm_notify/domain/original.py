"""Integrations in the words of Wallarm's own API, which clients written for it send and read."""

from collections.abc import Iterable
from typing import Final

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import SECURITY_ISSUES, Subscription
from wallarm_notify.domain.integration import IntegrationKey, KeyMask

TYPE: Final = "pager_duty"
"""The one type of integration that is served here."""

_OLD: Final = {
    "vuln": SECURITY_ISSUES,
    "vuln_high": (Subscription.SECURITY_ISSUE_CRITICAL, Subscription.SECURITY_ISSUE_HIGH),
    "vuln_medium": (Subscription.SECURITY_ISSUE_MEDIUM,),
    "vuln_low": (Subscription.SECURITY_ISSUE_LOW, Subscription.SECURITY_ISSUE_INFO),
    "security_issue": SECURITY_ISSUES,
}
"""What words of older clients stand for."""

_MEANINGS: Final = {**{str(one): (one,) for one in Subscription}, **_OLD}

_OF_HITS: Final = frozenset({"siem", "hit", "scope"})
"""Words by which older clients subscribe to hits and to what was found of the perimeter."""


def subscriptions_of(events: Iterable[tuple[str, bool]]) -> tuple[Subscription, ...]:
    """Return what ``events``, words with whether each is on, subscribe to; what is not named is off.

    Raise Refused where a word is on that nobody can subscribe to here. One that is off may be any.
    """
    chosen: set[Subscription] = set()
    for word, is_on in events:
        if not is_on:
            continue
        if word in _OF_HITS:
            raise Refused(
                f"{word} cannot be on: hits reach PagerDuty by a trigger. Make one.", field="events"
            )
        if word not in _MEANINGS:
            known = ", ".join(Subscription)
            raise Refused(f"there is no «{word}»; permitted are {known}.", field="events")
        chosen.update(_MEANINGS[word])
    return tuple(one for one in Subscription if one in chosen)


def check_type(word: str) -> None:
    """Raise Refused for an integration of another system."""
    if word != TYPE:
        raise Refused(f"only {TYPE} is served here.", field="type")


def key_of(target: object) -> IntegrationKey:
    """Return the key in ``target``. Raise Refused, which never contains it."""
    if not isinstance(target, str):
        raise Refused("give the integration key, a text of 32 characters.", field="target")
    try:
        return IntegrationKey.parse(target)
    except Refused as error:
        raise Refused(error.sentence, field="target") from None


def changed_key_of(target: object) -> IntegrationKey | KeyMask:
    """Return the key in ``target``, or the mask of one, written back as it was read.

    Raise Refused, which never contains ``target``.
    """
    mask = KeyMask.parse(target) if isinstance(target, str) else None
    return mask or key_of(target)


def region_of(cloud: str) -> str:
    """Return PagerDuty's service region for clients of ``cloud``, where none is given."""
    return "eu" if cloud == "eu" else "us"
