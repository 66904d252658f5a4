"""One integration: whether it is sent anything, its settings, its failures, and what it missed."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from wallarm_notify.domain.advice import advice_on
from wallarm_notify.domain.errors import NotFound, Refused
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.evidence import Explanation, LastAnswer
from wallarm_notify.domain.integration import (
    Integration,
    IntegrationChange,
    IntegrationKey,
    parse_region,
    parse_subscriptions,
)
from wallarm_notify.domain.integration_card import subscription_words
from wallarm_notify.domain.meanwhile import ChangedMeanwhile, marks_of
from wallarm_notify.domain.places import failure_words
from wallarm_notify.domain.replay_job import at_the_rate_limit
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.summary_form import SummaryForm, parse_summary_form
from wallarm_notify.domain.unsent import OFFERED_FOR, Age
from wallarm_notify.entrypoints.api.fields import PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.charts import bars, ratio_chart
from wallarm_notify.entrypoints.console.pages.integration_form import (
    LONGEST_NAME,
    TOO_LATE,
    Entered,
    answer_words,
    counted_for,
    event_boxes,
    shown_test,
    ticked_events,
)
from wallarm_notify.entrypoints.console.pages.integrations import LONGEST_REASON, NO_REASON
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.schemas.documents.integrations import integration_settings
from wallarm_notify.services.drill import drill
from wallarm_notify.services.explain import explain
from wallarm_notify.services.integration_cards import show_card, show_missed
from wallarm_notify.services.integration_listings import hours_of_integration, show_integration
from wallarm_notify.services.kept_in_forms import OpenedAlerts, kept_opened
from wallarm_notify.services.manage_integrations import (
    apply_integration,
    delete_integration,
    disable_integration,
)
from wallarm_notify.services.replay_jobs import list_replay_jobs
from wallarm_notify.services.send_test_alerts import Ways, close_test_alerts, send_test_alerts

router = APIRouter(route_class=PageRoute)

DAY: Final = timedelta(hours=24)
PAUSES: Final = {"1": "1 hour", "8": "8 hours", "24": "1 day", "168": "7 days"}
"""The pauses that are offered, in hours."""

_JOBS: Final = 50
_NOTHING_SHOWN: Final = dict.fromkeys(
    ("test", "closed", "too_late", "drilled", "drill_advice", "no_turn")
)
"""What a page shows of what was just done, where nothing was."""

_GUARDS: Final = {
    "attempts": "Attempts in the window, at least",
    "span": "From the first failure to the last, at least",
    "last_attempt": "The last attempt failed",
}


@router.get("/integrations/{integration_id}")
@needs(Thing.INTEGRATIONS, Verb.VIEW)
def show(visit: Visited, integration_id: PathId) -> Response:
    """Show whether PagerDuty gets the alerts of an integration."""
    return _overview(visit, integration_id)


@router.post("/integrations/{integration_id}/test")
@needs(Thing.INTEGRATIONS, Verb.TEST)
def try_it(visit: Visited, integration_id: PathId) -> Response:
    """Send test alerts to an integration, and show PagerDuty's answers."""
    whose = show_integration(visit.pages, visit.scope, integration_id).client_id
    wiring = visit.console.parts.wiring
    ways = Ways(wiring.send_test_alert, wiring.send_resolve)
    with visit.console.parts.slow_calls.one_of(whose):
        tested = send_test_alerts(visit.ctx, visit.scope, integration_id, ways)
    opened = OpenedAlerts(tested.opened, integration_id)
    return _overview(visit, integration_id, test=shown_test(visit, tested, opened))


@router.post("/integrations/{integration_id}/close")
@needs(Thing.INTEGRATIONS, Verb.TEST)
def close(visit: Visited, integration_id: PathId) -> Response:
    """Close the alerts of a test."""
    whose = show_integration(visit.pages, visit.scope, integration_id).client_id
    opened = kept_opened(visit.ctx, visit.signed_in.session, visit.text("opened"))
    if opened is None or opened.integration_id != integration_id:
        return _overview(visit, integration_id, status=400, too_late=TOO_LATE)
    send = visit.console.parts.wiring.send_resolve
    with visit.console.parts.slow_calls.one_of(whose):
        number = close_test_alerts(
            visit.ctx, visit.scope, integration_id, opened.dedup_keys, send=send
        )
    return _overview(visit, integration_id, closed=(number, len(opened.dedup_keys)))


@router.post("/integrations/{integration_id}/drill")
@needs(Thing.INTEGRATIONS, Verb.TEST)
def prove(visit: Visited, integration_id: PathId) -> Response:
    """Prove the key and the way of an integration, which pages nobody, and show PagerDuty's answer."""
    whose = show_integration(visit.pages, visit.scope, integration_id).client_id
    with visit.console.parts.slow_calls.one_of(whose):
        try:
            done = drill(
                visit.ctx, visit.scope, integration_id, visit.console.parts.wiring.send_resolve
            )
        except NotFound:
            raise
        except Refused as error:
            return _overview(visit, integration_id, status=400, no_turn=error.sentence)
    advice = advice_on(done.answer.reason, done.answer.status, done.answer.response)
    return _overview(visit, integration_id, drilled=done, drill_advice=advice)


@router.get("/integrations/{integration_id}/settings")
@needs(Thing.INTEGRATIONS, Verb.UPDATE)
def ask(visit: Visited, integration_id: PathId) -> Response:
    """Show the settings of an integration, to be changed."""
    return _settings(visit, show_integration(visit.pages, visit.scope, integration_id))


@router.post("/integrations/{integration_id}/settings")
@needs(Thing.INTEGRATIONS, Verb.UPDATE)
def save(visit: Visited, integration_id: PathId) -> Response:
    """Store the settings that were entered; a key that was not stays."""
    before = show_integration(visit.pages, visit.scope, integration_id)
    entered = Entered(
        client_id=before.client_id,
        name=visit.text("name"),
        region=visit.text("region"),
        chosen=ticked_events(visit),
        mask=before.key,
    )
    try:
        change = IntegrationChange(
            name=entered.name,
            region=parse_region(entered.region),
            subscriptions=parse_subscriptions(entered.chosen),
            key=IntegrationKey.parse(visit.text("key")) if visit.text("key") else None,
            summary=parse_summary_form(visit.text("summary")),
            marks=visit.text("marks") or None,
        )
        apply_integration(visit.ctx, visit.actor, visit.scope, integration_id, change)
    except ChangedMeanwhile as error:
        now = show_integration(visit.pages, visit.scope, integration_id)
        errors = {"whole": error.sentence}
        if visit.text("key"):
            errors["key"] = "paste it again: a key is never shown."
        return _settings(visit, now, entered, errors, is_read_again=True)
    except Refused as error:
        return _settings(visit, before, entered, {error.field or "name": error.sentence})
    return visit.go(f"/integrations/{integration_id}")


@router.post("/integrations/{integration_id}/pause")
@needs(Thing.INTEGRATIONS, Verb.UPDATE)
def pause(visit: Visited, integration_id: PathId) -> Response:
    """Disable an integration for a while."""
    before = show_integration(visit.pages, visit.scope, integration_id)
    hours, reason = visit.text("hours"), visit.text("reason")
    if hours not in PAUSES:
        return _settings(visit, before, errors={"hours": "choose one of these."})
    try:
        disable_integration(
            *(visit.ctx, visit.actor, visit.scope, integration_id),
            reason=reason[:LONGEST_REASON] or NO_REASON,
            until=datetime.now(UTC) + timedelta(hours=int(hours)),
        )
    except Refused as error:
        return _settings(visit, before, errors={"hours": error.sentence})
    return visit.go(f"/integrations/{integration_id}")


@router.get("/integrations/{integration_id}/delete")
@needs(Thing.INTEGRATIONS, Verb.DELETE)
def ask_to_delete(visit: Visited, integration_id: PathId) -> Response:
    """Show what is lost with an integration, and ask."""
    card = show_card(visit.pages, visit.scope, integration_id)
    return visit.page("integration_delete.html", card=card, integration=card.integration)


@router.post("/integrations/{integration_id}/delete")
@needs(Thing.INTEGRATIONS, Verb.DELETE)
def delete(visit: Visited, integration_id: PathId) -> Response:
    """Delete an integration for ever."""
    delete_integration(visit.ctx, visit.actor, visit.scope, integration_id, reason=NO_REASON)
    return visit.go("/integrations")


@router.get("/integrations/{integration_id}/failures")
@needs(Thing.INTEGRATIONS, Verb.VIEW)
def show_failures(visit: Visited, integration_id: PathId) -> Response:
    """Show the failures of the window, against the limit and the guards."""
    found = explain(visit.pages, visit.scope, integration_id)
    return visit.page(
        "integration_failures.html",
        integration=found.integration,
        found=found,
        evidence=found.evidence,
        chart=ratio_chart(found.evidence, float(found.policy["ratio"])),
        guard_words=_GUARDS,
        failure_words=failure_words,
        answer=_answer_of(found),
        moment=datetime.fromisoformat,
    )


@router.get("/integrations/{integration_id}/missed")
@needs(Thing.INTEGRATIONS, Verb.VIEW)
def show_what_was_missed(visit: Visited, integration_id: PathId) -> Response:
    """Show what an integration missed by severity and age, and what of it is being sent."""
    unsent = show_missed(visit.pages, visit.scope, integration_id)
    card = show_card(visit.pages, visit.scope, integration_id)
    integration = card.integration
    jobs = list_replay_jobs(
        visit.pages, visit.scope, client_id=integration.client_id, limit=_JOBS
    ).items
    return visit.page(
        "integration_missed.html",
        integration=integration,
        lacks_key=card.lacks_key,
        unsent=unsent,
        offered_since=unsent.counted_at - OFFERED_FOR,
        severities=sorted(Severity, reverse=True),
        ages=list(Age),
        age_columns=[("Severity", ""), *((age.capitalize(), "num") for age in Age)],
        jobs=[job for job in jobs if job.wanted.integration_id == integration_id],
        per_minute=visit.ctx.settings.rate_limit_per_minute,
        takes=at_the_rate_limit,
    )


def _overview(visit: Visit, integration_id: int, *, status: int = 200, **shown: Any) -> Response:
    """Return the first tab; ``shown`` is what a test, or the closing of its alerts, came to."""
    card = show_card(visit.pages, visit.scope, integration_id)
    found = explain(visit.pages, visit.scope, integration_id)
    hours = hours_of_integration(visit.pages, visit.scope, integration_id, datetime.now(UTC) - DAY)
    ended = [one.delivered + one.failed for one in hours]
    return visit.page(
        "integration.html",
        status=status,
        integration=card.integration,
        card=card,
        found=found,
        answer=_answer_of(found),
        hours=hours,
        delivered=sum(one.delivered for one in hours),
        not_accepted=sum(one.failed for one in hours),
        accepted_titles=[f"{one.delivered} accepted" for one in hours],
        failed_titles=[f"{one.failed} not accepted" for one in hours],
        accepted=bars([one.delivered for one in hours], highest=max(ended, default=0)),
        failed=bars([one.failed for one in hours], highest=max(ended, default=0)),
        limit=float(visit.ctx.settings.policy.ratio),
        subscription_words=subscription_words,
        answer_words=answer_words,
        **{**_NOTHING_SHOWN, **shown},
    )


def _settings(
    visit: Visit,
    integration: Integration,
    entered: Entered | None = None,
    errors: dict[str, str] | None = None,
    *,
    is_read_again: bool = False,
) -> Response:
    """Show the form; ``is_read_again``: what was changed meanwhile is known to whoever saves it now."""
    marks = "" if is_read_again else visit.text("marks")
    now = entered or Entered(
        integration.client_id,
        integration.name,
        integration.region,
        integration.subscriptions,
        mask=integration.key,
    )
    return visit.page(
        "integration_settings.html",
        status=400 if errors else 200,
        integration=integration,
        entered=now,
        errors=errors or {},
        marks=marks or marks_of(integration_settings(integration)),
        summary=visit.text("summary") or integration.summary.value,
        summaries=[(one.value, one.value.capitalize()) for one in SummaryForm],
        pauses=list(PAUSES.items()),
        longest_name=LONGEST_NAME,
        longest_reason=LONGEST_REASON,
        **event_boxes(now.chosen, counted_for(visit, integration.client_id)),
    )


def _answer_of(found: Explanation) -> LastAnswer | None:
    """Return the last answer of the window where it was a failure; None: it was not, or there is none."""
    last = found.evidence["last_answer"]
    if last is None or last["error"] is None:
        return None
    return LastAnswer(**{**last, "at": datetime.fromisoformat(last["at"])})
