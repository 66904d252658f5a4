"""``wallarm-notify notifications``: what was sent, what was not, and sending it again."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import click

from wallarm_notify.domain.actor import Role
from wallarm_notify.domain.alert_identity import check_dedup_key
from wallarm_notify.domain.event import check_event_type
from wallarm_notify.domain.notification import State, read_origin
from wallarm_notify.domain.outcome import Statuses, message_of
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.views import Filter, ShownAttempt, ShownNotification
from wallarm_notify.entrypoints.cli.options import (
    EVENT_ID,
    ID,
    LINE,
    example,
    in_period,
    json_option,
    paged,
    read_cursor,
    read_period,
)
from wallarm_notify.entrypoints.cli.output import (
    print_advice,
    print_fields,
    print_json,
    print_line,
    print_page,
    print_table,
    time_of,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.replays import replay
from wallarm_notify.entrypoints.cli.states import state_text
from wallarm_notify.entrypoints.cli.tables import fixed, number, sentence
from wallarm_notify.schemas.documents.notifications import (
    notification_document,
    notification_item,
)
from wallarm_notify.services.listings import list_notifications as list_of_notifications
from wallarm_notify.services.listings import show_notification, show_sending
from wallarm_notify.urls import task_page


@click.group(epilog=example("wallarm-notify notifications list --state failed"))
def notifications() -> None:
    """Show what was sent and what was not, and send it again."""


notifications.add_command(replay)


@notifications.command(
    "list",
    epilog=example(
        "wallarm-notify notifications list --integration 3 --state failed --limit 10",
        "wallarm-notify notifications list --client 1 --since 2h --code 5xx",
    ),
)
@click.option("--client", "client_id", type=ID, help="Only this client's.")
@click.option("--integration", "integration_id", type=ID, help="Only to this integration.")
@click.option(
    "--state",
    "states",
    type=click.Choice([str(s) for s in State]),
    multiple=True,
    help="Only in this state; can be given several times.",
)
@click.option(
    "--event",
    "event_id",
    type=EVENT_ID,
    help="Only what this event made, or a firing that counted it.",
)
@click.option(
    "--dedup-key",
    type=LINE,
    help="Only those of the alert with this dedup key, whole, as PagerDuty shows it.",
)
@click.option("--type", "event_type", type=LINE, help="Only those of events of this type.")
@click.option(
    "--origin", type=LINE, help="Only from this origin: card, or trigger:N for trigger N."
)
@in_period
@click.option(
    "--code",
    type=LINE,
    help="Only where the last attempt was answered so: a status, as 429, a class of them, as 5xx, or none.",
)
@paged
@json_option
def list_notifications(
    *,
    client_id: int | None,
    integration_id: int | None,
    states: tuple[str, ...],
    event_id: UUID | None,
    dedup_key: str | None,
    event_type: str | None,
    origin: str | None,
    since: str | None,
    until: str | None,
    code: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List notifications, newest first."""
    wanted = Filter(
        client_id=client_id,
        integration_id=integration_id,
        states=tuple(dict.fromkeys(map(State, states))),
        event_id=event_id,
        event_type=None if event_type is None else check_event_type(event_type),
        origin=None if origin is None else read_origin(origin),
        made=read_period(since, until),
        statuses=None if code is None else Statuses.parse(code),
        dedup_key=None if dedup_key is None else check_dedup_key(dedup_key),
    )
    before = read_cursor(cursor)
    print_page(
        list_of_notifications(wiring().context, EVERY_CLIENT, wanted, limit=limit, cursor=before),
        as_json=as_json,
        document=notification_item,
        columns=[
            number("ID"),
            number("Client", spare=True),
            number("Integr."),
            fixed("Event"),
            "State",
            number("Att.", spare=True),
            "Next or end",
            "Last answer",
        ],
        row=_row,
        nothing="No notifications."
        if event_id is None
        else f"No notifications of it; see: wallarm-notify events list {event_id}",
    )


@notifications.command(epilog=example("wallarm-notify notifications show 17"))
@click.argument("notification_id", metavar="ID", type=ID)
@json_option
def show(notification_id: int, as_json: bool) -> None:
    """Show one notification with all its attempts."""
    parts = wiring()
    shown = show_notification(parts.context, EVERY_CLIENT, notification_id)
    sending = show_sending(parts.context, EVERY_CLIENT, Role.OPERATOR, notification_id)
    alert = parts.shown_alert(sending)
    if as_json:
        print_json(notification_document(shown, alert))
        return
    _print_notification(shown, parts.settings.flower_url)
    print_advice([shown.advice])
    _print_alert(alert)


def _print_notification(shown: ShownNotification, flower_url: object) -> None:
    print_fields(
        (name, value)
        for name, value in (
            ("ID", shown.id),
            ("Client", shown.client_id),
            ("Event", shown.event_id and f"{shown.event_type} {shown.event_id}"),
            ("Firing", shown.firing_id and f"{shown.firing_id}, by {shown.event_type}"),
            ("Origin", shown.origin),
            ("Integration", shown.integration_id),
            ("State", state_text(shown, with_time=True)),
            ("Run", shown.run),
            ("Dedup key", shown.dedup_key),
            ("Created at", shown.created_at),
            ("Next attempt", shown.next_attempt_at),
            ("Ended at", shown.finished_at),
            ("Ended because", shown.end_reason),
            ("Task in Flower", _task_of(shown, flower_url)),
        )
        if value is not None
    )
    print_table(
        [
            number("Run"),
            number("Attempt"),
            fixed("At"),
            number("ms"),
            number("Status"),
            sentence("Answer"),
        ],
        [
            (
                a.run,
                f"{a.number} of {shown.attempts_at_most}",
                time_of(a.at),
                a.duration_ms,
                a.status_code,
                _answer(a),
            )
            for a in shown.attempts
        ],
        nothing="No attempts.",
    )


def _task_of(shown: ShownNotification, flower_url: object) -> str | None:
    """Return the address of the task that made the last attempt; None: there is none, or no Flower."""
    ids = [a.task_id for a in shown.attempts if a.task_id is not None]
    return task_page(str(flower_url), ids[-1]) if ids and flower_url is not None else None


def _print_alert(alert: Mapping[str, Any]) -> None:
    payload = alert["payload"]
    print_line("")
    print_line("The alert as it is sent; --json has the whole of it:")
    print_fields(
        (name, value)
        for name, value in (
            ("Summary", payload["summary"]),
            ("Severity", payload["severity"]),
            ("Component", payload.get("component")),
            ("Group", payload.get("group")),
            ("Class", payload["class"]),
            ("Key", alert["routing_key"] or "deleted with its integration"),
            *((one["text"], one["href"]) for one in alert["links"]),
        )
        if value is not None
    )
    for line in ("", *str(payload["custom_details"].get("description", "")).splitlines()):
        print_line(line)


def _row(n: ShownNotification) -> Sequence[object]:
    return (
        n.id,
        n.client_id,
        n.integration_id,
        n.event_type if n.firing_id is None else n.origin,
        state_text(n),
        f"{n.attempts_made}" if n.run == 1 else f"{n.attempts_made} (run {n.run})",
        n.next_attempt_at or n.finished_at,
        _last_answer(n),
    )


def _last_answer(n: ShownNotification) -> object:
    # Without underscores a narrow column breaks it between words.
    return n.last_status_code or (n.last_error or n.end_reason or "").replace("_", " ")


def _answer(a: ShownAttempt) -> str:
    message = message_of(a.response)
    return message if a.error is None else f"{a.error}: {message}"
