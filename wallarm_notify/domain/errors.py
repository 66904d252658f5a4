"""What can go wrong, told apart: a wrong request, or trouble of our own."""


class NotifyError(Exception):
    """A sentence for people: what was wrong, where, and what to do."""


class Refused(NotifyError):
    """The request cannot be done as asked; asking again unchanged is of no use."""


class NotFound(Refused):
    """There is no such thing, or it has been deleted."""


class Unavailable(NotifyError):
    """Database or broker did not do its part: our trouble, never PagerDuty's; may pass."""


class TooMuch(Unavailable):
    """It does not fit in one transaction; in smaller parts it may."""


class BadRow(NotifyError):
    """The database refused the data itself: one row poisons its batch, waiting is of no use."""


def system_words(error: OSError) -> str:
    """What the operating system says, with its number: ``No space left on device [errno 28]``."""
    if error.strerror is None:
        return str(error)
    return f"{error.strerror} [errno {error.errno}]"
