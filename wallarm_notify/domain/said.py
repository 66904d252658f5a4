"""What people may write: names, users, reasons and comments, as they go into records and alerts."""

from typing import Final

from wallarm_notify.domain.errors import Refused

LONGEST_NAME: Final = 200
LONGEST_SAID: Final = 500


def check_said(what: str, text: str) -> None:
    """Raises Refused where ``text``, given as ``what``, is too long or not printable."""
    if len(text) > LONGEST_SAID or not text.isprintable():
        raise Refused(f"{what}: give at most {LONGEST_SAID} printable characters.")


def check_name(name: str) -> None:
    """Raises Refused where ``name`` is blank, too long or not printable."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise Refused(f"name: give 1 to {LONGEST_NAME} printable characters.")
