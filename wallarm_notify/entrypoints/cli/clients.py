"""``wallarm-notify clients``: the companies whose events come in."""

import click

from wallarm_notify.domain.client import CLOUDS, Client
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
from wallarm_notify.entrypoints.cli.output import (
    fixed,
    number,
    print_fields,
    print_json,
    print_page,
)
from wallarm_notify.entrypoints.cli.parts import wiring
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
@user_option
@json_option
def set_record(
    *,
    client_id: int,
    name: str | None,
    cloud: str | None,
    partner: str | None,
    user: str,
    as_json: bool,
) -> None:
    """Set the name, cloud or partner that a client's alerts show."""
    if name is None and cloud is None and partner is None:
        raise click.UsageError("Give at least one of --name, --cloud and --partner.")
    actor, ctx = acting(user), wiring().context
    client = set_client(
        *(ctx, actor, EVERY_CLIENT, client_id), name=name, cloud=cloud, partner_name=partner
    )
    if as_json:
        print_json(client_document(client))
    else:
        print_fields(_row(client))


@clients.command("list", epilog=example("wallarm-notify clients list --json"))
@paged
@json_option
def list_clients(limit: int, cursor: str | None, as_json: bool) -> None:
    """List the clients that have a record or had an integration."""
    after = read_cursor(cursor)
    print_page(
        list_of_clients(wiring().context, EVERY_CLIENT, limit=limit, cursor=after),
        as_json=as_json,
        document=client_document,
        columns=[number("ID"), "Name", fixed("Cloud"), "Partner"],
        row=lambda client: [value for _, value in _row(client)],
        nothing="No clients.",
    )


def _row(client: Client) -> list[tuple[str, object]]:
    return [
        ("ID", client.id),
        ("Name", client.name),
        ("Cloud", client.cloud.upper()),
        ("Partner", client.partner_name),
    ]
