"""On RabbitMQ too, a wrong event keeps no other of its batch from being taken in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from build import a_key, an_event_object, eventually
from kombu import Connection
from odd_events import ODD, REJECTED, TAKEN, body_of, with_odd

from wallarm_notify.devstack.rabbitmq import RabbitMQ
from wallarm_notify.domain.page import Slice
from wallarm_notify.domain.scope import EVERY_CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.system import System


pytestmark = pytest.mark.servers


def test_a_wrong_event_keeps_no_other_from_paging(
    make_system: Callable[..., System],
) -> None:
    with RabbitMQ() as server:
        system = make_system(broker_url=server.url)
        system.integration(a_key())
        worker = system.start_worker()
        bodies = [
            body_of(json.dumps(an_event_object()).encode(), with_odd(an_event_object(), odd))
            for odd in ODD.values()
        ]
        with Connection(server.url) as connection:
            for number, body in enumerate([*bodies, b'[[],{"events":[{"x":"\x80"]},{}]']):
                connection.Producer().publish(
                    body,
                    routing_key="events",
                    content_type="application/json",
                    content_encoding="utf-8",
                    headers={"task": "events.ingest", "id": f"a{number}", "lang": "c"},
                )
        system.wait_for_states(60, delivered=len(ODD) + len(TAKEN))
        store = system.wiring.store
        eventually(
            lambda: store.transact(lambda tx: tx.undecodable_count(EVERY_CLIENT)) == 1,
            60,
            "one is kept",
        )
        rejections = store.transact(lambda tx: tx.rejections(EVERY_CLIENT, Slice(None, 100))).items
        assert len(rejections) == len(REJECTED)
        assert worker.popen.poll() is None
        assert system.ledger().findings == []
