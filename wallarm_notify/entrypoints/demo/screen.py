"""The demo's output: tables, progress, and the alert as PagerDuty got it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.ledger import Ledger
from wallarm_notify.domain.notification import OPEN, State
from wallarm_notify.domain.triggers.trigger import Trigger
from wallarm_notify.domain.views import ShownFiring
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.demo.checks import Ending
from wallarm_notify.entrypoints.demo.progress import Progress
from wallarm_notify.entrypoints.demo.scenario import ROLES, Role

LINE_SECONDS: Final = 4.0
"""Seconds between two lines of progress without a terminal."""

_STATES: Final = {
    State.DELIVERED: "green",
    State.RETRYING: "yellow",
    State.FAILED: "red",
    State.PENDING: "cyan",
}
_BAR_WIDTH: Final = 40

Show = Callable[[Sequence[Progress]], None]


def integrations(made: Mapping[Role, Integration]) -> Table:
    """Return a table of the integrations, keys masked, and what their PagerDuty does."""
    table = Table(title="Integrations", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("Id", "Name", "Region", "Key", "Subscriptions", "Its PagerDuty"):
        table.add_column(column)
    for role, one in made.items():
        subscriptions = "everything" if len(role.subscriptions) > 1 else role.subscriptions[0].value
        table.add_row(str(one.id), one.name, one.region, one.key, subscriptions, Text(role.fate))
    return table


@contextmanager
def progress(console: Console, began: float) -> Iterator[Show]:
    """Yield a function that shows progress: drawn in place on a terminal, elsewhere as a line now and then."""
    if console.is_terminal:
        with Live(console=console, transient=True, refresh_per_second=8) as live:
            yield lambda progress: live.update(_drawing(progress, time.monotonic() - began))
        return
    last: dict[str, float] = {}

    def print_line(progress: Sequence[Progress]) -> None:
        now = time.monotonic()
        if now - last.get("line", 0) >= LINE_SECONDS or all(one.is_over for one in progress):
            last["line"] = now
            _print_plain(console, progress, now - began)

    yield print_line


def _drawing(progress: Sequence[Progress], seconds: float) -> Group:
    table = Table(expand=True, box=box.SIMPLE_HEAD)
    table.add_column("Integration", no_wrap=True)
    for state, colour in _STATES.items():
        table.add_column(state.value.capitalize(), justify="right", style=colour)
    table.add_column("What goes on", ratio=1)
    for s in progress:
        numbers = [str(s.states.get(state, 0)) for state in _STATES]
        table.add_row(f"{s.role.name} {s.integration.key}", *numbers, Text(s.words))
    ended, expected = _total_of(progress)
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=expected, completed=ended, width=_BAR_WIDTH),
        f"{ended} of {expected} notifications ended",
        f"{seconds:.0f} s",
    )
    return Group(table, bar)


def _print_plain(console: Console, progress: Sequence[Progress], seconds: float) -> None:
    ended, expected = _total_of(progress)
    console.print(
        Text(f"{seconds:4.0f} s  {ended} of {expected} notifications ended"), soft_wrap=True
    )
    for s in progress:
        counts = ", ".join(
            f"{s.states[state]} {state.value}" for state in State if s.states.get(state)
        )
        line = f"        {s.role.name}: {counts or 'nothing yet'} ({s.words})"
        console.print(Text(line), soft_wrap=True)


def _total_of(progress: Sequence[Progress]) -> tuple[int, int]:
    return sum(s.ended for s in progress), sum(s.expected for s in progress)


def summary(endings: Sequence[Ending]) -> Table:
    """Return a table of how it ended for each integration."""
    table = Table(title="Summary", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("Integration", no_wrap=True)
    for column in ("Made", "Delivered", "Failed", "Open", "Attempts", "Retried", "Alerts"):
        table.add_column(column, justify="right")
    for ending in endings:
        notifications = ending.notifications
        states = Counter(n.state for n in notifications)
        numbers = (
            len(notifications),
            states[State.DELIVERED],
            states[State.FAILED],
            sum(states[state] for state in OPEN),
            sum(len(n.attempts) for n in notifications),
            sum(len(n.attempts) > 1 for n in notifications),
            len(ending.alerts),
        )
        table.add_row(ending.name, *map(str, numbers))
    return table


def ledger(figures: Ledger) -> Table:
    """Return a table of the ledger."""
    table = Table(title="Ledger", title_justify="left", show_header=False, box=box.SIMPLE)
    table.add_column()
    table.add_column()
    table.add_row(
        "Events",
        f"{figures.received} received = {figures.rejected} rejected + {figures.unmatched} unmatched "
        f"(only triggers use them) + {figures.matched} matched",
    )
    states = [
        f"{number} {state.value}" for state, number in figures.notifications.items() if number
    ]
    table.add_row("Notifications", ", ".join(states) or "none")
    table.add_row("Balanced", "yes" if figures.balanced else "NO: " + "; ".join(figures.findings))
    return table


def trigger(one: Trigger, firings: Sequence[ShownFiring]) -> Table:
    """Return a table of what a trigger fired."""
    table = Table(
        title=f"Trigger {one.id}, “{one.name}”: {one.criteria.condition}, {one.criteria.fires_on}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for column in ("Fired at", "Window", "Counted", "Events", "Notifications"):
        table.add_column(column)
    for shown in firings:
        window = shown.firing.window
        table.add_row(
            f"{shown.fired_at:%H:%M:%S}",
            f"{window.start:%H:%M:%S} to {window.end:%H:%M:%S}" if window else "",
            str(shown.firing.count),
            str(len(shown.firing.event_ids)),
            ", ".join(f"{n.notification_id} {n.state}" for n in shown.notifications),
        )
    return table


def alert(one: Mapping[str, Any], title: str) -> Panel:
    """Return one alert, as PagerDuty got it."""
    text = Text()
    text.append(f"{one['summary']}\n", style="bold")
    text.append(f"Severity: {one['severity']}\n\n")
    text.append(str(one["payload"]["payload"]["custom_details"]["description"]).strip())
    return Panel(text, title=title, title_align="left")


def seen(requests: Sequence[Mapping[str, Any]], alerts: Sequence[Mapping[str, Any]]) -> str:
    """Return what the sandbox received, in a sentence."""
    statuses = Counter(str(request["status"] or "nothing") for request in requests)
    answered = ", ".join(f"{number} with {status}" for status, number in sorted(statuses.items()))
    twice = sum(one["notifications"] != 1 for one in alerts)
    return (
        f"The sandbox saw {counted(len(requests), 'request')} (answered {answered or 'none'}) and opened "
        f"{counted(len(alerts), 'alert')}; {twice or 'none'} paged more than once."
    )


def announcement(number_of_events: int, attacks: int) -> str:
    """Return what is about to happen."""
    return (
        f"{counted(number_of_events, 'event')}, every type at least once, and {counted(attacks, 'attack')} "
        f"that happen now, handed to Celery by the producer for {len(ROLES)} integrations:"
    )
