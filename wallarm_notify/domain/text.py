"""The validation of what people write: names, users, reasons and comments, as records and alerts have them."""

import re
from typing import Final

from wallarm_notify.domain.errors import Refused

LONGEST_NAME: Final = 200
LONGEST_TEXT: Final = 500

_KEY_LENGTH: Final = 32
_LONG_WORD: Final = re.compile(rf"[A-Za-z0-9]{{{_KEY_LENGTH},}}")
_BREAKS: Final = str.maketrans("\r\n\t", "   ")
_DIGIT: Final = re.compile(r"[0-9]")


def check_text(what: str, text: str) -> None:
    """Raise Refused if ``text``, given as ``what``, is too long, not printable or may be a key."""
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise Refused(f"give at most {LONGEST_TEXT} printable characters.", field=what)
    _check_no_key(what, text)


def check_lines(what: str, text: str) -> None:
    """Raise Refused as ``check_text`` does, but for breaks of lines and tabs, which may be in it."""
    check_text(what, text.translate(_BREAKS))


def read_name(given: str, what: str = "name") -> str:
    """Return the name in ``given``, without blanks around it.

    Raise Refused that names ``what`` if it is blank, too long, not printable or may be a key.
    """
    name = given.strip()
    if not name or len(name) > LONGEST_NAME or not given.isprintable():
        raise Refused(f"give 1 to {LONGEST_NAME} printable characters.", field=what)
    _check_no_key(what, name)
    return name


def _check_no_key(what: str, text: str) -> None:
    """Raise Refused if ``text`` may contain a key, which everybody would see."""
    if any(len(w) == _KEY_LENGTH or _DIGIT.search(w) for w in _LONG_WORD.findall(text)):
        raise Refused(
            "this holds what looks like an integration key, which everybody would see. If it is one, "
            "make a new key in PagerDuty; give something else here.",
            field=what,
        )
