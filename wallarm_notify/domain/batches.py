"""Batching of notifications: which of them share a message, and when it is due (engine 2 and 3)."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from wallarm_notify.domain.notification import MESSAGE_SIZE, Notification
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.words import attempt_words, counted

LONGEST_COUNTDOWN: Final = timedelta(seconds=60)
"""The longest wait of a message in the broker; a notification that is due later is enqueued again (engine 2)."""

_NAMED: Final = 5
"""The most integrations that a message names in words."""

_LONG: Final = timedelta(seconds=30)
_TOGETHER: Final = 0.25
_TOGETHER_LATER: Final = 0.5
"""Seconds within which notifications must fall due to share a message; the second value is for long waits."""


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
    notifications: Iterable[Notification], now: datetime, *, size: int = MESSAGE_SIZE
) -> list[Message]:
    """Return the messages that carry ``notifications``, at most ``size`` of them each.

    First attempts and retries have queues of their own. Notifications that fall due within the same quarter
    of a second, or half a second if more than 30 s are left, share a message, which is due at the end of
    that time.
    """
    groups: dict[tuple[bool, float], list[Notification]] = defaultdict(list)
    for n in notifications:
        together = _TOGETHER_LATER if n.due_at - now > _LONG else _TOGETHER
        due = ceil(n.due_at.timestamp() / together) * together if n.due_at > now else 0.0
        groups[n.attempts_made == 0, due].append(n)
    return [
        _message(group[start : start + size], due, now, first=first)
        for (first, due), group in sorted(groups.items())
        for start in range(0, len(group), size)
    ]


def _message(group: list[Notification], due: float, now: datetime, *, first: bool) -> Message:
    wait = datetime.fromtimestamp(due, UTC) - now if due else timedelta()
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
    """Return how many there are, and for which integrations: ``3 notifications for integrations 1, 7``."""
    integrations = sorted({n.integration_id for n in group})
    named = ", ".join(map(str, integrations[:_NAMED]))
    if len(integrations) > _NAMED:
        named += f" and {len(integrations) - _NAMED} more"
    plural = "s" if len(integrations) > 1 else ""
    return f"{counted(len(group), 'notification')} for integration{plural} {named}"
