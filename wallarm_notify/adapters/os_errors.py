"""Errors of the operating system in texts of libraries, which leave their numbers out."""

import errno
import os
import re
from typing import Final

_NUMBER_BY_TEXT: Final = {os.strerror(number): number for number in errno.errorcode}
_TEXTS: Final = "|".join(re.escape(text) for text in sorted(_NUMBER_BY_TEXT, key=len, reverse=True))
_PLACE: Final = re.compile(rf"(\[Errno \d+\] )?(?<![\w-])({_TEXTS})(?![\w-])")


def with_errno(text: str) -> str:
    """``text`` with the numbers of the operating system's errors before them: ``[Errno 111] Connection refused``."""
    return _PLACE.sub(_numbered, text)


def _numbered(found: re.Match[str]) -> str:
    return found[0] if found[1] else f"[Errno {_NUMBER_BY_TEXT[found[2]]}] {found[2]}"
