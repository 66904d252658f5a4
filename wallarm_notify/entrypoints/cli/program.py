"""The program around the commands: it turns errors into a sentence and an exit status."""

import io
import re
import sys
from collections import UserDict
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, cast

import click

from wallarm_notify.domain.errors import NotifyError, system_words
from wallarm_notify.entrypoints.cli.hints import in_words
from wallarm_notify.entrypoints.cli.output import PROGRAM, print_diagnostic, print_note

FAILED: Final = 1
INTERRUPTED: Final = 130

_SECRET: Final = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_+\-]{20,}")
"""A word of the command line that may be a key, even mistyped or in the wrong place."""


class LazyCommands(UserDict[str, click.Command]):
    """Commands by name, each imported when it is asked for: none waits for what the others need.

    ``places`` are modules of ``package`` and the names of the commands there, as ``database:db``.
    """

    data: dict[str, Any]

    def __init__(self, package: str, places: Mapping[str, str]) -> None:
        super().__init__()
        self._package = package
        self.data |= places

    def __getitem__(self, name: str) -> click.Command:
        """Return a command. Raise KeyError if there is none of this name."""
        found: Any = self.data[name]
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = getattr(import_module(f"{self._package}.{module}"), attribute)
            self.data[name] = found
        return cast("click.Command", found)


class Program(click.Group):
    """The outermost group of commands. Exit status 0: done, 1: refused or failed, 2: used wrongly."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run a command and end the process."""
        words = list(sys.argv[1:] if args is None else args)
        extra |= {"prog_name": PROGRAM, "standalone_mode": False}
        try:
            status = super().main(words, *rest, **extra)
        except click.ClickException as error:
            usage = io.StringIO()
            error.show(usage)
            for line in usage.getvalue().splitlines():
                print_note(_masked(line, words))
            status = error.exit_code
        except click.Abort as error:
            status = _status_of(error)
        except NotifyError as error:
            print_diagnostic(_masked(in_words(error), words))
            status = FAILED
        except OSError as error:
            print_diagnostic(_masked(f"{system_words(error)}: {error.filename or 'output'}", words))
            status = FAILED
        sys.exit(status if isinstance(status, int) else 0)


def _masked(text: str, words: Sequence[str]) -> str:
    """Return ``text`` with the words of the command line masked that may be keys."""
    for word in words:
        for part in re.split(r"[=,\s]", word):
            if _SECRET.fullmatch(part):
                text = text.replace(part, f"…{part[-4:]}")
    return text


def _status_of(abort: click.Abort) -> int:
    if isinstance(abort.__cause__ or abort.__context__, EOFError):
        print_diagnostic("nobody answered; nothing was done.")
        return FAILED
    return INTERRUPTED
