"""Claims as a database would have made them, and something that takes outcomes in its place."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from build import NOON, a_key, a_notification, an_event

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import BadRow, Unavailable
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.notification import State
from wallarm_notify.domain.sending import Claim, Payload, Sending
from wallarm_notify.services.record import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wallarm_notify.domain.integration import IntegrationKey
    from wallarm_notify.domain.notification import Notification
    from wallarm_notify.domain.outcome import Attempt
    from wallarm_notify.services.context import Context


def sendings(
    ids: Iterable[int],
    integration: int,
    key: IntegrationKey | None = None,
    *,
    slow: bool = False,
    client: int = 1,
    region: str = "us",
    grant: float | None = None,
    severity: Severity = Severity.ERROR,
) -> tuple[Sending, ...]:
    """Notifications of one integration, each on its third attempt; with a ``grant``, under a rate limit."""
    key = key or a_key()
    payload = Payload(an_event(client_id=client), None, "card", region, key, None, None, None)
    return tuple(
        Sending(
            a_notification(
                id=i, integration_id=integration, fence=1, attempts_made=2, severity=severity
            ),
            payload,
            key,
            b"fingerprint",
            generation=0,
            slow=slow,
            grant=grant,
        )
        for i in ids
    )


def one_each(
    number: int, first: int = 1, *, slow: bool = False, client: int = 1
) -> list[tuple[Sending, ...]]:
    """So many notifications of a client, each for an integration of its own."""
    return [sendings([n], n, slow=slow, client=client) for n in range(first, first + number)]


def a_claim(*groups: tuple[Sending, ...], late: float = 0) -> Claim:
    """One that was made so long ago."""
    sendings = tuple(s for group in groups for s in group)
    return Claim(now=NOON, began=since_boot() - late, sendings=sendings)


def a_retry(number: int, seconds: float) -> Notification:
    """One that is to be sent again so long after noon."""
    return a_notification(
        id=number, state=State.RETRYING, attempts_made=3, due_at=NOON + timedelta(seconds=seconds)
    )


class Kept:
    """Stands for the use cases of a recorder (see the conftest) and keeps what is to be stored.

    The next ``away`` calls fail, and so do all of what is ``broken``.
    """

    def __init__(self) -> None:
        self.away = 0
        self.error: Exception = Unavailable("the database does not answer")
        self.broken: dict[str, Exception] = {}
        self.refused: set[int] = set()
        """Notifications whose attempts the database does not take."""
        self.retries: list[Notification] = []
        """What the next record has to be sent again."""
        self.calls: list[str] = []
        self.records: list[list[Attempt]] = []
        self.slow_at_record: list[list[int]] = []
        self.tokens_at_record: list[dict[int, str]] = []
        self.slow: list[int] = []
        self.given_back: list[tuple[int, bool]] = []

    @property
    def ctx(self) -> Context:
        """This, as a recorder is given it."""
        return cast("Context", self)

    def record(self, attempts: Sequence[Attempt]) -> Recorded:
        self._open("record")
        if self.refused & {a.notification_id for a in attempts}:
            raise BadRow("the database refuses the data")
        self.records.append(list(attempts))
        retries, self.retries = self.retries, []
        return Recorded(NOON, tuple(retries))

    def follow_up(
        self,
        attempts: Sequence[Attempt],
        done: Recorded,
        slow: Iterable[int] = (),
        tokens: Mapping[int, str] | None = None,
    ) -> None:
        self._open("follow_up")
        self.slow_at_record.append(sorted(slow))
        self.tokens_at_record.append(dict(tokens or {}))

    def mark_slow(self, integration_ids: Iterable[int]) -> None:
        self._open("mark_slow")
        self.slow += integration_ids

    def put_back(self, sendings: Sequence[Sending], *, behind_bulkhead: bool) -> None:
        self._open("put_back")
        self.given_back += [(s.notification.id, behind_bulkhead) for s in sendings]

    @property
    def attempts(self) -> dict[int, Attempt]:
        """The attempts by notification."""
        return {a.notification_id: a for batch in self.records for a in batch}

    @property
    def recorded(self) -> list[int]:
        """The notifications whose attempts are recorded, as often as they are."""
        return sorted(a.notification_id for batch in self.records for a in batch)

    def _open(self, call: str) -> None:
        self.calls.append(call)
        if call in self.broken:
            raise self.broken[call]
        if self.away:
            self.away -= 1
            raise self.error
