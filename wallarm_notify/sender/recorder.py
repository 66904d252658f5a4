"""The recorder: it stores many outcomes in one transaction, and enqueues the retries.

Its own thread waits for the database, so that no request does. While the database is away it keeps the
outcomes, and tries again.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

from wallarm_notify.domain.alert_identity import start_of
from wallarm_notify.domain.delivery_report import Fate
from wallarm_notify.domain.errors import BadRow, Unavailable
from wallarm_notify.domain.outcome import Attempt
from wallarm_notify.domain.sending import Claim
from wallarm_notify.pagerduty.client import Response
from wallarm_notify.sender.in_flight import Dispatch, InFlight
from wallarm_notify.sender.reports import Reports
from wallarm_notify.sender.retry_buffer import BUFFERED_FOR, RetryBuffer
from wallarm_notify.services.bulkheads import mark_slow
from wallarm_notify.services.claim import put_back
from wallarm_notify.services.context import Context
from wallarm_notify.services.ports import Reporter
from wallarm_notify.services.record import Recorded, follow_up, record

log = logging.getLogger(__name__)

RECORD_EVERY: Final = 0.2
"""Seconds between two records: outcomes of the time between are recorded together; the first does not wait."""

RECORD_AT_ONCE: Final = 200

TRY_AGAIN_EVERY: Final = 0.5
"""Seconds until outcomes that could not be recorded are tried again."""


@dataclass(slots=True)
class Outcomes:
    """What is to be recorded: responses, integrations that became slow, and claims to be given back unsent.

    A notification in ``held`` waits for its slow integration; one in ``unsent`` may be claimed again at
    once. Of those in ``faulty`` no request could be made; their leases run out. ``idle`` are claims without
    anything to send, whose tasks are over.
    """

    slow: list[int] = field(default_factory=list)
    held: list[Dispatch] = field(default_factory=list)
    unsent: list[Dispatch] = field(default_factory=list)
    faulty: list[Dispatch] = field(default_factory=list)
    idle: list[Claim] = field(default_factory=list)
    responses: list[Response[Dispatch]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.responses or self.slow or self.held or self.unsent or self.faulty or self.idle
        )

    def add(self, more: "Outcomes") -> None:
        """Add later outcomes to these."""
        self.slow += more.slow
        self.held += more.held
        self.unsent += more.unsent
        self.faulty += more.faulty
        self.idle += more.idle
        self.responses += more.responses


class Recorder:
    """The recorder of one process. It removes from ``in_flight`` what it has recorded.

    ``reporter`` is told what came of each delivery task; None: nobody is.
    """

    def __init__(
        self,
        in_flight: InFlight,
        ctx: Context,
        retries: RetryBuffer,
        reporter: Reporter | None = None,
    ) -> None:
        self._in_flight = in_flight
        self._ctx = ctx
        self._retries = retries
        self._reports = Reports(reporter)
        self._inbox: queue.SimpleQueue[Outcomes] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="recorder", daemon=True).start()

    def put(self, outcomes: Outcomes) -> None:
        """Take over outcomes to be recorded."""
        self._inbox.put(outcomes)

    def flush(self) -> None:
        """Enqueue the buffered retries now."""
        self._retries.publish(at_once=True)

    # The recorder's thread.

    def _run(self) -> None:
        outcomes = Outcomes()
        longest: float | None = None
        not_before = 0.0
        while True:
            self._gather(outcomes, longest, not_before)
            not_before = time.monotonic() + RECORD_EVERY
            is_done = self._record_all(outcomes)
            longest = self._publish_retries()
            if not is_done:
                time.sleep(TRY_AGAIN_EVERY)

    def _gather(self, outcomes: Outcomes, longest: float | None, not_before: float) -> None:
        """Collect outcomes until it is time to record them, or there are enough responses.

        If none come, it ends after ``longest`` seconds.
        """
        while len(outcomes.responses) < RECORD_AT_ONCE:
            wait = max(not_before - time.monotonic(), 0) if outcomes else longest
            try:
                outcomes.add(self._inbox.get(timeout=wait))
            except queue.Empty:
                return

    def _publish_retries(self) -> float | None:
        try:
            return self._retries.publish()
        except Exception:
            log.exception("recorder.retries_not_published")
            return BUFFERED_FOR.total_seconds()

    def _record_all(self, outcomes: Outcomes) -> bool:
        """Record each kind of outcome, and return whether all are recorded; a refused kind does not delay others."""
        is_done = True
        for record_kind in (
            self._mark_slow,
            self._hold,
            self._put_back,
            self._record_responses,
            self._report,
        ):
            try:
                record_kind(outcomes)
            except Unavailable as error:
                log.warning("recorder.waits_for_database", extra={"error": str(error)})
                return False
            except Exception:
                log.exception("recorder.failed")
                is_done = False
        return is_done

    def _mark_slow(self, outcomes: Outcomes) -> None:
        if outcomes.slow:
            mark_slow(self._ctx, outcomes.slow)
            outcomes.slow.clear()

    def _hold(self, outcomes: Outcomes) -> None:
        self._give_back(outcomes.held, are_held=True)

    def _put_back(self, outcomes: Outcomes) -> None:
        self._give_back(outcomes.unsent, are_held=False)

    def _give_back(self, dispatches: list[Dispatch], *, are_held: bool) -> None:
        if dispatches:
            put_back(self._ctx, [d.sending for d in dispatches], behind_bulkhead=are_held)
            self._in_flight.forget(dispatches)
            self._reports.note(dispatches, Fate.RETURNED)
            dispatches.clear()

    def _report(self, outcomes: Outcomes) -> None:
        """Report the tasks of what needs no record."""
        self._reports.note(outcomes.faulty, Fate.FAULT)
        for claim in outcomes.idle:
            self._reports.report(claim)
        outcomes.faulty.clear()
        outcomes.idle.clear()

    def _record_responses(self, outcomes: Outcomes) -> None:
        while outcomes.responses:
            self._record(outcomes.responses[:RECORD_AT_ONCE])
            del outcomes.responses[:RECORD_AT_ONCE]

    def _record(self, responses: Sequence[Response[Dispatch]]) -> None:
        dispatches = [response.tag for response in responses]
        slow = {d.integration_id for d in dispatches if d.is_slow}
        tokens = {
            d.integration_id: d.sending.notification.bulkhead_token
            for d in dispatches
            if d.sending.slow
        }
        try:
            attempts = [attempt_of(response) for response in responses]
            note = partial(self._reports.note_recorded, responses)
            record_attempts(self._ctx, self._retries, attempts, slow, tokens, note=note)
        except BadRow as error:
            if len(responses) > 1:
                for response in responses:
                    self._record([response])
                return
            # One outcome must not keep all others from being recorded; the lease of its notification runs out.
            log.error("delivery.not_recorded", extra={"error": str(error)})  # noqa: TRY400 - its text is enough
            self._reports.note(dispatches, Fate.FAULT)
        self._in_flight.forget(dispatches)


def record_attempts(
    ctx: Context,
    retries: RetryBuffer,
    attempts: Sequence[Attempt],
    slow: Collection[int] = (),
    tokens: Mapping[int, str] | None = None,
    *,
    note: Callable[[Recorded], object] | None = None,
) -> None:
    """Record ``attempts``, pass the retries on to be enqueued, and free the bulkheads of slow integrations.

    ``slow`` are the integrations that were slow at the claim, or are now; ``tokens`` are those that the
    claims hold their bulkheads by; ``note`` is told what came of the record. Raise Unavailable or BadRow;
    recording the same again is harmless.
    """
    done = record(ctx, attempts)
    # Before anything else can fail: a second record of these attempts would change nothing, and return no retries.
    retries.add(done.retries, done.now)
    if note is not None:
        note(done)
    follow_up(ctx, attempts, done, slow, tokens)


def attempt_of(response: Response[Dispatch]) -> Attempt:
    """Return the attempt that a response ends, dated by the database's clock."""
    sending, claim = response.tag.sending, response.tag.claim
    n = sending.notification
    return Attempt(
        notification_id=n.id,
        integration_id=n.integration_id,
        generation=sending.generation,
        fence=n.fence,
        run=n.run,
        number=sending.number,
        # The database's time at the claim, plus the time since by this machine's clock.
        at=claim.now + timedelta(seconds=response.began - claim.began),
        duration=timedelta(seconds=max(response.ended - response.began, 0)),
        answer=response.answer,
        dedup_start=start_of(sending.dedup_key),
        task_id=claim.task_id,
    )
