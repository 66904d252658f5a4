"""``wallarm-notify tokens``: what programs present to be let in (spec 9)."""

from datetime import UTC, datetime

import click

from wallarm_notify.domain.rights import OF_TOKENS, parse_role
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.domain.token import Token, TokenDraft, is_expired
from wallarm_notify.entrypoints.cli.options import (
    ID,
    LINE,
    acting,
    example,
    json_option,
    paged,
    read_cursor,
    read_until,
)
from wallarm_notify.entrypoints.cli.output import (
    print_json,
    print_line,
    print_note,
    print_page,
    time_of,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.tables import fixed, number
from wallarm_notify.entrypoints.cli.whose import (
    by_option,
    of_client,
    of_words,
    read_client,
    role_option,
)
from wallarm_notify.schemas.documents.people import made_token_document, token_document
from wallarm_notify.services.manage_tokens import Made, create_token, disable_token, renew_token
from wallarm_notify.services.manage_tokens import list_tokens as list_of_tokens

_id = click.argument("token_id", metavar="ID", type=ID)
_with_uuid = click.option(
    "--with-uuid",
    is_flag=True,
    help="Also make a UUID with a secret, for programs that know no tokens.",
)


@click.group(epilog=example("wallarm-notify tokens create --client 1 --role admin --name CI"))
def tokens() -> None:
    """Manage the tokens by which programs are let in."""


@tokens.command(
    epilog=example(
        "wallarm-notify tokens create --client 1 --role admin --user ana@example.com --expires 90d",
        "wallarm-notify tokens create --all-clients --role producer --name billing",
    )
)
@of_client
@role_option(OF_TOKENS)
@click.option(
    "--user",
    "email",
    type=LINE,
    metavar="EMAIL",
    help="The user whose token it is, and whose rights it never exceeds. Default: nobody's, it is shared.",
)
@click.option("--name", type=LINE, help="Default: Token by BY, DATE.")
@click.option(
    "--expires",
    type=LINE,
    metavar="TIME",
    help="From then on it lets nobody in: a time with its date, in UTC where it names no zone, or how long from "
    "now, as 90d. Default: it does not expire.",
)
@_with_uuid
@by_option
@json_option
def create(
    *,
    client_id: int | None,
    all_clients: bool,
    role: str,
    email: str | None,
    name: str | None,
    expires: str | None,
    with_uuid: bool,
    by: str,
    as_json: bool,
) -> None:
    """Create a token, and print it this once: it cannot be shown again."""
    draft = TokenDraft(
        client_id=read_client(client_id, all_clients=all_clients),
        role=parse_role(role, OF_TOKENS),
        name=name,
        expires_at=_read_expires(expires),
    )
    actor = acting(by, "by")
    made = create_token(
        *(wiring().context, actor, EVERY_CLIENT, draft), email=email, with_uuid=with_uuid
    )
    _print_made(made, as_json=as_json)


@tokens.command("list", epilog=example("wallarm-notify tokens list --client 1 --json"))
@click.option("--client", "client_id", type=ID, help="Only tokens of this client.")
@paged
@json_option
def list_tokens(client_id: int | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List tokens, with what each begins with; nothing else of them can be shown."""
    after, now = read_cursor(cursor), datetime.now(UTC)
    print_page(
        list_of_tokens(
            wiring().context, EVERY_CLIENT, client_id=client_id, limit=limit, cursor=after
        ),
        as_json=as_json,
        document=token_document,
        columns=[
            *(number("ID"), number("Client"), "Name", "Owner", fixed("Role"), fixed("Begins with")),
            *(fixed("State"), fixed("Expires", spare=True), fixed("Last used", spare=True)),
        ],
        row=lambda token: [
            *(token.id, token.client_id, token.name, token.user_email, str(token.role)),
            *(token.first_characters, _state(token, now), token.expires_at, token.last_used_at),
        ],
        nothing="No tokens.",
    )


@tokens.command(epilog=example("wallarm-notify tokens renew 5 --expires 90d"))
@_id
@click.option("--expires", type=LINE, metavar="TIME", help="As for create. Default: as it is now.")
@_with_uuid
@by_option
@json_option
def renew(*, token_id: int, expires: str | None, with_uuid: bool, by: str, as_json: bool) -> None:
    """Make a token anew and print it this once.

    The old one, and its UUID, let nobody in from then on.
    """
    end, actor = _read_expires(expires), acting(by, "by")
    made = renew_token(
        *(wiring().context, actor, EVERY_CLIENT, token_id), expires_at=end, with_uuid=with_uuid
    )
    _print_made(made, as_json=as_json)


@tokens.command(epilog=example("wallarm-notify tokens disable 5"))
@_id
@by_option
@json_option
def disable(*, token_id: int, by: str, as_json: bool) -> None:
    """Disable a token for good: it lets nobody in from then on."""
    actor = acting(by, "by")
    token = disable_token(wiring().context, actor, EVERY_CLIENT, token_id)
    if as_json:
        print_json(token_document(token))
    else:
        print_line(f"{_words(token)}: disabled.")


def _read_expires(text: str | None) -> datetime | None:
    return None if text is None else read_until(text, "expires")


def _print_made(made: Made, *, as_json: bool) -> None:
    token, credentials = made.token, made.credentials
    if as_json:
        print_json(made_token_document(token, credentials))
        return
    until = "no end" if token.expires_at is None else f"valid until {time_of(token.expires_at)}"
    print_line(f"{_words(token)}: {until}.")
    print_line(f"Token: {credentials.token.reveal()}")
    if credentials.pair is not None:
        print_line(f"UUID: {credentials.pair.uuid}")
        print_line(f"Secret: {credentials.pair.secret.reveal()}")
    print_note("It is shown this once. Keep it where nobody else reads it.")


def _words(token: Token) -> str:
    return f"Token {token.id}, «{token.name}», {token.role} of {of_words(token.client_id)}"


def _state(token: Token, now: datetime) -> str:
    if not token.enabled:
        return "disabled"
    return "expired" if is_expired(token.expires_at, now) else "enabled"
