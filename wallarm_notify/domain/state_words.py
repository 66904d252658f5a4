"""The words in which people read a notification's state; programs read the states themselves."""

from typing import assert_never

from wallarm_notify.domain.notification import State
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.words import counted


def state_words(state: State, attempts_made: int | None = None, at_most: int = ATTEMPTS) -> str:
    """Return ``Retrying (7 of 17)``, ``Accepted by PagerDuty``: a state as people read it.

    ``attempts_made`` is None where it is not known. A run has ``at_most`` so many.
    """
    match state:
        case State.PENDING:
            return "Waiting"
        case State.RETRYING:
            return (
                "Retrying" if attempts_made is None else f"Retrying ({attempts_made} of {at_most})"
            )
        case State.DELIVERED:
            return "Accepted by PagerDuty"
        case State.FAILED:
            after = "" if not attempts_made else f" after {counted(attempts_made, 'attempt')}"
            return f"Not accepted{after}"
        case State.CANCELLED:
            return "Cancelled"
        case State.SKIPPED:
            return "Not sent (integration was off)"
        case _:
            assert_never(state)
