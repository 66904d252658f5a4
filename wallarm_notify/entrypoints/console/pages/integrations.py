"""Integrations: a card for each, and its switch."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.evidence import LastAnswer
from wallarm_notify.domain.integration import IntegrationState
from wallarm_notify.domain.integration_card import Card, subscription_words
from wallarm_notify.domain.replay_job import at_the_rate_limit
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.unsent import OFFERED_FOR, OFFERED_SEVERITIES
from wallarm_notify.domain.views import Wanted
from wallarm_notify.entrypoints.api.fields import Asked, PathId
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.charts import LineChart, ratio_chart
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.times import read_moment
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.services.integration_cards import list_cards
from wallarm_notify.services.integration_listings import show_integration
from wallarm_notify.services.manage_integrations import disable_integration, enable_integration
from wallarm_notify.services.replay_jobs import create_replay_job

router = APIRouter(route_class=PageRoute)

CARDS: Final = 24
"""So many cards are on a page."""

OFFERED: Final = "offered"
"""The choice of what is offered first."""

NO_REASON: Final = "no reason given"
LONGEST_REASON: Final = 500

_STATES: Final = {
    "all": (),
    "enabled": (IntegrationState.ENABLED,),
    "disabled": (IntegrationState.DISABLED, IntegrationState.DISABLED_AUTOMATICALLY),
}


class CardsAsked(Asked):
    """Which integrations are shown."""

    show: Literal["all", "enabled", "disabled"] = "all"
    name: Annotated[str, Field(max_length=200)] = ""
    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,18}$")] = None
    client_id: str | None = None


@router.get("/integrations")
@needs(Thing.INTEGRATIONS, Verb.VIEW)
def show_all(visit: Visited, asked: Annotated[CardsAsked, Query()]) -> Response:
    """Show a card for each integration, those that need somebody first."""
    page = list_cards(
        *(visit.pages, visit.scope),
        client_id=visit.client_id,
        states=_STATES[asked.show],
        name=asked.name.strip() or None,
        limit=CARDS,
        cursor=None if asked.after is None else int(asked.after),
    )
    cards = sorted(page.items, key=lambda card: card.why_off is None)
    return visit.page(
        "integrations.html",
        cards=cards,
        following=page.following,
        asked=asked,
        counts=visit.shell.counts,
        limit=float(visit.ctx.settings.policy.ratio),
        subscription_words=subscription_words,
        chart_of=_chart_of,
        answer_of=answer_of,
        drilled_every=visit.ctx.settings.drill_interval,
    )


@router.get("/integrations/{integration_id}/disable")
@needs(Thing.INTEGRATIONS, Verb.UPDATE)
def ask_to_disable(visit: Visited, integration_id: PathId) -> Response:
    """Show what disabling an integration comes to, and ask why."""
    return _disabling(visit, integration_id)


@router.post("/integrations/{integration_id}/disable")
@needs(Thing.INTEGRATIONS, Verb.UPDATE)
def disable(visit: Visited, integration_id: PathId) -> Response:
    """Disable an integration."""
    reason = visit.text("reason")
    if len(reason) > LONGEST_REASON:
        too_long = f"give at most {LONGEST_REASON} characters."
        return _disabling(visit, integration_id, reason, too_long)
    try:
        disable_integration(
            *(visit.ctx, visit.actor, visit.scope, integration_id), reason=reason or NO_REASON
        )
    except Refused as error:
        if error.field != "reason":
            raise
        return _disabling(visit, integration_id, reason, error.sentence)
    return visit.go("/integrations")


@router.post("/integrations/{integration_id}/enable")
@needs(Thing.INTEGRATIONS, Verb.UPDATE)
def enable(visit: Visited, integration_id: PathId) -> Response:
    """Enable an integration, and offer to send what it missed."""
    enabled, unsent = enable_integration(visit.ctx, visit.actor, visit.scope, integration_id)
    if not unsent.total:
        return visit.go("/integrations")
    return visit.page(
        "integration_enabled.html",
        integration=enabled,
        unsent=unsent,
        offered_since=unsent.counted_at - OFFERED_FOR,
        per_minute=visit.ctx.settings.rate_limit_per_minute,
        takes=at_the_rate_limit,
    )


@router.post("/integrations/{integration_id}/replay")
@needs(Thing.NOTIFICATIONS, Verb.REPLAY)
def send_missed(visit: Visited, integration_id: PathId) -> Response:
    """Have what an integration missed sent again: all of it, or the severe of the last day."""
    since, offered = read_moment(visit.text("since")), read_moment(visit.text("offered_since"))
    if since is None or offered is None:
        raise Refused("give both times as the page has them.", field="since")
    wanted = Wanted(integration_id, ended_since=since)
    if visit.text("which") == OFFERED:
        wanted = replace(wanted, since=offered, severities=OFFERED_SEVERITIES)
    job = create_replay_job(visit.ctx, visit.actor, visit.scope, wanted)
    return visit.go(f"/replays/{job.id}")


def _disabling(
    visit: Visit, integration_id: int, reason: str = "", error: str | None = None
) -> Response:
    integration = show_integration(visit.pages, visit.scope, integration_id)
    return visit.page(
        "integration_disable.html",
        status=200 if error is None else 400,
        integration=integration,
        reason=reason,
        error=error,
        longest=LONGEST_REASON,
    )


def answer_of(card: Card) -> str | None:
    """Return PagerDuty's last answer before an automatic disabling, in words; None: none is known."""
    last = None if card.why_off is None else card.why_off.evidence["last_answer"]
    if last is None:
        return None
    return LastAnswer(**{**last, "at": datetime.fromisoformat(last["at"])}).words


def _chart_of(card: Card) -> LineChart | None:
    """Return the failure ratio up to an automatic disabling, as a picture."""
    if card.why_off is None:
        return None
    return ratio_chart(card.why_off.evidence, float(card.why_off.policy["ratio"]))
