"""The worker's consumer, which keeps messages that Celery would drop or fail on (spec 2)."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Final

from billiard.exceptions import WorkerLostError
from celery import signals
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.asynchronous import set_event_loop

from wallarm_notify.broker.batching import (
    CALLS_CHANNELS,
    MOST_CALLS,
    Batcher,
    BatchMessage,
)
from wallarm_notify.broker.liveness import EVERY, of_this_process
from wallarm_notify.broker.message_check import fault_of
from wallarm_notify.broker.quarantine import Quarantine, bytes_of, is_returned, mark_returned
from wallarm_notify.broker.rabbitmq_channel import CallsChannel
from wallarm_notify.broker.redis_transport import NotingChannel, WorkerConnection
from wallarm_notify.settings import settings
from wallarm_notify.store import Store, Transaction
from wallarm_notify.store.connection import Unpooled
from wallarm_notify.task_names import EVENTS_QUEUE, INGEST_QUEUES, OUR_QUEUES

log = logging.getLogger(__name__)

KEPT_BYTES: Final = 64_000
"""The greatest number of bytes of an undecodable message (a dead letter) that are kept."""

NOT_KEPT: Final = "undecodable_not_kept"
"""The ledger's counter of undecodable messages that came after the daily limit was reached."""

TAKEN_WITHIN: Final = 5.0
"""Seconds for which a worker that stops lets its processes take what is on its way to them; it takes milliseconds."""

AGAIN_AFTER: Final = 1.0
"""Seconds until a message that could not be kept is handed back."""


class KeepingConsumer(Consumer):
    """Celery's consumer, which stores an undecodable message before it acknowledges it.

    A message that cannot be stored goes back to its queue: unacknowledged, it would use a place of the worker's
    prefetch for ever.
    """

    # Attributes of Celery's class that its published types lack.
    hub: Any
    task_consumer: Any
    pool: Any
    controller: Any
    connection: Any
    connection_errors: tuple[type[BaseException], ...]
    channel_errors: tuple[type[BaseException], ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The consumer lives in the parent of the worker's processes, so it keeps no connection open.
        self._store = Store(Unpooled(settings().database()))
        # Each connection to the broker has its own: see create_task_handler.
        self._quarantine = Quarantine(self._store, self._send, self._later)
        self._batcher: Batcher
        self._calls: Any = None
        self._receive: Callable[[Any], None]
        self._keeps_again_at = 0.0
        self._queue_by_tag: dict[Any, str] = {}
        self._liveness = of_this_process()
        # This system does not use gossip and mingle, and one malformed message of theirs ends every worker.
        super().__init__(*args, **kwargs, without_gossip=True, without_mingle=True)
        signals.worker_shutting_down.connect(self._stop_was_requested)

    def start(self) -> None:
        """Start as Celery does; a worker whose processes obeyed a stop before it did stops without an error."""
        try:
            super().start()
        except WorkerLostError:
            state.maybe_shutdown()
            raise

    def _stop_was_requested(self, **_: Any) -> None:
        """Close the quarantine at a signal to stop: without processes (-P solo) nothing else runs until a call ends."""
        self._quarantine.close()

    def stop(self) -> None:
        """Stop as Celery does; from now on a process that is killed does not count as a death."""
        self._quarantine.close()
        if self._calls is not None:
            with suppress(Exception):  # the connection may be lost
                self._calls.cancel()
        # The same; and a second request to stop, which comes in here, ends no more than this.
        with suppress(Exception, SystemExit):
            self._let_processes_take_their_tasks()
        super().stop()

    def _let_processes_take_their_tasks(self) -> None:
        """Go on with the event loop until no task is on its way to a process.

        Celery forgets such a task when it stops. Its process does it all the same, but nobody acknowledges its message,
        and the process waits half a minute for somebody to read that it is done.
        """
        if self.hub is None:
            return  # there are no processes
        tasks, loop = self.pool._pool._cache, self.hub.create_loop()  # noqa: SLF001 - there is no public way to them
        deadline = monotonic() + TAKEN_WITHIN
        while any(map(_is_on_its_way, tasks.values())) and monotonic() < deadline:
            next(loop)

    def connect(self) -> Connection:
        """Return the connection that Celery makes, with its event loop set up."""
        # kombu has no current event loop after a reset of the hub, which follows each lost connection.
        set_event_loop(self.hub)
        return super().connect()

    def connection_for_read(self, heartbeat: float | None = None) -> Connection:
        """Return the connection that messages are taken from; to a Redis it uses this project's transport."""
        kombus = self.app.connection_for_read(heartbeat=heartbeat)
        ours = WorkerConnection.in_place_of(kombus, batched_queues=INGEST_QUEUES)
        self._liveness.note_tries_of(ours)
        return self.ensure_connected(ours)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return the function that takes each message of one connection and passes valid ones to Celery's handler."""
        self._receive = super().create_task_handler(*args, **kwargs)
        # Celery's timers end with each connection.
        self.timer.call_repeatedly(EVERY, self._liveness.note)
        # With a timer: what is called "soon" from an acknowledgement waits for the next message.
        self._batcher = batcher = Batcher(
            partial(self._later, 0), self._begin, self._drain, self._processes
        )
        unstruck = self._quarantine.close()
        self._quarantine = Quarantine(
            self._store, self._send, self._later, unstruck=unstruck, is_busy=batcher.has_some
        )
        calls = [queue for queue in self.task_consumer.queues if queue.name not in OUR_QUEUES]
        channel = self.task_consumer.channel
        if calls and self.connection.transport.driver_type == "amqp":
            channel = self._take_apart(calls)
        if isinstance(channel, CALLS_CHANNELS):
            channel.qos.settled = self._batcher.look
        return self._on_message

    def _take_apart(self, calls: list[Any]) -> CallsChannel:
        """Consume the queues of calls on a channel of their own, and return that."""
        for queue in calls:
            self.task_consumer.cancel_by_queue(queue.name)
        # One batch for each process, and one that waits.
        prefetch = (self._processes() + 1) * MOST_CALLS
        channel = CallsChannel(self.connection.connection, prefetch)
        self._calls = self.app.amqp.TaskConsumer(
            channel, queues=calls, on_decode_error=self.on_decode_error
        )
        self._calls.on_message = self._on_message
        # In the loop: a message that came earlier would meet a pool that is not registered with it yet.
        self.call_soon(self._calls.consume)
        return channel

    def _processes(self) -> int:
        """Return how many processes there are, or may be: autoscaling makes more where there is work for them."""
        return max(1, int(self.controller.max_concurrency or self.pool.num_processes))

    def _drain(self, more: Callable[[], bool]) -> None:
        """Read messages that the broker has sent already, while ``more()``; Redis sends all at once."""
        if self.connection.transport.driver_type != "amqp":
            return
        try:
            # Not without end: messages that make no batch may come as fast as they are read.
            for _ in range(MOST_CALLS):
                if not more():
                    return
                self.connection.drain_events(timeout=0)
        except TimeoutError:
            pass  # there are no more
        except self.channel_errors as error:
            # Celery's timers only log what is no error of the connection; the loop connects again.
            self.call_soon(_raise, error)

    def add_task_queue(self, queue: Any, *args: Any, **options: Any) -> Any:
        """Consume one more queue, as remote control asks for it."""
        if self._calls is None or queue in OUR_QUEUES or queue not in self.app.amqp.queues:
            return super().add_task_queue(queue, *args, **options)
        if not self._calls.consuming_from(queue):
            self._calls.add_queue(self.app.amqp.queues[queue])
            self._calls.consume()
        return None

    def cancel_task_queue(self, queue: Any) -> None:
        """Consume a queue no longer, as remote control asks for it."""
        super().cancel_task_queue(queue)
        if self._calls is not None:
            self._calls.cancel_by_queue(queue)

    def _on_message(self, message: Any) -> None:
        is_call = self._queue_of(message) not in OUR_QUEUES
        if not is_call or not self._quarantine.hold(message, is_returned=is_returned(message)):
            self._send(message, alone=False)

    def _send(self, message: Any, alone: bool) -> None:
        queue = self._queue_of(message)
        try:
            fault = fault_of(message, self.app, queue)
        except MemoryError:
            self._hand_back_deadly(message)
            return
        if fault is not None:
            self._set_aside(message, fault)
        elif queue in OUR_QUEUES:
            self._take(message)
        elif alone or not self._batcher.add(message):
            self._begin(message)

    def _begin(self, message: Any) -> None:
        self._quarantine.began(message)
        self._take(message)

    def _take(self, message: Any) -> None:
        try:
            self._receive(message)
        except MemoryError:
            self._hand_back_deadly(message)
        except Exception as error:
            if self._is_of_the_connection(error):
                raise
            log.exception("message.not_taken")
            self._set_aside(message, f"no task could be made of it: {error!r}")

    def _hand_back_deadly(self, message: Any) -> None:
        """Hand ``message`` back as if the worker had died of it: there is not enough memory to take it."""
        log.error("message.too_much")
        mark_returned(message)
        if (ended := vars(message).pop("ended", None)) is not None:
            ended(handed_back=True, died=True)
        self.timer.call_after(AGAIN_AFTER, _hand_back, (message,))

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self.timer.call_after(seconds, call)

    def _queue_of(self, message: Any) -> str:
        """Return the queue that the broker says ``message`` was in, or an empty text if that is not known.

        On RabbitMQ ``events`` stands for each queue that producers write to.
        """
        if isinstance(message.channel, NotingChannel):
            return str(message.delivery_info["routing_key"])
        if isinstance(message.channel, CallsChannel):
            return EVENTS_QUEUE
        tags: dict[str, str] = self.task_consumer._active_tags  # noqa: SLF001 - kombu has no public way to it
        # Messages that were on their way may still come from a queue after its consumer was cancelled.
        self._queue_by_tag |= {tag: queue for queue, tag in tags.items()}
        return self._queue_by_tag.get(message.delivery_info.get("consumer_tag"), "")

    def _is_of_the_connection(self, error: Exception) -> bool:
        # kombu counts KeyError as a connection error on Redis; the worker would reconnect for ever.
        return isinstance(error, self.connection_errors) and not isinstance(error, KeyError)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Store a message whose body only Celery finds not to be of its content type."""
        self._set_aside(message, f"cannot be decoded: {exc}")

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Store a message that Celery does not recognize as a task message."""
        del body
        self._set_aside(message, "is not a task message")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Store a message that names a task that does not exist."""
        del body
        self._set_aside(message, f"names no task of ours: {exc}")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Store a message that Celery finds invalid, or whose content type is refused."""
        del body
        self._set_aside(message, f"is not a valid task message: {exc}")

    def _set_aside(self, message: Any, reason: str) -> None:
        if message.acknowledged:
            return
        if isinstance(message, BatchMessage):
            # The fault is in one message of the batch; all of them come back, each by itself.
            mark_returned(message)
            self.timer.call_after(AGAIN_AFTER, _hand_back, (message,))
        elif self._keeps_again_at <= monotonic() and _keep(self._store, message, reason):
            # Without a connection the broker hands it out again: it is kept twice rather than lost.
            message.ack_log_error(log, (Exception,))
        else:
            # Many may come at once, and each would wait for a database that is away.
            self._keeps_again_at = max(self._keeps_again_at, monotonic() + AGAIN_AFTER / 2)
            self.timer.call_after(AGAIN_AFTER, _hand_back, (message,))


def _is_on_its_way(task: Any) -> bool:
    """Return whether a process was sent ``task``, and has not said yet that it took it."""
    return task._write_to is not None and not task._accepted  # noqa: SLF001 - as above


def _raise(error: BaseException) -> None:
    raise error


def _hand_back(message: Any) -> None:
    # Without a connection the broker has taken it back already.
    with suppress(Exception):
        message.requeue()


def _keep(store: Store, message: Any, reason: str) -> bool:
    """Return whether the first 64 kB of ``message`` were stored, or counted where the daily limit was reached.

    It never raises.
    """
    try:
        raw = bytes_of(message)
        kind = None if message.content_type is None else _plain(message.content_type)[:200]
        most = settings().rejected_per_day

        def work(tx: Transaction) -> bool:
            kept = tx.store_undecodable(
                _plain(reason)[:500], kind, raw[:KEPT_BYTES], most, size=len(raw)
            )
            tx.count({} if kept else {NOT_KEPT: 1})
            return kept

        is_kept = store.transact(work)
    except Exception as error:  # noqa: BLE001 - whatever it is, the message goes back
        log.error("message.not_kept", extra={"error": _plain(error)})  # noqa: TRY400 - it may pass
        return False
    if is_kept:
        log.error("message.undecodable", extra={"reason": _plain(reason)[:200], "bytes": len(raw)})
    return True


def _plain(text: Any) -> str:
    """Return ``text`` in ASCII and without NUL, so that it can be stored."""
    return str(text).encode("ascii", "backslashreplace").decode().replace("\0", "")
