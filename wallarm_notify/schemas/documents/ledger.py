"""The document of the ledger: whether everything received has ended or is on its way (spec 7)."""

from datetime import datetime

from typing_extensions import TypedDict

from wallarm_notify.domain.ledger import Ledger


class LedgerDocument(TypedDict):
    """The ledger as it stands; received and what it is made of, and notifications, include what was pruned."""

    received: int
    """Events received, each pair of id and body once: the sum of the three that follow."""
    rejected: int
    """Events that were rejected, and not taken in after all."""
    unmatched: int
    """Events that made no notification."""
    matched: int
    """Events that made at least one notification, skipped ones included."""
    rejected_not_kept: int
    """Rejected events beside received, only counted, as too many came that day."""
    undecodable: int
    """Messages beside received that no list of events could be read from."""
    undecodable_not_kept: int
    """Undecodable messages beside received, only counted, as too many came that day."""
    set_aside: int
    """Calls beside received that workers died of."""
    ahead: int
    """Events beside received that are kept apart until their time."""
    notifications: dict[str, int]
    """Notifications that were made, by state."""
    balanced: bool
    """Whether nothing is missing and nothing is too much."""
    checked_at: datetime | None
    """When the counters were last checked against rows; null where they were not yet."""


def ledger_document(ledger: Ledger) -> LedgerDocument:
    """Return the document of a ledger."""
    return {
        "received": ledger.received,
        "rejected": ledger.rejected,
        "unmatched": ledger.unmatched,
        "matched": ledger.matched,
        "rejected_not_kept": ledger.rejected_not_kept,
        "undecodable": ledger.undecodable,
        "undecodable_not_kept": ledger.undecodable_not_kept,
        "set_aside": ledger.set_aside,
        "ahead": ledger.ahead,
        "notifications": {str(state): number for state, number in ledger.notifications.items()},
        "balanced": ledger.balanced,
        "checked_at": ledger.checked_at,
    }
