"""A user: a person who signs in, and whose rights the person's tokens never exceed (spec 9)."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wallarm_notify.domain.actor import Role, check_not_of_the_system
from wallarm_notify.domain.errors import Refused
from wallarm_notify.domain.text import check_text, read_name

# Letters of other scripts look like Latin ones, and their small letters differ from one library to the next.
_EMAIL: Final = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,189}")


@dataclass(frozen=True, slots=True)
class User:
    """A user; ``client_id`` None: an operator, who belongs to no client."""

    id: int
    client_id: int | None
    email: str
    name: str
    role: Role
    enabled: bool
    created_at: datetime
    created_by: str
    last_login_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserDraft:
    """A user who is to be made."""

    client_id: int | None
    email: str
    name: str
    role: Role


def read_email(text: str) -> str:
    """Return the e-mail address in ``text``, in small letters. Raise Refused, which never contains ``text``."""
    stripped = text.strip()
    check_text("email", stripped)
    if not _EMAIL.fullmatch(stripped):
        raise Refused("give an e-mail address, as ana@example.com.", field="email")
    return stripped.lower()


def read_user_name(text: str) -> str:
    """Return the name of a person in ``text``. Raise Refused."""
    name = read_name(text)
    check_not_of_the_system(name, "name")
    return name
