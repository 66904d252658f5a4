"""The whole way of an event, on real parts, in under a minute and a half.

``stage`` starts database, broker, sandbox, worker and beat; ``scenario`` says what is played and
what must come of it; ``standing`` and ``screen`` show it; ``verdict`` judges the end.
"""

import json
import secrets
import shlex
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from rich.console import Console
from rich.text import Text

from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.integration import Draft, Integration, IntegrationKey
from wallarm_notify.domain.views import Filter, ShownNotification
from wallarm_notify.entrypoints.demo import screen
from wallarm_notify.entrypoints.demo.scenario import (
    ATTACKS,
    CLIENT,
    OUTAGE_ATTEMPTS,
    PACE_PER_MINUTE,
    ROLES,
    SHORTENED,
    TRIGGER,
    WHOLE_SCHEDULE,
    Expected,
    Part,
    Role,
    attack_events,
    expected_of,
    sample_events,
    with_trigger,
)
from wallarm_notify.entrypoints.demo.stage import Stage, ending_in_order, stage
from wallarm_notify.entrypoints.demo.standing import Standing, standing_of, telling
from wallarm_notify.entrypoints.demo.verdict import OUTAGE_STATUS, Ending, judge, judge_trigger
from wallarm_notify.producer import Producer
from wallarm_notify.services.ledger import draw_up
from wallarm_notify.services.trigger_listings import show_trigger
from wallarm_notify.store import Transaction

TIME_LIMIT: Final = 75.0
"""Seconds from the start, after which what is still open counts as broken."""

INTERRUPTED: Final = 130

_POLL_SECONDS: Final = 0.3
_BATCH: Final = 20
_MANY: Final = 1000


def run(console: Console) -> int:
    """Play the demo; 0: all ended as it should, 1: not, 130: Ctrl-C. Nothing is left running."""
    began = time.monotonic()
    with ending_in_order():
        try:
            return _play(console, began)
        except KeyboardInterrupt:
            console.print("Stopped; nothing is left running.")
            return INTERRUPTED
        except NotifyError as error:
            console.print(Text(f"The demo failed: {error}", style="red"))
            return 1


def _play(console: Console, began: float) -> int:
    def say(what: str) -> None:
        console.print(Text(f"{time.monotonic() - began:4.0f} s  {what}"))

    console.print(Text("wallarm-notify: events become PagerDuty alerts", style="bold"))
    events = sample_events()
    expected = with_trigger(expected_of(events))
    with stage(say) as parts:
        try:
            findings = _perform(console, parts, events, expected, began=began)
        except NotifyError as error:
            findings = [f"It broke off: {error}"]
        if findings:
            console.print(Text(parts.crew.tails(), style="dim"))
    return _verdict(console, findings, expected, time.monotonic() - began)


def _perform(
    console: Console, parts: Stage, events: Sequence[Event], expected: Expected, *, began: float
) -> list[str]:
    """Create, emit, watch and report; what did not end as expected. Raises NotifyError."""
    keys = {role: IntegrationKey(secrets.token_hex(16)) for role in ROLES}
    _prepare_pagerduty(parts, keys, expected)
    made = _create(parts, keys)
    console.print(screen.integrations(made))
    console.print(Text(_about_time()))
    trigger_id = _create_trigger(console, parts, made)
    console.print(Text(screen.promised(len(events), ATTACKS)))
    attacks = attack_events(datetime.now(UTC))
    with Producer(parts.broker_url, batch_size=_BATCH) as producer:
        producer.emit(*[event.body for event in (*events, *attacks)])
    findings = _watch(console, parts, made, expected, began=began)
    parts.crew.stop()
    findings += _report(console, parts, keys, made, expected)
    return findings + _report_trigger(console, parts, trigger_id)


def _about_time() -> str:
    minutes, seconds = divmod(int(WHOLE_SCHEDULE.total_seconds()), 60)
    return (
        f"Retry waits are shortened {SHORTENED} times by WALLARM_NOTIFY_RETRY_TIME_SCALE; at 1 they "
        f"add up to {minutes} min {seconds} s. To fit, WALLARM_NOTIFY_PACE_PER_MINUTE is "
        f"{PACE_PER_MINUTE}."
    )


def _prepare_pagerduty(
    parts: Stage, keys: Mapping[Role, IntegrationKey], expected: Expected
) -> None:
    """One key is unknown; another meets an outage that heals after so many requests."""
    by_part = {role.part: key.reveal() for role, key in keys.items()}
    parts.sandbox.set_keys([key for part, key in by_part.items() if part is not Part.WRONG_KEY])
    outage = {
        "key": by_part[Part.HEALS],
        "kind": "status",
        "status": OUTAGE_STATUS,
        "body": "Service Unavailable",
        "times": OUTAGE_ATTEMPTS * expected.notifications[Part.HEALS],
    }
    parts.sandbox.set_faults([outage])


def _create(parts: Stage, keys: Mapping[Role, IntegrationKey]) -> dict[Role, Integration]:
    return {
        role: parts.wiring.management.create(
            Draft(
                CLIENT, role.region, role.subscriptions, enabled=True, user="demo", name=role.name
            ),
            key,
        )
        for role, key in keys.items()
    }


def _create_trigger(console: Console, parts: Stage, made: Mapping[Role, Integration]) -> int:
    """By the command that administrators use; its id."""
    healthy = next(one.id for role, one in made.items() if role.part is Part.HEALTHY)
    words = (*TRIGGER, "--integration", str(healthy))
    console.print(Text(f"$ wallarm-notify {shlex.join(words)}"), soft_wrap=True)
    document = json.loads(parts.crew.run_command(*words, "--json"))
    return int(document["id"])


def _watch(
    console: Console,
    parts: Stage,
    made: Mapping[Role, Integration],
    expected: Expected,
    *,
    began: float,
) -> list[str]:
    """Show what becomes of the events until all have ended, or cannot any more; why they cannot."""
    with screen.progress(console, began) as show:
        while True:
            standings = _standings(parts, made, expected)
            show(standings)
            if all(s.is_over for s in standings) and _is_all_in(parts, expected):
                return []
            if ended := parts.crew.ended():
                return [f"Celery's {' and '.join(ended)} ended before the work was done."]
            if time.monotonic() - began > TIME_LIMIT:
                return [s.unfinished for s in standings if not s.is_over] + [
                    f"Not all was over after {TIME_LIMIT:.0f} s."
                ]
            time.sleep(_POLL_SECONDS)


def _is_all_in(parts: Stage, expected: Expected) -> bool:
    """Whether events that nobody gets have been taken in, too."""
    return draw_up(parts.wiring.store).received >= expected.events


def _standings(
    parts: Stage, made: Mapping[Role, Integration], expected: Expected
) -> list[Standing]:
    def read(tx: Transaction) -> list[Standing]:
        now = datetime.now(UTC)
        standings = []
        for role, one in made.items():
            all_of_it = tx.notifications(Filter(integration_id=one.id, limit=_MANY))
            chosen = telling(all_of_it)
            shown = tx.notification(chosen.id) if chosen else None
            standings.append(
                standing_of(
                    role,
                    one,
                    expected=expected.notifications[role.part],
                    notifications=all_of_it,
                    shown=shown,
                    now=now,
                )
            )
        return standings

    return parts.wiring.store.transact(read)


def _with_attempts(integration_id: int, tx: Transaction) -> list[ShownNotification]:
    listed = tx.notifications(Filter(integration_id=integration_id, limit=_MANY))
    return [full for n in listed if (full := tx.notification(n.id)) is not None]


def _report(
    console: Console,
    parts: Stage,
    keys: Mapping[Role, IntegrationKey],
    made: Mapping[Role, Integration],
    expected: Expected,
) -> list[str]:
    """Show how it ended; what did not end as expected."""
    store = parts.wiring.store
    endings = []
    for role, one in made.items():
        notifications = store.transact(partial(_with_attempts, one.id))
        endings.append(
            Ending(role.part, role.name, notifications, parts.sandbox.alerts(keys[role].reveal()))
        )
    ledger = draw_up(store)
    console.print(screen.summary(endings))
    console.print(screen.books(ledger))
    alerts = parts.sandbox.alerts()
    if alerts:
        worst = [one for one in alerts if one["severity"] == "critical"] or alerts
        console.print(screen.alert(worst[0], "One alert, as PagerDuty got it"))
    console.print(Text(screen.seen(parts.sandbox.requests(brief=True), alerts)))
    return judge(endings, ledger, expected)


def _report_trigger(console: Console, parts: Stage, trigger_id: int) -> list[str]:
    """Show what the trigger fired and its alert; what is not as it should be."""
    trigger, firings = show_trigger(parts.wiring.store, trigger_id)
    console.print(screen.trigger(trigger, firings))
    fired = [str(f.firing.id) for f in firings]
    for alert in parts.sandbox.alerts():
        if alert["payload"]["payload"]["custom_details"].get("firing_id") in fired:
            console.print(screen.alert(alert, "The trigger's alert"))
    return judge_trigger(firings)


def _verdict(console: Console, findings: Sequence[str], expected: Expected, seconds: float) -> int:
    for finding in findings:
        console.print(Text(f"✗ {finding}", style="red"))
    if findings:
        console.print(Text(f"Not as it should be, after {seconds:.0f} s.", style="bold red"))
        return 1
    total = sum(expected.notifications.values())
    console.print(
        Text(
            f"All as it should be, in {seconds:.0f} s: {expected.events} events made {total} "
            "notifications, each ended once and where it belongs, and nobody was paged twice.",
            style="bold green",
        )
    )
    return 0
