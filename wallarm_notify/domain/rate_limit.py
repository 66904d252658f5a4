"""How many requests one key may have in a minute, and who goes first (spec 5)."""

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

A request may begin up to ``START_WITHIN`` after its grant was granted; the window is longer by
that much, so that no sliding 60 s hold more requests than the limit, whenever they begin.
"""

TOGETHER: Final = 0.5
"""Turns granted within so many seconds count from the end of that time, so that there are few moments to keep."""

KEPT: Final = 2.0
"""Seconds for which a reserved grant is kept for whoever it was reserved to."""

Moments = tuple[tuple[float, int], ...]
"""Turns in ascending order: an epoch second and how many turns it holds."""


@dataclass(frozen=True, slots=True)
class Grants:
    """One key's grants.

    ``sent`` are those granted within the last window. ``reserved`` holds per severity the grants to
    come, and those just come, that a notification of that severity has before it: of its own and
    of higher ones.
    """

    sent: Moments = ()
    reserved: dict[int, Moments] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """Who asks for a grant; ``due`` is when it was to ask, which tells a reserve that it holds."""

    severity: Severity
    due: float


def take_grants(
    grants: Grants, requests: Sequence[GrantRequest], *, limit: int, now: float
) -> tuple[list[float | None], Grants]:
    """Grants or reserves a grant to each of ``asking``, who come most severe first, then oldest.

    Returns for each None (its grant is now) or the epoch second to come back at, and the key's grants
    afterwards; what was granted now stands last in ``sent``. Who comes back at its reserved time
    finds its grant kept, unless something more severe has taken it: then the next one is its own.
    ``limit`` is at least 1.
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
    """Grants at most ``number`` turns that are free now, none where anybody waits for one; reserves nothing.

    Returns how many, and the key's grants afterwards: what was granted stands last in ``sent``.
    """
    grants = _by_this_clock(grants, now)
    now, sent = _lately(grants, now)
    if any(known and known[-1][0] > now - KEPT for known in grants.reserved.values()):
        return 0, grants
    granted = min(number, max(limit - _number(sent), 0))
    return granted, Grants(_granted(sent, granted, now) if granted else sent)


def moment_of(now: float) -> float:
    """The epoch second from which a grant counts that is granted at epoch second ``now``."""
    return ceil(now / TOGETHER) * TOGETHER


def give_back(grants: Grants, number: int, *, granted: float) -> Grants:
    """Takes back ``number`` of the grants granted at epoch second ``granted`` and not used."""
    there = dict(grants.sent).get(granted, 0)
    return Grants(_added(grants.sent, granted, -min(number, there)), grants.reserved)


def moved_back(grants: Grants, seconds: float) -> Grants:
    """All grants, granted and reserved, by a clock that was set back by so many seconds."""

    def moved(moments: Moments) -> Moments:
        return tuple((round(moment - seconds, 6), number) for moment, number in moments)

    return Grants(moved(grants.sent), {s: moved(known) for s, known in grants.reserved.items()})


def _by_this_clock(grants: Grants, now: float) -> Grants:
    """``grants``, also where the clock was set back since they were granted: as if the last were of now.

    Else the key had none till the clock has caught up. What was reserved is nobody's then: all ask anew.
    """
    ahead = grants.sent[-1][0] - now if grants.sent else 0.0
    if ahead < BACK_FROM.total_seconds():
        return grants
    return Grants(moved_back(grants, grants.sent[-1][0] - moment_of(now)).sent)


def _lately(grants: Grants, now: float) -> tuple[float, Moments]:
    """``now``, or later where the clock was set back, and what was sent within the window before."""
    now = round(max([now, *(moment - TOGETHER for moment, _ in grants.sent[-1:])]), 6)
    return now, grants.sent[bisect_right(grants.sent, now - WINDOW, key=_moment) :]


def _granted(sent: Moments, number: int, now: float) -> Moments:
    """``sent`` with grants granted now, which stand last: whoever comes later counts later."""
    last = max([moment_of(now), *(moment for moment, _ in sent[-1:])])
    return _added(sent, last, number)


def _moment(grant: tuple[float, int]) -> float:
    return grant[0]


def _number(moments: Moments) -> int:
    return sum(number for _, number in moments)


def _free_after(moments: Iterable[tuple[float, int]], limit: int) -> float:
    """The moment of the turn that is the ``limit``-th from the end: a window after it one is free."""
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
    """``reserved`` with grants added or taken, as everyone of ``severity`` and below sees them."""
    return {
        s: _added(known, moment, number) if s <= severity else known
        for s, known in reserved.items()
    }
