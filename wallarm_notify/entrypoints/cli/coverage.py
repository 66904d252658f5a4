"""``wallarm-notify coverage``: who is told of which events, and of which nobody is."""

import click
from rich.text import Text

from wallarm_notify.domain.coverage import Coverage, Covered, Extent, blocks
from wallarm_notify.domain.coverage_words import (
    hole_sentences,
    idle_sentences,
    part_sentence,
    way_words,
)
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.entrypoints.cli.options import ID, example, json_option
from wallarm_notify.entrypoints.cli.output import plain, print_json, print_line, print_table
from wallarm_notify.entrypoints.cli.parts import wiring
from wallarm_notify.entrypoints.cli.tables import fixed
from wallarm_notify.schemas.documents.coverage import coverage_document
from wallarm_notify.services.coverage import show_coverage


@click.command(epilog=example("wallarm-notify coverage --client 1"))
@click.option("--client", "client_id", type=ID, required=True, help="The client to look at.")
@json_option
def coverage(client_id: int, as_json: bool) -> None:
    """Show who is told of which events by a client's rules, and of which nobody is.

    It goes by the rules as they stand, whatever has happened so far.
    """
    found = show_coverage(wiring().context, EVERY_CLIENT, client_id)
    if as_json:
        print_json(coverage_document(found))
        return
    if not found.rules.integrations:
        print_line(f"Nobody is told of anything: client {client_id} has no integration.")
        return
    for sentence in hole_sentences(found) or ["Of every type of event somebody is told."]:
        print_line(sentence)
    for note in (part_sentence(found), *idle_sentences(found)):
        if note is not None:
            print_line(note)
    _print_table(found)


def _print_table(found: Coverage) -> None:
    together = blocks(found)
    last = together[-1]
    print_table(
        [fixed("Event"), "Who is told"],
        [_row(block, gap="" if block is last else "\n") for block in together],
        nothing="",
    )


def _row(block: list[Covered], *, gap: str) -> tuple[Text, Text]:
    """Return the row of kinds that are treated alike, with a ``gap`` below them."""
    names = "\n".join(one.kind.words for one in block)
    in_order = sorted(block[0].ways, key=lambda way: way.extent is Extent.NONE)
    lines = [Text(plain(way_words(way))) for way in in_order] or [Text("NOBODY")]
    if block[0].extent is Extent.NONE:
        for line in lines:
            line.stylize("bold red")
    return Text(names + gap), Text("\n").join([*lines, Text(gap[1:])] if gap else lines)
