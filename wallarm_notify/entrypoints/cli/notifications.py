"""``wallarm-notify notifications``: what was sent, what was not, and sending it again."""

from collections.abc import Sequence
from datetime import datetime

import click
from rich.progress import Progress
from rich.text import Text

from wallarm_notify.domain.actor import Actor
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import EVENT_TYPES
from wallarm_notify.domain.notification import REPLAYABLE, State
from wallarm_notify.domain.outcome import message_of
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.views import Filter, ShownAttempt, ShownNotification, Wanted
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.options import (
    ID,
    LINE,
    acting,
    example,
    is_agreed,
    json_option,
    paged,
    read_cursor,
    read_since,
    user_option,
    yes_option,
)
from wallarm_notify.entrypoints.cli.output import (
    error_console,
    fixed,
    number,
    plain,
    print_fields,
    print_json,
    print_line,
    print_note,
    print_page,
    print_table,
    time_of,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.schemas.documents.notifications import (
    ReplayedDocument,
    notification_document,
    notification_item,
)
from wallarm_notify.services.context import Context
from wallarm_notify.services.listings import list_notifications as list_of_notifications
from wallarm_notify.services.listings import show_notification
from wallarm_notify.services.replay import (
    count_replayable,
    replay_notifications,
    replay_slice,
)


@click.group(epilog=example("wallarm-notify notifications list --state failed"))
def notifications() -> None:
    """Show what was sent and what was not, and send it again."""


@notifications.command(
    "list",
    epilog=example("wallarm-notify notifications list --integration 3 --state failed --limit 10"),
)
@click.option("--client", "client_id", type=ID, help="Only this client's.")
@click.option("--integration", "integration_id", type=ID, help="Only to this integration.")
@click.option("--state", type=click.Choice([str(s) for s in State]), help="Only in this state.")
@paged
@json_option
def list_notifications(
    *,
    client_id: int | None,
    integration_id: int | None,
    state: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List notifications, newest first."""
    wanted = Filter(
        client_id=client_id,
        integration_id=integration_id,
        state=None if state is None else State(state),
    )
    before = read_cursor(cursor)
    print_page(
        list_of_notifications(wiring().context, EVERY_CLIENT, wanted, limit=limit, cursor=before),
        as_json=as_json,
        document=notification_item,
        columns=[
            number("ID"),
            number("Client"),
            number("Integr."),
            fixed("Event"),
            fixed("State"),
            number("Att."),
            "Next or end",
            "Last answer",
        ],
        row=_row,
        nothing="No notifications.",
    )


@notifications.command(epilog=example("wallarm-notify notifications show 17"))
@click.argument("notification_id", metavar="ID", type=ID)
@json_option
def show(notification_id: int, as_json: bool) -> None:
    """Show one notification with all its attempts."""
    shown = show_notification(wiring().context, EVERY_CLIENT, notification_id)
    if as_json:
        print_json(notification_document(shown))
        return
    print_fields(
        (name, value)
        for name, value in (
            ("ID", shown.id),
            ("Client", shown.client_id),
            ("Event", shown.event_id and f"{shown.event_type} {shown.event_id}"),
            ("Firing", shown.firing_id and f"{shown.firing_id}, by {shown.event_type}"),
            ("Origin", shown.origin),
            ("Integration", shown.integration_id),
            ("State", str(shown.state)),
            ("Run", shown.run),
            ("Dedup key", shown.dedup_key),
            ("Created at", shown.created_at),
            ("Next attempt", shown.next_attempt_at),
            ("Ended at", shown.finished_at),
            ("Ended because", shown.end_reason),
        )
        if value is not None
    )
    print_table(
        [number("Run"), number("Attempt"), fixed("At"), number("ms"), number("Status"), "Answer"],
        [
            (
                a.run,
                f"{a.number} of {ATTEMPTS}",
                time_of(a.at),
                a.duration_ms,
                a.status_code,
                _answer(a),
            )
            for a in shown.attempts
        ],
        nothing="No attempts.",
    )


@notifications.command(
    epilog=example(
        "wallarm-notify notifications replay 17 18",
        "wallarm-notify notifications replay --integration 3 --state skipped --since 2h --yes",
    )
)
@click.argument("ids", metavar="[ID]...", type=ID, nargs=-1)
@click.option(
    "--integration",
    "integration_id",
    type=ID,
    help="Those to this integration; it needs --state too.",
)
@click.option(
    "--state",
    type=click.Choice([str(s) for s in REPLAYABLE]),
    help="Only those that ended in this state.",
)
@click.option(
    "--since",
    type=LINE,
    help="Only those made since then: a time with its zone, or how long ago, as 2h or 7d.",
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
    state: str | None,
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
    if ids:
        if any(x is not None for x in (integration_id, state, since, ended_since, event_type)):
            raise click.UsageError("Give either IDs or --integration and --state.")
        actor = acting(user)
        done = replay_notifications(wiring(broker=True).context, actor, EVERY_CLIENT, ids)
    else:
        if integration_id is None or state is None:
            raise click.UsageError("Give either IDs or --integration and --state.")
        wanted = Wanted(
            integration_id,
            State(state),
            _moment("since", since),
            _moment("ended-since", ended_since),
            None if event_type is None else _known(event_type),
        )
        actor = acting(user)
        done = _replay_many(wiring(broker=True).context, actor, wanted, yes=yes)
    if as_json:
        print_json(ReplayedDocument(replayed=done))
    else:
        print_line(f"{counted(done, 'notification')} replayed.")


def _moment(option: str, text: str | None) -> datetime | None:
    return None if text is None else read_since(text, option)


def _known(event_type: str) -> str:
    if event_type not in EVENT_TYPES:
        raise Refused(
            f"there is no «{event_type}»; permitted are {', '.join(EVENT_TYPES)}.", field="type"
        )
    return event_type


def _replay_many(ctx: Context, actor: Actor, wanted: Wanted, *, yes: bool) -> int:
    """Count, ask, and replay slice by slice; return how many were replayed."""
    total = count_replayable(ctx, EVERY_CLIENT, wanted)
    what = (
        f"{counted(total, f'{wanted.state} notification')} of integration {wanted.integration_id}"
    )
    print_note(f"{what} can be replayed.")
    if total and not is_agreed("Replay them?", yes=yes):
        raise Refused("Nothing was replayed.")
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


def _row(n: ShownNotification) -> Sequence[object]:
    return (
        n.id,
        n.client_id,
        n.integration_id,
        _two_lines(n.event_type if n.firing_id is None else n.origin),
        str(n.state),
        f"{n.attempts_made}" if n.run == 1 else f"{n.attempts_made} (run {n.run})",
        n.next_attempt_at or n.finished_at,
        _last_answer(n),
    )


def _two_lines(event_type: str) -> Text:
    return Text(plain(event_type).replace(".", ".\n"))


def _last_answer(n: ShownNotification) -> object:
    # Without underscores a narrow column breaks it between words.
    return n.last_status_code or (n.last_error or n.end_reason or "").replace("_", " ")


def _answer(a: ShownAttempt) -> str:
    message = message_of(a.response)
    return message if a.error is None else f"{a.error}: {message}"
