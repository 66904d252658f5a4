from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from build import Bench, a_key, an_answer

from wallarm_notify.domain.client import Client
from wallarm_notify.domain.errors import NotFound, Unavailable
from wallarm_notify.services import send_test_alerts as service
from wallarm_notify.store import Store
from wallarm_notify.store.encryption import KeyCipher, generate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from wallarm_notify.domain.outcome import Answer

KEY = a_key()


class Sender:
    """Answers every alert by its summary, once all three are asked for."""

    def __init__(self) -> None:
        self.targets: list[service.Target] = []
        self.together = threading.Barrier(3)

    def __call__(self, alert: Mapping[str, Any], target: service.Target) -> Answer:
        self.together.wait(5)
        self.targets.append(target)
        return an_answer(400 if alert["payload"]["summary"] == "two" else 202)


def alerts(client: Client, now: datetime) -> list[dict[str, Any]]:
    return [{"payload": {"summary": summary}} for summary in ("one", "two", "three")]


def a_testing(store: Store, sender: Sender) -> service.Testing:
    return service.Testing(store, default_cloud="eu", alerts=alerts, send=sender)


def test_all_alerts_are_sent_at_once_and_each_has_its_answer(bench: Bench) -> None:
    sender = Sender()
    tested = a_testing(bench.store, sender).unsaved(7, "us", KEY)
    assert [(t.summary, t.passed, t.answer.status) for t in tested] == [
        ("one", True, 202),
        ("two", False, 400),
        ("three", True, 202),
    ]
    assert {(t.client, t.region, t.key) for t in sender.targets} == {
        (Client(7, "Client 7", "eu", "Wallarm"), "us", KEY)
    }


@pytest.mark.parametrize("enabled", [True, False])
def test_one_that_is_saved_is_tested_with_its_own_key_and_region(
    bench: Bench, *, enabled: bool
) -> None:
    integration = bench.integration(KEY, region="eu", enabled=enabled)
    sender = Sender()
    assert len(a_testing(bench.store, sender).saved(integration)) == 3
    assert {(t.client.id, t.region, t.key) for t in sender.targets} == {(1, "eu", KEY)}


def test_test_alerts_take_grants_but_wait_for_none(bench: Bench) -> None:
    integration = bench.integration(KEY)
    for _ in range(33):
        a_testing(bench.store, Sender()).saved(integration)
    ids = bench.made(3)
    claim = bench.claim(ids)
    assert (len(claim.sendings), claim.waiting) == (1, 2)
    assert len(a_testing(bench.store, Sender()).saved(integration)) == 3


def test_test_alerts_are_no_notifications(bench: Bench) -> None:
    a_testing(bench.store, Sender()).saved(bench.integration())
    assert bench.states() == {}
    assert bench.value("SELECT count(*) FROM attempts") == 0
    assert bench.ledger().received == 0


def test_what_does_not_exist_or_cannot_be_opened_is_not_tested(bench: Bench) -> None:
    with pytest.raises(NotFound, match="There is no integration 4711"):
        a_testing(bench.store, Sender()).saved(4711)
    integration = bench.integration()
    wrong = Store(bench.engine, KeyCipher([generate()]))
    with pytest.raises(Unavailable, match="WALLARM_NOTIFY_SECRET_KEYS lacks the key"):
        a_testing(wrong, Sender()).saved(integration)
