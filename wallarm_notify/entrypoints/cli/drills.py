"""``wallarm-notify integrations drill``, and in words how long ago an integration was proven by one."""

from datetime import UTC, datetime
from typing import Final

import click

from wallarm_notify.domain.drill import Drilled, is_unknown_key
from wallarm_notify.domain.integration import Integration
from wallarm_notify.domain.outcome import Answer, message_of
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import duration_of
from wallarm_notify.entrypoints.cli.options import ID, example, json_option
from wallarm_notify.entrypoints.cli.output import print_json, print_line
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.schemas.documents.integrations import drill_document
from wallarm_notify.services.drill import drill as run_drill

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


@click.command(epilog=example("wallarm-notify integrations drill 3"))
@click.argument("integration_id", metavar="ID", type=ID)
@json_option
@click.pass_context
def drill(ctx: click.Context, integration_id: int, as_json: bool) -> None:
    """Prove an integration's key and way without paging anybody; exit status 1 if that fails.

    PagerDuty is sent a resolve for an alert that was never opened, to the host and by the way of alerts.
    """
    parts = wiring(keys=True)
    done = run_drill(parts.context, EVERY_CLIENT, integration_id, parts.send_resolve)
    print_drilled(done, as_json=as_json)
    if not done.passed:
        ctx.exit(FAILED)


def print_drilled(done: Drilled, *, as_json: bool) -> None:
    """Print what a drill proved, and what it cannot prove."""
    if as_json:
        print_json(drill_document(done))
        return
    number, region = done.integration_id, done.region.upper()
    if done.passed:
        print_line(
            f"Proven: PagerDuty ({region}) took a resolve by the key of integration {number} ({done.answer.status}). "
            "It was for an alert that was never opened, so nobody was paged."
        )
        print_line("This proves key and way. It does not prove that somebody is on call.")
        return
    print_line(
        f"Not proven: PagerDuty ({region}) took no resolve by the key of integration {number}: "
        f"{answer_words(done.answer)}. Nobody was paged."
    )
    if is_unknown_key(done.answer):
        print_line(unknown_key_words(done.other_region, number))


def unknown_key_words(other_region: str | None, integration_id: int | None) -> str:
    """Return what to do about a key that PagerDuty does not know; ``other_region`` is one that knows it."""
    if other_region is None:
        return (
            "No region knows this key. It has to be the Integration Key of an integration of the type «Use our API "
            "directly» (Events API v2) of a PagerDuty service, and the service has to exist still."
        )
    words = f"This key works in the {other_region.upper()} region"
    if integration_id is None:
        return f"{words}: --region {other_region}"
    return f"{words}: wallarm-notify integrations update {integration_id} --region {other_region}"


def answer_words(answer: Answer) -> str:
    """Return an answer in words: PagerDuty's message with its status, or the network error."""
    if answer.status is None:
        return f"{answer.reason}: {answer.response}"
    return f"{answer.status} {message_of(answer.response)}".strip()


def proof_words(integration: Integration, now: datetime | None = None) -> str | None:
    """Return ``3 h ago``, and whether the last drill failed; None where there was no drill."""
    last = integration.last_drill
    if last is None and integration.proven_at is None:
        return None
    failed = "" if last is None or last.passed else "; the last drill failed"
    if integration.proven_at is None:
        return f"never{failed}"
    return f"{_ago(((now or datetime.now(UTC)) - integration.proven_at).total_seconds())}{failed}"


def _ago(seconds: float) -> str:
    """Return a time that has passed in its greatest unit, rounded down."""
    for unit in (_DAY, _HOUR, _MINUTE):
        if seconds >= unit:
            return f"{duration_of(seconds // unit * unit)} ago"
    return "just now"
