"""``wallarm-notify users``: the people who may sign in (spec 9)."""

import click

from wallarm_notify.domain.rights import OF_USERS, parse_role
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.user import User, UserDraft
from wallarm_notify.entrypoints.cli.options import (
    ID,
    LINE,
    acting,
    example,
    json_option,
    paged,
    read_cursor,
)
from wallarm_notify.entrypoints.cli.output import print_json, print_line, print_page
from wallarm_notify.entrypoints.cli.parts import read_settings, wiring
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.entrypoints.cli.whose import (
    by_option,
    of_client,
    of_words,
    read_client,
    role_option,
)
from wallarm_notify.schemas.documents.people import user_document
from wallarm_notify.services.manage_users import create_user, disable_user, enable_user
from wallarm_notify.services.manage_users import list_users as list_of_users
from wallarm_notify.services.sessions import make_sign_in_link

LOCAL = "http://127.0.0.1:8000"
"""Where the console is without a PUBLIC_URL: where ``wallarm-notify serve`` serves by default."""

_id = click.argument("user_id", metavar="ID", type=ID)


@click.group(
    epilog=example(
        "wallarm-notify users create --client 1 --email ana@example.com --name Ana --role admin"
    )
)
def users() -> None:
    """Manage the people who may sign in."""


@users.command(
    epilog=example(
        "wallarm-notify users create --client 1 --email ana@example.com --name Ana --role admin",
        "wallarm-notify users create --all-clients --email ops@example.com --name Ops --role operator",
    )
)
@of_client
@click.option("--email", type=LINE, required=True, help="No two users have the same.")
@click.option("--name", type=LINE, required=True, help="How people know the user.")
@role_option(OF_USERS)
@by_option
@json_option
def create(
    *,
    client_id: int | None,
    all_clients: bool,
    email: str,
    name: str,
    role: str,
    by: str,
    as_json: bool,
) -> None:
    """Create a user."""
    whose = read_client(client_id, all_clients=all_clients)
    draft = UserDraft(whose, email, name, parse_role(role, OF_USERS))
    actor = acting(by, "by")
    _print(create_user(wiring().context, actor, EVERY_CLIENT, draft), as_json=as_json)


@users.command("list", epilog=example("wallarm-notify users list --client 1 --json"))
@click.option("--client", "client_id", type=ID, help="Only users of this client.")
@paged
@json_option
def list_users(client_id: int | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List users."""
    after = read_cursor(cursor)
    print_page(
        list_of_users(
            wiring().context, EVERY_CLIENT, client_id=client_id, limit=limit, cursor=after
        ),
        as_json=as_json,
        document=user_document,
        columns=[
            *(number("ID"), number("Client"), "E-mail", "Name", fixed("Role"), fixed("State")),
            fixed("Signed in", spare=True),
        ],
        row=lambda user: [
            *(user.id, user.client_id, user.email, user.name, str(user.role), _state(user)),
            user.last_login_at,
        ],
        nothing="No users.",
    )


@users.command(epilog=example("wallarm-notify users disable 3"))
@_id
@by_option
@json_option
def disable(*, user_id: int, by: str, as_json: bool) -> None:
    """Disable a user: the user's tokens let nobody in from then on."""
    actor = acting(by, "by")
    _print(disable_user(wiring().context, actor, EVERY_CLIENT, user_id), as_json=as_json)


@users.command(epilog=example("wallarm-notify users enable 3"))
@_id
@by_option
@json_option
def enable(*, user_id: int, by: str, as_json: bool) -> None:
    """Enable a user: the user's tokens are valid again."""
    actor = acting(by, "by")
    _print(enable_user(wiring().context, actor, EVERY_CLIENT, user_id), as_json=as_json)


@users.command(
    "sign-in",
    epilog=example("wallarm-notify users sign-in ana@example.com"),
)
@click.argument("email", metavar="EMAIL", type=LINE)
@by_option
@json_option
def sign_in(*, email: str, by: str, as_json: bool) -> None:
    """Print a link that signs a user in to the console, once, within 10 minutes."""
    actor = acting(by, "by")
    secret = make_sign_in_link(wiring().context, actor, EVERY_CLIENT, email)
    public_url = read_settings().public_url
    base = LOCAL if public_url is None else str(public_url).rstrip("/")
    link = f"{base}/sign-in/{secret.reveal()}"
    if as_json:
        print_json({"link": link})
    else:
        print_line(link)


def _print(user: User, *, as_json: bool) -> None:
    if as_json:
        print_json(user_document(user))
    else:
        print_line(
            f"User {user.id}, {user.email}, {user.role} of {of_words(user.client_id)}: {_state(user)}."
        )


def _state(user: User) -> str:
    return "enabled" if user.enabled else "disabled"
