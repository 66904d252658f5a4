"""Messages in lists that nobody reads, on a Redis with a prefix of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery

from wallarm_notify.broker.unread import bring_in

if TYPE_CHECKING:
    from redis import Redis


def test_what_nobody_reads_is_moved_under_the_prefix_alone(broker: str, redis: Redis) -> None:
    for name in ("eu:events:5", "us:events:5", "events:5"):
        redis.lpush(name, "a message")
    with Celery(broker=broker, set_as_current=False) as app:
        app.conf.broker_transport_options = {"global_keyprefix": "eu:"}
        assert bring_in(app) == 1
    left = {key.decode() for key in redis.scan_iter()}
    assert left == {"eu:events", "us:events:5", "events:5"}
