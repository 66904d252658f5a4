"""The form of a trigger, new or stored, which reads itself back as a sentence.

It offers what the condition has, and works by steps: a button that adds or removes something sends what was entered,
and the form comes back with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.errors import NotFound, Refused, TooMuch
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.meanwhile import ChangedMeanwhile, marks_of
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.text import LONGEST_NAME, LONGEST_TEXT
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.triggers.condition import MOST_FILTERS, Condition, read_condition
from wallarm_notify.domain.triggers.filters import FILTERS, Operator
from wallarm_notify.domain.triggers.row import Notified
from wallarm_notify.domain.triggers.sentence import sentence_of
from wallarm_notify.domain.triggers.trial import limits_around
from wallarm_notify.domain.triggers.trigger import (
    DEFAULT_SEVERITY,
    Criteria,
    Trigger,
    TriggerChange,
    TriggerDraft,
    default_name,
)
from wallarm_notify.entrypoints.api.fields import Asked, PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.pages.integration_form import visit_time
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.trial_shown import TrialShown, shown_trial
from wallarm_notify.entrypoints.console.trigger_entry import (
    UNITS,
    Checked,
    Entered,
    after_step,
    begun,
    begun_threshold,
    checked,
    entered_of,
    read_form,
    same_text,
)
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.schemas.documents.triggers import trigger_settings
from wallarm_notify.services.manage_applications import list_applications
from wallarm_notify.services.manage_triggers import apply_trigger, create_trigger
from wallarm_notify.services.trigger_listings import find_trigger
from wallarm_notify.services.trigger_rows import offered_integrations
from wallarm_notify.services.try_trigger import try_trigger

router = APIRouter(route_class=PageRoute)

OFFERED: Final = 35
"""So many integrations are offered to choose from, beside those that are chosen."""

APPLICATIONS_OFFERED: Final = 40
"""So many applications are offered; others are given by their numbers."""

CONDITIONS: Final = (
    (Condition.ATTACKS_EXCEEDED, "Number of attacks", "How many attacks were detected"),
    (Condition.HITS_EXCEEDED, "Number of hits", "How many hits of the sample were detected"),
    (Condition.INCIDENTS_EXCEEDED, "Number of incidents", "How many incidents were detected"),
    (Condition.API_STRUCTURE_CHANGED, "Changes in API", "An endpoint is new, changed or unused"),
    (Condition.BLACKLIST_IP_ADDED, "Denylisted IP", "An IP address is added to the denylist"),
    (Condition.ROGUE_API_DETECTED, "Rogue API", "A shadow or zombie endpoint is found"),
    (Condition.USER_CREATED, "New user", "A user is added to the account"),
)
"""The conditions, each with its name and what it looks at."""

NOT_COUNTED: Final = {
    Condition.ATTACKS_EXCEEDED: "Experimental attacks are not counted.",
    Condition.HITS_EXCEEDED: "Experimental hits are not counted, nor are hits outside of the sample.",
    Condition.ROGUE_API_DETECTED: "Each endpoint fires once. Orphan ones count only where the type is chosen.",
}
"""What does not count, by condition."""

HINTS: Final = {
    "attack_type": "Ex: XSS, SQLi, Brute force",
    "pool": "Narrow by application",
    "ip_address": "Single addresses, as 203.0.113.7; one a line",
    "domain": "Whole hosts, as shop.example.com; one a line",
    "response_status": "Codes from 100 to 599 and classes; one a line",
    "target": "What was attacked",
    "change_type": "What became of an endpoint",
    "pii": "As email or password; one a line",
    "deviation_type": "Shadow and zombie without this filter",
    "api_spec_ids": "Ids of specifications; one a line",
    "user_role": "By role",
}
"""What each filter takes."""

GROUPS: Final = (
    (AlertGroup.EACH, "One alert per firing"),
    (AlertGroup.TRIGGER, "One alert of this trigger"),
    (AlertGroup.HOST, "One alert per host"),
    (AlertGroup.IP, "One alert per IP address"),
    (AlertGroup.APPLICATION, "One alert per application"),
)
"""Which alerts are one in PagerDuty."""


class NewAsked(Asked):
    """How the form begins: with a condition, or as a copy of a trigger."""

    condition: Annotated[str, Field(max_length=100)] = ""
    copy_of: Annotated[str, Field(pattern=r"^[0-9]{0,18}$")] = ""
    client_id: str | None = None


@router.get("/triggers/new")
@needs(Thing.TRIGGERS, Verb.CREATE)
def ask(visit: Visited, asked: Annotated[NewAsked, Query()]) -> Response:
    """Show the conditions to choose from; with one, or the trigger to copy, the form."""
    if asked.copy_of:
        original = find_trigger(visit.pages, visit.scope, int(asked.copy_of))
        if visit.client_id not in (None, original.client_id):
            raise NotFound(f"There is no trigger {asked.copy_of}.")
        name = f"Copy of {original.name}"[:LONGEST_NAME]
        copied = replace(entered_of(original), name=name)
        return _form(visit, original.client_id, copied, is_tried=False)
    client_id = visit.shell.client_id
    if client_id is None:
        return visit.page("choose_client.html", title="Create a trigger")
    if not asked.condition:
        return visit.page("trigger_conditions.html", conditions=CONDITIONS)
    offered, _ = offered_integrations(visit.pages, visit.scope, client_id, (), 2)
    enabled = [one.id for one in offered if one.enabled]
    only = enabled if len(enabled) == 1 else []
    name = default_name(visit.actor.name, visit_time(visit))[:LONGEST_NAME]
    entered = begun(read_condition(asked.condition), only, name)
    return _form(visit, client_id, entered, is_tried=False)


@router.post("/triggers/new")
@needs(Thing.TRIGGERS, Verb.CREATE)
def create(visit: Visited) -> Response:
    """Store the trigger that was entered."""
    client_id, entered = visit.one_client(), _entered(visit)
    found = checked(entered, None)
    if found.criteria is None:
        return _form(visit, client_id, entered, found.errors)
    draft = TriggerDraft(
        client_id=client_id,
        criteria=found.criteria,
        integration_ids=entered.integration_ids,
        name=entered.name or None,
        comment=entered.comment,
        chosen_severity=found.chosen_severity,
        group=found.group,
    )
    try:
        made = create_trigger(visit.ctx, visit.actor, visit.scope, draft)
    except NotFound:
        raise
    except Refused as error:
        return _form(visit, client_id, entered, {error.field or "whole": error.sentence})
    return visit.go(f"/triggers/{made.id}")


@router.post("/triggers/new/step")
@needs(Thing.TRIGGERS, Verb.CREATE)
def step(visit: Visited) -> Response:
    """Show the form of a new trigger again, after one of its buttons; nothing is stored."""
    return _form(visit, visit.one_client(), _stepped(visit))


@router.get("/triggers/{trigger_id}/settings")
@needs(Thing.TRIGGERS, Verb.UPDATE)
def ask_settings(visit: Visited, trigger_id: PathId) -> Response:
    """Show the form of a stored trigger."""
    trigger = find_trigger(visit.pages, visit.scope, trigger_id)
    return _form(visit, trigger.client_id, entered_of(trigger), standing=trigger, is_tried=False)


@router.post("/triggers/{trigger_id}/settings")
@needs(Thing.TRIGGERS, Verb.UPDATE)
def save(visit: Visited, trigger_id: PathId) -> Response:
    """Change what was entered of a trigger; what was not stays as it is."""
    trigger = find_trigger(visit.pages, visit.scope, trigger_id)
    entered = _entered(visit)
    found = checked(entered, trigger)
    if found.criteria is None:
        return _form(visit, trigger.client_id, entered, found.errors, trigger)
    change = replace(
        _change_of(trigger, entered, found, found.criteria), marks=visit.text("marks") or None
    )
    try:
        apply_trigger(visit.ctx, visit.actor, visit.scope, trigger_id, change)
    except NotFound:
        raise
    except ChangedMeanwhile as error:
        now = find_trigger(visit.pages, visit.scope, trigger_id)
        return _form(
            visit, now.client_id, entered, {"whole": error.sentence}, now, is_read_again=True
        )
    except Refused as error:
        errors = {error.field or "whole": error.sentence}
        return _form(visit, trigger.client_id, entered, errors, trigger)
    return visit.go(f"/triggers/{trigger_id}")


@router.post("/triggers/{trigger_id}/settings/step")
@needs(Thing.TRIGGERS, Verb.UPDATE)
def step_settings(visit: Visited, trigger_id: PathId) -> Response:
    """Show the form of a stored trigger again, after one of its buttons; nothing is stored."""
    trigger = find_trigger(visit.pages, visit.scope, trigger_id)
    return _form(visit, trigger.client_id, _stepped(visit), standing=trigger)


def _change_of(
    trigger: Trigger, entered: Entered, found: Checked, criteria: Criteria
) -> TriggerChange:
    same_integrations = set(entered.integration_ids) == set(trigger.integration_ids)
    return TriggerChange(
        name=None if entered.name == trigger.name else entered.name,
        comment=same_text(entered.comment, trigger.comment),
        condition=criteria.condition,
        filters=criteria.filters,
        threshold=criteria.threshold,
        integration_ids=None if same_integrations else entered.integration_ids,
        chosen_severity=found.chosen_severity,
        unsets_severity=found.chosen_severity is None,
        group=found.group,
    )


def _entered(visit: Visit) -> Entered:
    return read_form(visit.form, read_condition(visit.text("condition")))


def _stepped(visit: Visit) -> Entered:
    entered = after_step(_entered(visit), visit.text("do"), visit.text("add"))
    return begun_threshold(entered)


def _form(
    visit: Visit,
    client_id: int,
    entered: Entered,
    errors: Mapping[str, str] | None = None,
    standing: Trigger | None = None,
    *,
    is_tried: bool = True,
    is_read_again: bool = False,
) -> Response:
    """Return the page of the form; a trial takes longer than a page may, so that it comes after the first one.

    ``is_read_again``: what was changed meanwhile is known to whoever saves it now.
    """
    found = checked(entered, standing)
    offered, are_more = offered_integrations(
        *(visit.pages, visit.scope, client_id, entered.integration_ids, OFFERED)
    )
    applications = list_applications(visit.pages, visit.scope, [client_id])
    names = {one.id: one.name for one in applications}
    chosen = [one for one in offered if one.id in entered.integration_ids]
    to = [one.name for one in sorted(chosen, key=lambda one: one.id)]
    terms = entered.condition.terms
    return visit.page(
        "trigger_form.html",
        status=400 if errors else 200,
        entered=entered,
        errors=errors or {},
        problem=next(iter(found.errors.values()), None),
        trigger=standing,
        marks=_marks(visit, standing, is_read_again=is_read_again),
        client_id=client_id,
        at="/triggers/new" if standing is None else f"/triggers/{standing.id}/settings",
        sentence=None if found.criteria is None else sentence_of(found.criteria, to, names),
        is_to_try=found.criteria is not None and not is_tried,
        trial=_tried(visit, client_id, found.criteria)
        if found.criteria is not None and is_tried
        else None,
        conditions=[(one, _short(one, label)) for one, label, _ in CONDITIONS],
        terms=terms,
        not_counted=NOT_COUNTED.get(entered.condition),
        units=[(one, one) for one in UNITS],
        kinds=FILTERS,
        choices={one: _choices_of(one, names) for one in terms.filters},
        either=Operator.NE,
        hints=HINTS,
        most_filters=MOST_FILTERS,
        offered=offered,
        are_more=are_more,
        is_any_enabled=_is_any_enabled(offered),
        severities=_severities(terms.severity),
        groups=GROUPS,
        longest_name=LONGEST_NAME,
        longest_text=LONGEST_TEXT,
    )


def _marks(visit: Visit, standing: Trigger | None, *, is_read_again: bool) -> str:
    """Return the marks of the settings that the form was opened with; of a new trigger there are none."""
    if standing is None:
        return ""
    had = "" if is_read_again else visit.text("marks")
    return had or marks_of(trigger_settings(standing))


def _tried(visit: Visit, client_id: int, criteria: Criteria) -> TrialShown | None:
    """Return what criteria would have sent; None: that takes too long, which keeps nobody from saving them."""
    limit = None if criteria.threshold is None else criteria.threshold.count
    limits = () if limit is None else limits_around(limit)
    try:
        trial = try_trigger(visit.pages, visit.scope, client_id, criteria, limits)
    except TooMuch:
        return None
    return shown_trial(trial, criteria.condition, limit, visit.times)


def _choices_of(filter_id: str, applications: dict[int, str]) -> list[tuple[str, str]]:
    """Return the values of a filter to choose from, each with its word."""
    if filter_id == "pool":
        offered = list(applications.items())[:APPLICATIONS_OFFERED]
        return [(str(number), name) for number, name in offered]
    kind = FILTERS[filter_id]
    return [(one, kind.shown(one)) for one in kind.choices]


def _short(condition: Condition, label: str) -> str:
    """Return what a condition is called before ``more than``: ``Attacks``."""
    counted = condition.terms.counted
    return label if counted is None else counted.capitalize()


def _is_any_enabled(offered: Sequence[Notified]) -> bool:
    return any(one.enabled for one in offered)


def _severities(of_condition: Severity) -> list[tuple[str, str]]:
    return [
        (DEFAULT_SEVERITY, f"Severity: {of_condition.word}, the condition's"),
        *((one.word, f"Severity: {one.word}") for one in sorted(Severity, reverse=True)),
    ]
