"""On RabbitMQ, too, no event takes its batch with it."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from chaos.rabbitmq import RabbitMQ
from kombu import Connection
from odd_events import ODD, REJECTED, TAKEN, body_of, with_odd

from e2e.system import System, a_key, an_event, eventually
from wallarm_notify.sandbox.client import SandboxClient

if TYPE_CHECKING:
    from pathlib import Path

    from wallarm_notify.sandbox.server import Sandbox

pytestmark = pytest.mark.servers


def test_whatever_is_wrong_with_one_event_the_others_page(
    database_url: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        RabbitMQ() as server,
        closing(
            System(database_url, server.url, sandbox.url, SandboxClient(sandbox.url), tmp_path)
        ) as system,
    ):
        for name, value in system.environment.items():
            monkeypatch.setenv(name, value)
        system.integration(a_key())
        worker = system.start_worker()
        bodies = [
            body_of(json.dumps(an_event()).encode(), with_odd(an_event(), odd))
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
        system.wait_for_states(30, delivered=len(ODD) + len(TAKEN))
        store = system.wiring.store
        eventually(
            lambda: store.transact(lambda tx: tx.undecodable_count()) == 1, 10, "one is kept"
        )
        rejections = store.transact(lambda tx: tx.rejections(None, 100))
        assert len(rejections) == len(REJECTED)
        assert worker.popen.poll() is None
        assert system.ledger().findings == []
