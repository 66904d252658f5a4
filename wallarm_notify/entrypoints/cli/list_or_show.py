"""Commands that list without an id and show with one, as ``wallarm-notify events undecodable``."""

from typing import Final

import click

_WORDS: Final = ("list", "show")


class ListOrShow(click.Command):
    """A command that lists without an id and shows with one; ``list`` or ``show`` may stand before, as elsewhere."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments. Raise UsageError where the word and the id do not go together."""
        word = args[0] if args and args[0] in _WORDS else None
        rest = super().parse_args(ctx, args if word is None else args[1:])
        (given,) = (one.name for one in self.params if isinstance(one, click.Argument))
        shows = given is not None and ctx.params.get(given) is not None
        if word == "show" and not shows:
            raise click.UsageError("Missing argument 'ID'.", ctx)
        if word == "list" and shows:
            raise click.UsageError("A listing takes no ID; 'show' does.", ctx)
        return rest
