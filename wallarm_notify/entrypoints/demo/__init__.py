"""The demo: the whole way of an event, on real parts, in under a minute and a half.

``devstack`` starts database, broker, sandbox, worker and beat; ``scenario`` has the events and what is
expected of them; ``progress`` and ``screen`` show it; ``checks`` compares the end with what is expected.
"""

import json
import os
import secrets
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.text import Text

from wallarm_notify.devstack.processes import end
from wallarm_notify.devstack.server import BROKER_URL, DATABASE_URL
from wallarm_notify.devstack.stack import Say, Stack, sandboxed_stack
from wallarm_notify.domain.actor import operator
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.domain.event import Event
from wallarm_notify.domain.integration import Draft, Integration, IntegrationKey
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.views import Filter, ShownNotification
from wallarm_notify.entrypoints.demo import screen
from wallarm_notify.entrypoints.demo.checks import (
    OUTAGE_STATUS,
    Ending,
    check_endings,
    check_trigger,
)
from wallarm_notify.entrypoints.demo.progress import Progress, most_relevant, progress_of
from wallarm_notify.entrypoints.demo.scenario import (
    ATTACKS,
    CLIENT,
    OUTAGE_ATTEMPTS,
    RATE_LIMIT_PER_MINUTE,
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
from wallarm_notify.entrypoints.demo.signals import ending_in_order, uninterrupted_at_the_end
from wallarm_notify.producer import Producer
from wallarm_notify.services.ledger import balance, recount
from wallarm_notify.services.listings import list_notifications, show_notification
from wallarm_notify.services.manage_integrations import create_integration
from wallarm_notify.services.trigger_listings import show_trigger
from wallarm_notify.settings import read_settings

TIME_LIMIT: Final = 75.0
"""Seconds from the start, after which everything still open counts as a failure."""

INTERRUPTED: Final = 130

_PATIENCE: Final = 6.0
"""Seconds between asking worker and beat to end and killing them."""

_POLL_SECONDS: Final = 0.3
_BATCH: Final = 20
_MANY: Final = 1000


def run(console: Console) -> int:
    """Return the exit status of a demo: 0 if all ended as expected, 1 if not, 130 after Ctrl-C.

    Nothing is left running.
    """
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
    with _running(say) as stack:
        try:
            findings = _perform(console, stack, events, expected, began=began)
        except NotifyError as error:
            findings = [f"It broke off: {error}"]
        if findings:
            console.print(Text(stack.tails(), style="dim"))
    return _print_result(console, findings, expected, time.monotonic() - began)


@contextmanager
def _running(say: Say) -> Iterator[Stack]:
    """Yield the stack with everything started, which ends with the block; ``say`` gets a line about each part.

    Raise NotifyError if a part cannot be started.
    """
    if os.environ.get(DATABASE_URL) or os.environ.get(BROKER_URL):
        read_settings()  # an invalid URL gets its sentence here
    settings = {
        "retry_time_scale": 1 / SHORTENED,
        "rate_limit_per_minute": RATE_LIMIT_PER_MINUTE,
        # The integration with the wrong key is shown to the end of its schedule, not disabled before.
        "review_seconds": 3600,
    }
    with sandboxed_stack(os.environ, say, patience=_PATIENCE, **settings) as stack:
        stack.begin_worker(name="worker")
        stack.start_beat(name="beat")
        say("Celery worker and beat started")
        with uninterrupted_at_the_end():
            yield stack


def _perform(
    console: Console, stack: Stack, events: Sequence[Event], expected: Expected, *, began: float
) -> list[str]:
    """Create, emit, watch and report; return what did not end as expected. Raise NotifyError."""
    keys = {role: IntegrationKey(secrets.token_hex(16)) for role in ROLES}
    _prepare_pagerduty(stack, keys, expected)
    made = _create(stack, keys)
    console.print(screen.integrations(made, console.width))
    console.print(Text(_about_time()))
    trigger_id = _create_trigger(console, stack, made)
    console.print(Text(screen.announcement(len(events), ATTACKS)))
    attacks = attack_events(datetime.now(UTC))
    with Producer(stack.broker_url, batch_size=_BATCH) as producer:
        producer.emit(*[event.body for event in (*events, *attacks)])
    findings = _watch(console, stack, made, expected, began=began)
    end(stack.processes, _PATIENCE)
    findings += _report(console, stack, keys, made, expected)
    return findings + _report_trigger(console, stack, trigger_id)


def _about_time() -> str:
    minutes, seconds = divmod(int(WHOLE_SCHEDULE.total_seconds()), 60)
    return (
        f"Retry waits are shortened {SHORTENED} times by WALLARM_NOTIFY_RETRY_TIME_SCALE; at 1 they "
        f"add up to {minutes} min {seconds} s. To fit, WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE is "
        f"{RATE_LIMIT_PER_MINUTE}."
    )


def _prepare_pagerduty(
    stack: Stack, keys: Mapping[Role, IntegrationKey], expected: Expected
) -> None:
    """Set up the sandbox: one key is unknown; another has an outage that ends after a number of requests."""
    by_part = {role.part: key.reveal() for role, key in keys.items()}
    stack.sandbox.set_keys([key for part, key in by_part.items() if part is not Part.WRONG_KEY])
    outage = {
        "key": by_part[Part.HEALS],
        "kind": "status",
        "status": OUTAGE_STATUS,
        "body": "Service Unavailable",
        "times": OUTAGE_ATTEMPTS * expected.notifications[Part.HEALS],
    }
    stack.sandbox.set_faults([outage])


def _create(stack: Stack, keys: Mapping[Role, IntegrationKey]) -> dict[Role, Integration]:
    return {
        role: create_integration(
            *(stack.wiring.context, operator("demo"), EVERY_CLIENT),
            Draft(CLIENT, role.region, role.subscriptions, enabled=True, name=role.name),
            key,
        )
        for role, key in keys.items()
    }


def _create_trigger(console: Console, stack: Stack, made: Mapping[Role, Integration]) -> int:
    """Return the id of a trigger, which is created by the command that administrators use."""
    healthy = next(one.id for role, one in made.items() if role.part is Part.HEALTHY)
    words = (*TRIGGER, "--integration", str(healthy))
    console.print(Text(f"$ wallarm-notify {shlex.join(words)}"), soft_wrap=True)
    document = json.loads(stack.run_command(*words, "--json"))
    return int(document["id"])


def _watch(
    console: Console,
    stack: Stack,
    made: Mapping[Role, Integration],
    expected: Expected,
    *,
    began: float,
) -> list[str]:
    """Show the events' progress until all have ended, or cannot any more; return why they cannot."""
    with screen.progress(console, began) as show:
        while True:
            progress = _progress(stack, made, expected)
            show(progress)
            if all(one.is_over for one in progress) and _is_all_in(stack, expected):
                return []
            if ended := stack.ended():
                return [f"Celery's {' and '.join(ended)} ended before the work was done."]
            if time.monotonic() - began > TIME_LIMIT:
                return [one.unfinished for one in progress if not one.is_over] + [
                    f"Not all was over after {TIME_LIMIT:.0f} s."
                ]
            time.sleep(_POLL_SECONDS)


def _is_all_in(stack: Stack, expected: Expected) -> bool:
    """Return whether events that make no notification have been stored, too."""
    return balance(stack.wiring.context, EVERY_CLIENT).received >= expected.events


def _progress(stack: Stack, made: Mapping[Role, Integration], expected: Expected) -> list[Progress]:
    now = datetime.now(UTC)
    progress = []
    for role, one in made.items():
        all_of_it = _notifications(stack, one)
        chosen = most_relevant(all_of_it)
        progress.append(
            progress_of(
                role,
                one,
                expected=expected.notifications[role.part],
                notifications=all_of_it,
                shown=None if chosen is None else _with_attempts(stack, chosen),
                now=now,
            )
        )
    return progress


def _notifications(stack: Stack, to: Integration) -> Sequence[ShownNotification]:
    wanted = Filter(integration_id=to.id)
    return list_notifications(stack.wiring.context, EVERY_CLIENT, wanted, limit=_MANY).items


def _with_attempts(stack: Stack, one: ShownNotification) -> ShownNotification:
    return show_notification(stack.wiring.context, EVERY_CLIENT, one.id)


def _report(
    console: Console,
    stack: Stack,
    keys: Mapping[Role, IntegrationKey],
    made: Mapping[Role, Integration],
    expected: Expected,
) -> list[str]:
    """Show how it ended; return what did not end as expected."""
    endings = []
    for role, one in made.items():
        notifications = [_with_attempts(stack, n) for n in _notifications(stack, one)]
        endings.append(
            Ending(role.part, role.name, notifications, stack.sandbox.alerts(keys[role].reveal()))
        )
    ledger = recount(stack.wiring.context, EVERY_CLIENT)
    console.print(screen.summary(endings, console.width))
    console.print(screen.ledger(ledger, console.width))
    alerts = stack.sandbox.alerts()
    if alerts:
        worst = [one for one in alerts if one["severity"] == "critical"] or alerts
        console.print(screen.alert(worst[0], "One alert, as PagerDuty got it"))
    console.print(Text(screen.seen(stack.sandbox.requests(brief=True), alerts)))
    return check_endings(endings, ledger, expected)


def _report_trigger(console: Console, stack: Stack, trigger_id: int) -> list[str]:
    """Show what the trigger fired and its alert; return what is not as expected."""
    trigger, page = show_trigger(stack.wiring.context, EVERY_CLIENT, trigger_id)
    firings = page.items
    console.print(screen.trigger(trigger, firings, console.width))
    fired = [str(f.firing.id) for f in firings]
    for alert in stack.sandbox.alerts():
        if alert["payload"]["payload"]["custom_details"].get("firing_id") in fired:
            console.print(screen.alert(alert, "The trigger's alert"))
    return check_trigger(firings)


def _print_result(
    console: Console, findings: Sequence[str], expected: Expected, seconds: float
) -> int:
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
