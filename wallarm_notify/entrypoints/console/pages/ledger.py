"""Ledger: whether all that came in has ended or is on its way, as sums that add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from wallarm_notify.domain.ledger import Ledger
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.rights import Thing, Verb
from wallarm_notify.domain.state_words import state_words
from wallarm_notify.entrypoints.api.route import needs
from wallarm_notify.entrypoints.console.route import PageRoute
from wallarm_notify.entrypoints.console.visit import Visited
from wallarm_notify.services.ledger import balance

router = APIRouter(route_class=PageRoute)

COUNTS: Final[Mapping[State, str]] = {
    State.PENDING: "No attempt has been made yet",
    State.RETRYING: "An attempt failed, and there are more to come",
    State.DELIVERED: "PagerDuty answered 202 to an attempt",
    State.FAILED: "All attempts failed; they can be sent again",
    State.CANCELLED: "They were under way when their integration was disabled or deleted",
    State.SKIPPED: "Their integration was disabled when they were made",
}
"""What each state's figure counts."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A figure and the parts that add up to it, each a number, its words and what it counts."""

    whole: int
    words: str
    counts: str
    parts: Sequence[tuple[int, str, str]]

    @property
    def added(self) -> int:
        """What the parts come to."""
        return sum(number for number, _, _ in self.parts)


@router.get("/ledger")
@needs(Thing.LEDGER, Verb.VIEW)
def show(visit: Visited) -> Response:
    """Show the ledger of all clients together."""
    ledger = balance(visit.pages, visit.scope)
    return visit.page("ledger.html", ledger=ledger, sums=(_of_events(ledger), _of_made(ledger)))


def _of_events(ledger: Ledger) -> Sum:
    return Sum(
        ledger.received,
        "Events received",
        "Each event once, however often it was sent",
        (
            (
                ledger.matched,
                "Matched",
                "They made a notification at least, not sent ones included",
            ),
            (ledger.unmatched, "Unmatched", "They are stored, and made no notification"),
            (ledger.rejected, "Rejected", "They are no valid events; each is kept with the reason"),
        ),
    )


def _of_made(ledger: Ledger) -> Sum:
    return Sum(
        ledger.made,
        "Notifications made",
        "One for each integration that an event or a trigger notified",
        tuple(
            (ledger.notifications.get(state, 0), state_words(state), words)
            for state, words in COUNTS.items()
        ),
    )
