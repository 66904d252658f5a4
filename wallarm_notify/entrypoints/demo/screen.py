"""The demo's output: tables, progress, and the alert as PagerDuty got it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.ledger import Ledger
from wallarm_notify.domain.notification import OPEN, State
from wallarm_notify.domain.state_words import state_words
from wallarm_notify.domain.triggers.trigger import Trigger
from wallarm_notify.domain.views import ShownFiring
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.output import lines_of, table_of, titles_of
from wallarm_notify.entrypoints.cli.tables import Column, fixed, number
from wallarm_notify.entrypoints.demo.checks import Ending
from wallarm_notify.entrypoints.demo.progress import Progress
from wallarm_notify.entrypoints.demo.scenario import ROLES, Role

LINE_SECONDS: Final = 4.0
"""Seconds between two lines of progress without a terminal."""

_STATES: Final = {
    State.DELIVERED: "Accepted",
    State.RETRYING: "Retrying",
    State.FAILED: "Not\naccepted",
    State.PENDING: "Waiting",
}
_BAR_WIDTH: Final = 40

Show = Callable[[Sequence[Progress]], None]


def integrations(made: Mapping[Role, Integration], room: int) -> RenderableType:
    """Return a table of the integrations, keys masked, and what their PagerDuty does."""
    return _table(
        "Integrations",
        [number("ID"), "Name", fixed("Region"), fixed("Key"), "Subscriptions", "Its PagerDuty"],
        [
            (
                *(one.id, one.name, one.region, one.key),
                "everything" if len(role.subscriptions) > 1 else role.subscriptions[0].value,
                role.fate,
            )
            for role, one in made.items()
        ],
        room,
    )


@contextmanager
def progress(console: Console, began: float) -> Iterator[Show]:
    """Yield a function that shows progress: drawn in place on a terminal, elsewhere as a line now and then."""
    if console.is_terminal:
        with Live(console=console, transient=True, refresh_per_second=8) as live:
            yield lambda progress: live.update(
                _drawing(progress, time.monotonic() - began, console.width)
            )
        return
    last: dict[str, float] = {}

    def print_line(progress: Sequence[Progress]) -> None:
        now = time.monotonic()
        if now - last.get("line", 0) >= LINE_SECONDS or all(one.is_over for one in progress):
            last["line"] = now
            _print_plain(console, progress, now - began)

    yield print_line


def _drawing(progress: Sequence[Progress], seconds: float, room: int) -> Group:
    ended, expected = _total_of(progress)
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=expected, completed=ended, width=min(_BAR_WIDTH, room // 3)),
        f"{ended} of {expected} notifications ended",
        f"{seconds:.0f} s",
    )
    return Group(going_on(progress, room), bar)


def going_on(progress: Sequence[Progress], room: int) -> RenderableType:
    """Return a table of how far each integration's notifications are."""
    return _table(
        "",
        [
            "Integration",
            fixed("Key", spare=True),
            *(number(title) for title in _STATES.values()),
            "What goes on",
        ],
        [
            (
                *(one.role.name, one.integration.key),
                *(one.states.get(state, 0) for state in _STATES),
                one.words,
            )
            for one in progress
        ],
        room,
    )


def _print_plain(console: Console, progress: Sequence[Progress], seconds: float) -> None:
    ended, expected = _total_of(progress)
    console.print(
        Text(f"{seconds:4.0f} s  {ended} of {expected} notifications ended"), soft_wrap=True
    )
    for s in progress:
        counts = ", ".join(
            f"{s.states[state]} {state_words(state).lower()}"
            for state in State
            if s.states.get(state)
        )
        line = f"        {s.role.name}: {counts or 'nothing yet'} ({s.words})"
        console.print(Text(line), soft_wrap=True)


def _total_of(progress: Sequence[Progress]) -> tuple[int, int]:
    return sum(s.ended for s in progress), sum(s.expected for s in progress)


def summary(endings: Sequence[Ending], room: int) -> RenderableType:
    """Return a table of how it ended for each integration."""
    rows = []
    for ending in endings:
        notifications = ending.notifications
        states = Counter(n.state for n in notifications)
        rows.append(
            (
                ending.name,
                len(notifications),
                states[State.DELIVERED],
                states[State.FAILED],
                sum(states[state] for state in OPEN),
                sum(len(n.attempts) for n in notifications),
                sum(len(n.attempts) > 1 for n in notifications),
                len(ending.alerts),
            )
        )
    titles = ("Made", "Accepted", "Not\naccepted", "Open", "Attempts", "Retried", "Alerts")
    return _table("Summary", ["Integration", *map(number, titles)], rows, room)


def ledger(figures: Ledger, room: int) -> RenderableType:
    """Return the figures of the ledger."""
    states = [
        f"{figure} {state.value}" for state, figure in figures.notifications.items() if figure
    ]
    fields = [
        (
            "Events",
            (
                f"{figures.received} received = {figures.rejected} rejected + {figures.unmatched} unmatched "
                f"(only triggers use them) + {figures.matched} matched"
            ),
        ),
        ("Notifications", ", ".join(states) or "none"),
        ("Balanced", "yes" if figures.balanced else "NO: " + "; ".join(figures.findings)),
    ]
    return Group(_title("Ledger"), *lines_of(fields, room))


def trigger(one: Trigger, firings: Sequence[ShownFiring], room: int) -> RenderableType:
    """Return a table of what a trigger fired."""
    return _table(
        f"Trigger {one.id}, “{one.name}”: {one.criteria.condition}, {one.criteria.fires_on}",
        [fixed("Fired at"), "Window", number("Counted"), number("Events"), "Notifications"],
        [_firing(shown) for shown in firings],
        room,
    )


def _firing(shown: ShownFiring) -> Sequence[object]:
    window = shown.firing.window
    return (
        f"{shown.fired_at:%H:%M:%S}",
        f"{window.start:%H:%M:%S} to {window.end:%H:%M:%S}" if window else "",
        shown.firing.count,
        len(shown.firing.event_ids),
        ", ".join(f"{n.notification_id} {state_words(n.state)}" for n in shown.notifications),
    )


def _table(
    title: str, columns: Sequence[str | Column], rows: Sequence[Sequence[object]], room: int
) -> RenderableType:
    """Return a table as commands print them; where the terminal is too narrow, each row as names and values."""
    heading = [_title(title)] if title else []
    fitted = table_of(columns, rows, room)
    if fitted is not None:
        return Group(*heading, fitted[0])
    lines: list[RenderableType] = []
    for row in rows:
        lines += [*lines_of(zip(titles_of(columns), row, strict=True), room), ""]
    return Group(*heading, *lines)


def _title(title: str) -> Text:
    return Text(f"\n{title}", style="italic")


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
