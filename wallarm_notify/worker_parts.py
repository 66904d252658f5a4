"""What a worker's process is made of: beside its context, what sends and what tells monitors of it."""

import logging
from collections.abc import Collection
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Final

from wallarm_notify.bootstrap import Wiring, context_of
from wallarm_notify.broker.app import app
from wallarm_notify.broker.task_events import TaskEvents
from wallarm_notify.domain.clock import AheadTally
from wallarm_notify.domain.errors import NotifyError
from wallarm_notify.pagerduty.client import HttpClient
from wallarm_notify.sender.dispatcher import Dispatcher
from wallarm_notify.sender.in_flight import Dispatch, InFlight, limits_under
from wallarm_notify.sender.recorder import Recorder
from wallarm_notify.sender.retry_buffer import RetryBuffer
from wallarm_notify.sending import http_settings_of, request_settings_of
from wallarm_notify.services.computations import work_on_computations
from wallarm_notify.services.context import Context
from wallarm_notify.services.ports import Reporter
from wallarm_notify.settings import Settings
from wallarm_notify.task_names import NOTIFICATIONS_QUEUE, RETRIES_QUEUE

_DELIVERING: Final = frozenset({NOTIFICATIONS_QUEUE, RETRIES_QUEUE})

_EVENTS_SECONDS: Final = 2.0
"""How long a process that ends waits for its last events of tasks."""

_COMPUTING_SECONDS: Final = 3.0
"""How long a process that ends waits until its computation is handed back; else another begins it minutes later."""

log = logging.getLogger(__name__)


class Computing:
    """The computations of a process, one after the other in a thread beside its tasks, which deliver alerts.

    A task of its own would keep a process from everything else, for minutes.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lock = Lock()
        self._thread: Thread | None = None
        self._is_asked = False
        self._ends = Event()

    def begin(self) -> None:
        """Have open computations done, and return at once."""
        with self._lock:
            self._is_asked = True
            if self._thread is None and not self._ends.is_set():
                thread = Thread(target=self._run, name="computations", daemon=True)
                thread.start()  # it may fail; the thread waits for the lock first
                self._thread = thread

    def stop(self, seconds: float) -> None:
        """Have the computation under way handed back, and wait so long for that; none is begun any more."""
        self._ends.set()
        if (thread := self._thread) is not None:
            thread.join(seconds)

    def _run(self) -> None:
        while self._goes_on():
            try:
                work_on_computations(self._ctx, lambda: not self._ends.is_set())
            except NotifyError as error:
                log.warning("computation.not_now", extra={"error": str(error)})
            except Exception:  # the next one may do better
                log.exception("computation.fault")

    def _goes_on(self) -> bool:
        with self._lock:
            asked, self._is_asked = self._is_asked, False
            if not asked or self._ends.is_set():
                self._thread = None
                return False
            return True


class WorkerParts(Wiring):
    """What a worker's process is made of, by the queues that it takes from.

    Each process has its own, made after the fork.
    """

    def __init__(self, settings: Settings, queues: Collection[str]) -> None:
        super().__init__(settings, context_of(settings, pooled=True))
        self.ahead_tally = AheadTally()
        """How many of the last minute's events, as this process counts them, were ahead of the database's clock."""
        self.task_events = TaskEvents(app)
        """What tells monitors what came of deliveries."""
        self.computing = Computing(self.context)
        """What does computations beside this process's tasks."""
        self._sends_what_it_routes = NOTIFICATIONS_QUEUE in queues
        self._dispatcher: Dispatcher | None = None
        self._making = Lock()
        if not _DELIVERING.isdisjoint(queues):
            with suppress(Exception):  # what needs it tries again, and raises
                self.dispatcher  # noqa: B018 - it is made by asking for it

    @property
    def dispatcher(self) -> Dispatcher:
        """What sends this process's claims; raises whatever keeps it from being made."""
        with self._making:
            if self._dispatcher is None:
                self._dispatcher = sender_of(self.context, self.settings, self.task_events)
            return self._dispatcher

    @property
    def inline_dispatcher(self) -> Dispatcher | None:
        """What sends first attempts of what this process routes; None: other processes send them."""
        if not self._sends_what_it_routes:
            return None
        try:
            return self.dispatcher
        except Exception:  # events are to be stored, whatever keeps them from being sent here
            log.exception("ingest.no_dispatcher")
            return None

    def drain(self, seconds: float) -> None:
        """Wait at most so many ``seconds`` for requests under way to end and be recorded.

        A computation under way is handed back.
        """
        try:
            self.computing.stop(_COMPUTING_SECONDS)
        finally:
            if self._dispatcher is not None:
                self._dispatcher.drain(seconds)
                self.task_events.drain(_EVENTS_SECONDS)


def sender_of(ctx: Context, settings: Settings, reporter: Reporter | None = None) -> Dispatcher:
    """Return the dispatcher of a process, which sends its claims; a recorder stores the outcomes.

    ``reporter`` is told what came of each delivery task.
    """
    # What may fail is made first: a recorder has a thread, which would be left behind.
    client: HttpClient[Dispatch] = HttpClient(http_settings_of(settings))
    in_flight = InFlight(limits_under(settings.rate_limit_per_minute))
    recorder = Recorder(in_flight, ctx, RetryBuffer(ctx.publisher), reporter)
    return Dispatcher(client, request_settings_of(settings), in_flight, recorder)
