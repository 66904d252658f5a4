"""Two installations on one Redis, told apart by the prefix of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from build import an_event_object, eventually
from celery import Celery

from wallarm_notify.domain.batches import Message
from wallarm_notify.producer import Producer
from wallarm_notify.redis_options import RedisSetup

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from e2e.system import System

OURS, THEIRS = "eu:", "us:"


def nodes_of(broker: str, prefix: str) -> list[str]:
    """Return which nodes answer to whoever has a prefix."""
    with Celery(broker=broker, set_as_current=False) as app:
        app.conf.broker_transport_options = {"global_keyprefix": prefix}
        return [node for pong in app.control.ping(timeout=2) or [] for node in pong]


def test_what_this_process_publishes_has_the_prefix_of_its_system_whichever_it_had_before(
    make_system: Callable[..., System], redis: Redis
) -> None:
    for prefix in (OURS, THEIRS, ""):
        publisher = make_system(broker_key_prefix=prefix).ctx.publisher
        publisher.publish([Message(ids=(1,), links=(0,), countdown=None, first=True, words="")])
        assert redis.llen(f"{prefix}notifications") == 1


def test_neither_takes_what_the_other_was_sent_nor_hears_its_control(
    make_system: Callable[..., System], broker: str
) -> None:
    system = make_system(broker_key_prefix=OURS, sweep_seconds=1, retry_time_scale=0.002)
    system.integration()
    system.sandbox.set_faults([{"kind": "status", "status": 503, "times": 1}])
    worker = system.start_worker()
    beat = system.start_beat()
    for prefix in (THEIRS, OURS):
        with Producer(broker, redis=RedisSetup(key_prefix=prefix)) as producer:
            producer.emit(an_event_object())
    system.wait_for_states(60, delivered=1)
    worker.wait_for("Task upkeep.sweep")
    with system.ask_broker() as client:
        assert client.llen(f"{THEIRS}events") == 1
        assert client.llen(f"{OURS}events") == 0
        named = {key.decode() for key in client.scan_iter()}
        assert {key for key in named if not key.startswith((OURS, THEIRS))} == set()
    eventually(
        lambda: nodes_of(broker, OURS) == [f"{worker.name}@devstack"], 60, "the node answers"
    )
    assert nodes_of(broker, THEIRS) == []
    assert (worker.stop(), beat.stop()) == (0, 0)
    assert system.ledger().received == 1
