"""Batching of notifications: which of them share a message, and when it is due (engine 2 and 3)."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from wallarm_notify.domain.notification import MESSAGE_SIZE, Notification
from wallarm_notify.domain.rate_limit import order_gap
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.words import attempt_words

LONGEST_COUNTDOWN: Final = timedelta(seconds=60)
"""The longest wait of a message in the broker; a notification that is due later is enqueued again (engine 2)."""

_NAMED: Final = 5
"""The most notifications, and the most integrations, that a message names in words."""

_NOTIFICATIONS: Final = re.compile(
    r"\bnotifications? ([0-9]+(?:, [0-9]+)*)(?: and [0-9]+ more)? for integration"
)

_LONG: Final = timedelta(seconds=30)
_TOGETHER: Final = 0.25
_TOGETHER_LATER: Final = 0.5
"""Seconds within which notifications must fall due to share a message; the second value is for long waits."""

_LONGEST_GAP: Final = timedelta(seconds=10)
"""The longest gap of two messages of one integration, and of its first and any other: less than SWEEP waits."""


@dataclass(frozen=True, slots=True)
class Message:
    """One ``notifications.deliver``: its notifications, and how long from now it waits.

    ``first``: it has first attempts; retries have a queue of their own. ``words`` describe it to people,
    without a key or a name. ``links`` has the link of each id under which this message carries it: see
    ``candidate.triage``.
    """

    ids: tuple[int, ...]
    links: tuple[int, ...]
    countdown: timedelta | None
    first: bool
    words: str


def messages(
    notifications: Iterable[Notification],
    now: datetime,
    *,
    size: int = MESSAGE_SIZE,
    gap: timedelta = timedelta(),
) -> list[Message]:
    """Return the messages that carry ``notifications``, at most ``size`` of them each.

    First attempts and retries have queues of their own. Notifications that fall due within the same quarter
    of a second, or half a second if more than 30 s are left, share a message, which is due at the end of
    that time. Those of one integration stay together: two processes would send them at once, in any order.
    Where they fill more than one message, each further one waits for ``gap`` more (spec 5).
    """
    groups: dict[tuple[bool, float], list[Notification]] = defaultdict(list)
    for n in notifications:
        together = _TOGETHER_LATER if n.due_at - now > _LONG else _TOGETHER
        due = ceil(n.due_at.timestamp() / together) * together if n.due_at > now else 0.0
        groups[n.attempts_made == 0, due].append(n)
    return [
        _message(part, due, now, first=first, after=min(before * gap, _LONGEST_GAP))
        for (first, due), group in sorted(groups.items())
        for part, before in _parts(group, size)
    ]


def gap_between(limit: int) -> timedelta:
    """Return the gap of messages of one integration that may have ``limit`` requests a minute.

    By then the requests of one message have begun, however slow the answers are; 0 where they begin in any order.
    """
    return timedelta(seconds=MESSAGE_SIZE * order_gap(limit))


def _parts(group: list[Notification], size: int) -> Iterator[tuple[list[Notification], int]]:
    """Yield the parts of a group; each with how many full ones of the same integration came before it."""
    of_integration: dict[int, list[Notification]] = defaultdict(list)
    for n in group:
        of_integration[n.integration_id].append(n)
    part: list[Notification] = []
    for together in of_integration.values():
        full, rest = divmod(len(together), size)
        yield from ((together[k * size : (k + 1) * size], k) for k in range(full))
        if full and rest:
            yield together[full * size :], full
        elif len(part) + rest > size:
            yield part, 0
            part = together
        elif rest:
            part = part + together
    if part:
        yield part, 0


def _message(
    group: list[Notification], due: float, now: datetime, *, first: bool, after: timedelta
) -> Message:
    wait = (datetime.fromtimestamp(due, UTC) - now if due else timedelta()) + after
    return Message(
        tuple(n.id for n in group),
        tuple(n.link for n in group),
        min(wait, LONGEST_COUNTDOWN) if wait > timedelta() else None,
        first,
        _words(group),
    )


def _words(group: list[Notification]) -> str:
    numbers = attempt_words({n.attempts_made + 1 for n in group})
    return f"{notification_words(group)}, {numbers} of {ATTEMPTS}"


def notification_words(group: Collection[Notification]) -> str:
    """Return which they are, and for which integrations: ``notifications 5, 6 for integration 1``."""
    notifications = _named("notification", {n.id for n in group})
    return f"{notifications} for {_named('integration', {n.integration_id for n in group})}"


def notifications_in(text: str) -> list[int]:
    """Return the ids that ``notification_words`` names in a text, in its order, each once."""
    named = ", ".join(_NOTIFICATIONS.findall(text))
    return list(dict.fromkeys(map(int, named.split(", ")))) if named else []


def _named(noun: str, ids: Collection[int]) -> str:
    """Return the first ids after their noun, and how many more there are."""
    ordered = sorted(ids)
    text = f"{noun}{'s' if len(ordered) > 1 else ''} {', '.join(map(str, ordered[:_NAMED]))}"
    return text if len(ordered) <= _NAMED else f"{text} and {len(ordered) - _NAMED} more"
