"""Errors: a wrong request, or trouble of this system's own."""

import errno
import os
import re
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

_NUMBER_BY_TEXT: Final = {os.strerror(number): number for number in errno.errorcode}
_TEXTS: Final = "|".join(re.escape(text) for text in sorted(_NUMBER_BY_TEXT, key=len, reverse=True))
_PLACE: Final = re.compile(rf"(\[Errno \d+\] )?(?<![\w-])({_TEXTS})(?![\w-])")


class NotifyError(Exception):
    """A sentence for people: what was wrong, where, and what to do."""


class Todo(StrEnum):
    """What somebody can do who was refused; each way in has words of its own for it."""

    ENABLE_INTEGRATION = auto()
    SEE_REJECTED = auto()
    SEE_UNDECODABLE = auto()
    SEE_SET_ASIDE = auto()
    GIVE_WHOLE_EVENT = auto()
    GIVE_WHOLE_MESSAGE = auto()
    MEND = auto()


@dataclass(frozen=True, slots=True)
class Hint:
    """What to do after a refusal; ``about`` is the id of the object, where there is one."""

    todo: Todo
    about: int | None = None


class Refused(NotifyError):
    """The request cannot be done as asked; asking again unchanged is of no use.

    ``field`` names the part of the request that is at fault, ``hint`` what to do. As text it has no hint: how
    something is done depends on the way in.
    """

    def __init__(
        self, sentence: str, *, field: str | None = None, hint: Hint | None = None
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
        self.hint = hint

    def __str__(self) -> str:
        return self.sentence if self.field is None else f"{self.field}: {self.sentence}"


class NotFound(Refused):
    """There is no such thing, or it has been deleted.

    ``about`` is its kind and its number, for ways in that answer with these.
    """

    def __init__(
        self, sentence: str, *, hint: Hint | None = None, about: tuple[str, int] | None = None
    ) -> None:
        super().__init__(sentence, hint=hint)
        self.about = about


class NotAuthenticated(NotifyError):
    """What was presented lets nobody in.

    The sentence is always the same one: whoever guesses is not told what of it was right.
    """

    def __init__(self) -> None:
        super().__init__("No valid token was given: it is unknown, expired or disabled.")


class TooManyFailures(NotifyError):
    """Too many tokens from one address were not valid; another one is not tried before ``seconds`` have passed."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"Too many tokens from this address were not valid; try again in {seconds} s."
        )
        self.seconds = seconds


class Forbidden(NotifyError):
    """Who asks is known, and may not do that in the own role."""


class Unavailable(NotifyError):
    """Database or broker did not do its part: our trouble, never PagerDuty's; may pass."""


class TooMuch(Unavailable):
    """It does not fit in one transaction; in smaller parts it may."""


class BadRow(NotifyError):
    """The database refused the data itself: one row poisons its batch, waiting is of no use."""


def system_words(error: OSError) -> str:
    """Return what the operating system says, with its number: ``No space left on device [errno 28]``."""
    if error.strerror is None:
        return str(error)
    return f"{error.strerror} [errno {error.errno}]"


def with_errno(text: str) -> str:
    """Return ``text`` with the numbers of the system's errors: ``[Errno 111] Connection refused``."""
    return _PLACE.sub(_numbered, text)


def _numbered(found: re.Match[str]) -> str:
    return found[0] if found[1] else f"[Errno {_NUMBER_BY_TEXT[found[2]]}] {found[2]}"
