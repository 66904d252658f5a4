"""The check of a RabbitMQ at start: it permits what a worker or beat will do.

Everything is tried as the process itself would do it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import amqp
from celery.events.event import get_exchange
from kombu import Queue

from wallarm_notify.broker.uses import BrokerWarning, Uses
from wallarm_notify.domain.errors import Refused
from wallarm_notify.ingest_queue import FoundQueue, TransientQueue

_CONFIRM_SECONDS: Final = 3

_NO_PRIORITY: Final = {"x-priority": "none"}
"""Arguments with which RabbitMQ checks the permission to consume, and then refuses to hand out anything."""


@dataclass(slots=True)
class _Asked:
    """A connection on which actions are tried, each on its own channel: a refusal closes the channel."""

    connection: Any
    lacks: list[str] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)
    other_types: list[str] = field(default_factory=list)

    def attempt(
        self, needs: str, act: Callable[[Any], object], *, may_differ_in: Sequence[str] = ()
    ) -> None:
        """Try ``act`` and note a refusal: a missing permission, named by ``needs``, or a thing of another form.

        A queue that may differ is used as it is.
        """
        channel = self.connection.channel()
        try:
            act(channel)
        except amqp.AccessRefused:
            self.lacks.append(needs)
        except amqp.PreconditionFailed as error:
            reason = _reason(error)
            is_used = any(f"'{argument}'" in reason for argument in may_differ_in)
            (self.other_types if is_used else self.unlike).append(reason)
        except (
            amqp.NotFound
        ):  # what an earlier attempt could not make, or what lies on a node that is away
            return
        else:
            # A refusal has closed the channel already.
            with suppress(*self.connection.channel_errors):
                channel.close()


def check_rabbitmq(
    connection: Any,
    where: str,
    uses: Uses,
    queues: Mapping[str, Queue],
    mailbox: Queue | None = None,
) -> list[BrokerWarning]:
    """Return the warnings about a RabbitMQ.

    Raise Refused if the RabbitMQ at ``where`` does not permit what ``uses`` need. ``mailbox`` is a worker's
    queue of remote control. Everything that is declared here the process would declare itself.
    """
    asked = _Asked(connection)
    for name in sorted({*uses.takes, *uses.sends}):
        _try_queue(asked, queues[name], takes=name in uses.takes)
    if mailbox is not None:
        _try_queue(asked, mailbox, takes=True)
        news = get_exchange(connection)
        asked.attempt(f"configure the exchange {news.name}", lambda c: news.bind(c).declare())
    warnings = [*_try_publishing(asked), *map(_other_type, asked.other_types)]
    if asked.unlike:
        raise Refused(
            f"The broker at {where} has a queue that differs from ours ({asked.unlike[0]}); delete it when it is "
            "empty, or use another vhost."
        )
    if asked.lacks:
        user = connection.userid or "guest"
        needs = ", ".join(dict.fromkeys(asked.lacks))
        raise Refused(
            f"The broker at {where} does not permit the user {user} to {needs}; docs/how-to/least-privilege.md has the "
            "permissions that are needed."
        )
    return warnings


def _try_queue(asked: _Asked, queue: Queue, *, takes: bool) -> None:
    exchange: Any = queue.exchange
    if exchange and exchange.name:
        asked.attempt(
            f"configure the exchange {exchange.name}", lambda c: exchange.bind(c).declare()
        )
    differing = len(asked.other_types)
    asked.attempt(
        f"configure the queue {queue.name}",
        lambda c: _declare(queue, c),
        # Only these are looked up first: declaring another again would be refused for ever.
        may_differ_in=queue.may_differ_in if isinstance(queue, FoundQueue) else (),
    )
    if isinstance(queue, TransientQueue) and len(asked.other_types) > differing:
        # RabbitMQ names one difference; a quorum queue, which cannot be used, has another besides.
        durable = queue.durable_form()
        asked.attempt(
            f"configure the queue {queue.name}", lambda c: durable.bind(c).queue_declare()
        )
    if exchange and exchange.name:
        asked.attempt(
            f"write to the queue {queue.name} and read the exchange {exchange.name}",
            lambda c: queue.bind(c).queue_bind(),
        )
    if takes:
        asked.attempt(f"read the queue {queue.name}", lambda c: _try_consuming(c, queue.name))


def _declare(queue: Queue, channel: Any) -> None:
    if isinstance(queue, FoundQueue):
        queue.declare_as_asked(channel)
    else:
        queue.bind(channel).queue_declare(channel=channel)


def _other_type(reason: str) -> BrokerWarning:
    return BrokerWarning(
        "broker.other_queue_type",
        f"A queue is there and of another kind than asked for ({reason}); it is used as it is. "
        "docs/how-to/another-broker.md says how to convert it.",
    )


def _try_consuming(channel: Any, queue: str) -> None:
    # These arguments are invalid, but RabbitMQ checks the permission to consume first.
    with suppress(amqp.PreconditionFailed):
        channel.basic_consume(queue, arguments=_NO_PRIORITY)


def _try_publishing(asked: _Asked) -> list[BrokerWarning]:
    """Return a warning if RabbitMQ does not confirm two messages that go to no queue.

    During an alarm it takes the first message and reads no further.
    """
    warnings = []

    def publish(channel: Any) -> None:
        nowhere = f"wallarm-notify.{uuid4()}"
        for _ in range(2):
            channel.basic_publish_confirm(
                amqp.Message(""), routing_key=nowhere, confirm_timeout=_CONFIRM_SECONDS
            )

    try:
        asked.attempt("write to the exchange amq.default", publish)
    except TimeoutError:
        warnings.append(
            BrokerWarning(
                "broker.takes_nothing",
                "The broker confirms no message now; it may be short of memory or disk (rabbitmqctl status, alarms).",
            )
        )
        # It reads nothing more from this connection, not even that it is closed.
        asked.connection.connection.collect()
    return warnings


def _reason(error: amqp.AMQPError) -> str:
    """Return what RabbitMQ says is different."""
    return str(error.reply_text).removeprefix("PRECONDITION_FAILED - ")
