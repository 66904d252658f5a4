"""``wallarm-notify integrations``: the PagerDuty services that alerts go to."""

from collections.abc import Sequence
from datetime import UTC

import click

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.integration import Draft, Integration, IntegrationChange, SwitchedOff
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.words import counted
from wallarm_notify.entrypoints.cli.alert_tests import print_tested
from wallarm_notify.entrypoints.cli.explanation import print_explanation
from wallarm_notify.entrypoints.cli.options import (
    ID,
    LINE,
    acting,
    example,
    is_agreed,
    json_option,
    key_option,
    paged,
    read_cursor,
    read_key,
    read_region,
    read_subscriptions,
    region_option,
    subscribe_option,
    user_option,
    yes_option,
)
from wallarm_notify.entrypoints.cli.output import (
    fixed,
    number,
    print_diagnostic,
    print_fields,
    print_json,
    print_line,
    print_page,
    time_of,
    words,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.program import FAILED
from wallarm_notify.schemas.documents.health import explanation_document
from wallarm_notify.schemas.documents.integrations import (
    deleted_integration_document,
    disabled_document,
    enabled_document,
    integration_document,
)
from wallarm_notify.services.explain import explain as explanation_of
from wallarm_notify.services.integration_listings import list_integrations as list_of_integrations
from wallarm_notify.services.integration_listings import show_integration
from wallarm_notify.services.manage_integrations import (
    apply_integration,
    create_integration,
    delete_integration,
    disable_integration,
    enable_integration,
)
from wallarm_notify.services.send_test_alerts import send_test_alerts, send_test_alerts_unsaved

DEFAULT_REGION = "us"
NO_REASON = "no reason given"

_id = click.argument("integration_id", metavar="ID", type=ID)
_reason = click.option(
    "--reason",
    type=LINE,
    default=NO_REASON,
    show_default=True,
    help="Why; it is sent to subscribers of system.",
)


@click.group(epilog=example("wallarm-notify integrations list"))
def integrations() -> None:
    """Manage the PagerDuty services that alerts go to."""


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
    user: str,
    disabled: bool,
    as_json: bool,
) -> None:
    """Store a new integration."""
    draft = Draft(
        client_id=client_id,
        region=read_region(region or DEFAULT_REGION),
        subscriptions=read_subscriptions(subscribe or ""),
        enabled=not disabled,
        name=name,
    )
    actor, secret = acting(user), read_key(_needed(key))
    made = create_integration(wiring(keys=True).context, actor, EVERY_CLIENT, draft, secret)
    _print_one(made, as_json=as_json)


@integrations.command("list", epilog=example("wallarm-notify integrations list --client 1 --json"))
@click.option("--client", "client_id", type=ID, help="Only this client's.")
@paged
@json_option
def list_integrations(client_id: int | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List integrations, with how many notifications failed in the last 24 hours."""
    after = read_cursor(cursor)
    print_page(
        list_of_integrations(
            wiring().context, EVERY_CLIENT, client_id=client_id, limit=limit, cursor=after
        ),
        as_json=as_json,
        document=integration_document,
        columns=[
            number("ID"),
            number("Client"),
            "Name",
            fixed("Region"),
            fixed("Key"),
            words("Subscriptions"),
            fixed("State"),
            number("Failed\n24 h"),
        ],
        row=_row,
        nothing="No integrations.",
    )


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
@key_option
@user_option
@json_option
def update(
    *,
    integration_id: int,
    name: str | None,
    region: str | None,
    subscribe: str | None,
    key: str | None,
    user: str,
    as_json: bool,
) -> None:
    """Change an integration; waiting notifications use a new key or region."""
    if name is None and region is None and subscribe is None and key is None:
        raise click.UsageError("Give at least one of --name, --region, --subscribe and --key.")
    change = IntegrationChange(
        name=name,
        region=None if region is None else read_region(region),
        subscriptions=None if subscribe is None else read_subscriptions(subscribe),
        key=None if key is None else read_key(key),
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
@json_option
@click.pass_context
def test(
    ctx: click.Context,
    *,
    integration_id: int | None,
    client_id: int | None,
    key: str | None,
    region: str | None,
    as_json: bool,
) -> None:
    """Send three test alerts and show PagerDuty's answers; exit status 1 if it refused one."""
    if integration_id is not None:
        if client_id is not None or key is not None or region is not None:
            raise click.UsageError("Give either an ID or --client, --key and --region.")
        parts = wiring(keys=True)
        tested = send_test_alerts(
            parts.context, EVERY_CLIENT, integration_id, parts.send_test_alert
        )
    else:
        if client_id is None:
            raise click.UsageError("Give either an ID or --client, --key and --region.")
        where = read_region(region or DEFAULT_REGION)
        secret = read_key(_needed(key))
        parts = wiring(keys=True)
        tested = send_test_alerts_unsaved(
            *(parts.context, EVERY_CLIENT, client_id, where, secret), send=parts.send_test_alert
        )
    print_tested(tested, as_json=as_json)
    if not all(one.passed for one in tested):
        ctx.exit(FAILED)


@integrations.command(epilog=example("wallarm-notify integrations enable 3"))
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
    counts = {state: unsent.counts.get(state, 0) for state in ("skipped", "cancelled", "failed")}
    print_line(f"Integration {integration_id} is enabled.")
    for state, figure in counts.items():
        if figure:
            print_line(
                f"{counted(figure, 'notification')} {state} since {time_of(unsent.since)}; to send them: "
                f"wallarm-notify notifications replay --integration {integration_id} --state {state} "
                f"--ended-since {unsent.since.astimezone(UTC).isoformat()}"
            )
    if any(counts.values()):
        print_line(
            "Only the latest: add --since 2h. Only of one type: add --type security_issue.detected."
        )


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


@integrations.command(
    epilog=example("wallarm-notify integrations disable 3 --reason 'maintenance until Friday'")
)
@_id
@user_option
@_reason
@json_option
def disable(integration_id: int, user: str, reason: str, as_json: bool) -> None:
    """Disable an integration; its settings stay, waiting notifications are cancelled."""
    actor, ctx = acting(user), wiring(broker=True).context
    disabled, done = disable_integration(ctx, actor, EVERY_CLIENT, integration_id, reason=reason)
    if as_json:
        print_json(disabled_document(disabled, done))
    else:
        print_line(f"Integration {integration_id} is disabled; {_consequences(done)}.")


@integrations.command(epilog=example("wallarm-notify integrations delete 3 --yes"))
@_id
@user_option
@_reason
@yes_option
@json_option
def delete(integration_id: int, user: str, reason: str, yes: bool, as_json: bool) -> None:
    """Delete an integration with all its settings, for ever."""
    actor, ctx = acting(user), wiring(broker=True).context
    name = _one(integration_id).name
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


def _one(integration_id: int) -> Integration:
    return show_integration(wiring().context, EVERY_CLIENT, integration_id)


def _row(i: Integration) -> Sequence[object]:
    return (i.id, i.client_id, i.name, i.region, i.key, _listed(i), _state(i), i.failed_24h)


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
            "State": _state(integration),
            "Disabled by": integration.disabled_by,
            "Disabled at": integration.disabled_at,
            "Reason": integration.disabled_reason,
            "Failed in 24 h": integration.failed_24h,
            "Created by": integration.created_by,
            "Created at": integration.created_at,
        }
        print_fields((name, value) for name, value in fields.items() if value is not None)
    for warning in integration.warnings:
        print_diagnostic(f"warning: {warning}")


def _state(integration: Integration) -> str:
    return "enabled" if integration.enabled else "disabled"


def _listed(integration: Integration) -> str:
    """Return the subscriptions, with one word where all five risks of security issues are among them."""
    words = [s for s in integration.subscriptions if not s.startswith("security_issue_")]
    risks = [s for s in integration.subscriptions if s.startswith("security_issue_")]
    every = set(risks) == set(read_subscriptions("security_issue"))
    return ", ".join([*words, *(["security_issue"] if every else risks)]) or "none"


def _consequences(done: SwitchedOff) -> str:
    itself = ", itself last" if done.closing else ""
    return (
        f"{counted(done.cancelled, 'waiting notification')} cancelled, "
        f"{counted(done.told, 'system subscriber')} told{itself}"
    )


def _needed(key: str | None) -> str:
    if key is None:
        raise click.UsageError("Missing option '--key'; --key - reads it from standard input.")
    return key
