"""``wallarm-notify triggers simulate``: when a trigger would have fired."""

from dataclasses import replace
from datetime import UTC, datetime

import click
from rich.progress import Progress

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.simulation import TriggerSimulation
from wallarm_notify.domain.triggers.trigger import Criteria, Trigger, check_criteria, unsaved
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.criteria import (
    criteria_options,
    filters_text,
    read_condition_option,
    read_filters,
    read_threshold,
    window_text,
)
from wallarm_notify.entrypoints.cli.options import ID, LINE, example, json_option, read_since
from wallarm_notify.entrypoints.cli.output import (
    error_console,
    print_fields,
    print_json,
    print_line,
    print_note,
    print_table,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.schemas.documents.triggers import trigger_simulation_document
from wallarm_notify.services.simulate_trigger import simulate_trigger
from wallarm_notify.services.trigger_listings import find_trigger

SHOWN = 100
"""How many firings are printed to people."""


@click.command(
    epilog=example(
        "wallarm-notify triggers simulate 3 --since 7d",
        "wallarm-notify triggers simulate 3 --threshold '50 in 1h'",
        "wallarm-notify triggers simulate --client 1 --condition attacks_exceeded --threshold '30 in 1h'",
    )
)
@click.argument("trigger_id", metavar="[ID]", type=ID, required=False)
@click.option(
    "--client",
    "client_id",
    type=ID,
    help="Instead of an ID: the client of a trigger that is not stored yet.",
)
@criteria_options
@click.option("--no-filters", is_flag=True, help="Leave out the filters of the stored trigger.")
@click.option(
    "--since",
    type=LINE,
    default="7d",
    show_default=True,
    help="Since when: a time with its zone, or how long ago, as 2h or 7d.",
)
@click.option("--until", type=LINE, help="Until when, given as --since; default: now.")
@json_option
def simulate(
    *,
    trigger_id: int | None,
    client_id: int | None,
    condition: str | None,
    filters: tuple[str, ...],
    threshold: str | None,
    no_filters: bool,
    since: str,
    until: str | None,
    as_json: bool,
) -> None:
    """Show when a trigger would have fired on the events between two times; sends nothing.

    With an ID, --filter and --threshold replace those of the stored trigger. Counting begins at --since.
    """
    if trigger_id is not None:
        if client_id is not None or condition is not None:
            raise click.UsageError("Give either an ID or --client and --condition.")
        if filters and no_filters:
            raise click.UsageError("Give either --filter or --no-filters.")
        trigger = _saved(trigger_id, filters, threshold, keep=not no_filters)
    elif client_id is None or condition is None:
        raise click.UsageError("Give either an ID or --client and --condition.")
    else:
        trigger = _unsaved(client_id, condition, filters, threshold)
    now = datetime.now(UTC)
    start, end = read_since(since), now if until is None else read_since(until, "until")
    if start >= end:
        raise Refused(f"{since} is not before {until or 'now'}.", field="since")
    console = error_console()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("Counting stored events", total=1.0)
        done = simulate_trigger(
            wiring().context,
            EVERY_CLIENT,
            trigger,
            since=start,
            until=end,
            progress=lambda share: progress.update(task, completed=share),
        )
    if as_json:
        print_json(trigger_simulation_document(done, trigger_id))
    else:
        _print(done)


def _saved(
    trigger_id: int, filters: tuple[str, ...], threshold: str | None, *, keep: bool
) -> Trigger:
    found = find_trigger(wiring().context, EVERY_CLIENT, trigger_id)
    as_set = found.criteria
    kept = as_set.filters if keep else ()
    return replace(
        found,
        criteria=check_criteria(
            as_set.condition,
            read_filters(as_set.condition, filters) if filters else kept,
            as_set.threshold if threshold is None else read_threshold(threshold),
        ),
    )


def _unsaved(
    client_id: int, condition: str, filters: tuple[str, ...], threshold: str | None
) -> Trigger:
    asked = read_condition_option(condition)
    criteria = check_criteria(
        asked,
        read_filters(asked, filters),
        None if threshold is None else read_threshold(threshold),
    )
    return unsaved(client_id, criteria, datetime.now(UTC))


def _print(done: TriggerSimulation) -> None:
    criteria: Criteria = done.trigger.criteria
    print_fields(
        [
            ("From", done.since),
            ("To", done.until),
            ("Condition", str(criteria.condition)),
            ("Fires on", criteria.fires_on),
            ("Filters", filters_text(criteria)),
        ]
    )
    print_table(
        ["Would have fired", "Window", number("Counted"), fixed("Met by event")],
        [
            (o.at, window_text(o.firing.window), o.firing.count, o.firing.event_id)
            for o in done.firings[:SHOWN]
        ],
        nothing="It would not have fired.",
    )
    if len(done.firings) > SHOWN:
        print_note(f"And {len(done.firings) - SHOWN} more times; --json lists them all.")
    print_line(
        f"{counted(done.events, 'event')} of its kind came in, {done.matched} passed its filters; "
        f"it would have fired {counted(len(done.firings), 'time')}."
    )
