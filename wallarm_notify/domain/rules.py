"""A client's rules as they stood at some time: by which of them an event was routed (engine 25)."""

from dataclasses import dataclass
from datetime import datetime

from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.summary_form import BEFORE, SummaryForm
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.triggers.trigger import Criteria


@dataclass(frozen=True, slots=True)
class IntegrationRule:
    """An integration as a version of the rules has it; no key."""

    id: int
    name: str
    region: str
    subscriptions: tuple[str, ...]
    enabled: bool
    disabled_at: datetime | None
    disabled_by: str | None
    disabled_reason: str | None
    summary: SummaryForm = BEFORE


@dataclass(frozen=True, slots=True)
class TriggerRule:
    """A trigger as a version of the rules has it; ``version`` is the trigger's own."""

    id: int
    name: str
    enabled: bool
    criteria: Criteria
    integration_ids: tuple[int, ...]
    version: int
    chosen_severity: Severity | None = None
    group: AlertGroup = AlertGroup.EACH


@dataclass(frozen=True, slots=True)
class Rules:
    """A version of a client's rules, with the integrations and triggers that were there, by id.

    They stood from ``since`` to ``until``; None: they stand. Version 0 is of a client that never had rules,
    so it begins at no time.
    """

    version: int
    since: datetime | None = None
    until: datetime | None = None
    integrations: tuple[IntegrationRule, ...] = ()
    triggers: tuple[TriggerRule, ...] = ()
