"""Which requests begin, which wait, which go back: decided without threads, sockets or a clock."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from build import NOON
from hypothesis import given
from hypothesis import strategies as st

from sender.claims import one_each, sendings
from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.sending import Claim, Sending
from wallarm_notify.sender.in_flight import (
    LIMITS,
    Dispatch,
    InFlight,
    InFlightLimits,
    Step,
    limits_under,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Groups = tuple[Sending, ...]


def claimed(*groups: Groups, at: float = 0.0) -> Claim:
    return Claim(now=NOON, began=at, sendings=tuple(s for group in groups for s in group))


def play(in_flight: InFlight, now: float = 0.0) -> list[tuple[Step, Dispatch]]:
    """One round, in which there is time for everything."""
    in_flight.start_round(now)
    steps = []
    while (step := in_flight.next(now, now)) is not None:
        steps.append(step)
    return steps


def begun(steps: Iterable[tuple[Step, Dispatch]]) -> list[Dispatch]:
    return [dispatch for step, dispatch in steps if step is Step.BEGIN]


def ids(dispatches: Iterable[Dispatch]) -> list[int]:
    return [d.sending.notification.id for d in dispatches]


@pytest.fixture
def in_flight() -> InFlight:
    return InFlight()


# How many begin.


def test_the_limits_are_those_of_the_engine() -> None:
    assert (LIMITS.fast, LIMITS.slow, LIMITS.of_client, LIMITS.of_integration) == (80, 192, 64, 16)
    assert (LIMITS.unrecorded, LIMITS.slow_after, LIMITS.begin_within) == (300, 1.0, 1.9)


@pytest.mark.parametrize(
    ("groups", "number"),
    [
        pytest.param([sendings(range(40), 1)], 16, id="one integration"),
        pytest.param([sendings(range(40), 1, slow=True)], 16, id="one slow integration"),
        pytest.param(one_each(100), 64, id="one client"),
        pytest.param([*one_each(60), *one_each(60, 100, client=2)], 80, id="several clients"),
        pytest.param(one_each(300, slow=True), 192, id="slow integrations"),
        pytest.param([*one_each(300, 1000, slow=True), *one_each(64)], 256, id="one beside them"),
    ],
)
def test_so_many_are_under_way_at_once(
    in_flight: InFlight, groups: list[Groups], number: int
) -> None:
    in_flight.add(claimed(*groups))
    total = sum(map(len, groups))
    steps = play(in_flight)
    assert [step for step, _ in steps] == [Step.BEGIN] * number
    assert (in_flight.under_way, in_flight.waiting) == (number, total - number)
    assert play(in_flight) == []
    # As many as are over begin, and no more.
    over = begun(steps)[:5]
    in_flight.end(over)
    assert len(begun(play(in_flight))) == min(5, total - number)


def test_requests_begin_in_the_order_in_which_they_came_but_for_those_without_room(
    in_flight: InFlight,
) -> None:
    in_flight.add(claimed(sendings(range(20), 1), sendings(range(100, 103), 2)))
    first = begun(play(in_flight))
    assert ids(first) == [*range(16), 100, 101, 102]
    in_flight.add(claimed(sendings([200], 2), sendings([201], 1)))
    in_flight.end(first)
    assert ids(begun(play(in_flight))) == [16, 17, 18, 19, 200, 201]


def test_a_round_that_is_cut_short_goes_on_with_the_oldest(in_flight: InFlight) -> None:
    in_flight.add(claimed(sendings(range(20), 1), sendings(range(100, 104), 2)))
    in_flight.start_round(0)
    steps = [in_flight.next(0, 0) for _ in range(18)]
    assert ids(begun(s for s in steps if s)) == [*range(16), 100, 101]
    in_flight.end(d for _, d in (s for s in steps if s) if d.integration_id == 1)
    assert ids(begun(play(in_flight))) == [16, 17, 18, 19, 102, 103]


# Who goes first.


def rate_limited(
    ids: Iterable[int], integration: int = 1, severity: Severity = Severity.ERROR
) -> tuple[Sending, ...]:
    return sendings(ids, integration, severity=severity, grant=0.0)


def test_under_a_rate_limit_an_integrations_next_request_begins_when_its_last_one_is_answered(
    in_flight: InFlight,
) -> None:
    in_flight.add(claimed(rate_limited(range(3)), rate_limited([10], 2)))
    first = begun(play(in_flight))
    assert ids(first) == [0, 10]
    assert play(in_flight, 0.2) == []
    in_flight.end(first)
    second = begun(play(in_flight, 0.2))
    assert ids(second) == [1]
    in_flight.end(second)
    assert ids(begun(play(in_flight, 0.2))) == [2]


@pytest.mark.parametrize(("out_for", "begins"), [(0.249, []), (0.25, [1])])
def test_or_when_its_last_one_has_been_out_for_a_quarter_of_a_second(
    in_flight: InFlight, out_for: float, begins: list[int]
) -> None:
    in_flight.add(claimed(rate_limited(range(3))))
    play(in_flight)
    assert ids(begun(play(in_flight, out_for))) == begins


def test_no_later_one_begins_in_a_round_in_which_an_earlier_one_had_to_wait(
    in_flight: InFlight,
) -> None:
    in_flight.add(claimed(rate_limited(range(3))))
    play(in_flight)
    in_flight.start_round(0.24)
    # A round takes a while: by now it would be its turn.
    found = [in_flight.next(now, now) for now in (0.24, 0.26, 0.26)]
    assert found == [None, None, None]
    assert ids(begun(play(in_flight, 0.26))) == [1]


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [
        pytest.param(0, 0.0, id="no limit"),
        pytest.param(1, 0.25, id="one a minute"),
        pytest.param(100, 0.25, id="the default"),
        pytest.param(240, 0.25, id="four a second"),
        pytest.param(600, 0.1, id="ten a second: as the limit spreads them"),
        pytest.param(6_000, 0.01, id="a hundred a second"),
        pytest.param(6_001, 0.0, id="more: at once, in any order"),
    ],
)
def test_order_costs_no_more_than_the_limit_does(limit: int, seconds: float) -> None:
    assert limits_under(limit).in_order_for == seconds
    in_flight = InFlight(limits_under(limit))
    in_flight.add(claimed(rate_limited(range(20))))
    assert len(begun(play(in_flight))) == (1 if seconds else 16)


def test_without_a_rate_limit_sixteen_begin_at_once(in_flight: InFlight) -> None:
    in_flight.add(claimed(sendings(range(20), 1)))
    assert len(begun(play(in_flight))) == 16


def test_what_is_more_severe_passes_what_has_not_begun(in_flight: InFlight) -> None:
    in_flight.add(
        claimed(rate_limited(range(3), severity=Severity.INFO), sendings(range(50, 70), 2))
    )
    first = begun(play(in_flight))
    in_flight.add(claimed(rate_limited([10, 11], severity=Severity.CRITICAL)))
    order = []
    while first:
        order += ids(d for d in first if d.integration_id == 1)
        in_flight.end(first)
        first = begun(play(in_flight))
    assert order == [0, 10, 11, 1, 2]


def test_who_waits_for_the_one_before_keeps_nobody_from_claiming(in_flight: InFlight) -> None:
    in_flight.add(claimed(rate_limited(range(100))))
    assert not in_flight.wait_for_room(0)  # the first of them has not begun
    play(in_flight)
    assert in_flight.wait_for_room(0)
    assert in_flight.room([1, 2]) == {1: 29, 2: 128}


def test_however_many_of_one_client_wait_for_the_one_before_there_is_room_for_others(
    in_flight: InFlight,
) -> None:
    in_flight.add(claimed(rate_limited(range(2000))))
    play(in_flight)
    assert in_flight.room([1, 2]) == {1: 0, 2: 128}


@pytest.mark.parametrize(("number", "has_room"), [(301, True), (302, False)])
def test_so_many_may_wait_for_the_one_before(
    in_flight: InFlight, number: int, *, has_room: bool
) -> None:
    in_flight.add(claimed(rate_limited(range(number))))
    play(in_flight)
    assert in_flight.wait_for_room(0) is has_room


def test_what_was_claimed_later_goes_back_with_what_it_must_not_overtake(
    in_flight: InFlight,
) -> None:
    in_flight.add(claimed(rate_limited(range(10)), at=0))
    first = begun(play(in_flight))
    in_flight.add(claimed(rate_limited(range(10, 15)), rate_limited([20], 2), at=1.5))
    in_flight.add(claimed(rate_limited([30], severity=Severity.CRITICAL), at=1.5))
    in_flight.end(first)
    steps = play(in_flight, 1.95)
    back = [n for step, d in steps if step is Step.RETURN for n in ids([d])]
    assert back == list(range(1, 15))
    assert sorted(ids(begun(steps))) == [20, 30]


def test_those_in_line_go_back_when_they_could_not_begin_in_time(in_flight: InFlight) -> None:
    in_flight.add(claimed(rate_limited(range(10))))
    play(in_flight)
    steps = play(in_flight, 1.95)
    # The first has no answer after a second: its integration is slow.
    assert {step for step, _ in steps} == {Step.HOLD}
    assert (in_flight.waiting, in_flight.under_way) == (0, 1)


# What goes back.


@pytest.mark.parametrize(("age", "step"), [(1.89, Step.BEGIN), (1.9, Step.RETURN)])
def test_a_request_begins_within_2_s_of_its_claim_or_goes_back(
    in_flight: InFlight, age: float, step: Step
) -> None:
    in_flight.add(claimed(sendings([1], 1)))
    in_flight.start_round(5)
    found = in_flight.next(5, age)
    assert found is not None
    assert found[0] is step


def test_age_is_measured_by_the_clock_that_goes_on_while_the_machine_sleeps_and_slowness_is_not(
    in_flight: InFlight,
) -> None:
    in_flight.add(claimed(sendings([1], 1)))
    (first,) = begun(play(in_flight))
    in_flight.add(claimed(sendings([2], 2)))
    assert in_flight.start_round(0.1) == []
    assert in_flight.next(0.1, 60) is not None
    assert not first.is_slow


def test_what_waits_for_an_integration_that_becomes_slow_is_held_and_others_begin(
    in_flight: InFlight,
) -> None:
    in_flight.add(claimed(sendings(range(20), 1), sendings(range(100, 102), 2), at=1))
    play(in_flight)
    assert in_flight.start_round(0.999) == []
    in_flight.add(claimed(sendings([200], 3), sendings([201], 1), at=1))
    assert in_flight.start_round(1) == [1, 2]
    steps = [in_flight.next(1, 1) for _ in range(6)]
    found = [(step, *ids([d])) for step, d in (s for s in steps if s)]
    assert found == [
        *((Step.HOLD, n) for n in range(16, 20)),
        (Step.BEGIN, 200),
        (Step.HOLD, 201),
    ]
    assert in_flight.next(1, 1) is None


def test_what_waits_for_a_slow_integration_is_held_however_old_it_is(in_flight: InFlight) -> None:
    in_flight.add(claimed(sendings(range(17), 1)))
    play(in_flight)
    assert [step for step, _ in play(in_flight, 10)] == [Step.HOLD]


def test_an_integration_that_was_slow_when_it_was_claimed_is_no_news(in_flight: InFlight) -> None:
    in_flight.add(claimed(sendings([1], 1, slow=True)))
    play(in_flight)
    assert in_flight.start_round(10) == []
    in_flight.add(claimed(sendings([2], 1, slow=True), at=10))
    assert [step for step, _ in play(in_flight, 10)] == [Step.BEGIN]


def test_it_is_returned_once_and_what_waits_begins_again_when_the_answer_has_come(
    in_flight: InFlight,
) -> None:
    in_flight.add(claimed(sendings([1], 1)))
    (dispatch,) = begun(play(in_flight))
    assert in_flight.start_round(1) == [1]
    assert in_flight.start_round(2) == []
    in_flight.end([dispatch])
    in_flight.add(claimed(sendings([2], 1), at=2))
    assert [step for step, _ in play(in_flight, 2)] == [Step.BEGIN]
    assert dispatch.is_slow


def test_an_answer_that_comes_in_the_round_in_which_it_would_be_slow_is_not_slow(
    in_flight: InFlight,
) -> None:
    in_flight.add(claimed(sendings([1], 1)))
    (dispatch,) = begun(play(in_flight))
    in_flight.end([dispatch])
    assert in_flight.start_round(1.5) == []
    assert not dispatch.is_slow


def test_what_becomes_slow_makes_room_for_others(in_flight: InFlight) -> None:
    in_flight.add(claimed(*one_each(100), at=1))
    assert len(begun(play(in_flight))) == 64
    assert len(in_flight.start_round(1)) == 64
    assert len(begun(play(in_flight, 1))) == 36
    assert in_flight.under_way == 100


# Who may claim.


@pytest.mark.parametrize(
    ("lie_here", "room", "others"),
    [
        (0, 128, 128),
        (64, 128, 128),
        (65, 127, 128),
        (96, 96, 128),
        (97, 95, 127),
        (164, 28, 96),
        (192, 0, 96),
        (250, 0, 96),
    ],
)
def test_there_is_room_for_what_can_begin_with_the_next_two_rounds_of_answers(
    in_flight: InFlight, lie_here: int, room: int, others: int
) -> None:
    in_flight.add(claimed(*one_each(lie_here)))
    steps = play(in_flight)
    assert in_flight.room([1, 2]) == {1: room, 2: others}
    while steps:
        in_flight.end(begun(steps))
        in_flight.forget(begun(steps))
        steps = play(in_flight)
    assert in_flight.room([1]) == {1: 128}


def test_what_was_just_taken_over_counts_at_once(in_flight: InFlight) -> None:
    in_flight.add(claimed(*one_each(128)))
    assert in_flight.room([1, 2]) == {1: 0, 2: 96}
    assert not in_flight.wait_for_room(0)


def test_of_many_clients_there_is_room_for_two_rounds_too(in_flight: InFlight) -> None:
    for client in range(1, 23):
        in_flight.add(claimed(*one_each(10, client * 100, client=client)))
    play(in_flight)
    assert in_flight.room([1, 99]) == {1: 20, 99: 20}


@pytest.mark.parametrize(("number", "has_room"), [(300, True), (301, False)])
def test_there_is_room_for_the_next_claim_while_not_too_much_is_to_be_recorded(
    number: int, *, has_room: bool
) -> None:
    in_flight = InFlight(InFlightLimits(fast=1000, of_client=1000))
    in_flight.add(claimed(*one_each(number)))
    in_flight.end(begun(play(in_flight)))
    assert in_flight.wait_for_room(0) is has_room
    assert bool(in_flight.room([1])[1]) is has_room
    assert in_flight.unrecorded == number


def test_slow_integrations_keep_nobody_from_claiming(in_flight: InFlight) -> None:
    in_flight.add(claimed(*one_each(400, slow=True)))
    assert in_flight.wait_for_room(0)
    assert in_flight.room([1]) == {1: 128}
    # Those whose answers are outstanding for a second are slow, too.
    in_flight.add(claimed(*one_each(64, 1000, client=2)))
    play(in_flight)
    in_flight.add(claimed(*one_each(250, 2000, client=3)))
    assert in_flight.room([9]) == {9: 0}
    in_flight.start_round(1)
    assert in_flight.room([9]) == {9: 96}


def test_what_could_not_begin_is_in_flight_no_more(in_flight: InFlight) -> None:
    in_flight.add(claimed(sendings([1], 1), sendings([2], 2, slow=True)))
    dispatches = begun(play(in_flight))
    in_flight.end(dispatches)
    in_flight.forget(dispatches)
    assert (in_flight.waiting, in_flight.under_way, in_flight.unrecorded) == (0, 0, 0)
    assert not in_flight.is_busy


def test_letting_go_of_something_twice_is_harmless(in_flight: InFlight) -> None:
    in_flight.add(claimed(sendings([1, 2], 1)))
    one, two = begun(play(in_flight))
    in_flight.end([one, two])
    for _ in range(2):
        in_flight.forget([one])
        assert in_flight.unrecorded == 1
    in_flight.forget([one, two])
    assert in_flight.wait_until_recorded(0)


# Who waits.


def waiter(wait: Callable[[float], bool]) -> tuple[threading.Thread, list[bool]]:
    """A thread that waits, and what it is told in the end."""
    found: list[bool] = []
    waiting = threading.Thread(target=lambda: found.append(wait(60)))
    waiting.start()
    waiting.join(0.05)
    assert found == []
    return waiting, found


def test_who_waits_until_all_is_recorded_is_woken_by_the_last_record(in_flight: InFlight) -> None:
    in_flight.add(claimed(sendings([1, 2], 1)))
    one, two = begun(play(in_flight))
    in_flight.end([one, two])
    in_flight.forget([one])
    waiting, found = waiter(in_flight.wait_until_recorded)
    in_flight.forget([two])
    waiting.join(5)
    assert found == [True]


@pytest.mark.parametrize("how", ["begun", "held", "returned", "slow", "recorded"])
def test_who_waits_for_room_is_woken_however_it_comes(how: str) -> None:
    few = how in ("slow", "recorded")
    in_flight = InFlight(InFlightLimits(of_integration=1, unrecorded=1 if few else 300))
    in_flight.add(claimed(sendings([1], 1), sendings([2], 2 if few else 1)))
    first = begun(play(in_flight))
    waiting, found = waiter(in_flight.wait_for_room)
    if how in ("begun", "recorded"):
        in_flight.end(first)
    if how == "recorded":
        in_flight.forget(first)
    else:
        in_flight.start_round(0.5 if how == "returned" else 1)
        in_flight.next(1, 2 if how == "returned" else 0)
    waiting.join(5)
    assert found == [True]


# Whatever happens, in whatever order.

SMALL = InFlightLimits(fast=4, slow=3, of_client=3, of_integration=2, unrecorded=8, in_line=3)


@dataclass(eq=False)
class One:
    """A request as the rules see it."""

    id: int
    integration: int
    client: int
    was_slow: bool
    claimed_at: float
    is_slow: bool
    severity: Severity
    is_in_order: bool
    in_line: bool = False
    dispatch: Dispatch | None = None
    began: float = 0.0


@dataclass
class Model:
    """The rules once more, counted anew from lists of everything at every step."""

    waiting: list[One] = field(default_factory=list)
    under_way: list[One] = field(default_factory=list)
    unrecorded: list[One] = field(default_factory=list)
    last: dict[int, One] = field(default_factory=dict)
    passed_over: set[int] = field(default_factory=set)
    went_back: set[tuple[int, Severity]] = field(default_factory=set)

    def claim(self, added: list[One]) -> None:
        for one in added:
            others = [*self.waiting, *self.under_way]
            one.in_line = one.is_in_order and one.integration in {o.integration for o in others}
            self.waiting.append(one)
            self.unrecorded.append(one)

    def is_next(self, one: One, now: float) -> bool:
        last = self.last.get(one.integration)
        is_out = last in self.under_way and last is not None and now - last.began < 0.25
        return not one.is_in_order or (one.integration not in self.passed_over and not is_out)

    def step(self, one: One, now: float) -> Step | None:
        slow = [other for other in self.under_way if other.is_slow]
        fast = [other for other in self.under_way if not other.is_slow]
        if any(other.integration == one.integration and not other.was_slow for other in slow):
            return Step.HOLD
        kind = (one.integration, one.severity)
        if now - one.claimed_at >= SMALL.begin_within or kind in self.went_back:
            if one.is_in_order:
                self.went_back.add(kind)
            return Step.RETURN
        if not self.is_next(one, now):
            return None
        if sum(other.integration == one.integration for other in self.under_way) >= 2:
            return None
        if one.is_slow:
            return Step.BEGIN if len(slow) < 3 else None
        of_client = sum(other.client == one.client for other in fast)
        return Step.BEGIN if len(fast) < 4 and of_client < 3 else None

    def become_slow(self, now: float) -> list[int]:
        found = [o for o in self.under_way if not o.is_slow and now - o.began >= 1]
        for one in found:
            one.is_slow = True
        return sorted({one.integration for one in found})

    def room(self, client: int) -> int:
        if self.records_lag():
            return 0
        fast = [one for one in self.waiting if not one.is_slow]
        unbegun = Counter(one.client for one in fast if not one.in_line)
        most = 8 - sum(min(number, 3) for number in unbegun.values())
        return max(min(6 - sum(one.client == client for one in fast), most), 0)

    def has_room(self) -> bool:
        has_begun = all(one.is_slow or one.in_line for one in self.waiting)
        return has_begun and self.in_line() <= 3 and not self.records_lag()

    def in_line(self) -> int:
        return sum(one.in_line and not one.is_slow for one in self.waiting)

    def records_lag(self) -> bool:
        return sum(not one.is_slow for one in self.unrecorded) - self.in_line() > 8


def play_both(in_flight: InFlight, model: Model, now: float, most: int) -> None:
    """A round of both, which may end early; each decision is held against the rules."""
    assert in_flight.start_round(now) == model.become_slow(now)
    model.passed_over, model.went_back = set(), set()
    model.waiting.sort(key=lambda one: -one.severity)
    for one in [*model.waiting]:
        expected = model.step(one, now)
        if expected is None:
            model.passed_over.add(one.integration)
            continue
        if not most:
            return
        most -= 1
        found = in_flight.next(now, now)
        assert found is not None
        step, dispatch = found
        assert (step, *ids([dispatch])) == (expected, one.id)
        model.waiting.remove(one)
        one.dispatch, one.began = dispatch, now
        if step is Step.BEGIN:
            model.under_way.append(one)
            model.last[one.integration] = one
        assert dispatch.is_slow is one.is_slow
    assert in_flight.next(now, now) is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "claim", "round", "round", "answer", "answer", "record", "wait"]),
        st.integers(1, 4),
        st.integers(1, 3),
        st.booleans(),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_whatever_comes_in_whatever_order_the_rules_hold(
    steps: list[tuple[str, int, int, bool]],
) -> None:
    in_flight, model, now, made = InFlight(SMALL), Model(), 0.0, 0
    for step, number, client, flag in steps:
        if step == "claim":
            # Integrations 11 to 13 are client 1's, and so on.
            integration = client * 10 + number % 3 + 1
            numbers = range(made, made := made + number)
            severity = Severity.CRITICAL if made % 3 else Severity.INFO
            is_in_order = integration % 10 == 3
            given = sendings(
                numbers,
                integration,
                client=client,
                slow=flag,
                severity=severity,
                grant=0.0 if is_in_order else None,
            )
            in_flight.add(claimed(given, at=now))
            model.claim(
                [
                    One(n, integration, client, flag, now, flag, severity, is_in_order)
                    for n in numbers
                ]
            )
        elif step == "round":
            play_both(in_flight, model, now, number if flag else 1000)
        elif step == "answer":
            over, model.under_way = model.under_way[:number], model.under_way[number:]
            in_flight.end(one.dispatch for one in over if one.dispatch)
        elif step == "record":
            done = [o for o in model.unrecorded if o not in model.waiting + model.under_way][
                :number
            ]
            in_flight.forget([one.dispatch for one in done if one.dispatch])
            model.unrecorded = [one for one in model.unrecorded if one not in done]
        else:
            now += number / 4
        assert in_flight.waiting == len(model.waiting)
        assert in_flight.under_way == len(model.under_way)
        assert in_flight.unrecorded == len(model.unrecorded)
        assert in_flight.is_busy is bool(model.waiting or model.under_way)
        assert in_flight.room([1, 2, 3]) == {c: model.room(c) for c in (1, 2, 3)}
        assert in_flight.wait_for_room(0) is model.has_room()
