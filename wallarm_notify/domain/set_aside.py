"""Calls of ``events.ingest`` that workers died of: alone at three deaths, a call is set aside (engine 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

T = TypeVar("T")

DEATHS: Final = 3
"""So many workers may die with a call that they had alone; then it is set aside."""

AGAIN_IN: Final = timedelta(hours=1)
"""How long a call that was set aside rests before it is tried again, by one worker."""


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
    """The place of the call to begin: the first of those with the fewest deaths.

    So what kills does not keep those behind it from being stored.
    """
    return min(range(len(waiting)), key=lambda n: (deaths.get(waiting[n][0], 0), n))
