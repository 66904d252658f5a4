from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate, pairwise, product
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.health import (
    Cell,
    Counts,
    Decision,
    FailureClass,
    Guard,
    Policy,
    Window,
    by_minute,
    class_of,
    evaluate,
    failures_to_limit,
)
from wallarm_notify.domain.outcome import Answer, Attempt, FailureReason
from wallarm_notify.domain.retry import WAITS, total

if TYPE_CHECKING:
    from collections.abc import Iterable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NONE, MICROSECOND, SECOND = timedelta(), timedelta(microseconds=1), timedelta(seconds=1)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SCHEDULE = timedelta(minutes=51, seconds=8)
TIMES = [NOON + total(WAITS[:n]) for n in range(17)]

SPEC = Policy()
LETTER = Policy(min_attempts=0, min_span=NONE)

R, C = FailureReason, FailureClass
ATTEMPTS, SPAN, LAST_ATTEMPT = Guard

# Every reason and its class. An outage of PagerDuty explains 5xx, 429 and network errors.
CLASSES = {
    **dict.fromkeys([R.DNS, R.REFUSED, R.TLS, R.CONNECT_TIMEOUT], C.NETWORK),
    **dict.fromkeys([R.TIMEOUT, R.RESET, R.NETWORK], C.NETWORK),
    R.SERVER: C.SERVER,
    R.THROTTLED: C.THROTTLED,
    R.CLIENT: C.CLIENT,
    R.REDIRECT: C.OTHER,
    R.STATUS: C.OTHER,
}
EXPLAINED = [r for r in R if CLASSES[r] in {C.NETWORK, C.SERVER, C.THROTTLED}]
OWN = [R.CLIENT, R.REDIRECT, R.STATUS]


def an_attempt(
    at: datetime,
    reason: FailureReason | None = None,
    *,
    integration_id: int = 1,
    generation: int | None = 1,
) -> Attempt:
    """One that began ``at``; it succeeded unless there is a reason."""
    answer = Answer(202 if reason is None else None, reason)
    return Attempt(1, integration_id, generation, 1, 1, 1, at, SECOND, answer, 1)


def counts(attempts: Iterable[Attempt]) -> Counts:
    """All of them, as one window."""
    return sum(by_minute(attempts).values(), Counts())


def failed(number: int, reason: FailureReason = R.CLIENT, span: timedelta = SCHEDULE) -> Counts:
    """So many alike, the last one at noon and the first one ``span`` before it."""
    return counts(an_attempt(NOON if n else NOON - span, reason) for n in range(number))


def succeeded(number: int, at: datetime = NOON - SECOND) -> Counts:
    return counts([an_attempt(at)] * number)


def decision_on(counted: Counts, policy: Policy = SPEC, *, outage: bool = False) -> Decision:
    return evaluate(Window(counted, outage=outage), policy)


def failing(number: int, attempts: int, policy: Policy = SPEC) -> Decision:
    """What the rule says where so many of so many failed: a schedule apart, the last one too."""
    first, last = NOON - SCHEDULE, NOON
    part = Counts(attempts, client=number, own_first_at=first, own_last_at=last)
    return decision_on(part, policy)


def test_unless_set_otherwise_the_policy_is_the_specs() -> None:
    assert (SPEC.ratio, SPEC.window, SPEC.outage_guard) == (Decimal(60), 12 * HOUR, True)
    assert (SPEC.min_attempts, SPEC.min_span) == (17, SCHEDULE)


@pytest.mark.parametrize(
    ("ratio", "number", "attempts"),
    [
        pytest.param("60", 600, 1000, id="60.0 % and 59.9 %"),
        pytest.param("60", 600_000, 1_000_000, id="60 % and 59.9999 %"),
        pytest.param("60", 3, 5, id="60 % and 40 %"),
        pytest.param("60", 12, 20, id="60 % and 55 %"),
        pytest.param("60", 12, 19, id="63 % and 57.9 %"),
        pytest.param("62.5", 15, 24, id="62.5 % and less"),
        pytest.param("62.5", 625, 1000, id="62.5 % and 62.4 %"),
        pytest.param("100", 10_000, 10_000, id="all and all but one"),
        pytest.param("0.1", 1, 1000, id="one and none"),
    ],
)
def test_the_ratio_is_reached_by_exactly_so_many_and_not_by_one_fewer(
    ratio: str, number: int, attempts: int
) -> None:
    policy = replace(LETTER, ratio=Decimal(ratio))
    reach, miss = failing(number, attempts, policy), failing(number - 1, attempts, policy)
    assert (reach.reached, reach.disables) == (True, True)
    assert (miss.reached, miss.disables) == (False, False)


@pytest.mark.parametrize("policy", [SPEC, LETTER])
def test_without_attempts_nothing_is_reached(policy: Policy) -> None:
    decision = evaluate(Window(), policy)
    assert (decision.reached, decision.disables, decision.level) == (False, False, 0)


@pytest.mark.parametrize(
    ("attempts", "span", "success", "guards"),
    [
        pytest.param(17, SCHEDULE, -HOUR, set(), id="17 in a whole schedule"),
        pytest.param(16, SCHEDULE, -HOUR, {ATTEMPTS}, id="16 attempts"),
        pytest.param(18, SCHEDULE, -HOUR, set(), id="18 attempts"),
        pytest.param(17, SCHEDULE - SECOND, -HOUR, {SPAN}, id="a second short"),
        pytest.param(17, SCHEDULE - MICROSECOND, -HOUR, {SPAN}, id="a microsecond short"),
        pytest.param(17, SCHEDULE + MICROSECOND, -HOUR, set(), id="a microsecond over"),
        pytest.param(17, 11 * HOUR, -HOUR, set(), id="far over"),
        pytest.param(17, NONE, -2 * HOUR, {SPAN}, id="a success long ago makes no span"),
        pytest.param(17, SCHEDULE, -MICROSECOND, set(), id="a success just before the failure"),
        pytest.param(17, SCHEDULE, NONE, {LAST_ATTEMPT}, id="a tie counts as not failed"),
        pytest.param(17, SCHEDULE, MICROSECOND, {LAST_ATTEMPT}, id="the last one succeeded"),
        pytest.param(16, NONE, HOUR, {ATTEMPTS, SPAN, LAST_ATTEMPT}, id="all guards"),
    ],
)
def test_a_window_needs_17_attempts_failures_a_schedule_apart_and_a_failed_last_attempt(
    attempts: int, span: timedelta, success: timedelta, guards: set[Guard]
) -> None:
    decision = decision_on(failed(attempts - 1, span=span) + succeeded(1, NOON + success))
    assert decision.reached
    assert set(decision.guards) == guards
    assert decision.disables is (not guards)


def test_failures_of_all_kinds_make_one_span_and_successes_none() -> None:
    mixed = [an_attempt(NOON - SCHEDULE, R.DNS), an_attempt(NOON, R.CLIENT)]
    assert counts(mixed).span == counts(mixed[::-1]).span == SCHEDULE
    assert Counts().span == counts(map(an_attempt, TIMES)).span == NONE


def test_where_nothing_failed_no_last_attempt_did_and_its_guard_is_not_met() -> None:
    for part in (Counts(), succeeded(20)):
        assert not part.last_attempt_failed
        assert decision_on(part, replace(SPEC, min_attempts=0)).guards == (SPAN, LAST_ATTEMPT)


@pytest.mark.parametrize(
    ("policy", "guards"),
    [
        (LETTER, set()),
        (replace(SPEC, min_attempts=0), {SPAN, LAST_ATTEMPT}),
        (replace(SPEC, min_span=NONE), {ATTEMPTS}),
        (replace(LETTER, min_attempts=5), set()),
        (replace(LETTER, min_attempts=6), {ATTEMPTS}),
        (replace(LETTER, min_span=SECOND), {LAST_ATTEMPT}),
    ],
)
def test_the_guards_are_settings_and_0_gives_the_letter_of_the_rule(
    policy: Policy, guards: set[Guard]
) -> None:
    decision = decision_on(failed(3, span=SECOND) + succeeded(2, NOON + SECOND), policy)
    assert decision.reached
    assert set(decision.guards) == guards
    assert decision.disables is (not guards)


@pytest.mark.parametrize("reason", FailureReason)
def test_a_notification_that_fails_all_its_17_attempts_switches_off_and_not_before(
    reason: FailureReason,
) -> None:
    words = [decision_on(counts(an_attempt(at, reason) for at in TIMES[:n])) for n in range(18)]
    assert [word.disables for word in words] == [False] * 17 + [True]


def test_a_blip_of_a_minute_with_three_notifications_in_flight_heals() -> None:
    down = [an_attempt(at, R.REFUSED) for at in TIMES if at < NOON + MINUTE] * 3
    blip = counts([*down, *[an_attempt(TIMES[len(down) // 3])] * 3])
    assert round(100 * blip.failed / blip.attempts) == 91
    assert not decision_on(counts(down)).disables
    assert not decision_on(blip).disables
    assert decision_on(blip, LETTER).disables


def utc(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


def wall(moment: str, zone: str = "Europe/Berlin", *, fold: int = 0) -> datetime:
    """What a clock on the wall shows, in UTC."""
    there = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return there.astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (utc("2026-03-01 12:00"), "2026-03-01 00:00"),
        (utc("2026-03-01 12:00:59.999999"), "2026-03-01 00:00"),
        (utc("2026-03-01 12:01"), "2026-03-01 00:01"),
        pytest.param(utc("2026-03-02 00:00"), "2026-03-01 12:00", id="midnight"),
        pytest.param(utc("2027-01-01 00:30:07"), "2026-12-31 12:30", id="a year's end"),
        pytest.param(utc("2028-02-29 11:59"), "2028-02-28 23:59", id="into a leap day"),
        pytest.param(utc("2028-03-01 03:00"), "2028-02-29 15:00", id="out of a leap day"),
        pytest.param(utc("2027-03-01 03:00"), "2027-02-28 15:00", id="no leap day"),
        pytest.param(wall("2026-03-29 03:30"), "2026-03-28 13:30", id="spring"),
        pytest.param(wall("2026-03-29 12:30"), "2026-03-28 22:30", id="later that day"),
        pytest.param(wall("2026-10-25 02:30"), "2026-10-24 12:30", id="autumn"),
        pytest.param(wall("2026-10-25 02:30", fold=1), "2026-10-24 13:30", id="autumn, again"),
        pytest.param(wall("2026-03-08 09:00", "America/New_York"), "2026-03-08 01:00", id="NY"),
        pytest.param(wall("2026-11-01 09:00", "America/New_York"), "2026-11-01 02:00", id="NY 2"),
    ],
)
def test_the_window_is_the_last_720_whole_minutes_and_the_current_one(
    now: datetime, start: str
) -> None:
    def is_in(at: datetime) -> bool:
        (cell,) = by_minute([an_attempt(at)])
        return SPEC.window_from(now) <= cell.minute <= now

    first = utc(start)
    assert SPEC.window_from(now) == first
    assert 720 * MINUTE <= now - first < 721 * MINUTE
    moments = (first - MICROSECOND, first, first + MICROSECOND, now - MICROSECOND, now)
    assert [is_in(at) for at in moments] == [False, True, True, True, True]


def test_an_hour_that_clocks_show_twice_is_two_hours() -> None:
    cells = by_minute(an_attempt(wall("2026-10-25 02:30:59", fold=fold)) for fold in (0, 1))
    assert [c.minute for c in cells] == [utc("2026-10-25 00:30"), utc("2026-10-25 01:30")]


def test_every_reason_has_its_class_and_is_excused_by_an_outage_or_is_not() -> None:
    assert set(CLASSES) == set(FailureReason)
    assert set(CLASSES.values()) == set(FailureClass)
    assert {*EXPLAINED, *OWN} == set(FailureReason)
    assert {reason: class_of(reason) for reason in FailureReason} == CLASSES


@pytest.mark.parametrize("reason", FailureReason)
@pytest.mark.parametrize(("past", "present", "guard"), list(product([False, True], repeat=3)))
def test_what_an_outage_explains_is_left_out_while_it_lasts_and_of_its_minutes_for_ever(
    reason: FailureReason, *, past: bool, present: bool, guard: bool
) -> None:
    part = failed(6, reason) + succeeded(4)
    assert (getattr(part, CLASSES[reason]), part.failed) == (6, 6)
    window = Window(Counts() if past else part, part if past else Counts(), outage=present)
    decision = evaluate(window, replace(SPEC, outage_guard=guard))
    left_out = 6 if guard and (past or present) and reason in EXPLAINED else 0
    assert (decision.counts.attempts, decision.counts.failed) == (10 - left_out, 6 - left_out)
    assert decision.left_out == left_out


def test_after_an_outage_only_the_failures_of_its_own_minutes_stay_left_out() -> None:
    down = failed(50, R.SERVER) + failed(7) + succeeded(2)
    counted = Window(failed(3, R.SERVER), down).counted(SPEC)
    assert (counted.attempts, counted.server, counted.client) == (12, 3, 7)


@pytest.mark.parametrize("reason", EXPLAINED)
@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize(
    ("number", "well", "off"),
    [(12, 8, True), (11, 8, False), (17, 0, True), (16, 0, False), (0, 20, False), (0, 0, False)],
)
def test_an_outages_failures_are_in_neither_side_of_the_ratio_nor_of_the_17(
    reason: FailureReason, own: FailureReason, number: int, well: int, *, off: bool
) -> None:
    part = failed(number, own) + succeeded(well) + failed(100, reason)
    decision = decision_on(part, outage=True)
    assert (decision.counts.attempts, decision.left_out) == (number + well, 100)
    assert decision.disables is off
    assert decision_on(part).disables


@pytest.mark.parametrize("reason", EXPLAINED)
@pytest.mark.parametrize(
    ("span", "success", "guards"),
    [
        pytest.param(SCHEDULE, -SECOND, (), id="nothing in the way"),
        pytest.param(SCHEDULE - SECOND, -SECOND, (SPAN,), id="the others span too little"),
        pytest.param(SCHEDULE, SECOND, (LAST_ATTEMPT,), id="the last that counts succeeded"),
    ],
)
def test_an_outages_failures_make_no_span_and_are_no_last_attempt(
    reason: FailureReason, span: timedelta, success: timedelta, guards: tuple[Guard, ...]
) -> None:
    around = counts(an_attempt(NOON + away, reason) for away in (-2 * HOUR, HOUR))
    part = failed(17, span=span) + succeeded(1, NOON + success) + around
    assert decision_on(part, outage=True).guards == guards
    assert decision_on(part).guards == ()


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (0, 0),
        (299, 0),
        (300, 30),
        (449, 30),
        (450, 45),
        (549, 45),
        (550, 55),
        (599, 55),
        (1000, 55),
    ],
)
def test_the_warnings_are_at_exactly_30_45_and_55_per_cent(number: int, level: int) -> None:
    assert failing(number, 1000).level == level


@pytest.mark.parametrize(
    ("levels", "ratios"),
    [
        ((30, 45, 55), ["100", "60", "55.1"]),
        ((30, 45), ["55", "50", "45.1"]),
        ((30,), ["45", "30.1"]),
        ((), ["30", "10"]),
    ],
)
def test_warnings_that_are_not_below_the_line_are_not_given(
    levels: tuple[int, ...], ratios: list[str]
) -> None:
    for policy in (replace(SPEC, ratio=Decimal(ratio)) for ratio in ratios):
        assert policy.warnings == levels
        assert failing(1000, 1000, policy).level == max(levels, default=0)


@pytest.mark.parametrize("guard", Guard)
@pytest.mark.parametrize(
    ("before", "level", "met", "unmet"),
    [(0, 0, 0, 0), (0, 30, 30, 0), (30, 30, 30, 30), (30, 55, 55, 30), (55, 30, 30, 30)],
)
def test_a_warning_rises_only_where_the_guards_are_met_and_falls_with_the_ratio(
    guard: Guard, before: int, level: int, met: int, unmet: int
) -> None:
    assert Decision(Counts(), 0, False, (), level).warned(before) == met
    assert Decision(Counts(), 0, False, (guard,), level).warned(before) == unmet


def test_a_warning_is_given_once_for_each_crossing() -> None:
    course = [29, 30, 31, 44, 46, 46, 31, 46, 10, 58, 59]
    warned = list(accumulate(course, lambda w, per: failing(per, 100).warned(w), initial=0))
    assert warned == [0, 0, 30, 30, 30, 45, 45, 30, 45, 0, 55, 55]
    assert sum(now > before for before, now in pairwise(warned)) == 4


policies = st.builds(
    Policy,
    ratio=st.sampled_from([Decimal(60), Decimal(100)]) | st.decimals("0.1", 100, places=1),
    min_attempts=st.integers(0, 60),
    min_span=st.just(NONE),
)


@given(policy=policies, number=st.integers(0, 60), well=st.integers(0, 200))
def test_with_fewer_than_the_least_failures_nothing_is_reached_and_with_so_many_it_can_be(
    policy: Policy, number: int, well: int
) -> None:
    least, enough = policy.least_failures, max(policy.min_attempts, 1)
    fewer = min(number, least - 1)
    word = failing(fewer, max(fewer + well, enough), policy)
    assert (word.guards, word.reached, word.level) == ((), False, 0)
    word = failing(least, enough, policy)
    assert word.reached or word.level


@given(policy=policies, number=st.integers(0, 9999), well=st.integers(0, 9999))
def test_the_line_is_reached_after_exactly_so_many_more_failures_and_never_only_at_100(
    policy: Policy, number: int, well: int
) -> None:
    def reached(more: int) -> bool:
        return failing(number + more, number + well + more, policy).reached

    more = failures_to_limit(Counts(attempts=number + well, client=number), policy)
    assert (more is None) is (policy.ratio == 100 and well > 0)
    if more is not None:
        assert reached(more)
        assert more == 0 or not reached(more - 1)


@pytest.mark.parametrize(
    ("number", "attempts", "more"), [(0, 0, 1), (0, 2, 3), (1, 2, 1), (599, 1000, 3), (3, 5, 0)]
)
def test_so_many_failures_are_missing_to_60_per_cent(number: int, attempts: int, more: int) -> None:
    assert failures_to_limit(Counts(attempts=attempts, client=number), SPEC) == more


attempt_lists = st.lists(
    st.builds(
        an_attempt,
        at=st.integers(-180_000_000, 180_000_000).map(lambda n: NOON + n * MICROSECOND),
        reason=st.none() | st.sampled_from(FailureReason),
        integration_id=st.integers(1, 2),
        generation=st.sampled_from([None, 1, 2]),
    ),
    max_size=10,
)


@given(*[attempt_lists.map(counts)] * 3)
def test_counts_add_up_in_any_order(a: Counts, b: Counts, c: Counts) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Counts() == Counts() + a == a


def one_by_one(attempts: list[Attempt]) -> Counts:
    def at(*reasons: FailureReason | None) -> list[datetime]:
        return [a.at for a in attempts if a.answer.reason in reasons]

    numbers: dict[str, Any] = {c: len(at(*(r for r in R if CLASSES[r] is c))) for c in C}
    return Counts(
        attempts=len(attempts),
        **numbers,
        excusable_first_at=min(at(*EXPLAINED), default=None),
        excusable_last_at=max(at(*EXPLAINED), default=None),
        own_first_at=min(at(*OWN), default=None),
        own_last_at=max(at(*OWN), default=None),
        succeeded_last_at=max(at(None), default=None),
    )


@given(attempts=attempt_lists, data=st.data())
def test_attempts_are_counted_by_the_minute_in_any_order_without_those_outside_of_the_ratio(
    attempts: list[Attempt], data: st.DataObject
) -> None:
    inside: dict[Cell, list[Attempt]] = {}
    for a in attempts:
        if a.generation is not None:
            minute = NOON + (a.at - NOON) // MINUTE * MINUTE
            inside.setdefault(Cell(a.integration_id, a.generation, minute), []).append(a)
    cells = by_minute(data.draw(st.permutations(attempts)))
    assert cells == {cell: one_by_one(of_cell) for cell, of_cell in inside.items()}
    assert counts(attempts) == one_by_one([a for a in attempts if a.generation is not None])
