"""The review over a real database: who is switched off, notified and warned."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from build import (
    DOWN,
    REFUSED,
    TAKEN,
    FailingStore,
    a_key,
    an_answer,
    an_event,
    spread,
)
from freezegun import freeze_time
from meanwhile import overlapping

from wallarm_notify.domain.errors import BadRow, TooMuch, Unavailable
from wallarm_notify.domain.health import Decision, Policy, evaluate
from wallarm_notify.domain.integration import IntegrationChange
from wallarm_notify.domain.scope import EVERY_CLIENT
from wallarm_notify.services.explain import explain
from wallarm_notify.services.measure import measure
from wallarm_notify.services.prune import prune
from wallarm_notify.services.review import (
    Reviewed,
    _evidence_against,
    _switch_off,
    disable_candidate,
    give_warnings,
    review,
)
from wallarm_notify.services.sweep import sweep as run_sweep
from wallarm_notify.store import health

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from build import Bench

    from wallarm_notify.domain.evidence import Explanation, ReviewCandidate
    from wallarm_notify.domain.outcome import Answer

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
POLICY = Policy()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench(rate_limit=0)


def explained(bench: Bench, integration: int, policy: Policy = POLICY) -> Explanation:
    return explain(bench.with_settings(policy=policy), EVERY_CLIENT, integration)


def failing(bench: Bench, answer: Answer = REFUSED, number: int = 17, **fields: Any) -> int:
    """Return an integration whose attempts all failed, one schedule long."""
    fields.setdefault("client_id", 1)
    integration = bench.integration(**fields)
    bench.attempted(integration, *spread(number, answer), client_id=fields["client_id"])
    return integration


def enabled(bench: Bench, *integrations: int) -> list[bool]:
    return [
        bench.value("SELECT enabled FROM integrations WHERE id = :i", i=i) for i in integrations
    ]


def lines(caplog: pytest.LogCaptureFixture, name: str) -> Sequence[Any]:
    return [record for record in caplog.records if record.getMessage() == name]


def test_what_always_fails_is_switched_off_and_what_waits_is_cancelled(bench: Bench) -> None:
    broken = failing(bench)
    healthy = bench.integration(client_id=2)
    bench.attempted(healthy, *spread(17, TAKEN), client_id=2)
    assert bench.reviewed().disabled == (broken,)
    assert enabled(bench, broken, healthy) == [False, True]
    assert bench.states() == {"cancelled": 17, "delivered": 17}
    assert bench.reviewed().disabled == ()
    assert bench.ledger().findings == []


def test_every_system_subscriber_is_notified_with_figures_the_broken_one_last(bench: Bench) -> None:
    broken = failing(bench, subscribe=("system", "security_issue"), name="On call")
    other = bench.integration(subscribe=("system",))
    bench.integration(subscribe=("system",), client_id=2)
    bench.integration(subscribe=("rules_and_triggers",))
    bench.reviewed()
    sent = [bench.notification(i) for message in bench.publisher.taken() for i in message.ids]
    assert [(n.integration_id, n.closing) for n in sent] == [(other, False), (broken, True)]
    assert sent[1].due_at - sent[0].due_at == timedelta(seconds=1)
    (body,) = bench.bodies("integration.auto_disabled")
    assert {
        name: body[name] for name in ("integration_id", "integration_name", "failure_ratio")
    } == {
        "integration_id": broken,
        "integration_name": "On call",
        "failure_ratio": 1.0,
    }
    assert (body["attempts"], body["failed"]) == (17, 17)
    assert body["last_error"] == "400 Event object is invalid: bad key"
    assert body["reason"].startswith("17 of 17 attempts within 12 h failed (100 %")
    shown = bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, broken))
    assert shown is not None
    assert shown.disabled_by == "failure ratio"
    assert (shown.disabled_reason or "").endswith("last error: " + body["last_error"])


@pytest.mark.parametrize(
    ("reviewed", "words"),
    [
        (Reviewed(), "0 integrations disabled, 0 warnings"),
        (Reviewed((7,), 1), "1 integration disabled, 1 warning"),
        (
            Reviewed((7, 8), 0, down=("eu",)),
            "2 integrations disabled, 0 warnings; PagerDuty is down in EU",
        ),
    ],
)
def test_a_review_says_in_words_what_it_did(reviewed: Reviewed, words: str) -> None:
    assert reviewed.words == words


def test_where_nobody_else_is_notified_the_log_has_an_error(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    alone = failing(bench, subscribe=("system", "security_issue"))
    bench.integration(subscribe=("system",), enabled=False)
    heard = failing(bench, client_id=2)
    bench.integration(subscribe=("system",), client_id=2)
    caplog.set_level(logging.INFO, "wallarm_notify")
    bench.reviewed()
    off = lines(caplog, "integration.auto_disabled")
    assert [(line.integration, line.failed) for line in off] == [(alone, 17), (heard, 17)]
    (line,) = lines(caplog, "integration.nobody_else_notified")
    assert (line.levelname, line.integration) == ("ERROR", alone)


@pytest.mark.parametrize(
    ("history", "off"),
    [
        pytest.param(spread(17, REFUSED), True, id="17 attempts"),
        pytest.param(spread(16, REFUSED), False, id="16 attempts"),
        pytest.param(
            [*spread(16, TAKEN, until=13 * HOUR), *spread(17, REFUSED)],
            True,
            id="successes before the window",
        ),
        pytest.param(
            [*spread(17, REFUSED, until=13 * HOUR), (MINUTE, REFUSED)],
            False,
            id="failures before the window",
        ),
    ],
)
def test_the_counters_of_the_window_decide(bench: Bench, history: Any, *, off: bool) -> None:
    integration = bench.integration()
    bench.attempted(integration, *history)
    assert bench.reviewed().disabled == ((integration,) if off else ())


def test_the_letter_of_the_rule_needs_one_failed_attempt(bench: Bench) -> None:
    integration = bench.integration()
    bench.attempted(integration, (MINUTE, REFUSED))
    letter = replace(POLICY, min_attempts=0, min_span=timedelta())
    assert bench.reviewed(letter).disabled == (integration,)


def test_the_decision_is_kept_with_its_evidence(bench: Bench) -> None:
    integration = failing(bench, DOWN, 9)
    bench.attempted(integration, *spread(9, REFUSED), (timedelta(), an_answer(None)))
    bench.reviewed()
    found = explained(bench, integration, replace(POLICY, ratio=Decimal(99)))
    assert found.automatic
    assert found.policy["ratio"] == 60
    evidence = found.evidence
    assert (evidence["attempts"], evidence["failed"], evidence["ratio"]) == (19, 19, 1.0)
    assert evidence["failures"] == {
        "network": 1, "server": 9, "throttled": 0, "client": 9, "other": 0,
    }  # fmt: skip
    assert evidence["answers"] == [
        {"error": "http_4xx", "status_code": 400, "count": 9},
        {"error": "http_5xx", "status_code": 503, "count": 9},
        {"error": "reset", "status_code": None, "count": 1},
    ]
    assert evidence["last_answer"]["error"] == "reset"
    assert not any(guard["holds"] for guard in evidence["guards"])
    assert [slot["failed"] for slot in evidence["over_time"]][-5:] != [0] * 5
    assert sum(slot["failed"] for slot in evidence["over_time"]) == 19
    # What comes later changes nothing of it.
    bench.enable_integration(integration)
    bench.attempted(integration, *spread(3, TAKEN))
    bench.disable_integration(integration, user="Ann", reason="a test")
    by_hand = explained(bench, integration)
    assert not by_hand.automatic
    assert (by_hand.evidence["attempts"], by_hand.evidence["failed"]) == (3, 0)
    assert by_hand.evidence["last_answer"]["status_code"] == 202


def test_few_candidates_and_many_are_added_up_alike(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = outage(bench, 3, since=2 * HOUR)
    failing(bench, client_id=4)
    bench.sql("UPDATE integrations SET warned = 30 WHERE id = :i", i=bench.integration(client_id=5))
    bench.sql(
        """INSERT INTO outages (region, began_at, seen_at, ended_at)
           VALUES ('us', now() - interval '1 hour', now(), now())"""
    )
    few = bench.store.transact(lambda tx: tx.survey(POLICY))
    monkeypatch.setattr(health, "MANY_CANDIDATES", 0)
    assert bench.store.transact(lambda tx: tx.survey(POLICY)) == few
    assert len(few) == 5
    assert few[0].window.normal.server + few[0].window.in_outage.server == 17
    assert few[0].integration_id == down[0]


# Against each other, and against administrators.


def surveyed(bench: Bench) -> ReviewCandidate:
    (candidate,) = bench.store.transact(lambda tx: tx.survey(POLICY))
    return candidate


def test_a_review_too_soon_after_another_ends_at_once(bench: Bench) -> None:
    assert review(bench.ctx).ran
    second = review(bench.ctx)
    assert (second.ran, second.words) == (False, "another run was there first")


def test_reviews_at_once_that_saw_the_same_switch_off_once(bench: Bench) -> None:
    failing(bench, subscribe=("system", "security_issue"))
    candidate, start = surveyed(bench), threading.Barrier(4)

    def evaluate_at_once(_: int) -> bool:
        start.wait()
        return disable_candidate(bench.ctx, candidate) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(evaluate_at_once, range(4))) == [False, False, False, True]
    assert bench.value("SELECT count(*) FROM switch_offs") == 1
    assert (
        bench.value("SELECT count(*) FROM events WHERE CAST(type AS text) LIKE 'integration.%'")
        == 1
    )
    assert bench.value("SELECT disablings FROM integrations") == 1
    assert bench.ledger().findings == []


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(
            lambda b, i: (b.disable_integration(i, user="Ann", reason=""), b.enable_integration(i)),
            id="enabled anew",
        ),
        pytest.param(
            lambda b, i: b.update_integration(i, IntegrationChange(key=a_key())), id="a new key"
        ),
        pytest.param(
            lambda b, i: b.update_integration(i, IntegrationChange(region="eu")), id="a new region"
        ),
        pytest.param(lambda b, i: b.attempted(i, (timedelta(), TAKEN)), id="a success"),
    ],
)
def test_what_changed_since_the_survey_stays_enabled(
    bench: Bench, meanwhile: Callable[[Bench, int], Any]
) -> None:
    integration = failing(bench)
    candidate = surveyed(bench)
    meanwhile(bench, integration)
    assert disable_candidate(bench.ctx, candidate) is None
    assert enabled(bench, integration) == [True]
    assert bench.reviewed().disabled == ()


@pytest.mark.parametrize("by_hand", ["disable", "delete"])
def test_what_somebody_switched_off_first_is_not_switched_off_again(
    bench: Bench, by_hand: str
) -> None:
    integration = failing(bench)
    candidate = surveyed(bench)
    getattr(bench, f"{by_hand}_integration")(integration)
    assert disable_candidate(bench.ctx, candidate) is None
    assert bench.value("SELECT count(*) FROM switch_offs") == 0


def disabled_meanwhile(
    bench: Bench, first: Callable[[Bench], object], meanwhile: Callable[[], object] = lambda: None
) -> bool:
    """Return whether a review disables what it found where it has to wait for ``first`` to commit."""
    candidate = surveyed(bench)
    done = overlapping(
        bench, first, lambda: disable_candidate(bench.ctx, candidate), meanwhile=meanwhile
    )
    return done is not None


def test_what_recovers_while_the_review_waits_for_its_row_stays_enabled(bench: Bench) -> None:
    integration = failing(bench)
    assert not disabled_meanwhile(
        bench,
        lambda first: first.store.transact(
            lambda tx: tx.lock_integration(EVERY_CLIENT, integration)
        ),
        lambda: bench.attempted(integration, (MINUTE, TAKEN)),
    )
    assert enabled(bench, integration) == [True]
    assert bench.value("SELECT count(*) FROM switch_offs") == 0
    assert bench.states() == {"retrying": 17, "delivered": 1}
    assert bench.ledger().findings == []


def test_what_does_not_recover_while_the_review_waits_for_its_row_is_disabled(bench: Bench) -> None:
    integration = failing(bench)
    assert disabled_meanwhile(
        bench,
        lambda first: first.store.transact(
            lambda tx: tx.lock_integration(EVERY_CLIENT, integration)
        ),
        lambda: bench.attempted(integration, (MINUTE, REFUSED)),
    )
    assert enabled(bench, integration) == [False]


def enabled_anew(tx: Any, integration: int) -> None:
    tx.lock_integration(EVERY_CLIENT, integration)
    tx.switch_off(integration, by="Ann", reason="a test")
    tx.switch_on(integration)


@pytest.mark.parametrize(
    ("change", "stands"),
    [
        pytest.param(
            lambda b, i: b.store.transact(lambda tx: enabled_anew(tx, i)), True, id="enabled anew"
        ),
        pytest.param(
            lambda b, i: b.update_integration(i, IntegrationChange(key=a_key())),
            True,
            id="a new key",
        ),
        pytest.param(
            lambda b, i: b.update_integration(i, IntegrationChange(region="eu")),
            True,
            id="a new region",
        ),
        pytest.param(
            lambda b, i: b.disable_integration(i, user="Ann", reason=""), False, id="disabled"
        ),
        pytest.param(
            lambda b, i: b.delete_integration(i, user="Ann", reason=""), False, id="deleted"
        ),
    ],
)
def test_what_somebody_changes_while_the_review_waits_for_its_row_is_left_as_they_want_it(
    bench: Bench, change: Callable[[Bench, int], Any], *, stands: bool
) -> None:
    integration = failing(bench)
    assert not disabled_meanwhile(bench, lambda first: change(first, integration))
    assert enabled(bench, integration) == [stands]
    assert bench.value("SELECT count(*) FROM switch_offs") == 0
    assert bench.value("SELECT count(*) FROM events WHERE type = 'integration.auto_disabled'") == 0
    assert bench.ledger().findings == []


@pytest.mark.parametrize("wanted", [True, False])
def test_who_switches_one_while_the_review_disables_it_has_the_last_word(
    bench: Bench, *, wanted: bool
) -> None:
    integration = failing(bench)
    candidate = surveyed(bench)
    evidence = _evidence_against(bench.ctx, candidate)
    assert evidence is not None
    change = IntegrationChange(enabled=wanted, reason="by hand")
    applied = overlapping(
        bench,
        lambda first: first.store.transact(
            lambda tx: _switch_off(first.ctx, tx, candidate, evidence)
        ),
        lambda: bench.apply_integration(integration, change),
    )
    assert applied.news.is_nothing is not wanted
    assert enabled(bench, integration) == [wanted]
    assert bench.value("SELECT count(*) FROM switch_offs") == 1
    assert bench.value("SELECT count(*) FROM events WHERE type = 'integration.disabled'") == 0
    assert bench.reviewed().disabled == ()
    assert bench.ledger().findings == []


# Trouble of our own.


def test_one_that_cannot_be_switched_off_keeps_no_other_from_it(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, other = failing(bench), failing(bench, client_id=2)
    held = FailingStore(bench.store, "switch_off", Unavailable("its row is held"), only=stuck)
    assert bench.reviewed(store=held).disabled == (other,)
    (line,) = lines(caplog, "review.not_disabled")
    assert (line.levelname, line.integration) == ("ERROR", stuck)
    assert bench.reviewed().disabled == (stuck,)


def test_a_database_that_is_away_ends_the_run_but_no_bad_row_does(bench: Bench) -> None:
    for client in range(1, 6):
        failing(bench, client_id=client)
    away = FailingStore(bench.store, "lock_integration", Unavailable("the database is away"))
    with pytest.raises(Unavailable):
        bench.reviewed(store=away)
    assert len(away.asked) == 3
    bad = FailingStore(bench.store, "lock_integration", BadRow("a row it does not take"))
    assert bench.reviewed(store=bad).disabled == ()
    assert len(bad.asked) == 5


def test_disablings_that_fail_keep_no_warning_back(bench: Bench) -> None:
    for client in range(1, 4):
        failing(bench, client_id=client)
    warned = bench.integration(client_id=9)
    bench.attempted(warned, *spread(9, TAKEN), *spread(9, REFUSED, until=MINUTE), client_id=9)
    away = FailingStore(bench.store, "lock_integration", Unavailable("every row is held"))
    with pytest.raises(Unavailable):
        bench.reviewed(store=away)
    assert measure(bench.ctx, EVERY_CLIENT).warnings[45] == 1


def test_evidence_that_takes_too_long_does_not_prevent_the_decision(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    integration = failing(bench)
    slow = FailingStore(bench.store, "slots", TooMuch("it did not get done in time"))
    assert bench.reviewed(store=slow).disabled == (integration,)
    assert len(lines(caplog, "review.without_details")) == 1
    evidence = explained(bench, integration).evidence
    assert (evidence["attempts"], evidence["failures"]["client"]) == (17, 17)
    assert (evidence["answers"], evidence["over_time"]) == ([], [])


def test_what_fails_after_the_commit_is_left_to_sweep_and_still_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = failing(bench), failing(bench, client_id=2)
    away = FailingStore(bench.store, "left_behind_by", Unavailable("the database is away"))
    assert bench.reviewed(store=away).disabled == (first, second)
    logged = [line.integration for line in lines(caplog, "integration.auto_disabled")]
    assert logged == [first, second]
    run_sweep(bench.ctx)
    assert bench.states() == {"cancelled": 34}


def test_two_of_a_client_that_break_at_once_notify_nobody(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    ours = [failing(bench, subscribe=("system", "security_issue")) for _ in range(2)]
    assert bench.reviewed().disabled == tuple(ours)
    logged = [line.integration for line in lines(caplog, "integration.nobody_else_notified")]
    assert logged == ours


# Warnings.


def test_each_warning_is_given_once_for_each_crossing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    integration = bench.integration()
    caplog.set_level(logging.INFO, "wallarm_notify")

    def given() -> list[int]:
        caplog.clear()
        bench.reviewed()
        return [line.level for line in lines(caplog, "integration.failing")]

    bench.attempted(integration, *spread(12, TAKEN, until=2 * HOUR), *spread(5, REFUSED))
    assert given() == []  # 29.4 %
    bench.attempted(integration, (timedelta(), REFUSED))
    assert given() == [30]
    assert given() == []
    bench.attempted(integration, *spread(8, REFUSED, until=timedelta(), over=MINUTE))
    assert given() == [45]  # 53.8 %
    bench.attempted(integration, *spread(20, TAKEN, until=2 * HOUR))
    assert given() == []  # 30.4 %, so that 45 can be crossed again
    bench.attempted(integration, *spread(14, REFUSED, until=timedelta(), over=MINUTE))
    assert given() == [45]
    bench.attempted(integration, *spread(12, REFUSED, until=timedelta(), over=MINUTE))
    assert given() == [55]  # 55.6 %
    assert enabled(bench, integration) == [True]
    assert measure(bench.ctx, EVERY_CLIENT).warnings == {30: 1, 45: 2, 55: 1}


def test_a_success_between_two_failures_does_not_repeat_a_warning(bench: Bench) -> None:
    integration = bench.integration()
    bench.attempted(integration, *spread(8, TAKEN, until=2 * HOUR), *spread(9, REFUSED))
    assert bench.reviewed().warned == 2
    bench.attempted(integration, (timedelta(), TAKEN))
    assert bench.reviewed().warned == 0
    bench.attempted(integration, (timedelta(), REFUSED))
    assert bench.reviewed().warned == 0


def crossing(bench: Bench) -> tuple[int, list[tuple[ReviewCandidate, Decision]]]:
    """Return an integration that has crossed two warnings, and what a review saw of it."""
    integration = bench.integration()
    bench.attempted(integration, *spread(8, TAKEN, until=2 * HOUR), *spread(9, REFUSED))
    candidate = surveyed(bench)
    return integration, [(candidate, evaluate(candidate.window, POLICY))]


def test_reviews_that_saw_the_same_crossing_warn_of_it_once(bench: Bench) -> None:
    _, seen = crossing(bench)
    second = overlapping(
        bench, lambda first: give_warnings(first.ctx, seen), lambda: give_warnings(bench.ctx, seen)
    )
    assert second == 0
    assert give_warnings(bench.ctx, seen) == 0
    assert measure(bench.ctx, EVERY_CLIENT).warnings == {30: 1, 45: 1, 55: 0}


def test_a_clean_window_that_came_after_the_survey_is_not_warned_of(bench: Bench) -> None:
    integration, seen = crossing(bench)
    bench.update_integration(integration, IntegrationChange(key=a_key()))
    assert give_warnings(bench.ctx, seen) == 0
    assert bench.value("SELECT warned FROM integrations") == 0


def test_no_warning_where_a_guard_holds(bench: Bench) -> None:
    integration = bench.integration()
    bench.attempted(integration, *spread(8, TAKEN), *spread(8, REFUSED))
    assert bench.reviewed().warned == 0


def test_a_warning_stands_no_more_when_its_window_is_empty_or_clean(bench: Bench) -> None:
    old, renewed = bench.integration(), bench.integration(client_id=2)
    for client, integration in ((1, old), (2, renewed)):
        history = [*spread(9, TAKEN, until=2 * HOUR), *spread(9, REFUSED)]
        bench.attempted(integration, *history, client_id=client)
    assert bench.reviewed().warned == 4
    bench.sql("DELETE FROM health_minutes WHERE integration_id = :i", i=old)
    bench.update_integration(renewed, IntegrationChange(key=a_key()))
    bench.reviewed()
    assert {row["warned"] for row in bench.sql("SELECT warned FROM integrations")} == {0}


# An outage of PagerDuty.


def outage(
    bench: Bench,
    number: int,
    *,
    since: timedelta = HOUR,
    until: timedelta = MINUTE,
    region: str = "us",
    clients_from: int = 1,
    keys: int | None = None,
) -> list[int]:
    """Return so many integrations that got nothing but 503 since then; ``keys`` is how many keys they have."""
    theirs = [a_key() for _ in range(keys or number)]
    ours = [
        bench.integration(theirs[n % len(theirs)], client_id=clients_from + n, region=region)
        for n in range(number)
    ]
    for client, integration in enumerate(ours, clients_from):
        history = spread(17, DOWN, over=since, until=until)
        bench.attempted(integration, *history, client_id=client)
    return ours


def test_an_outage_switches_off_only_integrations_whose_key_is_wrong(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    down = outage(bench, 10)
    wrong = failing(bench, client_id=99)
    caplog.set_level(logging.INFO, "wallarm_notify")
    first, second = bench.reviewed(), bench.reviewed()
    assert (first.disabled, first.outage, second.disabled) == ((wrong,), True, ())
    assert enabled(bench, *down) == [True] * 10
    (line,) = lines(caplog, "pagerduty.outage")
    assert (line.levelname, line.attempted, line.affected) == ("ERROR", 11, 10)
    assert measure(bench.ctx, EVERY_CLIENT).outage


def test_fewer_than_ten_integrations_are_no_outage_where_anybody_is_well(bench: Bench) -> None:
    down = outage(bench, 9)
    bench.attempted(bench.integration(client_id=77), (MINUTE, TAKEN), client_id=77)
    bench.sql("DELETE FROM health_minutes WHERE integration_id = :i", i=down.pop())
    reviewed = bench.reviewed()
    assert (list(reviewed.disabled), reviewed.down) == (down, ())


def test_a_region_that_is_down_switches_off_nobody_there_and_another_one_is_evaluated_as_ever(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    down = outage(bench, 10, region="eu")
    for client in range(50, 65):
        integration = bench.integration(client_id=client)
        bench.attempted(integration, (MINUTE, TAKEN), client_id=client)
    broken = outage(bench, 1, clients_from=99)
    reviewed = bench.reviewed()
    assert (list(reviewed.disabled), reviewed.down) == (broken, ("eu",))
    assert enabled(bench, *down) == [True] * 10
    (line,) = lines(caplog, "pagerduty.outage")
    assert (line.region, line.attempted, line.affected) == ("eu", 10, 10)
    rows = bench.sql("SELECT region FROM outages WHERE ended_at IS NULL")
    assert rows == [{"region": "eu"}]
    # Over there it is over, and here it begins.
    bench.sql("UPDATE integrations SET region = CASE region WHEN 'us' THEN 'eu' ELSE 'us' END")
    assert bench.reviewed().down == ("us",)


@pytest.mark.parametrize(
    ("number", "keys", "off"),
    [(1, 1, True), (2, 2, True), (3, 2, True), (3, 3, False), (9, 9, False)],
)
def test_of_a_few_that_all_fail_it_is_an_outage_where_they_are_three_of_three_keys(
    bench: Bench, number: int, keys: int, *, off: bool
) -> None:
    down = outage(bench, number, keys=keys)
    reviewed = bench.reviewed()
    assert list(reviewed.disabled) == (down if off else [])
    assert reviewed.outage is not off


def test_a_few_whose_requests_are_refused_are_no_outage(bench: Bench) -> None:
    wrong = [failing(bench, client_id=client) for client in (1, 2, 3)]
    assert list(bench.reviewed().disabled) == wrong


@pytest.mark.parametrize(("since", "down"), [(119, True), (121, False)])
def test_a_few_are_believed_for_two_hours(
    bench: Bench, caplog: pytest.LogCaptureFixture, since: int, *, down: bool
) -> None:
    outage(bench, 3, region="eu")
    assert bench.reviewed().down == ("eu",)
    bench.sql("UPDATE small_outages SET began_at = began_at - :s", s=since * MINUTE)
    caplog.set_level(logging.INFO, "wallarm_notify")
    assert bench.reviewed().outage is down
    assert bench.reviewed().outage is down
    logged = lines(caplog, "pagerduty.outage_over")
    assert len(logged) == (not down)
    if logged:
        assert logged[0].hint == "so few are believed for 2 h at most; what fails counts again"


def test_what_a_few_fail_after_their_two_hours_switches_them_off(bench: Bench) -> None:
    down = outage(bench, 3)
    assert bench.reviewed().disabled == ()
    bench.sql("UPDATE small_outages SET began_at = began_at - interval '4 hours'")
    bench.sql(
        "UPDATE outages SET began_at = began_at - interval '4 hours', seen_at = seen_at - interval '2 hours'"
    )
    # Until then what failed is nobody's fault; what follows is.
    for client, integration in enumerate(down, 1):
        bench.attempted(
            integration, *spread(16, DOWN, over=timedelta(minutes=53)), client_id=client
        )
    bench.reviewed()
    found = explained(bench, down[0])
    assert found.evidence["left_out"] == 0
    assert (
        list(bench.value("SELECT array_agg(integration_id ORDER BY id) FROM switch_offs")) == down
    )


def test_a_silence_gives_a_few_no_two_hours_more_and_somebody_who_is_well_does(
    bench: Bench,
) -> None:
    down = outage(bench, 3)
    bench.reviewed()
    began = "SELECT began_at FROM small_outages"
    first = bench.value(began)
    bench.sql("UPDATE health_minutes SET minute = minute - interval '2 hours'")
    bench.sql("UPDATE outages SET began_at = began_at - interval '2 hours'")
    assert not bench.reviewed().outage
    assert bench.value(began) == first
    bench.attempted(down[0], (MINUTE, TAKEN))
    bench.reviewed()
    assert bench.sql(began) == []


def test_a_blip_takes_the_two_hours_from_no_outage_that_comes_later(bench: Bench) -> None:
    a_few = [bench.integration(client_id=client, region="eu") for client in (1, 2, 3)]
    for client, integration in enumerate(a_few, 1):
        bench.attempted(
            integration, *((MINUTE, answer) for answer in (DOWN, DOWN, TAKEN)), client_id=client
        )
    assert bench.reviewed().down == ("eu",)
    # An hour later nobody has sent anything more, and 2 h after that PagerDuty is down there.
    bench.sql("UPDATE health_minutes SET minute = minute - interval '3 hours'")
    bench.sql(
        "UPDATE small_outages SET began_at = began_at - interval '3 hours', seen_at = seen_at - interval '2 hours'"
    )
    assert bench.reviewed().down == ()
    for client, integration in enumerate(a_few, 1):
        bench.attempted(integration, *spread(17, DOWN), client_id=client)
    reviewed = bench.reviewed()
    assert (reviewed.disabled, reviewed.down) == ((), ("eu",))


def test_an_integration_that_changes_its_region_takes_no_attempts_along(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    down = outage(bench, 11, region="eu")
    bench.update_integration(down[0], IntegrationChange(region="us"))
    reviewed = bench.reviewed()
    assert (reviewed.disabled, reviewed.down) == ((), ("eu",))
    (line,) = lines(caplog, "pagerduty.outage")
    assert (line.attempted, line.affected) == (10, 10)


def test_the_outage_guard_can_be_turned_off(bench: Bench) -> None:
    down = outage(bench, 10)
    assert list(bench.reviewed(replace(POLICY, outage_guard=False)).disabled) == down
    assert not measure(bench.ctx, EVERY_CLIENT).outage


def test_an_outages_failures_stay_left_out_when_it_is_over(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    down = outage(bench, 10, since=timedelta(minutes=55))
    assert bench.reviewed().outage
    # Three hours later nobody has sent anything more: the last hour shows no outage.
    for table, column in (
        ("health_minutes", "minute"), ("health_minutes", "excusable_first_at"),
        ("health_minutes", "excusable_last_at"), ("outages", "began_at"), ("attempts", "at"),
    ):  # fmt: skip
        bench.sql(f"UPDATE {table} SET {column} = {column} - interval '3 hours'")
    caplog.set_level(logging.INFO, "wallarm_notify")
    later = bench.reviewed()
    assert (later.disabled, later.outage) == ((), False)
    assert len(lines(caplog, "pagerduty.outage_over")) == 1
    assert enabled(bench, *down) == [True] * 10
    found = explained(bench, down[0])
    assert (found.evidence["attempts"], found.evidence["left_out"]) == (0, 17)
    # What fails from now on counts again.
    bench.sql("UPDATE outages SET ended_at = now() - interval '2 hours'")
    bench.attempted(down[0], *spread(17, DOWN))
    assert bench.reviewed().disabled == (down[0],)
    assert bench.value("SELECT evidence -> 'left_out' FROM switch_offs") == 17


def test_an_outage_that_no_review_watched_does_not_go_on_for_ever(bench: Bench) -> None:
    integration = failing(bench, DOWN)
    bench.sql(
        """INSERT INTO outages (region, began_at, seen_at)
           VALUES ('us', now() - interval '12 hours', now() - interval '11 hours')"""
    )
    assert bench.reviewed().disabled == (integration,)
    assert bench.value("SELECT ended_at - seen_at FROM outages") == 2 * MINUTE


def test_an_outage_after_one_that_nobody_watched_is_another(bench: Bench) -> None:
    outage(bench, 10)
    bench.sql(
        """INSERT INTO outages (region, began_at, seen_at)
           VALUES ('us', now() - interval '9 hours', now() - interval '8 hours')"""
    )
    bench.reviewed()
    bench.reviewed()
    rows = bench.sql("SELECT ended_at - seen_at AS after FROM outages ORDER BY id")
    assert [row["after"] for row in rows] == [2 * MINUTE, None]


def test_with_a_short_window_the_hour_that_shows_an_outage_is_kept(bench: Bench) -> None:
    for client in range(1, 13):
        integration = bench.integration(client_id=client)
        history = [
            *spread(30, TAKEN, over=20 * MINUTE, until=30 * MINUTE),
            *spread(6, DOWN, over=MINUTE),
        ]
        bench.attempted(integration, *history, client_id=client)
    short = replace(POLICY, window=10 * MINUTE)
    assert not bench.reviewed(short).outage
    prune(bench.with_settings(policy=short))
    assert not bench.reviewed(short).outage


@pytest.mark.parametrize("ours", ["2001-02-03 04:05:06", "2099-12-31 23:59:59"])
def test_a_workers_own_clock_decides_nothing(bench: Bench, ours: str) -> None:
    integration = failing(bench)
    with freeze_time(ours):
        assert bench.reviewed().disabled == (integration,)
    shown = bench.store.transact(lambda tx: tx.integration(EVERY_CLIENT, integration))
    assert shown is not None
    assert shown.disabled_at is not None
    assert abs(shown.disabled_at - bench.value("SELECT now()")) < MINUTE


def test_events_while_it_is_off_are_skipped_and_a_clean_window_follows(bench: Bench) -> None:
    integration = failing(bench)
    bench.reviewed()
    assert bench.ingest(an_event(), an_event()).skipped == 2
    figures = bench.store.transact(lambda tx: tx.card_figures([integration]))[integration]
    after, unsent = bench.enable_integration(integration)
    assert after.enabled
    assert figures.unsent == unsent.total, "what is shown while it is off is what is offered then"
    assert unsent.counts == {"failed": 0, "skipped": 2, "cancelled": 17}
    assert bench.reviewed().disabled == ()
    found = explained(bench, integration)
    assert (found.automatic, found.evidence["attempts"]) == (False, 0)
