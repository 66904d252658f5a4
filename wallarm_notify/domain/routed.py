"""What became of the events of one transaction of ingest."""

from dataclasses import dataclass
from datetime import datetime

from wallarm_notify.domain.notification import Notification
from wallarm_notify.domain.sending import Claim
from wallarm_notify.domain.words import counted


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of a call: counts, what is sent by this process, and what is to be published."""

    now: datetime
    matched: int = 0
    unmatched: int = 0
    duplicates: int = 0
    rejected: int = 0
    not_kept: int = 0
    skipped: int = 0
    fired: int = 0
    ahead: int = 0
    early: int = 0
    """How many events were ahead of the database's clock, kept apart or not."""
    pending: tuple[Notification, ...] = ()
    claim: Claim | None = None

    @property
    def words(self) -> str:
        """The counts for people, and for Flower."""
        sent = 0 if self.claim is None else len(self.claim.sendings)
        parts = [f"{counted(self.matched + self.unmatched, 'event')} taken in"]
        parts.append(f"{counted(len(self.pending) + sent, 'notification')} made")
        if self.fired:
            parts.append(counted(self.fired, "firing"))
        for number, word in (
            (self.skipped, "skipped"),
            (self.unmatched, "unmatched"),
            (self.duplicates, "known already"),
            (self.rejected, "rejected"),
            (self.not_kept, "rejected and not kept"),
            (self.ahead, "kept apart until their time"),
        ):
            if number:
                parts.append(f"{number} {word}")
        if self.claim is not None:
            parts.append(self.claim.words)
        return ", ".join(parts)
