"""``wallarm-notify demo``: the whole way of an event, on servers of its own."""

import click
from rich.console import Console

from wallarm_notify.entrypoints.cli.options import example


@click.command(epilog=example("wallarm-notify demo"))
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Show the whole way of an event, on servers it starts and stops itself."""
    from wallarm_notify.entrypoints.demo import run  # noqa: PLC0415 - servers, only here

    ctx.exit(run(Console(highlight=False)))
