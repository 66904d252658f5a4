from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from build import Bench, a_key, an_answer

from wallarm_notify.domain.errors import NotFound, Unavailable
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.send_test_alerts import (
    Target,
    send_test_alerts,
    send_test_alerts_unsaved,
)
from wallarm_notify.store import Store
from wallarm_notify.store.encryption import KeyCipher, generate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wallarm_notify.domain.integration import IntegrationKey
    from wallarm_notify.domain.outcome import Answer, Tested

KEY = a_key()


class Sender:
    """What answers each alert by its class, once all three were sent."""

    def __init__(self) -> None:
        self.alerts: list[Mapping[str, Any]] = []
        self.targets: list[Target] = []
        self.together = threading.Barrier(3)

    def __call__(self, alert: Mapping[str, Any], target: Target) -> Answer:
        self.together.wait(5)
        self.alerts.append(alert)
        self.targets.append(target)
        return an_answer(400 if alert["payload"]["class"] == "trigger_create" else 202)

    @property
    def ways(self) -> set[tuple[str, IntegrationKey]]:
        return {(target.region, target.key) for target in self.targets}

    @property
    def clients(self) -> set[tuple[str, str]]:
        details = [alert["payload"]["custom_details"] for alert in self.alerts]
        return {(one["client_name"], one["cloud"]) for one in details}


def answers_of(bench: Bench, integration: int, sender: Sender | None = None) -> list[Tested]:
    return send_test_alerts(bench.ctx, EVERY_CLIENT, integration, sender or Sender())


def test_all_alerts_are_sent_at_once_and_each_has_its_answer(bench: Bench) -> None:
    sender = Sender()
    ctx = bench.with_settings(cloud="eu")
    found = send_test_alerts_unsaved(ctx, EVERY_CLIENT, 7, "us", KEY, send=sender)
    assert [(t.summary.split("] ")[-1], t.passed, t.answer.status) for t in found] == [
        ("New user was added to the company account", True, 202),
        ("Trigger was created", False, 400),
        ("New security issue detected", True, 202),
    ]
    assert (sender.ways, sender.clients) == ({("us", KEY)}, {("Client 7", "EU")})


@pytest.mark.parametrize("enabled", [True, False])
def test_one_that_is_saved_is_tested_with_its_own_key_and_region(
    bench: Bench, *, enabled: bool
) -> None:
    integration = bench.integration(KEY, region="eu", enabled=enabled)
    sender = Sender()
    assert len(answers_of(bench, integration, sender)) == 3
    assert (sender.ways, sender.clients) == ({("eu", KEY)}, {("Client 1", "US")})


def test_test_alerts_take_grants_but_wait_for_none(bench: Bench) -> None:
    integration = bench.integration(KEY)
    for _ in range(33):
        answers_of(bench, integration)
    ids = bench.made(3)
    claim = bench.claim(ids)
    assert (len(claim.sendings), claim.waiting) == (1, 2)
    assert len(answers_of(bench, integration)) == 3


def test_test_alerts_are_no_notifications(bench: Bench) -> None:
    answers_of(bench, bench.integration())
    assert bench.states() == {}
    assert bench.value("SELECT count(*) FROM attempts") == 0
    assert bench.ledger().received == 0


def test_what_does_not_exist_or_cannot_be_opened_is_not_tested(bench: Bench) -> None:
    with pytest.raises(NotFound, match="There is no integration 4711"):
        answers_of(bench, 4711)
    integration = bench.integration()
    wrong = replace(bench.ctx, store=Store(bench.engine, KeyCipher([generate()])))
    with pytest.raises(Unavailable, match="WALLARM_NOTIFY_SECRET_KEYS lacks the key"):
        send_test_alerts(wrong, EVERY_CLIENT, integration, Sender())
