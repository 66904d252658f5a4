"""``wallarm-notify cloud-ips``: the addresses that alerts come from."""

import click

from wallarm_notify.domain.client import CLOUD_ADDRESSES, CLOUDS
from wallarm_notify.entrypoints.cli.options import example, json_option
from wallarm_notify.entrypoints.cli.output import print_listing, print_table
from wallarm_notify.entrypoints.cli.tables import fixed
from wallarm_notify.schemas.documents.clients import cloud_document


@click.command("cloud-ips", epilog=example("wallarm-notify cloud-ips --cloud eu"))
@click.option("--cloud", type=click.Choice(CLOUDS), help="Only the addresses of this cloud.")
@json_option
def cloud_ips(cloud: str | None, as_json: bool) -> None:
    """List the public addresses of the clouds, for allow-lists; needs no setting."""
    chosen = CLOUDS if cloud is None else (cloud,)
    if as_json:
        print_listing([cloud_document(c) for c in chosen])
        return
    rows = [(c.upper(), address) for c in chosen for address in CLOUD_ADDRESSES[c]]
    print_table([fixed("Cloud"), fixed("Address")], rows, nothing="")
