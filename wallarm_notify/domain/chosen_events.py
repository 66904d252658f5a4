"""Which events somebody chose on a form, on which one box stands for the five risks of security issues."""

from collections.abc import Collection, Sequence
from typing import Final

from wallarm_notify.domain.event import SECURITY_ISSUES, SEVERITY_OF_RISK, Subscription

ALL_RISKS: Final = "security_issue"
"""The word of the box that stands for all five."""

EXPLAINED: Final = (
    (
        Subscription.SYSTEM,
        "System related",
        (
            "Users created, deleted or given another role; integrations disabled or deleted; "
            "applications created, deleted or renamed; errors of specification updates"
        ),
    ),
    (
        Subscription.RULES_AND_TRIGGERS,
        "Rules and triggers changed",
        "Created, updated or deleted",
    ),
)
"""The other two boxes, in their order: their words, and what they stand for."""


def risks() -> Sequence[tuple[Subscription, str, str]]:
    """Return the boxes of the five risks: each with its words, and the severity that PagerDuty shows."""
    return [
        (
            Subscription(f"{ALL_RISKS}_{risk}"),
            f"{risk.capitalize()} risk",
            f"severity {severity.name.lower()} in PagerDuty",
        )
        for risk, severity in SEVERITY_OF_RISK.items()
    ]


def chosen_events(boxes: Collection[str], *, had_all_risks: bool) -> tuple[str, ...]:
    """Return the words of the subscriptions that are chosen by the ``boxes`` that were ticked.

    ``had_all_risks``: the box of all five was ticked when the form was shown. Where no script keeps the boxes in step,
    ticking it chooses all five, and taking its tick away none, unless some of the five were changed too.
    """
    risks_ticked = [one for one in SECURITY_ISSUES if one in boxes]
    has_all = ALL_RISKS in boxes
    if has_all and not had_all_risks:
        risks_ticked = list(SECURITY_ISSUES)
    elif had_all_risks and not has_all and len(risks_ticked) == len(SECURITY_ISSUES):
        risks_ticked = []
    others = [one for one in boxes if one != ALL_RISKS and one not in set(SECURITY_ISSUES)]
    return (*others, *risks_ticked)
