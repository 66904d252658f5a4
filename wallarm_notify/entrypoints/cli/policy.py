"""``wallarm-notify policy``: the rule of automatic disabling, and what another rule would do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import click
from rich.progress import Progress

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.health import (
    LARGEST_MINIMUM,
    LONGEST_WINDOW,
    Policy,
    check_span,
    ratio_of,
)
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.simulation import SOON, SimulatedDecision, Simulation
from wallarm_notify.domain.words import counted, duration_of
from wallarm_notify.entrypoints.cli.options import (
    LINE,
    example,
    json_option,
    read_duration,
    read_since,
)
from wallarm_notify.entrypoints.cli.output import (
    error_console,
    percent_of,
    print_fields,
    print_json,
    print_line,
    print_table,
    time_of,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.schemas.documents.health import policy_document, simulation_document
from wallarm_notify.services.simulate import simulate

LEAST_RATIO = Decimal("0.01")


@click.group(epilog=example("wallarm-notify policy show"))
def policy() -> None:
    """Show and try the rule by which integrations are disabled automatically."""


@policy.command(epilog=example("wallarm-notify policy show"))
@json_option
def show(as_json: bool) -> None:
    """Show the rule that the settings make."""
    shown = wiring().context.settings.policy
    if as_json:
        print_json(policy_document(shown))
    else:
        print_fields(_fields(shown))


@policy.command(
    "simulate",
    epilog=example(
        "wallarm-notify policy simulate --ratio 50 --window 6h --min-attempts 10 --min-span 10m --since 7d"
    ),
)
@click.option("--ratio", type=LINE, help="Per cent of failed attempts; default: as set.")
@click.option("--window", type=LINE, help="In whole minutes, as 6h or 90m; default: as set.")
@click.option(
    "--min-attempts",
    type=click.IntRange(0, LARGEST_MINIMUM),
    help="Attempts in the window at least; 0: no guard; default: as set.",
)
@click.option(
    "--min-span",
    type=LINE,
    help="From the first to the last failure at least, as 10m; 0: no guard; default: as set.",
)
@click.option(
    "--outage-guard/--no-outage-guard",
    default=None,
    help="Leave out failures in an outage of PagerDuty; default: as set.",
)
@click.option(
    "--since",
    type=LINE,
    default="7d",
    show_default=True,
    help="Since when: a time with its zone, or how long ago, as 2h or 7d.",
)
@json_option
def simulate_command(
    *,
    ratio: str | None,
    window: str | None,
    min_attempts: int | None,
    min_span: str | None,
    outage_guard: bool | None,
    since: str,
    as_json: bool,
) -> None:
    """Show which integrations another rule would have disabled, when, and which healed soon after.

    It goes by the recorded attempts: an integration that was really disabled has none after that.
    """
    parts = wiring()
    as_set = parts.context.settings.policy
    tried = replace(
        as_set,
        ratio=as_set.ratio if ratio is None else _ratio(ratio),
        window=as_set.window if window is None else _window(window),
        min_attempts=as_set.min_attempts if min_attempts is None else min_attempts,
        min_span=as_set.min_span if min_span is None else _span(min_span),
        outage_guard=as_set.outage_guard if outage_guard is None else outage_guard,
    )
    check_span(tried, "min-span")
    start = _start(since, parts.settings.retention_days)
    console = error_console()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("Replaying attempts", total=1.0)
        done = simulate(
            parts.context,
            EVERY_CLIENT,
            tried,
            start,
            lambda share: progress.update(task, completed=share),
        )
    if as_json:
        print_json(simulation_document(done))
    else:
        _print(done)


def _ratio(text: str) -> Decimal:
    try:
        ratio = Decimal(text.strip().removesuffix("%"))
    except InvalidOperation:
        ratio = Decimal(0)
    if not (ratio.is_finite() and LEAST_RATIO <= ratio <= 100):  # noqa: PLR2004 - per cent
        raise Refused(
            f"«{text}» will not do; give per cent from 0.01 to 100, as 50.", field="ratio"
        )
    return ratio


def _span(text: str) -> timedelta:
    span = read_duration(text, "min-span")
    if span > LONGEST_WINDOW:
        raise Refused(f"«{text}» will not do; no window holds more than 7d.", field="min-span")
    return span


def _window(text: str) -> timedelta:
    window = read_duration(text, "window")
    if window % timedelta(minutes=1) or not timedelta(minutes=1) <= window <= LONGEST_WINDOW:
        raise Refused(f"«{text}» will not do; give whole minutes, from 1m to 7d.", field="window")
    return window


def _start(text: str, retention_days: float) -> datetime:
    start, now = read_since(text), datetime.now(UTC)
    if start >= now:
        raise Refused(f"{text} lies ahead; give a time that is past.", field="since")
    if now - start > timedelta(days=retention_days, minutes=1):
        raise Refused(
            f"attempts are kept {retention_days:g} days; give a later time.", field="since"
        )
    return start


def _fields(shown: Policy) -> list[tuple[str, object]]:
    span = shown.min_span.total_seconds()
    return [
        ("Failure ratio", f"{float(shown.ratio):g} % or more"),
        ("Window", duration_of(shown.window.total_seconds())),
        ("At least", counted(shown.min_attempts, "attempt") if shown.min_attempts else "no guard"),
        (
            "Failures apart",
            f"{duration_of(span)}, and the last attempt failed" if span else "no guard",
        ),
        (
            "In an outage",
            "failures are left out, region by region" if shown.outage_guard else "no guard",
        ),
    ]


def _print(done: Simulation) -> None:
    print_fields([("From", done.since), ("To", done.until), *_fields(done.policy)])
    print_table(
        [
            number("ID"),
            number("Client"),
            "Name",
            fixed("Disabled at"),
            number("Ratio"),
            number("Failed"),
            "Healed after",
        ],
        [
            (
                v.integration_id,
                v.client_id,
                v.name,
                time_of(v.at),
                percent_of(ratio_of(v.decision)),
                f"{v.decision.counts.failed} of {v.decision.counts.attempts}",
                _healed(v),
            )
            for v in done.decisions
        ],
        nothing="Nobody would have been disabled.",
    )
    integrations = counted(done.integrations, "integration")
    print_line(f"{integrations} made {counted(done.attempts, 'attempt')} in this time.")
    if done.decisions:
        soon = sum(v.healed_soon for v in done.decisions)
        print_line(
            f"{counted(len(done.decisions), 'disabling')} in all; after {soon} of them the next success "
            f"came within one schedule of retries, {duration_of(SOON.total_seconds())}."
        )


def _healed(decision: SimulatedDecision) -> str:
    if decision.healed_at is None:
        return "never"
    return duration_of((decision.healed_at - decision.at).total_seconds())
