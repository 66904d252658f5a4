"""Who asks for something: what the activity log says of each change (spec 9)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wallarm_notify.domain.text import check_text


class Role(StrEnum):
    """What somebody may do; ``system`` is this program itself."""

    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    ANALYST = "analyst"
    READ_ONLY = "read_only"
    DEVELOPER = "developer"
    PRODUCER = "producer"
    SYSTEM = "system"


class Source(StrEnum):
    """The way in that somebody came by."""

    COMMAND_LINE = "command_line"
    API = "api"
    CONSOLE = "console"
    BEAT = "beat"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a name for people, the role it acts in, and the way in it came by."""

    name: str
    role: Role
    source: Source


REVIEW: Final = Actor("failure ratio", Role.SYSTEM, Source.BEAT)
"""Who disables an integration that nobody disabled (spec 6)."""


def operator(name: str) -> Actor:
    """Return the operator ``name`` at the command line, which is the operator's way in (spec 0).

    Raise Refused for a name that is too long, or not printable.
    """
    check_text("user", name)
    return Actor(name, Role.OPERATOR, Source.COMMAND_LINE)
