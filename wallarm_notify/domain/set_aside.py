"""Dead letters of ``events.ingest``: after three deaths of workers a call is set aside (engine 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

T = TypeVar("T")

DEATHS: Final = 3
"""The deaths of workers that had a call alone, after which it is set aside."""

AGAIN_IN: Final = timedelta(hours=1)
"""The time until a call that was set aside is tried again, by one worker."""


@dataclass(frozen=True, slots=True)
class TriedCall:
    """A call's message as the broker handed it out. ``digest`` is its content's, ``headers`` are JSON."""

    digest: bytes
    content_type: str | None
    content_encoding: str | None
    headers: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SetAsideCall:
    """A call that is set aside, and when it is tried again."""

    id: int
    set_aside_at: datetime
    retry_at: datetime
    call: TriedCall


def next_of(waiting: Sequence[tuple[bytes, T]], deaths: Mapping[bytes, int]) -> int:
    """Return the index of the call to begin: the first of those with the fewest deaths.

    So a call that kills workers does not keep later ones from being stored.
    """
    return min(range(len(waiting)), key=lambda n: (deaths.get(waiting[n][0], 0), n))
