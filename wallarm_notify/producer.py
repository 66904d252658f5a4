"""The client for Python services that enqueue events (spec 2). It needs no extra of the package.

::

    with Producer("redis://broker:6379/0") as producer:
        producer.emit({"type": "rule.created", "client_id": 1, "rule_id": 7})
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from threading import local
from time import monotonic, sleep
from typing import Any, Final, Self
from uuid import UUID, uuid4

from amqp.exceptions import MessageNacked
from celery import Celery
from kombu import Connection
from kombu.exceptions import KombuError

from wallarm_notify.domain.canonical import canonical
from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.domain.event import Event, Rejection
from wallarm_notify.domain.spelling import compact
from wallarm_notify.domain.words import counted
from wallarm_notify.event_types import GivenEvent, body_of
from wallarm_notify.events_channel import WINDOW, EventsChannel, Published
from wallarm_notify.ingest_queue import QueueType, ingest_queue
from wallarm_notify.redis_connection import is_behind_sentinel
from wallarm_notify.redis_options import KEEPALIVE, RedisSetup
from wallarm_notify.redis_publishing import PublishingConnection
from wallarm_notify.schemas.read import read_event
from wallarm_notify.schemas.sendable import MISREAD, is_misread
from wallarm_notify.task_names import EVENTS_QUEUE
from wallarm_notify.tls import (
    SSL_CERT_FILE,
    ca_fault,
    certificate_fault,
    check_files,
    unchecked_warning,
    use_ssl,
)
from wallarm_notify.urls import BadURL, Broker, read_broker, shown

log = logging.getLogger(__name__)

MAX_BATCH: Final = 1000
"""The most events of a message; the workers divide longer lists."""

MESSAGE_BYTES: Final = 2_500_000
"""The most bytes of a message's events, as JSON in UTF-8: under 4 MB in Redis's base64."""

CONNECT_TIMEOUT: Final = 2.0
ANSWER_TIMEOUT: Final = 4.0
TRY_AGAIN_UNTIL: Final = 3.0
"""Seconds after which no further try begins, so that the last one is over within 10."""

_PAUSE: Final = 0.2

_TRANSPORT_OPTIONS: Final = {
    # If the URL names several brokers, each is tried once; kombu would try for ever.
    "interval_start": 0,
    "interval_step": 0,
    "socket_connect_timeout": CONNECT_TIMEOUT,
    "socket_timeout": ANSWER_TIMEOUT,
    **KEEPALIVE,
    # Above for Redis, below for RabbitMQ; confirms are waited for together, whatever an app sets:
    "confirm_publish": False,
    "connect_timeout": CONNECT_TIMEOUT,
    "read_timeout": ANSWER_TIMEOUT,
    "write_timeout": ANSWER_TIMEOUT,
}


class InvalidEvent(Refused):
    """An event that the system would reject; it and all later ones were not sent.

    ``number`` counts the events given, from 1; ``sent`` are the ids of those that the broker has.
    """

    def __init__(self, number: int, rejection: Rejection) -> None:
        super().__init__(rejection.reason, field=f"event {number}")
        self.number = number
        self.rejection = rejection
        self.sent: tuple[UUID, ...] = ()


class NotSent(Unavailable):
    """The broker did not confirm a message.

    ``sent`` are the ids of the events that the broker has. ``events`` are the others that were to be sent by
    then, complete with id and time. The id is an idempotency key: emitting them again is safe.
    """

    def __init__(
        self, sentence: str, sent: Iterable[UUID], events: Iterable[Mapping[str, Any]]
    ) -> None:
        super().__init__(sentence)
        self.sent = tuple(sent)
        self.events = tuple(events)


class Producer:
    """A producer of events for wallarm-notify; usable by several threads, and after a fork.

    ``broker`` is the broker's URL as Celery writes it, or the Celery app of a service with the same broker.
    ``batch_size`` is how many events a message has, 1 to 1000. ``queue_type`` is the type of the queue of
    events on RabbitMQ where it is missing: the workers' WALLARM_NOTIFY_EVENTS_QUEUE_TYPE. One that is there is
    used as it is.

    For a broker at ``rediss://`` or ``amqps://`` certificate and host name are checked, unless its URL says
    ``ssl_cert_reqs=none``. ``ca_file`` is the path of a PEM file with the CAs to trust; the default is the
    file in SSL_CERT_FILE, or this machine's CAs. An app uses its own TLS settings.

    For Redis, ``redis`` says what its URL cannot: the master's name and the login of its Sentinels for
    ``sentinel://``, the workers' prefix of keys, and how many replicas have to have a message before it counts
    as sent. An app uses its own transport options, and of ``redis`` only ``wait_replicas``.

    Raise Refused for an invalid URL or file. It connects only when there is something to send, and finds
    only then that an app's broker has an invalid URL.
    """

    _try_again_until = TRY_AGAIN_UNTIL

    def __init__(
        self,
        broker: str | Celery,
        *,
        batch_size: int = 100,
        queue_type: QueueType = "classic",
        ca_file: str | None = None,
        redis: RedisSetup | None = None,
    ) -> None:
        if not 1 <= batch_size <= MAX_BATCH:
            raise Refused(f"must be from 1 to {MAX_BATCH}, not {batch_size}.", field="batch_size")
        if queue_type not in ("classic", "quorum"):
            raise Refused(f"must be classic or quorum, not {queue_type!r}.", field="queue_type")
        self._url: str | None = None
        self._ssl: dict[str, Any] | None = None
        redis = redis or RedisSetup()
        self._options: dict[str, Any] = dict(_TRANSPORT_OPTIONS)
        if redis.wait_replicas:
            self._options["wait_replicas"] = redis.wait_replicas
        if isinstance(broker, str):
            read = _checked(broker)
            self._url = read.url
            cas = _ca_file(ca_file, read)
            self._ssl = use_ssl(read, cas)
            if (misfit := redis.misfit(read)) is not None:
                raise Refused(f"its {' '.join(misfit)}.", field="redis")
            self._options |= redis.options(read, cas)
            if (warning := unchecked_warning("the broker's URL", read.tls)) is not None:
                log.warning(warning)
            self._app = Celery("wallarm-notify-producer", set_as_current=False)
        else:
            self._app = broker
        self._batch_size = batch_size
        # Without an exchange: to bind a queue to one, RabbitMQ would require the right to read it.
        self._queue = ingest_queue(EVENTS_QUEUE, queue_type)
        self._own = local()  # one connection for each thread

    def emit(self, *events: GivenEvent) -> list[UUID]:
        """Enqueue ``events`` and return their ids, once the broker has them.

        An event is an object or a model of ``event_types``. It gets an id and a time if it has none. Nothing is sent
        if one is wrong: raise InvalidEvent, and NotSent if the broker does not confirm (10 s for each message).
        """
        return self._send_all(list(_prepared(events)))

    def emit_many(self, events: Iterable[GivenEvent]) -> list[UUID]:
        """Enqueue ``events`` as they come, message by message, and return their ids.

        RabbitMQ confirms up to 100 messages together. Raise as ``emit`` does; messages that were full before a
        wrong event came were sent.
        """
        return self._send_all(_prepared(events))

    def send(self, events: Sequence[Event], *, sent_by: str | None = None) -> None:
        """Enqueue events that were read and checked (``schemas.sendable``), for ``sent_by``.

        All are confirmed together. Raise NotSent, within some 10 s however many messages they are.
        """
        window = [Published(batch, sent_by=sent_by) for batch in _batches(events, self._batch_size)]
        self._send(window, [], confirm=True)

    def close(self) -> None:
        """Close this thread's connection; the next ``emit`` opens another."""
        self._own.__dict__.pop("channel", None)
        connection: Connection | None = self._own.__dict__.pop("connection", None)
        if connection is not None and self._own.pid == os.getpid():
            connection.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send_all(self, events: Iterable[Event]) -> list[UUID]:
        sent: list[UUID] = []
        window: list[Published] = []
        try:
            for batch in _batches(events, self._batch_size):
                window.append(Published(batch))
                self._send(window, sent, confirm=len(window) == WINDOW)
        except NotSent:
            raise
        except Exception as error:
            # Of the caller's iterable, or a wrong event: what was published is confirmed first.
            self._send(window, sent, confirm=True)
            if isinstance(error, InvalidEvent):
                error.sent = tuple(sent)
            raise
        self._send(window, sent, confirm=True)
        return sent

    def _send(self, window: list[Published], sent: list[UUID], *, confirm: bool) -> None:
        """Publish what is not published yet; to ``confirm``, wait for the broker and move the ids to ``sent``."""
        began = monotonic()
        while (error := self._try(window, confirm=confirm)) is not None:
            if monotonic() - began + _PAUSE > self._try_again_until:
                lost = [event for one in window if not one.is_confirmed for event in one.content]
                raise NotSent(
                    f"the broker {self._broker()} did not take {_messages(window)} of "
                    f"{counted(len(lost), 'event')}: {error}.",
                    [*sent, *_ids(one for one in window if one.is_confirmed)],
                    [event.body for event in lost],
                )
            sleep(_PAUSE)
        if confirm:
            sent += _ids(window)
            window.clear()

    def _try(self, window: list[Published], *, confirm: bool) -> str | None:
        """Publish, and to ``confirm`` wait; return what went wrong, in words, or None."""
        connection = self._connection()
        trouble: tuple[type[BaseException], ...] = (
            KombuError,
            MessageNacked,
            OSError,
            *connection.connection_errors,
            *connection.channel_errors,
        )
        try:
            channel = self._channel(connection)
            for message in window:
                # An emit within the iterable, or a fork, may have changed the channel.
                if not message.is_confirmed and message.channel is not channel:
                    channel.publish(message)
            if confirm:
                channel.wait(ANSWER_TIMEOUT)
        except trouble as error:
            # A late confirm must not be taken for the confirm of the next message.
            self._drop(connection)
            return _reason(error, str(connection.password or ""))
        except BaseException:  # as a time limit, maybe between a message and the note of it
            self._drop(connection)
            raise
        return None

    def _channel(self, connection: Connection) -> EventsChannel:
        """Return the channel of this thread's connection, which is opened where it is not yet."""
        if "channel" not in self._own.__dict__:
            self._own.channel = EventsChannel(connection, self._queue)
        channel: EventsChannel = self._own.channel
        return channel

    def _connection(self) -> Connection:
        if self._own.__dict__.get("pid") != os.getpid():
            # A forked child must not touch its parent's socket.
            self._own.__dict__.clear()
        if "connection" not in self._own.__dict__:
            self._own.pid = os.getpid()
            self._own.connection = self._new_connection()
            # Of several Sentinels each is asked with every try.
            several = not is_behind_sentinel(self._own.connection)
            others = max(len(self._own.connection.alt or ()) - 1, 0) if several else 0
            self._own.connection.transport_options["max_retries"] = others
        connection: Connection = self._own.connection
        return connection

    def _new_connection(self) -> Connection:
        """Return a connection that is not open yet. Raise Refused for an app whose broker has an invalid URL."""
        try:
            kombus = self._app.connection_for_write(
                self._url,
                connect_timeout=CONNECT_TIMEOUT,
                heartbeat=0,
                # kombu changes it, and threads may be at different brokers.
                ssl=copy(self._ssl),
                transport_options=self._options,
            )
            return PublishingConnection.in_place_of(kombus)
        except (
            ValueError,
            TypeError,
            KeyError,
            ImportError,
        ):  # their texts repeat pieces of the URL
            raise Refused(
                "the app's broker URL cannot be read; in a user name or password / ? # @ are "
                "written %2F %3F %23 %40.",
                field="broker",
            ) from None

    def _drop(self, connection: Connection) -> None:
        if self._own.__dict__.get("connection") is connection:
            del self._own.connection
            self._own.__dict__.pop("channel", None)
        connection.collect(socket_timeout=_PAUSE)

    def _broker(self) -> str:
        return shown(self._connection().as_uri())


def _checked(url: str) -> Broker:
    """Return the parts of ``url``; raise Refused, without repeating it, for an invalid one."""
    try:
        broker = read_broker(url)
        check_files(broker.tls)
    except BadURL as error:
        raise Refused(f"it {error}.", field="broker") from None
    return broker


def _ca_file(given: str | None, broker: Broker) -> str | None:
    """Return the path of the CAs to trust. Raise Refused if TLS is used and the file cannot be read."""
    path = given or os.environ.get(SSL_CERT_FILE) or None
    if path is not None and broker.tls is not None and (fault := ca_fault(path)):
        raise Refused(f"{fault}.", field="ca_file" if given else SSL_CERT_FILE)
    return path


def _prepared(events: Iterable[GivenEvent]) -> Iterator[Event]:
    for number, given in enumerate(events, 1):
        body = body_of(given)
        if body.get("id") is None:
            body["id"] = str(uuid4())
        if body.get("occurred_at") is None:
            body["occurred_at"] = datetime.now(UTC).isoformat()
        match read_event(body):
            case Rejection() as rejection:
                raise InvalidEvent(number, rejection)
            case event if is_misread(event):
                raise InvalidEvent(
                    number,
                    Rejection(
                        MISREAD,
                        canonical(event.body),
                        event.body_hash,
                        event_id=event.id,
                        client_id=event.client_id,
                        type=event.type,
                    ),
                )
            case event:
                yield event


def _batches(events: Iterable[Event], most: int) -> Iterator[list[Event]]:
    batch: list[Event] = []
    size = 0
    for event in events:
        length = len(compact(event.body).encode())
        if batch and size + length > MESSAGE_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += length
        if len(batch) == most:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _ids(messages: Iterable[Published]) -> list[UUID]:
    return [event.id for message in messages for event in message.content]


def _messages(window: list[Published]) -> str:
    lost = sum(not message.is_confirmed for message in window)
    return "a message" if lost == 1 else counted(lost, "message")


def _reason(error: BaseException, password: str) -> str:
    if (fault := certificate_fault(error)) is not None:
        return fault
    text = str(error).rstrip(".")
    if text and not (password and password in text):
        return f"{type(error).__name__}: {text}"
    # kombu hides the cause: MessageNacked if RabbitMQ refused the message.
    return type(error.__cause__ or error).__name__
