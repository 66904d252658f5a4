"""``wallarm-notify clients``: the companies whose events come in."""

import click

from wallarm_notify.domain.client import CLOUDS, Client, ParentOf
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.entrypoints.cli.options import (
    ID,
    LINE,
    acting,
    example,
    json_option,
    paged,
    read_cursor,
    user_option,
)
from wallarm_notify.entrypoints.cli.output import print_fields, print_json, print_page
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.schemas.documents.clients import client_document
from wallarm_notify.services.integration_listings import list_clients as list_of_clients
from wallarm_notify.services.manage_clients import set_client


@click.group(epilog=example("wallarm-notify clients set 1 --name 'Example Corp' --cloud eu"))
def clients() -> None:
    """Manage the companies whose events come in."""


@clients.command("set", epilog=example("wallarm-notify clients set 1 --name 'Example Corp'"))
@click.argument("client_id", metavar="ID", type=ID)
@click.option("--name", type=LINE, help="Default: Client ID.")
@click.option("--cloud", type=click.Choice(CLOUDS), help="Default: WALLARM_NOTIFY_CLOUD.")
@click.option("--partner", type=LINE, help="The name in front of summaries; default: Wallarm.")
@click.option(
    "--parent",
    type=ID,
    help="The client whose partner roles reach this one too; one level, so neither is in two.",
)
@click.option("--no-parent", is_flag=True, help="No partner reaches it any more.")
@click.option(
    "--access",
    type=click.Choice(["on", "off"]),
    help="Whether its people and programs are let in; its alerts go on either way.",
)
@user_option
@json_option
def set_record(
    *,
    client_id: int,
    name: str | None,
    cloud: str | None,
    partner: str | None,
    parent: int | None,
    no_parent: bool,
    access: str | None,
    user: str,
    as_json: bool,
) -> None:
    """Set the name, cloud or partner that a client's alerts show, and who else reaches it."""
    if parent is not None and no_parent:
        raise click.UsageError("Give one of --parent and --no-parent.")
    if all(one is None for one in (name, cloud, partner, parent, access)) and not no_parent:
        raise click.UsageError(
            "Give at least one of --name, --cloud, --partner, --parent, --no-parent and --access."
        )
    actor, ctx = acting(user), wiring().context
    client = set_client(
        *(ctx, actor, EVERY_CLIENT, client_id),
        name=name,
        cloud=cloud,
        partner_name=partner,
        parent=None if parent is None and not no_parent else ParentOf(parent),
        access=None if access is None else access == "on",
    )
    if as_json:
        print_json(client_document(client))
    else:
        print_fields(_row(client))


@clients.command("list", epilog=example("wallarm-notify clients list --json"))
@paged
@json_option
def list_clients(limit: int, cursor: str | None, as_json: bool) -> None:
    """List the clients that have a record, a user or a token, or had an integration."""
    after = read_cursor(cursor)
    print_page(
        list_of_clients(wiring().context, EVERY_CLIENT, limit=limit, cursor=after),
        as_json=as_json,
        document=client_document,
        columns=[
            *(number("ID"), "Name", fixed("Cloud"), "Partner"),
            *(number("Parent", spare=True), fixed("Access", spare=True)),
        ],
        row=lambda client: [value for _, value in _row(client)],
        nothing="No clients.",
    )


def _row(client: Client) -> list[tuple[str, object]]:
    return [
        ("ID", client.id),
        ("Name", client.name),
        ("Cloud", client.cloud.upper()),
        ("Partner", client.partner_name),
        ("Parent", client.parent_id),
        ("Access", "on" if client.access else "off"),
    ]
