"""The ledger's counts and figures, and whether they balance (spec 7)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wallarm_notify.domain.notification import CARD, NewNotification, State


@dataclass(frozen=True, slots=True)
class LastCheck:
    """The last pass of upkeep over all rows.

    ``found`` is how much it and the next one found wrong, by kind. ``at`` is None where none has ended yet.
    """

    at: datetime | None
    found: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """The ledger as its counters have it, and what nobody would come back to, from one snapshot.

    ``counts`` are the running counters by kind. ``state:`` counts the notifications that are stored, by the
    kind of their origin and their state; ``pruned:`` what was deleted after its retention.
    """

    counts: Mapping[str, int]
    open_without_recheck: int
    recheck_long_past: int
    leases_long_dead: int
    ahead_long_due: int
    undecodable: int
    set_aside: int
    last_check: LastCheck | None

    @staticmethod
    def rows_of(counts: Mapping[str, int]) -> dict[str, int]:
        """Return how many rows the tables have by the counters."""

        def held(*kinds: str) -> int:
            return sum(counts.get(kind, 0) - counts.get(f"pruned:{kind}", 0) for kind in kinds)

        return {
            "events": held("matched", "unmatched"),
            "notifications": sum(n for kind, n in counts.items() if kind.startswith("state:")),
            "firings": held(FIRED),
        }


@dataclass(frozen=True, slots=True)
class Recount:
    """What the rows themselves come to, in the snapshot of a ``Standing``.

    ``notifications`` are by ``origin:state``.
    """

    events_matched: int
    events_unmatched: int
    rejected: int
    ahead: int
    firings: int
    notifications: Mapping[str, int]
    fan_out_wrong: int
    without_event: int
    without_firing: int
    ended_with_recheck: int
    attempts_without_notification: int
    attempts_short: int
    counters_wrong: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """What ``wallarm-notify ledger`` prints; ``findings`` is empty if it balances.

    Undecodable messages, which may contain events, are counted beside received; so are those that were not
    kept because the day's limit was reached, and events kept apart because their time is ahead.
    """

    received: int
    rejected: int
    unmatched: int
    matched: int
    notifications: Mapping[State, int]
    findings: Sequence[str]
    rejected_not_kept: int = 0
    undecodable_not_kept: int = 0
    undecodable: int = 0
    set_aside: int = 0
    """Calls that workers died of: tried again each hour, and not part of received until they are stored."""
    ahead: int = 0
    made: int = 0
    """Notifications that were ever made, which are in one of the states each."""
    checked_at: datetime | None = None
    """When the counters were last checked against rows; None: not yet."""

    @property
    def balanced(self) -> bool:
        """Whether the figures agree: nothing is missing and nothing is too much."""
        return not self.findings


FIRED: Final = "fired"
"""The counter of firings."""


NOT_KEPT: Final = "rejected_not_kept"
"""The counter of rejections that were not kept because the limit was reached; not part of received."""


AHEAD: Final = "ahead"
"""The counter of events kept apart for their time; not part of received until they are taken in (spec 2)."""


def counts_of(
    *, taken: int, matched: int, kept: int, readmitted: int, new: Sequence[NewNotification]
) -> dict[str, int]:
    """Return the changes of the ledger's counters: received counts every distinct (id, body hash) once (spec 7)."""
    made = Counter(f"made:{origin_kind(n.origin)}" for n in new)
    return {
        "received": taken + kept - readmitted,
        "rejected": kept - readmitted,
        "matched": matched,
        "unmatched": taken - matched,
        **made,
    }


def origin_kind(origin: str) -> str:
    """Return ``card`` or ``trigger``, the two kinds of origin that the ledger distinguishes."""
    return CARD if origin == CARD else origin.partition(":")[0]


def states_in(counts: Mapping[str, int]) -> dict[State, int]:
    """Return how many notifications are stored in each state, by the counters ``counts``."""
    return {
        state: sum(
            number
            for kind, number in counts.items()
            if kind.startswith("state:") and kind.endswith(f":{state}")
        )
        for state in State
    }


def made_in(counts: Mapping[str, int]) -> int:
    """Return how many notifications were ever made, by the counters ``counts``."""
    return sum(number for kind, number in counts.items() if kind.startswith("made:"))
