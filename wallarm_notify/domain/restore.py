"""A restore: what a database made of a backup would send, though it may have been sent already.

What the lost database sent after the backup was made is known to nobody. But a notification is never sent before it is
due: of those that are open in the backup only what was due when the database was lost can have been sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class MayBeSent:
    """An integration with open notifications that may have been sent after the backup was made.

    ``notifications`` is how many, ``since`` when the oldest of them was made.
    """

    id: int
    client_id: int
    name: str
    notifications: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Restored:
    """How it stands after a restore.

    ``known_until`` is the last moment that the database knows of, None where it is empty; what came later is not in
    it. ``may_be_sent`` has the integrations with notifications that may have been sent later. ``replays`` is how many
    replays are not done yet, each of which would send what it may have sent already. ``cancelled_at`` is when all these
    were cancelled, None where they were not.
    """

    known_until: datetime | None
    may_be_sent: Sequence[MayBeSent]
    replays: int
    cancelled_at: datetime | None = None

    @property
    def notifications(self) -> int:
        """How many notifications of all integrations may have been sent."""
        return sum(one.notifications for one in self.may_be_sent)
