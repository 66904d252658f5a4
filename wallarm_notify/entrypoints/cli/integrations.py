"""``wallarm-notify integrations``: the PagerDuty services that alerts go to."""

from typing import TYPE_CHECKING, Final

import click

from wallarm_notify.domain.integration import (
    Draft,
    Integration,
    IntegrationChange,
    IntegrationState,
)
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.entrypoints.cli.alert_tests import announce, counted_seconds, print_tested
from wallarm_notify.entrypoints.cli.drills import drill, proof_words
from wallarm_notify.entrypoints.cli.explanation import print_explanation
from wallarm_notify.entrypoints.cli.integration_output import print_integrations, state_of
from wallarm_notify.entrypoints.cli.options import (
    ID,
    LINE,
    acting,
    example,
    json_option,
    key_option,
    paged,
    read_cursor,
    read_key,
    read_region,
    read_since,
    read_subscriptions,
    read_summary_form,
    region_option,
    subscribe_option,
    summary_option,
    user_option,
)
from wallarm_notify.entrypoints.cli.output import (
    print_diagnostic,
    print_fields,
    print_json,
    print_listing,
    print_table,
    time_of,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.entrypoints.cli.switching import delete, disable, enable
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.schemas.documents.health import explanation_document
from wallarm_notify.schemas.documents.integrations import (
    hour_document,
    integration_document,
)
from wallarm_notify.services.explain import explain as explanation_of
from wallarm_notify.services.integration_listings import hours_of_integration, show_integration
from wallarm_notify.services.integration_listings import list_integrations as list_of_integrations
from wallarm_notify.services.manage_integrations import (
    apply_integration,
    create_integration,
)
from wallarm_notify.services.send_test_alerts import (
    Ways,
    send_test_alerts,
    send_test_alerts_unsaved,
)

if TYPE_CHECKING:
    from wallarm_notify.bootstrap import Wiring

DEFAULT_REGION = "us"

_STATES: Final = {state.replace("_", "-"): state for state in IntegrationState}
"""The states by the words of the option."""

_id = click.argument("integration_id", metavar="ID", type=ID)


@click.group(epilog=example("wallarm-notify integrations list"))
def integrations() -> None:
    """Manage the PagerDuty services that alerts go to."""


for _command in (drill, enable, disable, delete):
    integrations.add_command(_command)


@integrations.command(
    epilog=example(
        "wallarm-notify integrations create --client 1 --key - --subscribe security_issue,system"
    )
)
@click.option(
    "--client", "client_id", type=ID, required=True, help="The client that it belongs to."
)
@key_option
@click.option("--name", type=LINE, help="Default: PagerDuty integration by USER, DATE.")
@region_option
@subscribe_option
@summary_option
@user_option
@click.option("--disabled", is_flag=True, help="Store it disabled: nothing is sent yet.")
@json_option
def create(
    *,
    client_id: int,
    key: str | None,
    name: str | None,
    region: str | None,
    subscribe: str | None,
    summary: str | None,
    user: str,
    disabled: bool,
    as_json: bool,
) -> None:
    """Store a new integration."""
    draft = Draft(
        client_id=client_id,
        region=read_region(DEFAULT_REGION if region is None else region),
        subscriptions=() if subscribe is None else read_subscriptions(subscribe),
        enabled=not disabled,
        name=name,
        summary=None if summary is None else read_summary_form(summary),
    )
    actor, secret = acting(user), read_key(_needed(key))
    made = create_integration(wiring(keys=True).context, actor, EVERY_CLIENT, draft, secret)
    _print_one(made, as_json=as_json)


@integrations.command(
    "list",
    epilog=example(
        "wallarm-notify integrations list --client 1 --json",
        "wallarm-notify integrations list --state disabled-automatically",
    ),
)
@click.option("--client", "client_id", type=ID, help="Only this client's.")
@click.option(
    "--state",
    "states",
    type=click.Choice(list(_STATES)),
    multiple=True,
    help="Only in this state, disabled by somebody or automatically; can be given several times.",
)
@paged
@json_option
def list_integrations(
    *,
    client_id: int | None,
    states: tuple[str, ...],
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List integrations, with how many notifications failed in the last 24 hours."""
    after = read_cursor(cursor)
    page = list_of_integrations(
        *(wiring().context, EVERY_CLIENT),
        client_id=client_id,
        states=[_STATES[state] for state in states],
        limit=limit,
        cursor=after,
    )
    print_integrations(page, as_json=as_json)


@integrations.command(epilog=example("wallarm-notify integrations show 3"))
@_id
@json_option
def show(integration_id: int, as_json: bool) -> None:
    """Show one integration."""
    _print_one(_one(integration_id), as_json=as_json)


@integrations.command(
    epilog=example(
        "wallarm-notify integrations update 3 --subscribe rules_and_triggers,system",
        "wallarm-notify integrations update 3 --key -",
    )
)
@_id
@click.option("--name", type=LINE, help="A new name.")
@region_option
@subscribe_option
@summary_option
@key_option
@user_option
@json_option
def update(
    *,
    integration_id: int,
    name: str | None,
    region: str | None,
    subscribe: str | None,
    summary: str | None,
    key: str | None,
    user: str,
    as_json: bool,
) -> None:
    """Change an integration; waiting notifications use a new key, region or form of summaries."""
    if all(option is None for option in (name, region, subscribe, summary, key)):
        raise click.UsageError(
            "Give at least one of --name, --region, --subscribe, --summary and --key."
        )
    change = IntegrationChange(
        name=name,
        region=None if region is None else read_region(region),
        subscriptions=None if subscribe is None else read_subscriptions(subscribe),
        key=None if key is None else read_key(key),
        summary=None if summary is None else read_summary_form(summary),
    )
    actor, ctx = acting(user), wiring(keys=change.key is not None).context
    applied = apply_integration(ctx, actor, EVERY_CLIENT, integration_id, change)
    _print_one(applied.integration, as_json=as_json)


@integrations.command(
    epilog=example(
        "wallarm-notify integrations test 3",
        "wallarm-notify integrations test --client 1 --key - --region eu",
    )
)
@click.argument("integration_id", metavar="[ID]", type=ID, required=False)
@click.option(
    "--client",
    "client_id",
    type=ID,
    help="Instead of an ID: the client of an integration that is not stored yet.",
)
@key_option
@region_option
@click.option("--resolve", is_flag=True, help="Close the alerts at once after PagerDuty took them.")
@json_option
@click.pass_context
def test(
    ctx: click.Context,
    *,
    integration_id: int | None,
    client_id: int | None,
    key: str | None,
    region: str | None,
    resolve: bool,
    as_json: bool,
) -> None:
    """Send three test alerts and show PagerDuty's answers; exit status 1 if it refused one.

    They may page whoever is on call; `integrations drill` proves key and way without that.
    """
    if integration_id is not None:
        if client_id is not None or key is not None or region is not None:
            raise click.UsageError("Give either an ID or --client, --key and --region.")
        parts = wiring(keys=True)
        with counted_seconds(parts.settings.request_timeout):
            tested = send_test_alerts(
                parts.context, EVERY_CLIENT, integration_id, _ways(parts, closes=resolve)
            )
    else:
        if client_id is None:
            raise click.UsageError("Give either an ID or --client, --key and --region.")
        where = read_region(DEFAULT_REGION if region is None else region)
        secret = read_key(_needed(key))
        parts = wiring(keys=True)
        with counted_seconds(parts.settings.request_timeout):
            tested = send_test_alerts_unsaved(
                *(parts.context, EVERY_CLIENT, client_id, where, secret),
                ways=_ways(parts, closes=resolve),
            )
    print_tested(tested, integration_id, as_json=as_json)
    if tested.passed < len(tested.answers):
        ctx.exit(FAILED)


@integrations.command(
    epilog=example(
        "wallarm-notify integrations explain 3",
        "wallarm-notify integrations explain 3 --last-disabling",
    )
)
@_id
@click.option(
    "--last-disabling", is_flag=True, help="Show what decided its last automatic disabling."
)
@json_option
def explain(integration_id: int, last_disabling: bool, as_json: bool) -> None:
    """Show the failure ratio and the guards that decide whether an integration is disabled."""
    found = explanation_of(wiring().context, EVERY_CLIENT, integration_id, last_time=last_disabling)
    if as_json:
        print_json(explanation_document(found))
    else:
        print_explanation(found)


@integrations.command(epilog=example("wallarm-notify integrations hours 3 --since 12h"))
@_id
@click.option(
    "--since",
    type=LINE,
    default="24h",
    show_default=True,
    help="From that hour on: a time with its zone, or how long ago, as 2h or 7d, which is what is kept.",
)
@json_option
def hours(integration_id: int, since: str, as_json: bool) -> None:
    """Count by the hour what became of an integration's notifications.

    One that was replayed has ended twice, and so has one that a late answer delivered.
    """
    found = hours_of_integration(wiring().context, EVERY_CLIENT, integration_id, read_since(since))
    if as_json:
        print_listing([hour_document(one) for one in found])
        return
    print_table(
        [fixed("Hour"), *map(number, ("Delivered", "Failed", "Skipped", "Cancelled"))],
        [(time_of(h.hour), h.delivered, h.failed, h.skipped, h.cancelled) for h in found],
        nothing="No hours.",
    )


def _ways(parts: "Wiring", *, closes: bool) -> Ways:
    """Return how test alerts are sent, announced and closed."""
    return Ways(
        parts.send_test_alert,
        parts.send_resolve,
        lambda target: announce(target, closes=closes),
        closes=closes,
    )


def _one(integration_id: int) -> Integration:
    return show_integration(wiring().context, EVERY_CLIENT, integration_id)


def _print_one(integration: Integration, *, as_json: bool) -> None:
    if as_json:
        print_json(integration_document(integration))
    else:
        fields: dict[str, object] = {
            "ID": integration.id,
            "Client": integration.client_id,
            "Name": integration.name,
            "Region": integration.region,
            "Key": integration.key,
            "Subscriptions": ", ".join(integration.subscriptions) or "none",
            "Summary": str(integration.summary),
            "State": state_of(integration),
            "Disabled by": integration.disabled_by,
            "Disabled at": integration.disabled_at,
            "Reason": integration.disabled_reason,
            "Failed in 24 h": integration.failed_24h,
            "Last proven": proof_words(integration),
            "Created by": integration.created_by,
            "Created at": integration.created_at,
        }
        print_fields((name, value) for name, value in fields.items() if value is not None)
    for warning in integration.warnings:
        print_diagnostic(f"warning: {warning}")


def _needed(key: str | None) -> str:
    if key is None:
        raise click.UsageError("Missing option '--key'; --key - reads it from standard input.")
    return key
