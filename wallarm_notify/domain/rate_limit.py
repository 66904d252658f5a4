"""The rate limit of a key: how many requests a minute may have, and which go first (spec 5)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from math import ceil, inf
from operator import itemgetter
from typing import Final, TypeAlias

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

SEVERE_FROM: Final = Severity.ERROR
"""The lowest severity that a fifth of the limit is set aside for. Requests below it are low (spec 5)."""

Moment = tuple[float, int]
"""An epoch second, and how many grants it has."""

Moments = tuple[Moment, ...]
"""Grants in ascending order."""

_SEVERITIES: Final = tuple(map(int, Severity))
_moment: Final = itemgetter(0)
_grants_at: Final = itemgetter(1)


@dataclass(frozen=True, slots=True)
class Grants:
    """One key's grants.

    ``sent`` are those granted within the last window, and ``severe`` those of them that severe requests
    have: the others count as low. ``reserved`` has for each severity the grants to come, and those just due,
    that a notification of that severity finds taken: by its own severity and by higher ones.
    """

    sent: Moments = ()
    reserved: Mapping[int, Moments] = field(default_factory=dict)
    severe: Moments = ()


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """A request for a grant; ``due`` is when it was due, which shows whether it has a reserved grant."""

    severity: Severity
    due: float


def is_severe(severity: Severity) -> bool:
    """Return whether requests of ``severity`` may have every grant of a window: the others are low."""
    return severity >= SEVERE_FROM


def low_limit(limit: int) -> int:
    """Return how many of ``limit`` grants low requests may have in any window (spec 5)."""
    return limit - limit // 5


def take_grants(
    grants: Grants, requests: Sequence[GrantRequest], *, limit: int, now: float
) -> tuple[list[float | None], Grants]:
    """Return the answer to each of ``requests``, and the key's grants afterwards.

    Requests come the most severe first, then the oldest. An answer is None (the grant is now) or the epoch
    second to come back at. What was granted now is last in ``sent``. A request that comes back at its
    reserved time finds its grant kept, unless a more severe one has taken it; then the next grant is its
    own. ``limit`` is at least 1.
    """
    taken = _Taken(grants, limit, now)
    answers: list[float | None] = []
    alike = groupby(requests, key=lambda who: (who.severity, taken.due_of_reserved(who)))
    for (severity, due), group in alike:
        number = sum(1 for _ in group)
        held = 0 if due is None else taken.give_up_reserved(severity, due, number)
        answers += taken.take(severity, held, holds=True)
        answers += taken.take(severity, number - held, holds=False)
    return answers, taken.grants()


def take_free_grants(
    grants: Grants, severities: Sequence[Severity], *, limit: int, now: float
) -> tuple[int, Grants]:
    """Return how many of ``severities`` have a grant now, and the key's grants afterwards; reserve nothing.

    Severities come the highest first, and the first ones have the grants. None is free for a request while
    one as severe, or more severe, waits. What was granted is last in ``sent``.
    """
    taken = _Taken(grants, limit, now)
    number = 0
    for severity, group in groupby(severities):
        asked = sum(1 for _ in group)
        granted = 0 if taken.is_waited_for(severity) else taken.take_free(severity, asked)
        number += granted
        if granted < asked:
            break
    return number, taken.grants() if number else grants


_IN_ORDER_FOR: Final = 0.25
_FASTEST_IN_ORDER: Final = 6_000
"""Requests a minute up to which an integration's requests begin in order: above, it would cost too much."""


def order_gap(limit: int) -> float:
    """Return for how many seconds an integration's request may be out before its next one begins (spec 5).

    It is 250 ms, or as long as the limit of requests a minute spreads them anyway; 0: several begin at once, in
    any order.
    """
    return min(_IN_ORDER_FOR, 60 / limit) if 0 < limit <= _FASTEST_IN_ORDER else 0.0


def moment_of(now: float) -> float:
    """Return the epoch second from which a grant counts that is granted at epoch second ``now``."""
    return ceil(now / TOGETHER) * TOGETHER


def give_back(grants: Grants, number: int, *, granted: float, severe: bool) -> Grants:
    """Return the grants without ``number`` unused ones that were granted at epoch second ``granted``.

    Where ``severe``, they are those of severe requests.
    """
    sent, of_severe = list(grants.sent), list(grants.severe)
    _add(sent, granted, -number)
    if severe:
        _add(of_severe, granted, -number)
    return Grants(tuple(sent), grants.reserved, tuple(of_severe))


def moved_back(grants: Grants, seconds: float) -> Grants:
    """Return all grants, granted and reserved, by a clock that was set back by ``seconds``."""

    def moved(moments: Moments) -> Moments:
        return tuple((round(moment - seconds, 6), number) for moment, number in moments)

    reserved = {s: moved(known) for s, known in grants.reserved.items()}
    return Grants(moved(grants.sent), reserved, moved(grants.severe))


_Queue: TypeAlias = "tuple[int, list[Moment], list[Moment]]"
"""A limit, what of it is granted, and what is reserved ahead of a request."""


class _Taken:
    """A key's grants within the last window, while requests take more of them.

    Requests that are alike take theirs together, so that the cost goes by the number of moments.
    """

    def __init__(self, grants: Grants, limit: int, now: float) -> None:
        grants = _by_this_clock(grants, now)
        last = [moment for moment, _ in grants.sent[-1:]]
        # Whoever comes later counts later, also where the clock was set back.
        self._now = now = round(max([now, *(moment - TOGETHER for moment in last)]), 6)
        self._moment = max([moment_of(now), *last])
        self._limit, self._low_limit = limit, low_limit(limit)
        self._sent = _after(grants.sent, now - WINDOW)
        self._severe = _after(grants.severe, now - WINDOW)
        self._reserved = {s: _after(grants.reserved.get(s, ()), now - KEPT) for s in _SEVERITIES}

    def grants(self) -> Grants:
        """Return the key's grants as they are now."""
        reserved = {s: tuple(known) for s, known in self._reserved.items() if known}
        return Grants(tuple(self._sent), reserved, tuple(self._severe))

    def due_of_reserved(self, who: GrantRequest) -> float | None:
        """Return the moment of the grant that is reserved for a request and has come; None: there is none."""
        known = self._reserved[who.severity]
        return who.due if known and who.due <= self._now and _at(known, who.due) else None

    def give_up_reserved(self, severity: Severity, due: float, number: int) -> int:
        """Remove up to ``number`` grants that are reserved at ``due``; return how many there were."""
        there = min(number, _at(self._reserved[severity], due))
        self._reserve(severity, due, -there)
        return there

    def is_waited_for(self, severity: Severity) -> bool:
        """Return whether a request as severe, or more severe, waits for a grant."""
        return bool(self._reserved[severity])

    def take(self, severity: Severity, number: int, *, holds: bool) -> list[float | None]:
        """Take a grant for each of ``number`` requests of one severity, or reserve it; return the answers.

        Those that hold a grant have given it up; they go before others as severe.
        """
        granted = self.take_free(severity, number, holds=holds)
        answers: list[float | None] = [None] * granted
        left = number - granted
        if left and holds:
            moment, _ = _next_grant(self._queues(severity, severity + 1))
            self._reserve(severity, moment, left)
            return answers + [moment] * left
        queues = self._queues(severity, severity) if left else ()
        while left:
            moment, room = _next_grant(queues)
            some = min(left, room)
            for _, _, ahead in queues:
                _add(ahead, moment, some)
            self._reserve(severity, moment, some)
            answers += [moment] * some
            left -= some
        return answers

    def take_free(self, severity: Severity, number: int, *, holds: bool = False) -> int:
        """Take up to ``number`` grants that are free now and not kept for others; return how many."""
        granted = min(number, max(self._free(severity, holds=holds), 0))
        _add(self._sent, self._moment, granted)
        if is_severe(severity):
            _add(self._severe, self._moment, granted)
        return granted

    def _free(self, severity: Severity, *, holds: bool) -> int:
        """Return how many grants are free for requests of ``severity``, beside those kept for who goes before."""
        sent = _number(self._sent)
        kept = 0 if holds else self._kept(severity)
        free = self._limit - sent - kept
        if is_severe(severity):
            return free
        low = max(sent - _number(self._severe), 0)
        kept_low = 0 if holds else kept - self._kept(SEVERE_FROM)
        return min(free, self._low_limit - low - kept_low)

    def _kept(self, severity: Severity) -> int:
        known = self._reserved[severity]
        return _number(known[: bisect_right(known, self._now, key=_moment)]) if known else 0

    def _queues(self, severity: Severity, behind: int) -> tuple[_Queue, ...]:
        """Return the queues a request of ``severity`` stands in, behind reserved grants of severity ``behind``."""
        ahead = list(self._reserved.get(behind, ()))
        total = self._limit, self._sent, ahead
        if is_severe(severity):
            return (total,)
        low = _without(self._sent, self._severe)
        return total, (self._low_limit, low, _without(ahead, self._reserved[SEVERE_FROM]))

    def _reserve(self, severity: Severity, moment: float, number: int) -> None:
        """Reserve grants, or fewer, for ``severity``: whatever is not more severe finds them taken."""
        for s, known in self._reserved.items():
            if s <= severity:
                _add(known, moment, number)


def _next_grant(queues: Iterable[_Queue]) -> tuple[float, int]:
    """Return the moment of the next grant in all ``queues``, and how many may be reserved at it."""
    after, room = zip(*(_last(*queue) for queue in queues), strict=True)
    return round(max(after) + WINDOW, 6), min(room)


def _by_this_clock(grants: Grants, now: float) -> Grants:
    """Return ``grants``; if the clock was set back since they were granted, the last of them as of now.

    Otherwise the key would have no grant until the clock has caught up. Reservations are dropped: all ask
    again.
    """
    ahead = grants.sent[-1][0] - now if grants.sent else 0.0
    if ahead < BACK_FROM.total_seconds():
        return grants
    moved = moved_back(grants, grants.sent[-1][0] - moment_of(now))
    return Grants(moved.sent, severe=moved.severe)


def _number(moments: Iterable[Moment]) -> int:
    return sum(map(_grants_at, moments))


def _at(moments: Sequence[Moment], moment: float) -> int:
    """Return how many grants there are at ``moment``."""
    at = bisect_left(moments, moment, key=_moment)
    return moments[at][1] if at < len(moments) and moments[at][0] == moment else 0


def _after(moments: Moments, moment: float) -> list[Moment]:
    return list(moments[bisect_right(moments, moment, key=_moment) :]) if moments else []


def _without(moments: Sequence[Moment], others: Sequence[Moment]) -> list[Moment]:
    """Return ``moments`` without the grants of ``others``."""
    if not others:
        return list(moments)
    numbers = dict(others)
    left = ((moment, number - numbers.get(moment, 0)) for moment, number in moments)
    return [(moment, number) for moment, number in left if number > 0]


def _last(limit: int, sent: list[Moment], ahead: list[Moment]) -> tuple[float, int]:
    """Return the moment of the ``limit``-th grant from the end, and how many it takes to make it a later one.

    A window after it one is free. It was long ago where there are fewer grants. As each moment has a grant, no
    more moments than the limit are looked at.
    """
    left = limit
    for moment, number in sorted((*sent[-limit:], *ahead[-limit:]), reverse=True):
        if number >= left:
            return moment, left
        left -= number
    return -inf, left


def _add(moments: list[Moment], moment: float, number: int) -> None:
    """Add ``number`` grants at ``moment``; of a negative number at most as many as are there."""
    if number:
        at = bisect_left(moments, moment, key=_moment)
        there = moments[at][1] if at < len(moments) and moments[at][0] == moment else 0
        now = max(there + number, 0)
        moments[at : at + bool(there)] = [(moment, now)] if now else []
