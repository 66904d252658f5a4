"""A made-up week of six clients, one of them calm, and each of the others in some trouble.

It is played through the use cases (``devstack.past``), so that the ledger balances. Where chance decides, a seed
decides: the same seed and the same end make the same week.
"""

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any, Final

from wallarm_notify.devstack.past import Past, Trouble, past_of, refusal
from wallarm_notify.devstack.week_events import EventSource
from wallarm_notify.domain.actor import Actor, Role, Source, operator
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.integration import Draft, IntegrationKey
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.set_aside import AGAIN_IN, DEATHS, TriedCall
from wallarm_notify.domain.token import TokenDraft
from wallarm_notify.domain.triggers.alert_group import AlertGroup
from wallarm_notify.domain.triggers.condition import Condition, read_filter
from wallarm_notify.domain.triggers.trigger import TriggerDraft, check_criteria, check_threshold
from wallarm_notify.domain.user import UserDraft
from wallarm_notify.domain.views import Wanted
from wallarm_notify.services.computations import create_explanation, work_on_computations
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.manage_applications import create_application
from wallarm_notify.services.manage_clients import set_client
from wallarm_notify.services.manage_integrations import (
    create_integration,
    disable_integration,
    enable_integration,
)
from wallarm_notify.services.manage_tokens import create_token
from wallarm_notify.services.manage_triggers import create_trigger, disable_trigger
from wallarm_notify.services.manage_users import create_user
from wallarm_notify.services.replay_jobs import create_replay_job, work_on_replay_jobs
from wallarm_notify.services.review import review
from wallarm_notify.settings import Settings
from wallarm_notify.task_names import INGEST

SEED: Final = 7
LASTS: Final = timedelta(days=7)

OPERATOR: Final = "ops@example.com"
"""Who may see all clients."""

ADMINISTRATOR: Final = "ana@meridian.example"
"""An administrator of the client with the flood."""

DRILL_HOURS: Final = 24
"""How often integrations are to be drilled, so that one drill is too old."""

CALM: Final = 1
FLOOD: Final = 2
OUTAGE: Final = 3
SWITCHED_OFF: Final = 4
UNPROVEN: Final = 5
UNTOLD: Final = 6

_NO_SUCH_KEY: Final = "Invalid routing key"
_DOWN: Final = "Service Unavailable"

_KEYS_WITH_TROUBLE: Final[Mapping[str, tuple[int, str]]] = {
    "Newsroom": (503, _DOWN),
    "Video on-call": (503, _DOWN),
    "Ad sales": (503, _DOWN),
    "Booking on-call": (400, _NO_SUCH_KEY),
    "Clinic on-call": (503, _DOWN),
}
"""What goes on failing after the week: the integrations by name, and the answers."""

_ANA: Final = Actor("Ana", Role.ADMINISTRATOR, Source.CONSOLE)
"""Who changes things: each client has an administrator of this name."""

_RISKS: Final = ("critical", "high", "medium", "low", "info")


def play_week(url: str, settings: Settings, end: datetime, *, seed: int = SEED) -> None:
    """Fill an empty database with the week before ``end``."""
    choose = random.Random(seed)  # noqa: S311 - the same week every time
    with past_of(url, settings, end - LASTS) as past:
        week = _Week(past, end, choose, seed)
        for client in (_calm, _flood, _outage, _switched_off, _unproven, _untold):
            client(week)
        _people(week)
        _unread(week)
        past.play(end)


def faults_of_week(seed: int = SEED) -> list[dict[str, Any]]:
    """Return the sandbox's faults by which the week's troubles go on."""
    return [
        {"key": key_of(name, seed).reveal(), "kind": "status", "status": status, "body": words}
        for name, (status, words) in _KEYS_WITH_TROUBLE.items()
    ]


def key_of(name: str, seed: int = SEED) -> IntegrationKey:
    """Return the key of an integration of the week, by its name."""
    return IntegrationKey(sha256(f"{seed} {name}".encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class _Week:
    """What the clients of a week are made with."""

    past: Past
    end: datetime
    choose: random.Random
    seed: int

    def ago(self, **time: float) -> datetime:
        """Return a time before the end."""
        return self.end - timedelta(**time)

    def client(self, number: int, name: str, domain: str, cloud: str = "us") -> EventSource:
        """Name a client, give it people, and return what makes its events."""
        by = operator("Ops")
        set_client(self.past.context, by, EVERY_CLIENT, number, name=name, cloud=cloud)
        for mailbox, called, role in (
            ("ana", "Ana", Role.ADMINISTRATOR),
            ("lee", "Lee", Role.ANALYST),
        ):
            draft = UserDraft(number, f"{mailbox}@{domain}", called, role)
            create_user(self.past.context, by, EVERY_CLIENT, draft)
        return EventSource(number, domain, self.choose)

    def integration(
        self,
        client_id: int,
        name: str,
        *subscriptions: str,
        region: str = "us",
        drilled: bool = True,
    ) -> int:
        """Create an integration; return its id."""
        draft = Draft(client_id, region, subscriptions, enabled=True, name=name)
        key = key_of(name, self.seed)
        made = create_integration(self.past.context, _ANA, EVERY_CLIENT, draft, key)
        drills = (self.ago(hours=26), self.ago(hours=2)) if drilled else ()
        for when in (self.ago(days=7, minutes=-10), *drills):
            self.past.at(when, partial(self.past.drill, made.id))
        return made.id

    def trigger(
        self,
        client_id: int,
        name: str,
        condition: Condition,
        *integration_ids: int,
        filters: Mapping[str, tuple[object, ...]] | None = None,
        more_than: tuple[int, timedelta] | None = None,
        group: AlertGroup = AlertGroup.EACH,
    ) -> int:
        """Create a trigger; return its id."""
        read = [read_filter(condition, i, "eq", values) for i, values in (filters or {}).items()]
        threshold = check_threshold(*more_than) if more_than else None
        criteria = check_criteria(condition, read, threshold)
        draft = TriggerDraft(client_id, criteria, integration_ids, name=name, group=group)
        return create_trigger(self.past.context, _ANA, EVERY_CLIENT, draft).id

    def trouble(self, integration_id: int, name: str, since: datetime, until: datetime) -> None:
        """Let an integration fail from ``since`` on as it does after the week."""
        answer = refusal(*_KEYS_WITH_TROUBLE[name])
        self.past.troubles.append(Trouble(integration_id, since, until, answer))

    def scattered(self, number: int, makes: Callable[[datetime], Any], within: timedelta) -> None:
        """Emit so many events, whenever it happens within the time before the end."""
        for _ in range(number):
            self.past.emit(makes(self.end - within * self.choose.uniform(0.02, 0.98)))

    def each(self, since: datetime, step: timedelta) -> Iterable[datetime]:
        """Return times from ``since`` to the end, a step apart."""
        return [since + step * n for n in range(int((self.end - since) / step))]


def _calm(week: _Week) -> None:
    """A client where all is well: one blip in a night, and a maintenance whose alerts were sent afterwards."""
    source = week.client(CALM, "Harbour Books", "harbour.example")
    by, ctx = _ANA, week.past.context
    create_application(ctx, by, EVERY_CLIENT, CALM, application_id=8, name="Checkout API")
    on_call = week.integration(
        *(CALM, "On-call", "system", "security_issue_critical", "security_issue_high")
    )
    platform = week.integration(CALM, "Platform team", "rules_and_triggers", "system")
    week.trigger(
        *(CALM, "SQL injections", Condition.ATTACKS_EXCEEDED, on_call),
        filters={"attack_type": ("sqli",)},
        more_than=(30, timedelta(hours=1)),
    )
    week.trigger(CALM, "Denylisted addresses", Condition.BLACKLIST_IP_ADDED, platform)
    blip = week.ago(days=2, hours=7)
    week.past.troubles.append(
        Trouble(on_call, blip, blip + timedelta(seconds=6), refusal(502, "Bad Gateway"))
    )
    week.past.emit(source.security_issue(blip, "high"))
    for risk, number in zip(_RISKS, (2, 5, 6, 12, 6), strict=True):
        week.scattered(number, partial(source.security_issue, risk=risk), LASTS)
    for what in ("created", "updated", "deleted"):
        week.scattered(4, partial(source.rule, what=what), LASTS)
    week.scattered(3, source.denylisted, LASTS)
    week.scattered(2, partial(source.user_created, role="analytic"), LASTS)
    for burst in (5, 3):
        for n in range(14):
            week.past.emit(source.attack(week.ago(days=burst, minutes=2 * n), "sqli", "xss"))
    for n in range(34):
        week.past.emit(source.attack(week.ago(days=4, hours=3, minutes=n), "sqli"))
    week.past.at(week.ago(days=1, hours=6), partial(_maintain, week, platform))
    for n in range(5):
        week.past.emit(source.rule(week.ago(days=1, hours=5, minutes=10 * n), "updated"))


def _maintain(week: _Week, integration_id: int) -> None:
    """Disable an integration for two hours, and replay what it missed."""
    ctx, by = week.past.context, _ANA
    disable_integration(
        ctx, by, EVERY_CLIENT, integration_id, reason="Maintenance of the chat bridge"
    )

    def enable() -> None:
        enable_integration(ctx, by, EVERY_CLIENT, integration_id)
        wanted = Wanted(integration_id, (State.SKIPPED,))
        create_replay_job(ctx, by, EVERY_CLIENT, wanted)
        work_on_replay_jobs(ctx)

    week.past.at(week.past.now + timedelta(hours=2), enable)


def _flood(week: _Week) -> None:
    """A client under attack for two hours and a half, whose scanner then finds more than a minute may send."""
    source = week.client(FLOOD, "Meridian Pay", "meridian.example")
    ctx, by = week.past.context, _ANA
    create_application(ctx, by, EVERY_CLIENT, FLOOD, application_id=8, name="Checkout API")
    soc = week.integration(
        *(FLOOD, "SOC", "security_issue_critical", "security_issue_high", "system")
    )
    payments = week.integration(FLOOD, "Payments on-call", "security_issue_critical")
    week.trigger(
        *(FLOOD, "SQLi flood", Condition.ATTACKS_EXCEEDED, soc),
        filters={"attack_type": ("sqli",)},
        more_than=(30, timedelta(minutes=15)),
    )
    week.trigger(
        *(FLOOD, "Hits on pay.meridian.example", Condition.HITS_EXCEEDED, soc, payments),
        filters={"domain": ("pay.meridian.example",)},
        more_than=(200, timedelta(hours=1)),
        group=AlertGroup.HOST,
    )
    week.trigger(
        *(FLOOD, "Any incident", Condition.INCIDENTS_EXCEEDED, payments),
        more_than=(0, timedelta(hours=1)),
    )
    noisy = week.trigger(FLOOD, "Shadow and zombie endpoints", Condition.ROGUE_API_DETECTED, soc)
    week.scattered(6, partial(source.rogue_api, kind="shadow"), LASTS)
    week.past.at(week.ago(days=1, hours=4), partial(disable_trigger, ctx, by, EVERY_CLIENT, noisy))
    for risk, number in zip(_RISKS, (3, 9, 20, 40, 10), strict=True):
        week.scattered(number, partial(source.security_issue, risk=risk), LASTS)
    # A scan finds what is low by the dozen: 214 in all.
    for day in (5, 3, 1):
        for n in range(58):
            week.past.emit(source.security_issue(week.ago(days=day, minutes=n // 29), "low"))
    for minute in week.each(week.ago(minutes=154), timedelta(minutes=1)):
        for _ in range(week.choose.randint(6, 22)):
            week.past.emit(source.attack(minute, "sqli", "sqli", "xss", "rce", "brute"))
            week.past.emit(source.hit(minute, "sqli", "xss", "scanner"))
    for minutes in (140, 83, 21):
        week.past.emit(source.incident(week.ago(minutes=minutes)))
    for _ in range(130):
        week.past.emit(source.security_issue(week.ago(seconds=24), "critical"))


def _outage(week: _Week) -> None:
    """A client whose three integrations are in a region of PagerDuty that has been down for 38 minutes."""
    source = week.client(OUTAGE, "Orchard Media", "orchard.example", cloud="eu")
    risks = ("security_issue_critical", "security_issue_high")
    asked = {
        "Newsroom": (*risks, "system"),
        "Video on-call": (*risks, "rules_and_triggers"),
        "Ad sales": ("security_issue_critical", "rules_and_triggers"),
    }
    began = week.ago(minutes=38)
    for name, subscriptions in asked.items():
        made = week.integration(OUTAGE, name, *subscriptions, region="eu")
        week.trouble(made, name, began, week.end)
    for risk, number in zip(_RISKS, (2, 4, 6, 8, 4), strict=True):
        week.scattered(number, partial(source.security_issue, risk=risk), LASTS)
    week.scattered(6, partial(source.rule, what="updated"), LASTS)
    for minutes, risk in (
        (36, "critical"),
        (31, "high"),
        (22, "high"),
        (11, "critical"),
        (2, "high"),
    ):
        week.past.emit(source.security_issue(week.ago(minutes=minutes), risk))
    for minutes in (27, 9):
        week.past.emit(source.rule(week.ago(minutes=minutes), "created"))
    # The last one a moment ago, or the schedule would seem to have stopped.
    for when in (*week.each(began, timedelta(minutes=4)), week.ago(seconds=15)):
        week.past.at(when, partial(review, week.past.context))


def _switched_off(week: _Week) -> None:
    """A client whose key was taken back 31 hours ago: switched off by itself, with 34 alerts missed."""
    source = week.client(SWITCHED_OFF, "Kestrel Travel", "kestrel.example")
    booking = week.integration(
        *(SWITCHED_OFF, "Booking on-call"),
        *(f"security_issue_{risk}" for risk in ("critical", "high", "medium")),
    )
    week.integration(SWITCHED_OFF, "Duty manager", "system")
    revoked = week.ago(hours=31)
    week.trouble(booking, "Booking on-call", revoked, week.end)
    for risk, number in zip(_RISKS, (1, 3, 4, 6, 4), strict=True):
        for _ in range(number):
            days = week.choose.uniform(2, 6.8)
            week.past.emit(source.security_issue(week.ago(days=days), risk))
    for minutes, risk in ((0, "critical"), (1, "high"), (20, "medium"), (46, "high")):
        week.past.emit(source.security_issue(revoked + timedelta(minutes=minutes), risk))
    for minute in range(50, 100, 5):
        week.past.at(revoked + timedelta(minutes=minute), partial(review, week.past.context))
    for n in range(30):
        risk = ("medium", "high", "medium", "critical", "medium")[n % 5]
        week.past.emit(source.security_issue(week.ago(hours=28 - n * 0.9), risk))
    week.past.at(week.ago(hours=3), partial(_explain, week, booking))


def _explain(week: _Week, integration_id: int) -> None:
    """Have it computed why an integration was switched off."""
    ctx = week.past.context
    create_explanation(*(ctx, _ANA, EVERY_CLIENT, integration_id), last_disabling=True)
    work_on_computations(ctx)


def _unproven(week: _Week) -> None:
    """A client whose integration has had nothing to send since its drill a week ago, and fails drills since."""
    source = week.client(UNPROVEN, "Linden Health", "linden.example")
    clinic = week.integration(
        UNPROVEN, "Clinic on-call", "security_issue_critical", "system", drilled=False
    )
    week.trouble(clinic, "Clinic on-call", week.ago(days=6), week.end)
    week.past.at(week.ago(hours=20), partial(week.past.drill, clinic))
    week.scattered(9, partial(source.security_issue, risk="medium"), LASTS)
    week.trigger(
        *(UNPROVEN, "Zombie endpoints", Condition.ROGUE_API_DETECTED, clinic),
        filters={"deviation_type": ("zombie",)},
    )
    week.scattered(2, partial(source.rogue_api, kind="shadow"), LASTS)


def _untold(week: _Week) -> None:
    """A client without any integration, whose critical issues nobody is told of."""
    source = week.client(UNTOLD, "Alder Games", "alder.example")
    for risk, number in zip(_RISKS, (4, 6, 5, 9, 3), strict=True):
        week.scattered(number, partial(source.security_issue, risk=risk), LASTS)
    week.scattered(1, source.specification_failed, LASTS)
    for hours in (50, 18):
        week.past.reject(week.ago(hours=hours), source.wrong(week.ago(hours=hours)))


def _people(week: _Week) -> None:
    """Who is of no client, and the tokens of two programs."""
    ctx, by = week.past.context, operator("Ops")
    create_user(ctx, by, EVERY_CLIENT, UserDraft(None, OPERATOR, "Ops", Role.OPERATOR))
    for client_id in (CALM, FLOOD):
        draft = TokenDraft(client_id, Role.ADMINISTRATOR, name="Terraform")
        create_token(ctx, by, EVERY_CLIENT, draft)


def _unread(week: _Week) -> None:
    """What could not be taken in: a message that is no JSON, a call that killed workers, and an event to come."""
    ctx = week.past.context
    source = EventSource(UNTOLD, "alder.example", week.choose)
    call = _call_of(source.security_issue(week.ago(minutes=25), "high"))
    ahead = source.specification_failed(week.end + timedelta(hours=2))
    week.past.at(
        week.ago(days=2),
        lambda: ctx.store.transact(
            lambda tx: tx.store_undecodable(
                "not JSON: Expecting value", "application/json", b"{'events': ["
            )
        ),
    )
    week.past.at(
        week.ago(minutes=20),
        lambda: ctx.store.transact(lambda tx: tx.set_aside(call, deaths=DEATHS, again_in=AGAIN_IN)),
    )
    week.past.at(week.ago(minutes=10), lambda: ingest(ctx, [ahead], []))


def _call_of(event: Event) -> TriedCall:
    """Return the message of a call as the broker hands it out."""
    body = json.dumps([[], {"events": [dict(event.body)]}, {}]).encode()
    headers = {"task": INGEST, "id": str(event.id), "lang": "py"}
    return TriedCall(sha256(body).digest(), "application/json", "utf-8", json.dumps(headers), body)
