"""The dispatcher: sends a process's claims to PagerDuty side by side, in a thread of its own.

A task hands its claim over and is done, so that the next one is claimed while this one is sent; it waits, at
most 2 s, where too much is in flight already (engine 9). What comes of the requests goes to the recorder.
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
"""Files a process may have open to PagerDuty: connections that are kept, and new ones.

Each new one looks up a name, or tries two addresses at once.
"""

_TICK: Final = 0.05
"""Seconds after which what is under way is looked at again, though nothing has happened."""


class Dispatcher:
    """One for a process. ``clock`` is one that goes on while the machine sleeps: how old claims are."""

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
        """Take over what ``claim`` has claimed, and return at once."""
        self._in_flight.add(claim)
        self._client.wake()

    def room(self, client_ids: Iterable[int]) -> dict[int, int]:
        """Return how many more of each client may be claimed now: see ``InFlight.room``."""
        return self._in_flight.room(client_ids)

    def wait_for_room(self, seconds: float) -> bool:
        """Wait until the next claim is welcome, at most so long; return whether it is."""
        return self._in_flight.wait_for_room(seconds)

    def drain(self, seconds: float) -> bool:
        """Wait until all that was taken over is recorded, at most so long; return whether it is.

        The retries that follow from it are enqueued now.
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
        """See what has come back, who has become slow, and who may begin; return how long the next one waits."""
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
        """Begin what there is room for, in the order in which it came; return whether that is all.

        What is under way is looked at in between: rendering a large body takes a while.
        """
        now = began
        while now - began < _TICK:
            following = self._in_flight.next(now, self._clock())
            match following:
                case None:
                    return True
                case Step.BEGIN, dispatch:
                    self._begin(dispatch)
                case Step.HOLD, dispatch:
                    outcomes.held.append(dispatch)
                case Step.RETURN, dispatch:
                    outcomes.unsent.append(dispatch)
            now = time.monotonic()
        return False

    def _begin(self, dispatch: Dispatch) -> None:
        try:
            self._client.begin(dispatch, request_of(dispatch.sending, self._settings))
        except Exception:
            # Ours, not PagerDuty's: the lease runs out, and after ten such claims it ends.
            number = dispatch.sending.notification.id
            log.exception("delivery.not_sent", extra={"notification": number})
            self._in_flight.end([dispatch])
            self._in_flight.forget([dispatch])
