"""The command line, by which operators use the program.

Every command reads its options, calls one use case, and prints the result.
"""

import contextlib
import io
import sys
from typing import Final

import click

from wallarm_notify.entrypoints.cli.options import example
from wallarm_notify.entrypoints.cli.output import PROGRAM
from wallarm_notify.entrypoints.cli.program import LazyCommands, Program
from wallarm_notify.logs import set_up_logging

COMMANDS: Final = {
    "activity": "activity:activity",
    "clients": "clients:clients",
    "cloud-ips": "cloud_ips:cloud_ips",
    "console": "console:console",
    "coverage": "coverage:coverage",
    "db": "database:db",
    "demo": "demo:demo",
    "doctor": "doctor:doctor",
    "events": "events:events",
    "flower": "flower:flower",
    "integrations": "integrations:integrations",
    "ledger": "ledger:ledger",
    "metrics": "metrics:metrics",
    "notifications": "notifications:notifications",
    "policy": "policy:policy",
    "sandbox": "sandbox:sandbox",
    "secrets": "secret_keys:secrets",
    "serve": "serve:serve",
    "tokens": "tokens:tokens",
    "triggers": "triggers:triggers",
    "up": "up:up",
    "users": "users:users",
}
"""Where each command is: a module of this package, and its name there."""


SENTENCES: Final = {
    "publisher.refused": f"{PROGRAM}: warning: the broker did not take what is to be sent ({{error}}). It is "
    "stored: the workers send it once the broker takes it.",
}
"""What is printed in place of a line of the log."""


@click.group(
    cls=Program,
    commands=LazyCommands(__name__, COMMANDS),
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
    set_up_logging("WARNING", sentences=SENTENCES)


def main() -> None:
    """Run the program ``wallarm-notify``."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character is sent its number instead.
        with contextlib.suppress(AttributeError, io.UnsupportedOperation):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # checked above
    cli.main()
