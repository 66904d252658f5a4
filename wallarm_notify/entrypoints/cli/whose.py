"""Options of users and tokens: whose they are, in which role, and who makes them."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from wallarm_notify.domain.rights import Roles
from wallarm_notify.entrypoints.cli.options import ID, LINE, current_user

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

by_option = click.option(
    "--by",
    type=LINE,
    default=current_user,
    help="The name in the activity log; default: your account.",
)


def of_client(command: CommandT) -> CommandT:
    """Add --client and --all-clients to a command: see ``read_client``."""
    command = click.option(
        "--all-clients",
        is_flag=True,
        help="It belongs to no client, and is of all of them.",
    )(command)
    return click.option("--client", "client_id", type=ID, help="The client that it belongs to.")(
        command
    )


def read_client(client_id: int | None, *, all_clients: bool) -> int | None:
    """Return the client of the options; None: all, which nobody gets by default. Raise UsageError."""
    if (client_id is None) is not all_clients:
        raise click.UsageError("Give one of --client and --all-clients.")
    return client_id


def role_option(among: Roles) -> Callable[[CommandT], CommandT]:
    """Return what adds --role to a command, one of ``among``."""
    words = ", ".join(sorted(among))
    return click.option("--role", type=LINE, required=True, help=f"One of {words}.")


def of_words(client_id: int | None) -> str:
    """Return whose something is, in words."""
    return "all clients" if client_id is None else f"client {client_id}"
