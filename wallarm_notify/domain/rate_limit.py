"""The rate limit of a key: how many requests a minute may have, and which go first (spec 5)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Final

from wallarm_notify.domain.clock import BACK_FROM
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import START_WITHIN

WINDOW: Final = (timedelta(seconds=60) + START_WITHIN).total_seconds()
"""Seconds in which at most the limit is granted.

A request may begin up to ``START_WITHIN`` after its grant was granted; the window is longer by that much,
so that no sliding 60 s hold more requests than the limit, whenever they begin.
"""

TOGETHER: Final = 0.5
"""Seconds whose grants count as one moment, the end of that time, so that there are few moments to keep."""

KEPT: Final = 2.0
"""Seconds for which a reserved grant is kept for the notification that it was reserved for."""

Moments = tuple[tuple[float, int], ...]
"""Grants in ascending order: an epoch second, and how many grants it has."""


@dataclass(frozen=True, slots=True)
class Grants:
    """One key's grants.

    ``sent`` are those granted within the last window. ``reserved`` has for each severity the grants to
    come, and those just due, that a notification of that severity finds taken: by its own severity and by
    higher ones.
    """

    sent: Moments = ()
    reserved: dict[int, Moments] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """A request for a grant; ``due`` is when it was due, which shows whether it has a reserved grant."""

    severity: Severity
    due: float


def take_grants(
    grants: Grants, requests: Sequence[GrantRequest], *, limit: int, now: float
) -> tuple[list[float | None], Grants]:
    """Return the answer to each of ``requests``, and the key's grants afterwards.

    Requests come the most severe first, then the oldest. An answer is None (the grant is now) or the epoch
    second to come back at. What was granted now is last in ``sent``. A request that comes back at its
    reserved time finds its grant kept, unless a more severe one has taken it; then the next grant is its
    own. ``limit`` is at least 1.
    """
    grants = _by_this_clock(grants, now)
    now, sent = _lately(grants, now)
    reserved = {
        int(s): known[bisect_right(known, now - KEPT, key=_moment) :]
        for s in Severity
        for known in [grants.reserved.get(s, ())]
    }
    answers: list[float | None] = []
    for who in requests:
        holds = who.due <= now and who.due in map(_moment, reserved[who.severity])
        if holds:
            reserved = _changed(reserved, who.severity, who.due, -1)
        before = () if holds else reserved[who.severity]
        kept = _number(before[: bisect_right(before, now, key=_moment)])
        if _number(sent) + kept < limit:
            sent = _granted(sent, 1, now)
            answers.append(None)
            continue
        above = reserved.get(who.severity + 1, ()) if holds else before
        grant = round(_free_after((*sent, *above), limit) + WINDOW, 6)
        reserved = _changed(reserved, who.severity, grant, 1)
        answers.append(grant)
    return answers, Grants(sent, {s: known for s, known in reserved.items() if known})


def take_free_grants(grants: Grants, number: int, *, limit: int, now: float) -> tuple[int, Grants]:
    """Return how many of ``number`` grants are free now, and the key's grants afterwards; reserve nothing.

    None are free while any request waits for one. What was granted is last in ``sent``.
    """
    grants = _by_this_clock(grants, now)
    now, sent = _lately(grants, now)
    if any(known and known[-1][0] > now - KEPT for known in grants.reserved.values()):
        return 0, grants
    granted = min(number, max(limit - _number(sent), 0))
    return granted, Grants(_granted(sent, granted, now) if granted else sent)


def moment_of(now: float) -> float:
    """Return the epoch second from which a grant counts that is granted at epoch second ``now``."""
    return ceil(now / TOGETHER) * TOGETHER


def give_back(grants: Grants, number: int, *, granted: float) -> Grants:
    """Return the grants without ``number`` unused ones that were granted at epoch second ``granted``."""
    there = dict(grants.sent).get(granted, 0)
    return Grants(_added(grants.sent, granted, -min(number, there)), grants.reserved)


def moved_back(grants: Grants, seconds: float) -> Grants:
    """Return all grants, granted and reserved, by a clock that was set back by ``seconds``."""

    def moved(moments: Moments) -> Moments:
        return tuple((round(moment - seconds, 6), number) for moment, number in moments)

    return Grants(moved(grants.sent), {s: moved(known) for s, known in grants.reserved.items()})


def _by_this_clock(grants: Grants, now: float) -> Grants:
    """Return ``grants``; if the clock was set back since they were granted, the last of them as of now.

    Otherwise the key would have no grant until the clock has caught up. Reservations are dropped: all ask
    again.
    """
    ahead = grants.sent[-1][0] - now if grants.sent else 0.0
    if ahead < BACK_FROM.total_seconds():
        return grants
    return Grants(moved_back(grants, grants.sent[-1][0] - moment_of(now)).sent)


def _lately(grants: Grants, now: float) -> tuple[float, Moments]:
    """Return ``now``, or later if the clock was set back, and what was sent within the window before."""
    now = round(max([now, *(moment - TOGETHER for moment, _ in grants.sent[-1:])]), 6)
    return now, grants.sent[bisect_right(grants.sent, now - WINDOW, key=_moment) :]


def _granted(sent: Moments, number: int, now: float) -> Moments:
    """Return ``sent`` with grants granted now, which are last: whoever comes later counts later."""
    last = max([moment_of(now), *(moment for moment, _ in sent[-1:])])
    return _added(sent, last, number)


def _moment(grant: tuple[float, int]) -> float:
    return grant[0]


def _number(moments: Moments) -> int:
    return sum(number for _, number in moments)


def _free_after(moments: Iterable[tuple[float, int]], limit: int) -> float:
    """Return the moment of the ``limit``-th grant from the end: a window after it one is free."""
    left = limit
    for moment, number in sorted(moments, reverse=True):
        left -= number
        if left <= 0:
            return moment
    raise ValueError(f"there are fewer than {limit} grants")


def _added(moments: Moments, moment: float, number: int) -> Moments:
    at = bisect_left(moments, moment, key=_moment)
    there = moments[at][1] if at < len(moments) and moments[at][0] == moment else 0
    rest = moments[at + bool(there) :]
    now = there + number
    return (*moments[:at], (moment, now), *rest) if now > 0 else (*moments[:at], *rest)


def _changed(
    reserved: dict[int, Moments], severity: Severity, moment: float, number: int
) -> dict[int, Moments]:
    """Return ``reserved`` with grants added or removed for ``severity`` and all below it."""
    return {
        s: _added(known, moment, number) if s <= severity else known
        for s, known in reserved.items()
    }
