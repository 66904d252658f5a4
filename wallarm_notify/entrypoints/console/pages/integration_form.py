"""Add an integration: its form, and a test of its key before it is saved.

A key is in no page. Between a test and the saving the form keeps it encrypted, see ``services.kept_in_forms``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from fastapi import APIRouter
from starlette.responses import Response

from wallarm_notify.domain.advice import advice_on
from wallarm_notify.domain.chosen_events import ALL_RISKS, EXPLAINED, chosen_events, risks
from wallarm_notify.domain.client import CLOUD_ADDRESSES
from wallarm_notify.domain.drill import is_unknown_key
from wallarm_notify.domain.errors import NotFound, Refused, Unavailable
from wallarm_notify.domain.event import SECURITY_ISSUES
from wallarm_notify.domain.integration import (
    REGIONS,
    Draft,
    IntegrationKey,
    default_name,
    parse_region,
    parse_subscriptions,
)
from wallarm_notify.domain.outcome import Answer, message_of
from wallarm_notify.domain.recent_events import CountedEvents
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visit, Visited
from wallarm_notify.services.count_events import count_recent_events
from wallarm_notify.services.integration_listings import clients_among
from wallarm_notify.services.kept_in_forms import (
    OpenedAlerts,
    keep_key,
    keep_opened,
    kept_key,
    kept_opened,
)
from wallarm_notify.services.manage_integrations import create_integration
from wallarm_notify.services.send_test_alerts import (
    AlertsTested,
    Ways,
    close_test_alerts_unsaved,
    send_test_alerts_unsaved,
)

router = APIRouter(route_class=PageRoute)

_Read = TypeVar("_Read")

LONGEST_NAME: Final = 200
TOO_LATE: Final = "The form no longer knows these alerts: it keeps them for 30 minutes. Resolve them in PagerDuty."


@dataclass(frozen=True, slots=True)
class Entered:
    """What stands in the form.

    ``client_id`` None: none is chosen. Of a key that is only how it ends (``mask``), and what keeps it (``kept``),
    encrypted.
    """

    client_id: int | None
    name: str
    region: str
    chosen: Sequence[str] = ()
    kept: str = ""
    mask: str = ""


@dataclass(frozen=True, slots=True)
class TestShown:
    """What a test came to, for people.

    ``opened`` is what the form keeps to close its alerts, ``advice`` what to do, a sentence each.
    """

    at: datetime
    tested: AlertsTested
    opened: str
    advice: Sequence[str]

    @property
    def refused(self) -> int:
        """How many alerts were not taken."""
        return len(self.tested.answers) - self.tested.passed


@router.get("/integrations/new")
@needs(Thing.INTEGRATIONS, Verb.CREATE)
def ask(visit: Visited) -> Response:
    """Show the empty form, with a name."""
    client_id = visit.shell.client_id
    region = REGIONS[0] if _cloud_of(visit, client_id) != "eu" else "eu"
    name = default_name(visit.actor.name, visit_time(visit))
    return _form(visit, Entered(client_id, name, region))


@router.post("/integrations/new")
@needs(Thing.INTEGRATIONS, Verb.CREATE)
def add(visit: Visited) -> Response:
    """Store the integration that was entered."""
    entered, key, errors = _read(visit)
    if key is None or entered.client_id is None or errors:
        return _form(visit, entered, errors)
    draft = Draft(
        client_id=entered.client_id,
        region=parse_region(entered.region),
        subscriptions=parse_subscriptions(entered.chosen),
        enabled=True,
        name=entered.name or None,
    )
    try:
        made = create_integration(visit.ctx, visit.actor, visit.scope, draft, key)
    except Refused as error:
        return _form(visit, entered, {error.field or "name": error.sentence})
    if made.warnings:
        return visit.page("integration_added.html", integration=made)
    return visit.go("/integrations")


@router.post("/integrations/new/test")
@needs(Thing.INTEGRATIONS, Verb.TEST)
def test(visit: Visited) -> Response:
    """Send test alerts by the key that was entered, and show PagerDuty's answers beside the form."""
    entered, key, errors = _read(visit)
    if key is None or entered.client_id is None or errors:
        return _form(visit, entered, errors)
    wiring = visit.console.parts.wiring
    ways = Ways(wiring.send_test_alert, wiring.send_resolve)
    with visit.console.parts.slow_calls.one_of(entered.client_id):
        tested = send_test_alerts_unsaved(
            *(visit.ctx, visit.scope, entered.client_id, entered.region, key), ways=ways
        )
    opened = OpenedAlerts(tested.opened, region=entered.region, key=key)
    return _form(visit, entered, test=shown_test(visit, tested, opened))


@router.post("/integrations/new/close")
@needs(Thing.INTEGRATIONS, Verb.TEST)
def close(visit: Visited) -> Response:
    """Close the alerts of a test."""
    entered, _, errors = _read(visit)
    if entered.client_id is None:
        return _form(visit, entered, errors)
    opened = kept_opened(visit.ctx, visit.signed_in.session, visit.text("opened"))
    if opened is None or opened.key is None:
        return _form(visit, entered, {"opened": TOO_LATE})
    key, send = opened.key, visit.console.parts.wiring.send_resolve
    with visit.console.parts.slow_calls.one_of(entered.client_id):
        number = close_test_alerts_unsaved(
            visit.ctx, opened.region, key, opened.dedup_keys, send=send
        )
    return _form(visit, entered, closed=(number, len(opened.dedup_keys)))


def shown_test(visit: Visit, tested: AlertsTested, opened: OpenedAlerts) -> TestShown:
    """Return what a test came to; the page keeps what closes its alerts."""
    kept = keep_opened(visit.ctx, visit.signed_in.session, opened) if tested.opened else ""
    advice = [
        words
        for one in tested.answers
        if not (is_unknown_key(one.answer) and tested.other_region)
        and (words := advice_on(one.answer.reason, one.answer.status, one.answer.response))
    ]
    if tested.other_region:
        advice.insert(
            0,
            f"PagerDuty knows this key in {tested.other_region.upper()}: choose that region, then test again.",
        )
    return TestShown(datetime.now(UTC), tested, kept, list(dict.fromkeys(advice)))


def answer_words(answer: Answer) -> str:
    """Return PagerDuty's words, or those of the network; its status stands before them."""
    if answer.status is None:
        return f"no answer ({answer.reason}): {answer.response}"
    return message_of(answer.response)


def ticked_events(visit: Visit) -> tuple[str, ...]:
    """Return the words of the subscriptions that the form's boxes choose."""
    return chosen_events(visit.texts("events"), had_all_risks=visit.text("had_all_risks") == "1")


def counted_for(visit: Visit, client_id: int | None) -> CountedEvents | None:
    """Return what each box would have sent; None: it is not known whose, or the database took too long."""
    if client_id is None:
        return None
    try:
        return count_recent_events(visit.pages, visit.scope, client_id)
    except Unavailable:
        return None  # the form is of use without it


def event_boxes(chosen: Sequence[str], counted: CountedEvents | None) -> dict[str, object]:
    """Return what the boxes of events need in a template."""
    ticked = sum(one in SECURITY_ISSUES for one in chosen)
    return {
        "explained": EXPLAINED,
        "risks": risks(),
        "recent": counted,
        "all_risks": ALL_RISKS,
        "chosen": frozenset(chosen),
        "risks_ticked": ticked,
        "has_all_risks": ticked == len(SECURITY_ISSUES),
    }


def visit_time(visit: Visit) -> datetime:
    """Return the time of now where the reader is."""
    return visit.times.now.astimezone(visit.times.zone)


def _read(visit: Visit) -> tuple[Entered, IntegrationKey | None, dict[str, str]]:
    """Return what was entered, the key, and what is wrong by field. Raise NotFound for another's client."""
    errors: dict[str, str] = {}
    client_id = _checked(errors, visit.one_client)
    key = _checked(errors, lambda: _key_of(visit))
    region = _checked(errors, lambda: parse_region(visit.text("region")))
    chosen = _checked(errors, lambda: parse_subscriptions(ticked_events(visit)))
    entered = Entered(
        client_id=client_id,
        name=visit.text("name"),
        region=region or REGIONS[0],
        chosen=chosen or (),
        kept="" if key is None else keep_key(visit.ctx, visit.signed_in.session, key),
        mask="" if key is None else key.masked,
    )
    return entered, key, errors


def _checked(errors: dict[str, str], read: Callable[[], _Read]) -> _Read | None:
    try:
        return read()
    except NotFound:
        raise
    except Refused as error:
        errors[error.field or "name"] = error.sentence
        return None


def _key_of(visit: Visit) -> IntegrationKey:
    """Return the key that was entered, else the one that the form has kept. Raise Refused."""
    entered = visit.text("key")
    if not entered:
        kept = kept_key(visit.ctx, visit.signed_in.session, visit.text("kept"))
        if kept is not None:
            return kept
        if visit.text("kept"):
            raise Refused(
                "paste the key again: the form keeps it for 30 minutes, for one session.",
                field="key",
            )
    return IntegrationKey.parse(entered)


def _cloud_of(visit: Visit, client_id: int | None) -> str:
    found = [] if client_id is None else clients_among(visit.pages, visit.scope, client_id)
    return found[0].cloud if found else visit.ctx.settings.cloud


def _form(
    visit: Visit,
    entered: Entered,
    errors: dict[str, str] | None = None,
    test: TestShown | None = None,
    closed: tuple[int, int] | None = None,
) -> Response:
    cloud = _cloud_of(visit, entered.client_id)
    return visit.page(
        "integration_form.html",
        status=400 if errors else 200,
        entered=entered,
        errors=errors or {},
        test=test,
        closed=closed,
        answer_words=answer_words,
        longest_name=LONGEST_NAME,
        cloud=cloud,
        clouds=sorted(CLOUD_ADDRESSES.items(), key=lambda one: one[0] != cloud),
        **event_boxes(entered.chosen, counted_for(visit, entered.client_id)),
    )
