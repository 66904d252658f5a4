"""``wallarm-notify demo``: the way of an event from the producer to PagerDuty."""

import click
from rich.console import Console

from wallarm_notify.entrypoints.cli.options import example


@click.command(epilog=example("wallarm-notify demo"))
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Show the way of an event to PagerDuty, on servers that it starts and stops itself."""
    from wallarm_notify.entrypoints.demo import run  # noqa: PLC0415 - servers, only here

    ctx.exit(run(Console(highlight=False)))
