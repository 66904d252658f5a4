"""``wallarm-notify integrations enable``, ``disable`` and ``delete``, and what follows of each."""

from typing import Final

import click

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.integration import SwitchedOff
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.options import (
    ID,
    LINE,
    acting,
    example,
    is_agreed,
    json_option,
    read_until,
    until_option,
    user_option,
    yes_option,
)
from wallarm_notify.entrypoints.cli.output import print_diagnostic, print_json, print_line
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.replays import offer_unsent
from wallarm_notify.entrypoints.cli.switches import until_words
from wallarm_notify.schemas.documents.integrations import (
    deleted_integration_document,
    disabled_document,
    enabled_document,
)
from wallarm_notify.services.integration_listings import show_integration
from wallarm_notify.services.manage_integrations import (
    delete_integration,
    disable_integration,
    enable_integration,
)

_NO_REASON: Final = "no reason given"

_id = click.argument("integration_id", metavar="ID", type=ID)
_reason = click.option(
    "--reason",
    type=LINE,
    default=_NO_REASON,
    show_default=True,
    help="Why; it is sent to subscribers of system.",
)


@click.command(epilog=example("wallarm-notify integrations enable 3"))
@_id
@user_option
@json_option
def enable(integration_id: int, user: str, as_json: bool) -> None:
    """Enable an integration, with a clean failure window; what was not sent can be replayed."""
    actor = acting(user)
    enabled, unsent = enable_integration(wiring().context, actor, EVERY_CLIENT, integration_id)
    if as_json:
        print_json(enabled_document(enabled, unsent))
        return
    print_line(f"Integration {integration_id} is enabled.")
    offer_unsent(integration_id, unsent, actor)


@click.command(
    epilog=example(
        "wallarm-notify integrations disable 3 --reason 'key leaked'",
        "wallarm-notify integrations disable 3 --reason maintenance --until 2026-03-01T06:00",
    )
)
@_id
@until_option
@user_option
@_reason
@json_option
def disable(
    integration_id: int, until_text: str | None, user: str, reason: str, as_json: bool
) -> None:
    """Disable an integration; its settings stay, waiting notifications are cancelled.

    Of one that is disabled already, --until changes the end, and without --until it has none.
    """
    until = None if until_text is None else read_until(until_text)
    actor, ctx = acting(user), wiring(broker=True).context
    disabled, done = disable_integration(
        ctx, actor, EVERY_CLIENT, integration_id, reason=reason, until=until
    )
    if as_json:
        print_json(disabled_document(disabled, done))
    else:
        what = until_words(f"Integration {integration_id} is disabled", disabled.disabled_until)
        print_line(f"{what}; {_consequences(done)}.")


@click.command(epilog=example("wallarm-notify integrations delete 3 --yes"))
@_id
@user_option
@_reason
@yes_option
@json_option
def delete(integration_id: int, user: str, reason: str, yes: bool, as_json: bool) -> None:
    """Delete an integration with all its settings, for ever."""
    actor, ctx = acting(user), wiring(broker=True).context
    name = show_integration(ctx, EVERY_CLIENT, integration_id).name
    if not is_agreed(
        f"Delete integration {integration_id} ({name}) with its key, for ever?", yes=yes
    ):
        raise Refused(f"Integration {integration_id} was not deleted.")
    done = delete_integration(ctx, actor, EVERY_CLIENT, integration_id, reason=reason)
    if as_json:
        print_json(deleted_integration_document(integration_id, done))
    else:
        print_line(f"Integration {integration_id} is deleted; {_consequences(done)}.")
        if done.triggers:
            print_line(f"Taken off these triggers: {', '.join(map(str, sorted(done.triggers)))}.")
    for trigger_id in sorted(t for t, has_others in done.triggers.items() if not has_others):
        print_diagnostic(
            f"warning: trigger {trigger_id} notifies nobody any more; give it another: "
            f"wallarm-notify triggers update {trigger_id} --integration ID"
        )


def _consequences(done: SwitchedOff) -> str:
    itself = ", itself last" if done.closing else ""
    return (
        f"{counted(done.cancelled, 'waiting notification')} cancelled, "
        f"{counted(done.told, 'system subscriber')} told{itself}"
    )
