"""``wallarm-notify notifications replay``, and what is offered for it where an integration is enabled."""

from datetime import UTC, datetime
from typing import Final

import click
from rich.progress import Progress

from wallarm_notify.domain.actor import Actor
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import Severity, check_event_type
from wallarm_notify.domain.notification import REPLAYABLE, State
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.unsent import Age, Unsent, offered_of
from wallarm_notify.domain.views import Wanted
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.options import (
    ID,
    LINE,
    acting,
    can_ask,
    example,
    is_agreed,
    json_option,
    read_since,
    user_option,
    yes_option,
)
from wallarm_notify.entrypoints.cli.output import (
    error_console,
    print_json,
    print_line,
    print_note,
    print_table,
    time_of,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.schemas.documents.notifications import ReplayedDocument
from wallarm_notify.services.context import Context
from wallarm_notify.services.replay import count_replayable, replay_notifications, replay_slice

_SEVERITIES: Final = {severity.word: severity for severity in sorted(Severity, reverse=True)}


@click.command(
    epilog=example(
        "wallarm-notify notifications replay 17 18",
        "wallarm-notify notifications replay --integration 3 --severity critical --since 2h --yes",
    )
)
@click.argument("ids", metavar="[ID]...", type=ID, nargs=-1)
@click.option("--integration", "integration_id", type=ID, help="Those to this integration.")
@click.option(
    "--state",
    "states",
    type=click.Choice([str(s) for s in REPLAYABLE]),
    multiple=True,
    help="Only those that ended in this state; can be given several times.",
)
@click.option(
    "--severity",
    "severities",
    type=click.Choice(list(_SEVERITIES)),
    multiple=True,
    help="Only those of this severity; can be given several times.",
)
@click.option(
    "--since",
    type=LINE,
    help="Only those made since then: a time, in UTC where it names no zone, or how long ago, as 2h or 7d.",
)
@click.option(
    "--ended-since", type=LINE, help="Only those that ended since then, given as --since."
)
@click.option("--type", "event_type", type=LINE, help="Only those of events of this type.")
@user_option
@yes_option
@json_option
def replay(
    *,
    ids: tuple[int, ...],
    integration_id: int | None,
    states: tuple[str, ...],
    severities: tuple[str, ...],
    since: str | None,
    ended_since: str | None,
    event_type: str | None,
    user: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Send notifications again that failed, were skipped or cancelled.

    PagerDuty takes what is sent again for the alert that it was before.
    """
    limits = (*states, *severities, since, ended_since, event_type)
    if bool(ids) == (integration_id is not None) or (
        ids and any(one is not None for one in limits)
    ):
        raise click.UsageError("Give either IDs or --integration, which can be limited further.")
    if integration_id is None:
        actor = acting(user)
        done = replay_notifications(wiring(broker=True).context, actor, EVERY_CLIENT, ids)
    else:
        wanted = Wanted(
            integration_id,
            tuple(dict.fromkeys(map(State, states))) or REPLAYABLE,
            _moment("since", since),
            _moment("ended-since", ended_since),
            None if event_type is None else check_event_type(event_type),
            tuple(_SEVERITIES[word] for word in dict.fromkeys(severities)) or tuple(Severity),
        )
        actor = acting(user)
        done = _replay_asked(wiring(broker=True).context, actor, wanted, yes=yes)
    if as_json:
        print_json(ReplayedDocument(replayed=done))
    else:
        _print_replayed(done)


def offer_unsent(integration_id: int, unsent: Unsent, actor: Actor) -> None:
    """Print what an integration missed, and how to send it; on a terminal, offer what is severe and recent."""
    if not unsent.total:
        print_line("Nothing was missed.")
        return
    states = ", ".join(f"{figure} {state}" for state, figure in unsent.counts.items() if figure)
    print_line(
        f"{counted(unsent.total, 'notification')} not delivered since {time_of(unsent.since)}: {states}."
    )
    print_table(
        [fixed("Severity"), *map(number, ("Last hour", "1 to 24 h", "Older"))],
        [
            (severity.word, *(unsent.number_of(severity, age) for age in Age))
            for severity in _SEVERITIES.values()
            if any(unsent.number_of(severity, age) for age in Age)
        ],
        nothing="",
    )
    print_line(
        f"To send all of it: wallarm-notify notifications replay --integration {integration_id} "
        f"--ended-since {unsent.since.astimezone(UTC).isoformat()}"
    )
    print_line(
        "Only some: add --severity critical, --since 24h, --state skipped or --type security_issue.detected."
    )
    question = f"Send the {unsent.offered} critical and error ones of the last 24 h now?"
    if unsent.offered and can_ask() and is_agreed(question, yes=False):
        _print_replayed(
            _replay_all(
                *(wiring(broker=True).context, actor, offered_of(integration_id, unsent)),
                total=unsent.offered,
            )
        )


def _replay_asked(ctx: Context, actor: Actor, wanted: Wanted, *, yes: bool) -> int:
    """Count, ask, and replay; return how many were replayed."""
    total = count_replayable(ctx, EVERY_CLIENT, wanted)
    which = " or ".join(wanted.states) if wanted.states != REPLAYABLE else "undelivered"
    what = f"{counted(total, f'{which} notification')} of integration {wanted.integration_id}"
    print_note(f"{what} can be replayed.")
    if total and not is_agreed("Replay them?", yes=yes):
        raise Refused("Nothing was replayed.")
    return _replay_all(ctx, actor, wanted, total=total)


def _replay_all(ctx: Context, actor: Actor, wanted: Wanted, *, total: int) -> int:
    """Replay slice by slice; return how many were replayed."""
    done = 0
    after: int | None = 0
    console = error_console()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("Replaying", total=total)
        while after is not None:
            replayed, after = replay_slice(ctx, actor, EVERY_CLIENT, wanted, after)
            done += replayed
            progress.update(task, completed=done)
    return done


def _print_replayed(number_of_them: int) -> None:
    print_line(f"{counted(number_of_them, 'notification')} replayed.")


def _moment(option: str, text: str | None) -> datetime | None:
    return None if text is None else read_since(text, option)
