"""Claims are sent side by side and recorded: threads, sockets and time as in a worker."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import NOON, RememberingPublisher, a_key, an_attack, eventually

from sender.claims import Kept, a_claim, a_retry, one_each, sendings
from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.domain.outcome import Answer, FailureReason
from wallarm_notify.pagerduty.client import HttpClient, Response
from wallarm_notify.pagerduty.exchange import HttpSettings
from wallarm_notify.pagerduty.request import Request, RequestSettings
from wallarm_notify.sender.dispatcher import Dispatcher
from wallarm_notify.sender.in_flight import LIMITS, Dispatch, InFlight, InFlightLimits
from wallarm_notify.sender.recorder import Recorder
from wallarm_notify.sender.retry_buffer import RetryBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wallarm_notify.domain.sending import Sending
    from wallarm_notify.sandbox.client import SandboxClient
    from wallarm_notify.sandbox.server import Sandbox


pytestmark = pytest.mark.timing


class Gate(HttpClient[Dispatch]):
    """Lets nobody through till it is opened, and counts who stands before it, by integration."""

    def __init__(self) -> None:
        super().__init__(HttpSettings(5, 10))
        self._is_open = False
        self._outstanding: list[tuple[Dispatch, float]] = []
        self.before: Counter[int] = Counter()
        self.most: Counter[int] = Counter()

    def open(self) -> None:
        self._is_open = True
        self.wake()

    def begin(self, tag: Dispatch, request: Request) -> None:
        self._outstanding.append((tag, since_boot()))
        self.before[tag.integration_id] += 1
        self.most |= self.before

    def wait(self, seconds: float | None = None) -> list[Response[Dispatch]]:
        super().wait(0 if self._is_open and self._outstanding else seconds)
        if not self._is_open:
            return []
        through, self._outstanding = self._outstanding, []
        self.before.clear()
        return [Response(tag, Answer(202), began, since_boot()) for tag, began in through]


def a_dispatcher(
    url: str,
    kept: Kept,
    client: HttpClient[Dispatch],
    in_flight: InFlight | None = None,
    *,
    publisher: RememberingPublisher | None = None,
    clock: Callable[[], float] = since_boot,
) -> Dispatcher:
    """One that sends to the server of this URL, and a recorder behind it."""
    in_flight = in_flight or InFlight()
    recorder = Recorder(in_flight, kept.ctx, RetryBuffer(publisher or RememberingPublisher()))
    settings = RequestSettings({"us": url}, {}, "us")
    return Dispatcher(client, settings, in_flight, recorder, clock)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def in_flight() -> InFlight:
    return InFlight()


@pytest.fixture
def dispatcher(sandbox: Sandbox, kept: Kept, in_flight: InFlight) -> Dispatcher:
    """One whose requests have 1.6 s."""
    return a_dispatcher(sandbox.url, kept, HttpClient(HttpSettings(1, 1.6)), in_flight)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(kept: Kept, gate: Gate, in_flight: InFlight) -> Dispatcher:
    """One whose requests stand before the gate."""
    return a_dispatcher("", kept, gate, in_flight)


def dispatch(dispatcher: Dispatcher, *groups: tuple[Sending, ...], late: float = 0) -> None:
    """Hands a claim over that was made so long ago."""
    dispatcher.dispatch(a_claim(*groups, late=late))


# From the claim to the record.


def test_every_outcome_is_recorded_in_few_records(dispatcher: Dispatcher, kept: Kept) -> None:
    dispatch(dispatcher, *(sendings(range(n * 10, n * 10 + 10), n) for n in range(6)))
    assert dispatcher.drain(5)
    assert {a.answer.status for a in kept.attempts.values()} == {202}
    assert sorted(kept.attempts) == list(range(60))
    assert sum(len(batch) for batch in kept.records) == 60
    assert len(kept.records) <= 20
    assert (kept.given_back, kept.slow) == ([], [])


def test_what_is_handed_over_is_sent_at_once_and_nobody_waits_for_it(
    dispatcher: Dispatcher, kept: Kept, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "slow", "delay": 0.5}])
    for number in range(3):
        began = time.monotonic()
        dispatch(dispatcher, sendings([number], number))
        assert dispatcher.wait_for_room(2)
        assert time.monotonic() - began < 0.1
        eventually(lambda: len(client.requests(brief=True)) == number + 1, 0.4)  # noqa: B023 - called at once
    assert kept.records == []
    assert dispatcher.drain(5)
    assert sorted(kept.attempts) == [0, 1, 2]


def test_an_attempt_is_dated_by_the_databases_clock(dispatcher: Dispatcher, kept: Kept) -> None:
    dispatch(dispatcher, sendings([7], 1), late=1)
    assert dispatcher.drain(5)
    attempt = kept.attempts[7]
    assert (attempt.fence, attempt.run, attempt.number) == (1, 1, 3)
    assert 1 <= (attempt.at - NOON).total_seconds() < 1.5
    assert 0 <= attempt.duration.total_seconds() < 0.5
    assert attempt.answer.status == 202


def test_each_outcome_is_that_of_its_own_notification(
    dispatcher: Dispatcher, kept: Kept, client: SandboxClient
) -> None:
    bad, throttled, broken = a_key(), a_key(), a_key()
    client.set_faults(
        [
            {"key": bad.reveal(), "kind": "status", "status": 400},
            {"key": throttled.reveal(), "kind": "status", "status": 429, "retry_after": 7},
            {"key": broken.reveal(), "kind": "reset"},
        ]
    )
    dispatch(
        dispatcher,
        sendings([1], 1),
        sendings([2], 2, bad),
        sendings([3], 3, throttled),
        sendings([4], 4, broken),
    )
    assert dispatcher.drain(5)
    came = {n: (a.answer.status, a.answer.reason) for n, a in kept.attempts.items()}
    assert came == {
        1: (202, None),
        2: (400, FailureReason.CLIENT),
        3: (429, FailureReason.THROTTLED),
        4: (None, FailureReason.RESET),
    }
    assert kept.attempts[3].answer.retry_after == timedelta(seconds=7)


def assert_empty(in_flight: InFlight) -> None:
    """Nothing is left of anything, and there is room for everybody."""
    assert (in_flight.waiting, in_flight.under_way, in_flight.unrecorded) == (0, 0, 0)
    assert not in_flight.is_busy
    assert in_flight.room([1, 2]) == {1: 128, 2: 128}


def test_what_many_hand_over_at_once_is_each_sent_and_recorded_once(
    dispatcher: Dispatcher, in_flight: InFlight, kept: Kept, client: SandboxClient
) -> None:
    slow = a_key()
    client.set_faults([{"key": slow.reveal(), "kind": "slow", "delay": 1.1}], rate_limit=0)

    def hand_over(first: int) -> None:
        for n in range(first, first + 50):
            dispatch(dispatcher, sendings([n], n % 25, slow if n % 25 == 0 else None))
            dispatcher.wait_for_room(2)

    threads = [threading.Thread(target=hand_over, args=(n * 50,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert dispatcher.drain(10)
    settled = [a.notification_id for batch in kept.records for a in batch]
    settled += [number for number, _ in kept.given_back]
    assert sorted(settled) == list(range(400))
    assert len(client.requests(brief=True)) == len(kept.attempts)
    assert_empty(in_flight)


# How many at once, and who waits.


def test_without_room_nothing_begins_and_nothing_is_recorded_as_a_failure(
    gate: Gate, kept: Kept
) -> None:
    gated = a_dispatcher("", kept, gate, InFlight(InFlightLimits(fast=2, slow=0)))
    # Those that begin are slow after a second, and there is room for two more.
    dispatch(gated, *one_each(4), late=1)
    eventually(lambda: len(kept.given_back) == 2)
    assert kept.given_back == [(3, False), (4, False)]
    gate.open()
    assert gated.drain(5)
    assert sorted(kept.attempts) == [1, 2]
    assert {a.answer.status for a in kept.attempts.values()} == {202}


def test_at_most_80_are_under_way_at_once_and_192_of_slow_integrations_beside_them(
    gated: Dispatcher, gate: Gate, kept: Kept
) -> None:
    dispatch(gated, *one_each(45), *one_each(45, 100, client=2), *one_each(200, 1000, slow=True))
    eventually(lambda: gate.before.total() == 80 + 192)
    assert sum(one < 1000 for one in gate.before) == 80
    gate.open()
    assert gated.drain(5)
    assert len(kept.attempts) == 290


def test_one_client_has_64_under_way_at_most_and_another_passes_what_waits(
    gated: Dispatcher, gate: Gate, kept: Kept
) -> None:
    dispatch(gated, *one_each(100))
    dispatch(gated, *one_each(20, 1000, client=2))
    eventually(lambda: gate.before.total() == 80)
    assert sum(one < 1000 for one in gate.before) == 64
    gate.open()
    assert gated.drain(5)
    assert len(kept.attempts) == 120


def test_slow_integrations_of_a_client_take_nothing_from_its_others(
    gated: Dispatcher, gate: Gate, kept: Kept
) -> None:
    dispatch(gated, *one_each(100, 1000, slow=True), *one_each(64))
    eventually(lambda: gate.before.total() == 164)
    gate.open()
    assert gated.drain(5)
    assert len(kept.attempts) == 164


def test_at_most_16_requests_go_to_one_integration_at_once(
    gated: Dispatcher, gate: Gate, kept: Kept
) -> None:
    dispatch(gated, sendings(range(40), 1), sendings(range(100, 110), 2))
    eventually(lambda: gate.before == {1: 16, 2: 10})
    gate.open()
    assert gated.drain(5)
    assert len(kept.attempts) == 50
    assert gate.most == {1: 16, 2: 10}


@pytest.mark.parametrize(("lie_here", "has_room"), [(64, True), (65, False)])
def test_there_is_room_for_the_next_claim_once_every_request_has_been_begun(
    gated: Dispatcher, gate: Gate, lie_here: int, *, has_room: bool
) -> None:
    assert gated.wait_for_room(0)
    dispatch(gated, *one_each(lie_here))
    began = time.monotonic()
    assert gated.wait_for_room(0.1) is has_room
    assert (time.monotonic() - began >= 0.1) is not has_room
    gate.open()
    assert gated.wait_for_room(5)
    assert gated.drain(5)


def test_who_waits_for_room_goes_on_as_soon_as_there_is_some(gated: Dispatcher, gate: Gate) -> None:
    dispatch(gated, *one_each(101))
    threading.Timer(0.2, gate.open).start()
    began = time.monotonic()
    assert gated.wait_for_room(5)
    assert time.monotonic() - began < 0.8


@pytest.mark.parametrize(
    ("lie_here", "room", "others"),
    [
        (65, 127, 128),
        (250, 0, 96),
    ],
)
def test_there_is_room_for_what_can_begin_with_the_next_two_rounds_of_answers(
    gated: Dispatcher, gate: Gate, lie_here: int, room: int, others: int
) -> None:
    dispatch(gated, *one_each(lie_here))
    eventually(lambda: gate.before.total() == min(lie_here, 64))
    eventually(lambda: gated.room([1, 2]) == {1: room, 2: others})
    gate.open()
    assert gated.drain(5)
    assert gated.room([1]) == {1: 128}


def test_of_many_clients_there_is_room_for_two_rounds_too(gated: Dispatcher, gate: Gate) -> None:
    for client in range(1, 23):
        dispatch(gated, *one_each(10, client * 100, client=client))
    eventually(lambda: gate.before.total() == 80)
    eventually(lambda: gated.room([1, 99]) == {1: 20, 99: 20})
    gate.open()
    assert gated.drain(5)


def test_there_is_no_room_while_too_many_outcomes_are_to_be_recorded(
    gated: Dispatcher, gate: Gate, kept: Kept, in_flight: InFlight
) -> None:
    kept.away = 10_000
    dispatch(gated, *one_each(LIMITS.unrecorded + 1))
    gate.open()
    eventually(lambda: not in_flight.waiting)
    assert gated.room([1, 2]) == {1: 0, 2: 0}
    kept.away = 0
    assert gated.drain(5)
    assert gated.room([1]) == {1: 128}


def test_those_of_slow_integrations_leave_room_for_others(
    gated: Dispatcher, gate: Gate, in_flight: InFlight
) -> None:
    dispatch(gated, *one_each(300, slow=True))
    assert gated.wait_for_room(0)
    dispatch(gated, *one_each(101, 1000))
    assert not gated.wait_for_room(0)
    # Whose answers are outstanding for a second are slow too.
    assert gated.wait_for_room(1.5)
    gate.open()
    assert gated.drain(5)
    assert_empty(in_flight)


# What hangs.


def test_an_integration_that_hangs_does_not_delay_others_and_is_recorded_in_the_end(
    dispatcher: Dispatcher, kept: Kept, client: SandboxClient
) -> None:
    hanging = a_key()
    client.set_faults([{"key": hanging.reveal(), "kind": "hang"}])
    began = time.monotonic()
    dispatch(dispatcher, sendings([1, 2], 1, hanging), sendings(range(10, 40), 2))
    eventually(lambda: len(kept.attempts) == 30)
    assert time.monotonic() - began < 1
    assert dispatcher.drain(5)
    assert time.monotonic() - began < 2.1
    assert set(kept.slow) == {1}
    assert kept.slow_at_record[-1] == [1]
    for number in (1, 2):
        attempt = kept.attempts[number]
        assert attempt.answer.reason is FailureReason.TIMEOUT
        assert 1.6 <= attempt.duration.total_seconds() < 1.6 + 0.5


def test_a_hang_of_one_claim_does_not_hold_up_the_next(
    dispatcher: Dispatcher, kept: Kept, client: SandboxClient
) -> None:
    hanging = a_key()
    client.set_faults([{"key": hanging.reveal(), "kind": "hang"}])
    dispatch(dispatcher, sendings([1], 1, hanging))
    began = time.monotonic()
    dispatch(dispatcher, sendings([2], 2))
    eventually(lambda: list(kept.attempts) == [2])
    assert time.monotonic() - began < 1
    assert dispatcher.drain(5)
    assert sorted(kept.attempts) == [1, 2]


def test_a_body_that_drips_ends_at_the_deadline(
    dispatcher: Dispatcher, kept: Kept, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "drip", "delay": 0.2}])
    dispatch(dispatcher, sendings([1], 1))
    assert dispatcher.drain(5)
    assert kept.attempts[1].answer.reason is FailureReason.TIMEOUT
    assert 1.6 <= kept.attempts[1].duration.total_seconds() < 1.6 + 0.5


def test_a_slow_answer_under_the_deadline_delivers_and_marks_the_integration_slow(
    dispatcher: Dispatcher, kept: Kept, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "slow", "delay": 1.2}])
    dispatch(dispatcher, sendings([1], 5))
    assert dispatcher.drain(5)
    assert kept.attempts[1].answer.status == 202
    assert (kept.slow, kept.slow_at_record) == ([5], [[5]])


def test_what_waits_for_one_that_begins_to_hang_goes_behind_its_bulkhead(
    gated: Dispatcher, gate: Gate, kept: Kept
) -> None:
    dispatch(gated, sendings(range(20), 1))
    eventually(lambda: len(kept.given_back) == 4)
    assert sorted(kept.given_back) == [(n, True) for n in range(16, 20)]
    assert kept.slow == [1]
    assert kept.records == []
    gate.open()
    assert gated.drain(5)
    assert len(kept.attempts) == 16


def test_what_a_machine_was_to_begin_when_it_fell_asleep_is_put_back(
    sandbox: Sandbox, kept: Kept, client: SandboxClient
) -> None:
    claimed = a_claim(sendings([1, 2], 1))

    def clock() -> float:
        """Asleep for a minute: only this one of its clocks has gone on."""
        return since_boot() + 60

    http = HttpClient[Dispatch](HttpSettings(1, 1.6))
    dispatcher = a_dispatcher(sandbox.url, kept, http, clock=clock)
    dispatcher.dispatch(claimed)
    assert dispatcher.drain(5)
    assert sorted(kept.given_back) == [(1, False), (2, False)]
    assert client.requests(brief=True) == []


def test_what_is_not_begun_within_2_s_of_its_claim_is_put_back(
    dispatcher: Dispatcher, kept: Kept, client: SandboxClient
) -> None:
    dispatch(dispatcher, sendings([1, 2], 1), late=1.95)
    assert dispatcher.drain(5)
    assert sorted(kept.given_back) == [(1, False), (2, False)]
    assert kept.records == []
    assert client.requests() == []


# Where the kept is away.


@pytest.mark.parametrize("error", [Unavailable, RuntimeError])
def test_the_recorder_records_again_after_the_database_was_away(
    dispatcher: Dispatcher, kept: Kept, error: type[Exception]
) -> None:
    kept.away, kept.error = 2, error("away")
    dispatch(dispatcher, sendings([1, 2], 1))
    assert dispatcher.drain(5)
    assert sorted(a.notification_id for batch in kept.records for a in batch) == [1, 2]


def test_while_the_database_is_away_sending_goes_on_and_the_next_claim_waits_in_the_end(
    dispatcher: Dispatcher, kept: Kept, client: SandboxClient
) -> None:
    client.set_faults(rate_limit=0)
    kept.away = 10**9
    try:
        dispatch(dispatcher, *one_each(LIMITS.unrecorded))
        assert dispatcher.wait_for_room(5)
        dispatch(dispatcher, *one_each(1, LIMITS.unrecorded + 1))
        eventually(lambda: len(client.requests(brief=True)) == LIMITS.unrecorded + 1)
        assert not dispatcher.wait_for_room(0.2)
        assert not dispatcher.drain(0)
    finally:
        kept.away = 0
    assert dispatcher.drain(5)
    assert len(kept.attempts) == LIMITS.unrecorded + 1


def test_an_outcome_that_is_refused_does_not_keep_others_from_being_recorded(
    dispatcher: Dispatcher, kept: Kept
) -> None:
    kept.refused = {3}
    dispatch(dispatcher, sendings(range(6), 1))
    assert dispatcher.drain(5)
    assert sorted(kept.attempts) == [0, 1, 2, 4, 5]


def test_putting_back_is_tried_again_too(dispatcher: Dispatcher, kept: Kept) -> None:
    kept.away = 1
    dispatch(dispatcher, sendings([1], 1), late=3)
    assert dispatcher.drain(5)
    assert kept.given_back == [(1, False)]


# What goes wrong here.


@pytest.mark.parametrize("where", ["url", "body", "begin"])
def test_what_cannot_be_begun_is_let_go_without_an_attempt(
    sandbox: Sandbox,
    kept: Kept,
    in_flight: InFlight,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    class Stumbling(HttpClient[Dispatch]):
        def begin(self, tag: Dispatch, request: Request) -> None:
            if where == "begin" and tag.sending.notification.id == 1:
                raise ZeroDivisionError
            super().begin(tag, request)

    def broken(*sendings: Sending) -> tuple[Sending, ...]:
        """For a region that there is not, or of an event that only counts: neither can be rendered."""
        changes: dict[str, dict[str, Any]] = {
            "url": {"region": "moon"},
            "body": {"event": an_attack()},
            "begin": {},
        }
        return tuple(replace(s, payload=replace(s.payload, **changes[where])) for s in sendings)

    dispatcher = a_dispatcher(sandbox.url, kept, Stumbling(HttpSettings(1, 2)), in_flight)
    one, other = sendings([1], 1), sendings([1], 2, slow=True)
    dispatch(dispatcher, broken(*one), sendings([2], 1), broken(*other))
    assert dispatcher.drain(5)
    assert list(kept.attempts) == [2]
    assert [r.message for r in caplog.records] == ["delivery.not_sent"] * 2
    assert_empty(in_flight)


def test_a_round_that_goes_wrong_loses_nothing_that_has_come_back(
    kept: Kept, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    class Stumbling(InFlight):
        stumbles = 3
        has_ended = False

        def end(self, dispatches: Iterable[Dispatch]) -> None:
            ended = list(dispatches)
            super().end(ended)
            self.has_ended = bool(ended)

        def start_round(self, now: float) -> list[int]:
            if self.has_ended and self.stumbles:
                self.stumbles -= 1
                raise ZeroDivisionError
            return super().start_round(now)

    in_flight = Stumbling()
    http = HttpClient[Dispatch](HttpSettings(1, 2))
    dispatcher = a_dispatcher(sandbox.url, kept, http, in_flight)
    for n in range(6):
        dispatch(dispatcher, sendings([n], n))
        eventually(lambda: n in kept.attempts)  # noqa: B023 - called at once
    assert [r.message for r in caplog.records] == ["dispatcher.failed"] * 3
    assert dispatcher.drain(5)
    assert_empty(in_flight)


def test_a_client_that_fails_for_a_while_costs_time_and_nothing_else(
    kept: Kept, sandbox: Sandbox, in_flight: InFlight, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(HttpClient[Dispatch]):
        failures = 5

        def wait(self, seconds: float | None = None) -> list[Response[Dispatch]]:
            if in_flight.is_busy and self.failures:
                self.failures -= 1
                raise OSError("too many open files")
            return super().wait(seconds)

    dispatcher = a_dispatcher(sandbox.url, kept, Failing(HttpSettings(1, 2)), in_flight)
    dispatch(dispatcher, *one_each(10))
    assert dispatcher.drain(5)
    assert kept.recorded == list(range(1, 11))
    assert [r.message for r in caplog.records] == ["dispatcher.failed"] * 5
    assert_empty(in_flight)


def test_who_renders_for_long_does_not_hold_up_what_is_under_way(
    kept: Kept, sandbox: Sandbox
) -> None:
    rest = threading.Event()

    class Slow(HttpClient[Dispatch]):
        def begin(self, tag: Dispatch, request: Request) -> None:
            rest.wait(0.1 if tag.sending.notification.id > 1 else 0)
            super().begin(tag, request)

    patient = InFlight(InFlightLimits(begin_within=60))
    dispatcher = a_dispatcher(sandbox.url, kept, Slow(HttpSettings(1, 2)), patient)
    dispatch(dispatcher, *one_each(15))
    assert dispatcher.drain(5)
    assert sorted(kept.attempts) == list(range(1, 16))
    assert max(a.duration.total_seconds() for a in kept.attempts.values()) < 0.7
    assert kept.slow == []


# Who is woken.


def test_what_is_handed_over_just_before_the_dispatcher_falls_asleep_wakes_it(
    kept: Kept, sandbox: Sandbox
) -> None:
    class Late(HttpClient[Dispatch]):
        """Goes to sleep only once something has been handed over that it has not looked at."""

        def __init__(self) -> None:
            super().__init__(HttpSettings(1, 2))
            self.falls_asleep = threading.Event()
            self.goes_on = threading.Event()

        def wait(self, seconds: float | None = None) -> list[Response[Dispatch]]:
            if seconds is None:
                self.falls_asleep.set()
                assert self.goes_on.wait(5)
            return super().wait(seconds)

    http = Late()
    dispatcher = a_dispatcher(sandbox.url, kept, http)
    for n in range(3):
        assert http.falls_asleep.wait(5)
        http.falls_asleep.clear()
        dispatch(dispatcher, sendings([n], n))
        http.goes_on.set()
        assert dispatcher.drain(2)
        http.goes_on.clear()
    assert kept.recorded == [0, 1, 2]


def test_one_after_the_other_each_wakes_the_dispatcher(dispatcher: Dispatcher, kept: Kept) -> None:
    for n in range(40):
        dispatch(dispatcher, sendings([n], n))
        eventually(lambda: n in kept.attempts, 2)  # noqa: B023 - called at once
    assert kept.recorded == list(range(40))


# The end.


def test_draining_waits_for_what_is_under_way(gate: Gate, kept: Kept, in_flight: InFlight) -> None:
    publisher = RememberingPublisher()
    gated = a_dispatcher("", kept, gate, in_flight, publisher=publisher)
    assert gated.drain(0)
    dispatch(gated, sendings([1, 2], 1), sendings([3], 2, slow=True))
    assert not gated.drain(0.05)
    kept.retries = [a_retry(1, 60)]
    gate.open()
    assert gated.drain(5)
    assert len(kept.attempts) == 3
    assert publisher.ids() == [1]


def test_what_is_handed_over_while_it_drains_is_waited_for_too(
    gated: Dispatcher, gate: Gate, kept: Kept
) -> None:
    dispatch(gated, sendings([1], 1))
    found: list[bool] = []
    draining = threading.Thread(target=lambda: found.append(gated.drain(10)))
    draining.start()
    draining.join(0.05)
    dispatch(gated, sendings([2], 2), sendings([3], 3, slow=True))
    draining.join(0.05)
    assert found == []
    gate.open()
    draining.join(10)
    assert found == [True]
    assert kept.recorded == [1, 2, 3]


def test_a_record_that_fails_while_it_drains_is_waited_for_as_long_as_there_is_time(
    dispatcher: Dispatcher, kept: Kept
) -> None:
    kept.broken = {"record": Unavailable("away")}
    dispatch(dispatcher, sendings([1], 1))
    began = time.monotonic()
    assert not dispatcher.drain(0.7)
    assert 0.7 <= time.monotonic() - began < 1.2
    healed = threading.Timer(0.3, kept.broken.clear)
    healed.start()
    assert dispatcher.drain(5)
    healed.join()
    assert kept.recorded == [1]


def test_a_claim_with_nothing_to_send_is_over_at_once(dispatcher: Dispatcher, kept: Kept) -> None:
    dispatch(dispatcher)
    assert dispatcher.wait_for_room(0)
    assert dispatcher.drain(0)
    assert kept.records == []
