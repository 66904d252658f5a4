"""The command line, by which operators use the program.

Every command reads its options, calls one use case, and prints the result.
"""

import contextlib
import io
import sys

import click

from wallarm_notify.entrypoints.cli.activity import activity
from wallarm_notify.entrypoints.cli.clients import clients
from wallarm_notify.entrypoints.cli.cloud_ips import cloud_ips
from wallarm_notify.entrypoints.cli.database import db
from wallarm_notify.entrypoints.cli.demo import demo
from wallarm_notify.entrypoints.cli.events import events
from wallarm_notify.entrypoints.cli.flower import flower
from wallarm_notify.entrypoints.cli.integrations import integrations
from wallarm_notify.entrypoints.cli.ledger import ledger
from wallarm_notify.entrypoints.cli.metrics import metrics
from wallarm_notify.entrypoints.cli.notifications import notifications
from wallarm_notify.entrypoints.cli.options import example
from wallarm_notify.entrypoints.cli.policy import policy
from wallarm_notify.entrypoints.cli.program import Program
from wallarm_notify.entrypoints.cli.sandbox import sandbox
from wallarm_notify.entrypoints.cli.secret_keys import secrets
from wallarm_notify.entrypoints.cli.triggers import triggers
from wallarm_notify.logs import set_up_logging

COMMANDS = (
    db,
    integrations,
    triggers,
    events,
    notifications,
    clients,
    activity,
    policy,
    ledger,
    metrics,
    flower,
    cloud_ips,
    sandbox,
    demo,
    secrets,
)


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example(
        "wallarm-notify db upgrade",
        "wallarm-notify integrations create --client 1 --key - --subscribe security_issue,system",
        "wallarm-notify notifications list --state failed --json",
    ),
)
@click.version_option(package_name="wallarm-notify", message="%(prog)s %(version)s")
def cli() -> None:
    """Send Wallarm events as PagerDuty alerts.

    The exit status is 0 where it is done, 1 where it is refused or fails, 2 where the command is used
    wrongly. Settings are environment variables that begin with WALLARM_NOTIFY_.
    """
    set_up_logging("WARNING")


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the program ``wallarm-notify``."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character is sent its number instead.
        with contextlib.suppress(AttributeError, io.UnsupportedOperation):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # checked above
    cli.main()
