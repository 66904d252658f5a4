from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import Bench, a_key, an_answer

from wallarm_notify.domain.errors import NotFound, Unavailable
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.send_test_alerts import (
    FOLLOW_UP,
    NUMBER,
    AlertsTested,
    Target,
    Ways,
    send_test_alerts,
    send_test_alerts_unsaved,
)
from wallarm_notify.store import Store
from wallarm_notify.store.encryption import KeyCipher, generate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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


def no_resolve(*_: object) -> Answer:
    raise AssertionError("nothing is to be closed or tried elsewhere")


class Resolver:
    """What answers each ``resolve``: 202, or what it is given for a region."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.sent: list[tuple[str, str, IntegrationKey, timedelta]] = []

    def __call__(
        self, dedup_key: str, region: str, key: IntegrationKey, within: timedelta
    ) -> Answer:
        self.sent.append((dedup_key, region, key, within))
        return self.answers.get(region, an_answer(202))


def outcome_of(
    bench: Bench,
    integration: int,
    send: Callable[[Mapping[str, Any], Target], Answer],
    send_resolve: Callable[..., Answer] = no_resolve,
    **more: Any,
) -> AlertsTested:
    ways = Ways(send, send_resolve, **more)
    return send_test_alerts(bench.ctx, EVERY_CLIENT, integration, ways)


def answers_of(bench: Bench, integration: int, sender: Sender | None = None) -> Sequence[Tested]:
    return outcome_of(bench, integration, sender or Sender()).answers


def test_all_alerts_are_sent_at_once_and_each_has_its_answer(bench: Bench) -> None:
    sender = Sender()
    ctx = bench.with_settings(cloud="eu")
    ways = Ways(sender, no_resolve)
    found = send_test_alerts_unsaved(ctx, EVERY_CLIENT, 7, "us", KEY, ways=ways).answers
    assert [(t.summary.split("] ")[-1], t.passed, t.answer.status) for t in found] == [
        ("New user: test@example.com (Administrator)", True, 202),
        ("New trigger: Test trigger", False, 400),
        ("Medium issue: Test at example.com", True, 202),
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
    wrong = replace(bench.ctx, store=Store(bench.pool, KeyCipher([generate()])))
    with pytest.raises(Unavailable, match="WALLARM_NOTIFY_SECRET_KEYS lacks the key"):
        send_test_alerts(wrong, EVERY_CLIENT, integration, Ways(Sender(), no_resolve))


def test_what_is_to_be_sent_is_announced_before_it_is(bench: Bench) -> None:
    sender, announced = Sender(), []

    def announce(target: Target) -> None:
        assert sender.alerts == []
        announced.append((target.region, target.key, len(target.alerts)))

    outcome_of(bench, bench.integration(KEY, region="eu"), sender, announce=announce)
    assert announced == [("eu", KEY, NUMBER)]
    with pytest.raises(NotFound):
        outcome_of(bench, 4711, sender, announce=announce)
    assert len(announced) == 1


def test_those_that_were_taken_are_closed_where_that_is_asked_for(bench: Bench) -> None:
    sender, resolver = Sender(), Resolver()
    done = outcome_of(bench, bench.integration(KEY), sender, resolver, closes=True)
    taken = {a["dedup_key"] for a in sender.alerts if a["payload"]["class"] != "trigger_create"}
    assert {(dedup, region, key) for dedup, region, key, _ in resolver.sent} == {
        (dedup, "us", KEY) for dedup in taken
    }
    assert (done.passed, done.closed) == (2, 2)
    failing = outcome_of(
        bench, bench.integration(), Sender(), Resolver(us=an_answer(500)), closes=True
    )
    assert (failing.passed, failing.closed) == (2, 0)
    assert outcome_of(bench, bench.integration(), Sender()).closed is None


def test_closing_takes_a_grant_for_each_alert_too(bench: Bench) -> None:
    integration = bench.integration(KEY)
    for _ in range(16):
        outcome_of(bench, integration, Sender(), Resolver(), closes=True)
    claim = bench.claim(bench.made(5))
    assert (len(claim.sendings), claim.waiting) == (4, 1)


def test_the_other_region_is_tried_where_the_key_is_unknown(bench: Bench) -> None:
    def unknown(*_: object) -> Answer:
        return an_answer(400, response="Invalid routing key")

    resolver = Resolver()
    number = bench.integration(KEY)
    assert outcome_of(bench, number, unknown, resolver).other_region == "eu"
    ((dedup_key, region, key, within),) = resolver.sent
    assert (region, key) == ("eu", KEY)
    assert FOLLOW_UP <= within <= timedelta(seconds=20)
    assert len(dedup_key) == 64
    nowhere = Resolver(eu=unknown())
    assert outcome_of(bench, number, unknown, nowhere).other_region is None


def test_what_follows_has_the_time_that_the_alerts_have_left_of_20_seconds(bench: Bench) -> None:
    clock = iter([100.0, 100.0 + 13.0])
    resolver = Resolver()
    ways = Ways(Sender(), resolver, closes=True)
    ctx = replace(bench.ctx, clock=lambda: next(clock))
    send_test_alerts(ctx, EVERY_CLIENT, bench.integration(KEY), ways)
    assert {within for *_, within in resolver.sent} == {timedelta(seconds=7)}
