"""The Celery application: workers and beat run it, and publishers send tasks by name through it."""

from typing import Any, Final

from celery import Celery
from celery.app.amqp import AMQP
from kombu import compression
from kombu.exceptions import OperationalError

from wallarm_notify.redis_publishing import PublishingConnection


class OurAMQP(AMQP):
    """Celery's means to make connections, which publish as this project does."""

    Connection = PublishingConnection


app = Celery("wallarm_notify", amqp=f"{__name__}:{OurAMQP.__name__}")
app.config_from_object("celeryconfig")


def _refuse(_: Any) -> bytes:
    raise ValueError("it is compressed, which no message to this system is")


# kombu decompresses any message that claims to be compressed, before anybody can look at it and without a bound: a
# kilobyte may become gigabytes. So no process of this system decompresses a message.
for content_type in compression.encoders():
    encoder: Any = compression.get_encoder(content_type)
    compression.register(encoder[0], _refuse, content_type)

UNREACHABLE: Final = (OperationalError, OSError)
"""The errors of a publish when the broker is away or refuses the message."""


def connection_errors(celery: Celery) -> tuple[type[BaseException], ...]:
    """Return the types of the errors that the broker's transport raises when the broker is away."""
    with celery.connection_for_write() as connection:
        return (*UNREACHABLE, *connection.connection_errors, *connection.channel_errors)
