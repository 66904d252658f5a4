"""Who asks for something: what the activity log says of each change (spec 9)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.text import check_text


class Role(StrEnum):
    """What somebody may do (domain.rights), in the words of Wallarm's own API; ``system`` is this program itself.

    Whoever has a role that begins with ``partner_`` has it in the children of the own client too.
    """

    OPERATOR = "operator"
    ADMINISTRATOR = "admin"
    ADMINISTRATOR_EXTENDED = "admin_ext"
    ANALYST = "analytic"
    READ_ONLY = "auditor"
    DEVELOPER = "developer"
    DEPLOY = "deploy"
    PARTNER_ADMINISTRATOR = "partner_admin"
    PARTNER_ADMINISTRATOR_EXTENDED = "partner_admin_ext"
    PARTNER_ANALYST = "partner_analytic"
    PARTNER_READ_ONLY = "partner_auditor"
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
    """Who asks: a name for people, the role it acts in, and the way in it came by.

    ``user_id`` is the user it is; None: no user, as with a shared token, at the command line, and of the system.
    """

    name: str
    role: Role
    source: Source
    user_id: int | None = None


REVIEW: Final = Actor("failure ratio", Role.SYSTEM, Source.BEAT)
"""Who disables an integration that nobody disabled (spec 6)."""

PAUSE_END: Final = Actor("end of pause", Role.SYSTEM, Source.BEAT)
"""Who enables what was disabled until a time (spec 1)."""


_OF_THE_SYSTEM: Final = frozenset({REVIEW.name, PAUSE_END.name})


def check_not_of_the_system(name: str, field: str) -> None:
    """Raise Refused, which names ``field``, where ``name`` stands for what the system does by itself."""
    if name.strip() in _OF_THE_SYSTEM:
        raise Refused(
            f"«{name.strip()}» stands for what the system does by itself; give another name.",
            field=field,
        )


def operator(name: str, field: str = "user") -> Actor:
    """Return the operator ``name`` at the command line, which is the operator's way in (spec 0).

    Raise Refused, which names ``field``, for a name that is too long, or not printable, or that of what the system
    does by itself.
    """
    if name.strip() == REVIEW.name:
        raise Refused(
            f"«{name}» stands for automatic disablings; give another name.",
            field=field,
        )
    check_text(field, name)
    return Actor(name, Role.OPERATOR, Source.COMMAND_LINE)
