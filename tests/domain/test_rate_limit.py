from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallarm_notify.domain.event import Severity
from wallarm_notify.domain.rate_limit import (
    KEPT,
    TOGETHER,
    WINDOW,
    GrantRequest,
    Grants,
    give_back,
    is_severe,
    take_free_grants,
    take_grants,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = 1_800_000_000.0
INFO, CRITICAL = Severity.INFO, Severity.CRITICAL


def ask(grants: Grants, *severities: Severity, now: float = NOW, limit: int = 100) -> list[float]:
    """The answers, 0 for a turn now."""
    answers, _ = take_grants(grants, anew(severities), limit=limit, now=now)
    return [0.0 if a is None else a for a in answers]


def anew(severities: Iterable[Severity]) -> list[GrantRequest]:
    """Who asks for the first time: without a promise."""
    return [GrantRequest(s, 0.0) for s in severities]


@pytest.mark.parametrize(
    ("severity", "asked", "granted"),
    [
        (CRITICAL, 1, 1),
        (CRITICAL, 100, 100),
        (Severity.ERROR, 101, 100),
        (CRITICAL, 250, 100),
        (INFO, 80, 80),
        (Severity.WARNING, 81, 80),
        (INFO, 250, 80),
    ],
)
def test_as_many_as_a_window_has_go_at_once_and_the_rest_waits_a_window(
    severity: Severity, asked: int, granted: int
) -> None:
    answers = ask(Grants(), *[severity] * asked)
    assert answers[:granted] == [0.0] * granted
    later = answers[granted:]
    assert later == [NOW + WINDOW * (1 + n // granted) for n in range(len(later))]


@pytest.mark.parametrize(
    ("limit", "low"), [(1, 1), (4, 4), (5, 4), (9, 8), (10, 8), (100, 80), (104, 84)]
)
def test_a_fifth_of_the_limit_is_out_of_reach_for_low_requests(limit: int, low: int) -> None:
    answers, grants = take_grants(Grants(), anew([INFO] * 2 * limit), limit=limit, now=NOW)
    assert answers.count(None) == low
    assert ask(grants, *[CRITICAL] * (limit - low + 1), limit=limit, now=NOW + 1) == [
        *[0.0] * (limit - low),
        NOW + WINDOW,
    ]


def test_a_fifth_is_out_of_reach_for_low_requests_however_long_nothing_severe_comes() -> None:
    grants, at = Grants(), NOW
    for _ in range(5):
        answers, grants = take_grants(grants, anew([INFO] * 12), limit=10, now=at)
        assert answers.count(None) == 8
        at += WINDOW + KEPT


def test_what_was_granted_to_severe_requests_takes_nothing_from_what_low_ones_may_have() -> None:
    _, grants = take_grants(Grants(), anew([CRITICAL] * 2), limit=10, now=NOW)
    assert ask(grants, *[INFO] * 9, limit=10, now=NOW + 1).count(0.0) == 8
    _, grants = take_grants(grants, anew([CRITICAL]), limit=10, now=NOW + 1)
    assert ask(grants, *[INFO] * 9, limit=10, now=NOW + 1).count(0.0) == 7


def test_a_low_request_waits_as_long_as_low_ones_before_it_have_their_share() -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 8), limit=10, now=NOW)
    _, grants = take_grants(grants, anew([CRITICAL]), limit=10, now=NOW + 30)
    assert ask(grants, *[INFO] * 9, limit=10, now=NOW + 40) == [
        *[NOW + WINDOW] * 8,
        NOW + 2 * WINDOW,
    ]


@pytest.mark.parametrize(
    ("severity", "sent", "granted"),
    [
        *((CRITICAL, *x) for x in ((0, 3), (97, 3), (98, 2), (99, 1), (100, 0), (150, 0))),
        *((INFO, *x) for x in ((77, 3), (78, 2), (79, 1), (80, 0), (150, 0))),
    ],
)
def test_what_was_sent_within_the_window_counts(
    severity: Severity, sent: int, granted: int
) -> None:
    """It is not known to be severe, so it counts as low."""
    grants = Grants(sent=tuple((NOW - 30 + n / 1000, 1) for n in range(sent)))
    assert ask(grants, severity, severity, severity).count(0.0) == granted


@pytest.mark.parametrize(
    ("age", "granted"),
    [pytest.param(WINDOW, True, id="a window ago"), pytest.param(WINDOW - 0.001, False, id="less")],
)
def test_a_grant_is_free_again_a_window_after_it_was_granted(age: float, *, granted: bool) -> None:
    grants = Grants(sent=((NOW - age, 1),))
    assert (ask(grants, INFO, limit=1) == [0.0]) is granted


def test_the_window_is_60_s_and_as_long_as_a_request_may_take_to_start() -> None:
    assert WINDOW == 62


def test_a_later_more_severe_one_is_reserved_the_grant_before_less_severe_ones() -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 6), limit=2, now=NOW)
    assert ask(grants, CRITICAL, limit=2, now=NOW + 1) == [NOW + WINDOW]
    assert ask(grants, INFO, limit=2, now=NOW + 1) == [NOW + 3 * WINDOW]


def test_a_clock_that_steps_back_grants_nothing_more() -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 3), limit=3, now=NOW)
    assert ask(grants, INFO, limit=3, now=NOW - 30) == [NOW + WINDOW]


@pytest.mark.parametrize("back", [61, 600, 3600])
def test_a_clock_that_is_set_back_costs_a_key_a_minute_at_most_and_grants_nothing_more(
    back: int,
) -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 50), limit=100, now=NOW - 40)
    _, grants = take_grants(grants, anew([CRITICAL] * 20 + [INFO] * 60), limit=100, now=NOW)
    now = NOW + 1 - back
    assert take_free_grants(grants, [CRITICAL], limit=100, now=now)[0] == 0
    assert ask(grants, *[CRITICAL] * 50, limit=100, now=now) == [now - 40 + WINDOW] * 50
    # Spaced as they were, the last as if granted now; none of the promised ones holds.
    _, grants = take_grants(grants, (), limit=100, now=now)
    assert [(now - at, number) for at, number in grants.sent] == [(40, 50), (0, 50)]
    assert [(now - at, number) for at, number in grants.severe] == [(0, 20)]
    later = now - 40 + WINDOW
    assert take_free_grants(grants, [INFO] * 99, limit=100, now=later)[0] == 50


def test_what_was_reserved_before_the_clock_was_set_back_keeps_nobody_waiting() -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 500), limit=100, now=NOW)
    assert grants.reserved
    now = NOW - 600
    _, grants = take_grants(grants, (), limit=100, now=now)
    assert grants.reserved == {}
    assert ask(grants, INFO, limit=100, now=now + WINDOW) == [0.0]


def test_a_clock_that_steps_back_revives_no_promise() -> None:
    """When the last turn was granted, the one that was promised was kept no longer."""
    grants = Grants(sent=((NOW + 5, 1),), reserved={0: ((NOW, 1),)})
    assert take_free_grants(grants, [INFO], limit=2, now=NOW + 1)[0] == 1
    assert ask(grants, INFO, limit=2, now=NOW + 1) == [0.0]


def test_a_lower_limit_holds_for_what_was_sent_under_a_higher_one() -> None:
    _, grants = take_grants(Grants(), anew([CRITICAL] * 10), limit=10, now=NOW)
    assert ask(grants, INFO, limit=2, now=NOW + 30) == [NOW + WINDOW]


def test_a_grant_given_back_is_free_at_once() -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 3), limit=3, now=NOW)
    back = give_back(grants, 2, granted=NOW, severe=False)
    assert ask(back, *[INFO] * 3, limit=3, now=NOW + 1) == [0, 0, NOW + WINDOW]


@pytest.mark.parametrize(("severe", "low_free", "severe_free"), [(False, 2, 2), (True, 0, 2)])
def test_a_grant_given_back_is_free_for_its_own_kind(
    severe: bool,
    low_free: int,
    severe_free: int,
) -> None:
    _, grants = take_grants(Grants(), anew([CRITICAL] * 2 + [INFO] * 8), limit=10, now=NOW)
    back = give_back(grants, 2, granted=NOW, severe=severe)
    assert ask(back, *[INFO] * 9, limit=10, now=NOW + 1).count(0.0) == low_free
    assert ask(back, *[CRITICAL] * 9, limit=10, now=NOW + 1).count(0.0) == severe_free


def test_a_severe_grant_that_was_stored_without_its_kind_is_given_back_all_the_same() -> None:
    back = give_back(Grants(sent=((NOW, 3),)), 1, granted=NOW, severe=True)
    assert back == Grants(sent=((NOW, 2),))


def test_only_grants_granted_at_that_time_are_given_back() -> None:
    grants = Grants(sent=((NOW - 1, 2), (NOW, 2), (NOW + 1, 1)), reserved={0: ((NOW + 60, 1),)})

    def back(number: int, at: float) -> Grants:
        return give_back(grants, number, granted=at, severe=False)

    assert back(1, NOW).sent == ((NOW - 1, 2), (NOW, 1), (NOW + 1, 1))
    assert back(9, NOW).sent == ((NOW - 1, 2), (NOW + 1, 1))
    assert back(1, NOW + 2) == grants
    assert back(1, NOW).reserved == grants.reserved


def test_a_reserved_grant_is_kept_for_who_comes_back_and_not_given_to_a_newcomer() -> None:
    _, grants = take_grants(Grants(), anew([CRITICAL] * 4), limit=2, now=NOW)
    back = NOW + WINDOW
    assert ask(grants, INFO, INFO, limit=2, now=back + 0.1) == [back + WINDOW] * 2
    answers, _ = take_grants(grants, [GrantRequest(CRITICAL, back)] * 2, limit=2, now=back + 0.2)
    assert answers == [None, None]


def test_what_is_more_severe_takes_a_kept_grant_and_who_held_it_has_the_next() -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 5), limit=1, now=NOW)
    back = NOW + WINDOW
    answers, grants = take_grants(grants, anew([CRITICAL]), limit=1, now=back + 0.1)
    assert answers == [None]
    answers, _ = take_grants(grants, [GrantRequest(INFO, back)], limit=1, now=back + 0.2)
    assert answers == [back + 0.5 + WINDOW]


def test_who_lost_a_kept_grant_waits_behind_all_that_is_more_severe() -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 2), limit=1, now=NOW)
    back = NOW + WINDOW
    answers, grants = take_grants(grants, anew([Severity.WARNING] * 2), limit=1, now=back + 0.1)
    assert answers == [None, back + 0.5 + WINDOW]
    answers, _ = take_grants(grants, [GrantRequest(INFO, back)], limit=1, now=back + 0.2)
    assert answers == [back + 0.5 + 2 * WINDOW]


def test_who_lost_a_kept_grant_goes_before_others_as_severe() -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 3), limit=1, now=NOW)
    back = NOW + WINDOW
    _, grants = take_grants(grants, anew([CRITICAL]), limit=1, now=back)
    answers, _ = take_grants(grants, [GrantRequest(INFO, back)], limit=1, now=back)
    assert answers == [back + WINDOW]


def test_who_comes_back_takes_the_grant_that_was_its_own_and_no_other() -> None:
    _, grants = take_grants(Grants(), anew([CRITICAL] * 5), limit=2, now=NOW)
    back = NOW + WINDOW
    answers, grants = take_grants(grants, [GrantRequest(CRITICAL, back)], limit=2, now=back)
    assert answers == [None]
    left = ((back, 1), (back + WINDOW, 1))
    assert grants == Grants(((back, 1),), dict.fromkeys(range(4), left), ((back, 1),))


def test_a_reserved_grant_that_nobody_comes_for_is_free_after_a_while() -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 2), limit=1, now=NOW)
    assert ask(grants, INFO, limit=1, now=NOW + WINDOW + KEPT) == [0.0]


def test_old_grants_and_kept_reserves_are_forgotten() -> None:
    _, grants = take_grants(Grants(), anew([INFO] * 5), limit=1, now=NOW)
    _, grants = take_grants(grants, [], limit=1, now=NOW + 1000)
    assert grants == Grants()


@pytest.mark.parametrize(
    ("now", "moment"),
    [(NOW, NOW), (NOW + 0.001, NOW + 0.5), (NOW + 0.5, NOW + 0.5), (NOW + 0.501, NOW + 1)],
)
def test_a_grant_counts_from_the_end_of_its_half_second(now: float, moment: float) -> None:
    _, grants = take_grants(Grants(), anew([INFO]), limit=2, now=now)
    assert grants.sent == ((moment, 1),)
    assert ask(grants, INFO, limit=1, now=moment + WINDOW - 0.001) == [moment + WINDOW]
    assert ask(grants, INFO, limit=1, now=moment + WINDOW) == [0.0]


def test_however_many_grants_there_are_a_minute_has_few_moments() -> None:
    grants = Grants()
    for n in range(10_000):
        _, grants = take_grants(grants, anew([INFO]), limit=1_000_000, now=NOW + n / 100)
        _, grants = take_free_grants(grants, [CRITICAL], limit=1_000_000, now=NOW + n / 100)
    assert len(grants.severe) <= len(grants.sent) <= WINDOW / TOGETHER + 1
    assert sum(number for _, number in grants.sent) >= 2 * 100 * WINDOW
    assert sum(number for _, number in grants.severe) >= 100 * WINDOW


@pytest.mark.parametrize(
    ("sent", "asked", "granted"),
    [(0, 1, 1), (0, 5, 4), (3, 3, 1), (4, 1, 0), (5, 1, 0), (0, 0, 0)],
)
def test_free_grants_are_granted_up_to_what_low_requests_may_have(
    sent: int, asked: int, granted: int
) -> None:
    before = Grants(sent=((NOW - 30, sent),) if sent else ())
    number, grants = take_free_grants(before, [INFO] * asked, limit=5, now=NOW)
    assert number == granted
    assert grants.sent == (*before.sent, *([(NOW, granted)] if granted else []))
    assert (grants.reserved, grants.severe) == ({}, ())


def test_free_grants_go_to_the_severe_first_and_are_kept_as_theirs() -> None:
    asked = [CRITICAL, Severity.ERROR, *[INFO] * 9]
    number, grants = take_free_grants(Grants(), asked, limit=10, now=NOW)
    assert (number, grants) == (10, Grants(((NOW, 10),), severe=((NOW, 2),)))


def test_free_grants_go_past_what_less_severe_requests_wait_for() -> None:
    _, grants = take_grants(Grants(), anew([Severity.WARNING] * 20), limit=10, now=NOW)
    number, after = take_free_grants(
        grants, [CRITICAL, CRITICAL, CRITICAL, INFO], limit=10, now=NOW + 1
    )
    assert number == 2
    assert after.reserved == grants.reserved
    assert take_free_grants(grants, [Severity.WARNING], limit=10, now=NOW + WINDOW)[0] == 0


@pytest.mark.parametrize(
    ("ahead", "granted"),
    [
        pytest.param(30.0, 0, id="to come"),
        pytest.param(0.0, 0, id="come"),
        pytest.param(-KEPT + 0.001, 0, id="kept still"),
        pytest.param(-KEPT, 1, id="kept no longer"),
    ],
)
def test_no_grant_is_free_while_one_is_reserved(ahead: float, granted: int) -> None:
    grants = Grants(reserved={0: ((NOW + ahead, 1),)})
    number, after = take_free_grants(grants, [INFO], limit=2, now=NOW)
    assert number == granted
    assert after == (Grants(sent=((NOW, 1),)) if granted else grants)


@dataclass
class Asker:
    severity: Severity
    comes_at: float
    due: float = 0.0


Start = tuple[float, Severity]
"""When a request starts, and how severe it is."""


def no_minute_holds_more_than(starts: list[Start], limit: int) -> None:
    """No sliding minute holds more requests than the limit, nor more low ones than they may be."""
    every = sorted(at for at, _ in starts)
    low = sorted(at for at, severity in starts if not is_severe(severity))
    for some, most in ((every, limit), (low, limit - limit // 5)):
        for first, one_too_many in zip(some, some[most:], strict=False):
            assert one_too_many - first >= 60 - 1e-6


waves = st.lists(
    st.tuples(
        st.floats(0, 90, allow_nan=False),
        st.lists(st.sampled_from(Severity), min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=6,
)


@given(
    waves=waves,
    limit=st.integers(1, 11),
    late=st.lists(st.floats(0, 5), min_size=1, max_size=5),
    start=st.lists(st.one_of(st.none(), st.floats(0, 2)), min_size=1, max_size=7),
    routed=st.lists(st.lists(st.sampled_from(Severity), max_size=3), max_size=20),
)
def test_no_sliding_minute_holds_more_than_its_limits_and_everybody_has_a_grant(
    waves: list[tuple[float, list[Severity]]],
    limit: int,
    late: list[float],
    start: list[float | None],
    routed: list[list[Severity]],
) -> None:
    """Askers come, come back when told to or later, and start up to 2 s after their grant, or give it back.

    Before each wave of them some take what is free.
    """
    askers: list[Asker] = []
    at = NOW
    for pause, severities in waves:
        at += pause
        askers += [Asker(s, at) for s in severities]
    grants, total, asked = Grants(), len(askers), 0
    starts: list[Start] = []
    while askers:
        asked += 1
        assert asked < 2000, "somebody waits for ever"
        now = min(a.comes_at for a in askers)
        here = sorted((a for a in askers if a.comes_at <= now), key=lambda a: -a.severity)
        if routed:
            severities = sorted(routed.pop(), reverse=True)
            free, grants = take_free_grants(grants, severities, limit=limit, now=now)
            starts += [(now + 2.0, s) for s in severities[:free]]
            total += free
        answers, grants = take_grants(
            grants, [GrantRequest(a.severity, a.due) for a in here], limit=limit, now=now
        )
        granted = grants.sent[-1][0] if grants.sent else now
        for number, (asker, grant) in enumerate(zip(here, answers, strict=True)):
            after = start[(asked + number) % len(start)]
            if grant is None and after is None and asked < 20:
                grants = give_back(grants, 1, granted=granted, severe=is_severe(asker.severity))
                asker.comes_at = now + 2
            elif grant is None:
                askers.remove(asker)
                starts.append((now + (after or 0), asker.severity))
            else:
                assert grant > now
                asker.comes_at = grant + late[(asked + number) % len(late)]
                asker.due = grant
    assert len(starts) == total
    no_minute_holds_more_than(starts, limit)


@given(
    before=st.lists(st.lists(st.sampled_from(Severity), max_size=6), max_size=4),
    severities=st.lists(st.sampled_from(Severity), min_size=2, max_size=12),
    limit=st.integers(1, 4),
    pause=st.floats(0, 100),
)
def test_the_more_severe_is_never_reserved_a_later_grant(
    before: list[list[Severity]], severities: list[Severity], limit: int, pause: float
) -> None:
    grants, now = Grants(), NOW
    for wave in before:
        _, grants = take_grants(grants, anew(sorted(wave, reverse=True)), limit=limit, now=now)
        now += pause
    answers = ask(grants, *sorted(severities, reverse=True), limit=limit, now=now)
    assert answers == sorted(answers)


@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 20),  # since the step before
            st.sampled_from([0, 0, 0, 30, 61, 600]),  # how far the clock was set back meanwhile
            st.floats(0, 1.5),  # how long the transaction waited for the key
            st.booleans(),  # whether it is routing
            st.lists(st.sampled_from(Severity), min_size=1, max_size=6),  # who asks
            st.integers(0, 4),  # how many of those granted are given back
            st.floats(0, 1),  # when the others start, of the time they have
        ),
        min_size=1,
        max_size=40,
    ),
    limit=st.integers(1, 11),
)
def test_whoever_waits_for_the_key_no_minute_holds_more_than_its_limits(
    steps: list[tuple[float, int, float, bool, list[Severity], int, float]], limit: int
) -> None:
    """A transaction's time is that of its beginning: whoever has the key later may have an earlier one."""
    grants, at, back = Grants(), NOW, 0
    starts: list[Start] = []
    for pause, set_back, waited, is_routing, asking, unused, part in steps:
        at += pause
        back += set_back
        now = at - waited
        severities = sorted(asking, reverse=True)
        if is_routing:
            number, grants = take_free_grants(grants, severities, limit=limit, now=now - back)
            granted = severities[:number]
        else:
            answers, grants = take_grants(grants, anew(severities), limit=limit, now=now - back)
            granted = [s for s, a in zip(severities, answers, strict=True) if a is None]
        for severity in granted[:unused]:
            grants = give_back(grants, 1, granted=grants.sent[-1][0], severe=is_severe(severity))
        starts += [(at + part * (now + 2 - at), s) for s in granted[unused:]]
    no_minute_holds_more_than(starts, limit)


@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 20),  # since the step before
            st.booleans(),  # whether it is routing
            st.integers(0, 25),  # how many low ones ask
            st.booleans(),  # whether their grants are given back
            st.lists(st.sampled_from([Severity.ERROR, CRITICAL]), max_size=2),  # who asks then
        ),
        min_size=1,
        max_size=30,
    ),
    limit=st.integers(5, 21),
)
def test_a_severe_request_has_its_grant_at_once_behind_any_number_of_low_ones(
    steps: list[tuple[float, bool, int, bool, list[Severity]]], limit: int
) -> None:
    """It waits only where severe requests alone have used up the fifth that is set aside for them."""
    grants, at = Grants(), NOW
    severe: list[float] = []
    for pause, is_routing, number, unused, asking in steps:
        at += pause
        answers, grants = take_grants(grants, anew([INFO] * number), limit=limit, now=at)
        if unused and None in answers:
            grants = give_back(
                grants, answers.count(None), granted=grants.sent[-1][0], severe=False
            )
        for severity in sorted(asking, reverse=True):
            if sum(granted > at - WINDOW for granted in severe) >= limit // 5:
                continue
            if is_routing:
                free, grants = take_free_grants(grants, [severity], limit=limit, now=at)
            else:
                (answer,), grants = take_grants(grants, anew([severity]), limit=limit, now=at)
                free = int(answer is None)
            assert free == 1
            severe.append(grants.sent[-1][0])


@given(
    waves=waves, limit=st.integers(1, 30), late=st.lists(st.floats(0, 5), min_size=1, max_size=5)
)
def test_requests_that_ask_together_are_answered_as_one_after_the_other(
    waves: list[tuple[float, list[Severity]]], limit: int, late: list[float]
) -> None:
    together = singly = Grants()
    at = NOW
    waiting: list[GrantRequest] = []
    for number, (pause, severities) in enumerate(waves):
        at += pause + late[number % len(late)]
        asking = sorted(waiting + anew(severities), key=lambda who: -who.severity)
        answers, together = take_grants(together, asking, limit=limit, now=at)
        one_by_one: list[float | None] = []
        for who in asking:
            (answer,), singly = take_grants(singly, [who], limit=limit, now=at)
            one_by_one.append(answer)
        assert answers == one_by_one
        assert together == singly
        waiting = [
            GrantRequest(who.severity, answer)
            for who, answer in zip(asking, answers, strict=True)
            if answer is not None
        ]


def test_who_had_to_wait_for_the_key_counts_from_when_the_one_before_does() -> None:
    _, grants = take_grants(Grants(), anew([INFO]), limit=9, now=NOW + 0.01)
    for now in (NOW - 0.01, NOW - 1, NOW - 50):
        _, grants = take_grants(grants, anew([INFO]), limit=9, now=now)
        free, grants = take_free_grants(grants, [INFO], limit=9, now=now)
        assert free == 1
    assert grants.sent == ((NOW + 0.5, 7),)
