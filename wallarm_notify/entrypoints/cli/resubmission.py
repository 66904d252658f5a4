"""``wallarm-notify events resubmit``: taking in what was rejected, undecodable or set aside."""

from pathlib import Path

import click

from wallarm_notify.domain.actor import Actor
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.entrypoints.cli.emission import LONGEST_LINE, read_object
from wallarm_notify.entrypoints.cli.options import (
    ID,
    acting,
    example,
    json_option,
    user_option,
)
from wallarm_notify.entrypoints.cli.output import (
    print_json,
    print_line,
)
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.schemas.documents.events import (
    resubmitted_document,
    resubmitted_message_document,
)
from wallarm_notify.services.context import Context
from wallarm_notify.services.resubmit import rejected_body, resubmit_event
from wallarm_notify.services.resubmit_message import (
    SET_ASIDE,
    UNDECODABLE,
    Kept,
    message_body,
    resubmit_message,
)

LONGEST_MESSAGE = 64_000_000
"""Bytes of a message that is resubmitted, at most."""

_file = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command(
    epilog=example(
        "wallarm-notify events resubmit 5",
        "wallarm-notify events resubmit 5 --file mended.json",
        "wallarm-notify events resubmit --undecodable 3 --file mended.json",
        "wallarm-notify events resubmit --set-aside 2",
    )
)
@click.argument("which", metavar="ID", type=ID)
@click.option(
    "--undecodable",
    "is_undecodable",
    is_flag=True,
    help="ID is that of an undecodable message, of which all events are taken in.",
)
@click.option(
    "--set-aside",
    "is_set_aside",
    is_flag=True,
    help="ID is that of a call that was set aside, of which all events are taken in.",
)
@click.option(
    "--file",
    type=_file,
    help="The mended event: one JSON object. With --undecodable or --set-aside: the message's mended body, or a "
    "list of events. - reads standard input.",
)
@user_option
@json_option
def resubmit(
    *,
    which: int,
    is_undecodable: bool,
    is_set_aside: bool,
    file: Path | None,
    user: str,
    as_json: bool,
) -> None:
    """Take in a rejected event, an undecodable message or a call that was set aside.

    It is taken in as it was kept, or mended, with --file.
    """
    if is_undecodable and is_set_aside:
        raise click.UsageError("--undecodable and --set-aside cannot be given together.")
    actor, ctx = acting(user), wiring(broker=True).context
    if is_undecodable:
        _resubmit_message(ctx, actor, UNDECODABLE, which, file, as_json=as_json)
    elif is_set_aside:
        _resubmit_message(ctx, actor, SET_ASIDE, which, file, as_json=as_json)
    else:
        _resubmit_event(ctx, actor, which, file, as_json=as_json)


def _resubmit_event(
    ctx: Context, actor: Actor, rejected_id: int, file: Path | None, *, as_json: bool
) -> None:
    text = (
        rejected_body(ctx, EVERY_CLIENT, rejected_id).encode()
        if file is None
        else _content(file, LONGEST_LINE)
    )
    event = _read(text)
    routed = resubmit_event(ctx, actor, EVERY_CLIENT, rejected_id, event)
    if as_json:
        print_json(resubmitted_document(rejected_id, event, routed))
    else:
        print_line(f"Rejected event {rejected_id} is event {event.id} now: {routed.words}.")


def _resubmit_message(
    ctx: Context, actor: Actor, kept: Kept, message_id: int, file: Path | None, *, as_json: bool
) -> None:
    raw = (
        message_body(ctx, EVERY_CLIENT, kept, message_id)
        if file is None
        else _content(file, LONGEST_MESSAGE)
    )
    found, rejections = _read_message(raw)
    routed = resubmit_message(
        *(ctx, actor, EVERY_CLIENT, kept, message_id), events=found, rejections=rejections
    )
    if as_json:
        print_json(resubmitted_message_document(message_id, routed))
    else:
        results = "; ".join(r.words for r in routed)
        print_line(f"{kept.words.capitalize()} {message_id} is taken in now: {results}.")


def _content(file: Path, most: int) -> bytes:
    """Return the content of ``file``, at most one byte more than ``most``, by which it is refused later."""
    with click.open_file(str(file), "rb") as source:
        content: bytes = source.read(most + 1)
    return content


def _read_message(raw: bytes) -> tuple[list[Event], list[Rejection]]:
    # pydantic and kombu, only here
    from wallarm_notify.schemas.call_text import read_message_text  # noqa: PLC0415
    from wallarm_notify.schemas.json_text import NoJson, text_of  # noqa: PLC0415

    if len(raw) > LONGEST_MESSAGE:
        raise Refused(
            f"This is longer than {LONGEST_MESSAGE} bytes; send it in pieces: events emit."
        )
    try:
        return read_message_text(text_of(raw))
    except NoJson as error:
        raise Refused(
            f"The message {error}. Mend it, and give it with --file: as its body, "
            '[[], {"events": [event, …]}, {}], or as a list of events.'
        ) from None


def _read(text: bytes) -> Event:
    from wallarm_notify.schemas.read import read_event  # noqa: PLC0415 - pydantic, only here

    match read_event(read_object(text)):
        case Rejection() as rejection:
            raise Refused(rejection.reason)
        case event:
            return event
