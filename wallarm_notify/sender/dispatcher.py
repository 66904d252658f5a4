"""The dispatcher: one thread that sends a process's claimed notifications to PagerDuty concurrently.

A task hands its claim over and ends, so that the next claim is made while this one is sent. Back-pressure: the
task waits, at most 2 s, while too much is in flight (engine 9). The outcomes go to the recorder.
"""

import logging
import threading
import time
from collections.abc import Iterable
from typing import Final

from wallarm_notify.domain.clock import Clock, since_boot
from wallarm_notify.domain.sending import Claim
from wallarm_notify.pagerduty.client import KEPT_CONNECTIONS, HttpClient
from wallarm_notify.pagerduty.request import RequestSettings, request_of
from wallarm_notify.sender.in_flight import LIMITS, Dispatch, InFlight, Step
from wallarm_notify.sender.recorder import Outcomes, Recorder

log = logging.getLogger(__name__)

CONNECTIONS: Final = KEPT_CONNECTIONS + 2 * (LIMITS.fast + LIMITS.slow)
"""The most files that a process may have open to PagerDuty: kept connections, and new ones.

A new connection counts twice: it looks up a name, or tries two addresses at once.
"""

_TICK: Final = 0.05
"""Seconds after which the requests under way are checked again, though nothing has happened."""


class Dispatcher:
    """The dispatcher of one process.

    ``clock`` is a clock that goes on while the machine sleeps; the age of claims is measured by it.
    """

    def __init__(
        self,
        client: HttpClient[Dispatch],
        settings: RequestSettings,
        in_flight: InFlight,
        recorder: Recorder,
        clock: Clock = since_boot,
    ) -> None:
        self._client = client
        self._settings = settings
        self._in_flight = in_flight
        self._recorder = recorder
        self._clock = clock
        threading.Thread(target=self._run, name="dispatcher", daemon=True).start()

    def dispatch(self, claim: Claim) -> None:
        """Take over the notifications of ``claim`` and return at once."""
        if not claim.sendings:
            if claim.task is not None:
                self._recorder.put(Outcomes(idle=[claim]))
            return
        self._in_flight.add(claim)
        self._client.wake()

    def room(self, client_ids: Iterable[int]) -> dict[int, int]:
        """Return how many more notifications of each client may be claimed now: see ``InFlight.room``."""
        return self._in_flight.room(client_ids)

    def wait_for_room(self, seconds: float) -> bool:
        """Return whether there is room for another claim, within ``seconds`` of waiting."""
        return self._in_flight.wait_for_room(seconds)

    def drain(self, seconds: float) -> bool:
        """Return whether everything taken over is recorded, within ``seconds`` of waiting.

        Retries that are still buffered are enqueued, in either case.
        """
        is_recorded = self._in_flight.wait_until_recorded(seconds)
        self._recorder.flush()
        return is_recorded

    # The dispatcher's thread.

    def _run(self) -> None:
        timeout: float | None = None
        while True:
            try:
                timeout = self._do_round(timeout)
            except Exception:
                log.exception("dispatcher.failed")
                timeout = _TICK
                time.sleep(timeout)

    def _do_round(self, timeout: float | None) -> float | None:
        """Take responses, mark slow integrations, begin requests; return the seconds until the next round, or None."""
        outcomes = Outcomes()
        try:
            outcomes.responses = self._client.wait(timeout)
            self._in_flight.end(response.tag for response in outcomes.responses)
            began = time.monotonic()
            outcomes.slow = self._in_flight.start_round(began)
            is_over_time = not self._begin_requests(outcomes, began)
        finally:
            if outcomes:
                self._recorder.put(outcomes)
        if is_over_time:
            return 0
        return _TICK if self._in_flight.is_busy else None

    def _begin_requests(self, outcomes: Outcomes, began: float) -> bool:
        """Begin the requests that there is room for, the oldest first; return False if that took too long.

        Rendering a large body takes a while, and responses are to be looked at in between.
        """
        now = began
        while now - began < _TICK:
            following = self._in_flight.next(now, self._clock())
            match following:
                case None:
                    return True
                case Step.BEGIN, dispatch:
                    if not self._begin(dispatch):
                        outcomes.faulty.append(dispatch)
                case Step.HOLD, dispatch:
                    outcomes.held.append(dispatch)
                case Step.RETURN, dispatch:
                    outcomes.unsent.append(dispatch)
            now = time.monotonic()
        return False

    def _begin(self, dispatch: Dispatch) -> bool:
        """Begin a request; return whether that could be done."""
        try:
            self._client.begin(dispatch, request_of(dispatch.sending, self._settings))
        except Exception:
            # A fault of this program, not of PagerDuty: the lease runs out, and after ten such claims
            # the notification ends as ``worker_lost``.
            number = dispatch.sending.notification.id
            log.exception("delivery.not_sent", extra={"notification": number})
            self._in_flight.end([dispatch])
            self._in_flight.forget([dispatch])
            return False
        return True
