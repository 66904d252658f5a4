"""The Celery app of this system, for workers, beat, and whoever sends tasks by name."""

from typing import Any, Final

from celery import Celery
from kombu import compression
from kombu.exceptions import OperationalError

app = Celery("wallarm_notify")
app.config_from_object("celeryconfig")


def _refuse(_: Any) -> bytes:
    raise ValueError("it is compressed, which no message to this system is")


# kombu unpacks whatever says that it is packed, before anybody can look at it, and without a bound: a
# kilobyte becomes gigabytes. That holds for every message that reaches a process of ours.
for content_type in compression.encoders():
    encoder: Any = compression.get_encoder(content_type)
    compression.register(encoder[0], _refuse, content_type)

UNREACHABLE: Final = (OperationalError, OSError)
"""What a publish raises when the broker is away or refuses."""


def connection_errors(celery: Celery) -> tuple[type[BaseException], ...]:
    """Return whatever the broker's transport raises when it is away."""
    with celery.connection_for_write() as connection:
        return (*UNREACHABLE, *connection.connection_errors, *connection.channel_errors)
