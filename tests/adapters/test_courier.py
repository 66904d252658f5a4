from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from build import NOON, a_key, a_notification, an_event, eventually

from wallarm_notify.adapters.courier import SAME_AT_ONCE, Courier, Trip
from wallarm_notify.adapters.pagerduty.post import Flight, Poster
from wallarm_notify.domain.errors import BadRow, Unavailable
from wallarm_notify.domain.outcome import Answer, Attempt, FailureReason
from wallarm_notify.services.deliver import Cargo, Claim, Sending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wallarm_notify.domain.integration import IntegrationKey
    from wallarm_notify.sandbox.client import SandboxClient
    from wallarm_notify.sandbox.server import Sandbox


class Desk:
    """Where outcomes are handed in; the next ``away`` calls find it away, and some it refuses."""

    def __init__(self) -> None:
        self.away = 0
        self.errors: type[Exception] = Unavailable
        self.refused: set[int] = set()
        self.records: list[list[Attempt]] = []
        self.slow_at_record: list[list[int]] = []
        self.slow: list[int] = []
        self.rung: list[bool] = []
        self.given_back: list[tuple[int, bool]] = []

    def record(
        self,
        attempts: Sequence[Attempt],
        slow: Sequence[int] = (),
        lanes: Mapping[int, str] | None = None,
    ) -> None:
        self._open()
        if self.refused & {a.notification_id for a in attempts}:
            raise BadRow("the database refuses the data")
        self.records.append(list(attempts))
        self.slow_at_record.append(list(slow))

    def ring_gathered(self, *, at_once: bool = False) -> float | None:
        self.rung.append(at_once)
        return 0.05

    def mark_slow(self, integration_ids: Sequence[int]) -> None:
        self._open()
        self.slow += integration_ids

    def put_back(self, sendings: Sequence[Sending], *, behind_lane: bool) -> None:
        self._open()
        self.given_back += [(s.notification.id, behind_lane) for s in sendings]

    @property
    def attempts(self) -> dict[int, Attempt]:
        """The attempts by notification."""
        return {a.notification_id: a for batch in self.records for a in batch}

    def _open(self) -> None:
        if self.away:
            self.away -= 1
            raise self.errors("the database does not answer")


class Gate(Poster):
    """Lets nobody through till it is opened, and counts who stands before it."""

    def __init__(self) -> None:
        super().__init__(connect_timeout=5, request_timeout=10)
        self.opened = threading.Event()
        self.lock = threading.Lock()
        self.before: dict[str, int] = {}
        self.most: dict[str, int] = {}

    def post(self, base_url: str, body: bytes, key: IntegrationKey, flight: Flight) -> Answer:
        flight.connected(None)
        with self.lock:
            here = self.before[base_url] = self.before.get(base_url, 0) + 1
            self.most[base_url] = max(self.most.get(base_url, 0), here)
        self.opened.wait(10)
        with self.lock:
            self.before[base_url] -= 1
        return Answer(202)


def sendings(
    ids: Iterable[int], integration: int, key: IntegrationKey | None = None, *, slow: bool = False
) -> tuple[Sending, ...]:
    key = key or a_key()
    cargo = Cargo(an_event(), None, "card", "us", key, None, None, None)
    return tuple(
        Sending(
            a_notification(id=i, integration_id=integration, claim=1, attempts_made=2),
            cargo,
            key,
            b"fingerprint",
            generation=0,
            slow=slow,
            turn=None,
        )
        for i in ids
    )


def a_claim(*groups: tuple[Sending, ...]) -> Claim:
    return Claim(now=NOON, sendings=tuple(s for group in groups for s in group))


def packed(sending: Sending) -> bytes:
    payload = {"summary": "Rule created", "source": "Wallarm", "severity": "info"}
    event = {"routing_key": sending.key.reveal(), "event_action": "trigger", "payload": payload}
    return json.dumps(event).encode()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def courier(sandbox: Sandbox, desk: Desk) -> Courier:
    """One whose requests have 1.6 s."""
    poster = Poster(connect_timeout=1, request_timeout=1.6)
    return Courier(poster, desk, url=lambda _: sandbox.url, pack=packed)


def carry(courier: Courier, *groups: tuple[Sending, ...], late: float = 0) -> Callable[[], str]:
    """Hands a claim over; returns how its task waits for it."""
    tour = courier.carry(a_claim(*groups), time.monotonic() - late)
    return lambda: tour.wait(2)


def test_without_a_free_sender_nothing_begins_and_nothing_is_recorded_as_a_failure(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallarm_notify.adapters.courier.FAST_AT_ONCE", 2)
    monkeypatch.setattr("wallarm_notify.adapters.courier.SLOW_AT_ONCE", 0)
    gate = Gate()
    courier = Courier(gate, desk, url=lambda s: str(s.notification.integration_id), pack=packed)
    carry(courier, sendings([1], 1), sendings([2], 2), sendings([3], 3), sendings([4], 4))
    eventually(lambda: len(desk.given_back) == 2)
    assert desk.given_back == [(3, False), (4, False)]
    gate.opened.set()
    assert courier.drain(5)
    assert sorted(desk.attempts) == [1, 2]
    assert {a.answer.status for a in desk.attempts.values()} == {202}


def test_where_the_system_allows_few_threads_everything_is_sent_once(
    desk: Desk, sandbox: Sandbox, client: SandboxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, allowed = threading.Thread.start, iter(range(5))

    def start_a_few(thread: threading.Thread) -> None:
        if thread.name.startswith("send-") and next(allowed, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_a_few)
    poster = Poster(connect_timeout=1, request_timeout=2)
    courier = Courier(poster, desk, url=lambda _: sandbox.url, pack=packed)
    assert carry(courier, sendings(range(30), 1))() == "30 delivered"
    assert len(client.requests()) == 30


def test_every_outcome_is_recorded_in_few_records(courier: Courier, desk: Desk) -> None:
    wait = carry(courier, *(sendings(range(n * 10, n * 10 + 10), n) for n in range(6)))
    assert wait() == "60 delivered"
    assert sorted(desk.attempts) == list(range(60))
    assert sum(len(batch) for batch in desk.records) == 60
    assert len(desk.records) <= 20
    assert (desk.given_back, desk.slow) == ([], [])


def test_an_attempt_is_dated_by_the_databases_clock(courier: Courier, desk: Desk) -> None:
    carry(courier, sendings([7], 1), late=1)()
    attempt = desk.attempts[7]
    assert (attempt.claim, attempt.run, attempt.number) == (1, 1, 3)
    assert 1 <= (attempt.at - NOON).total_seconds() < 1.5
    assert 0 <= attempt.duration.total_seconds() < 0.5
    assert attempt.answer.status == 202


def test_what_came_of_a_claim_is_told_in_words(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    bad, throttled, broken = a_key(), a_key(), a_key()
    client.set_faults(
        [
            {"key": bad.reveal(), "kind": "status", "status": 400},
            {"key": throttled.reveal(), "kind": "status", "status": 429},
            {"key": broken.reveal(), "kind": "reset"},
        ]
    )
    wait = carry(
        courier,
        sendings([1], 1),
        sendings([2], 2, bad),
        sendings([3], 3, throttled),
        sendings([4], 4, broken),
    )
    assert wait() == "1 delivered, 1 failed (HTTP 400), 1 failed (http_429), 1 failed (reset)"


def test_an_integration_that_hangs_does_not_delay_others_and_is_recorded_in_the_end(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    hanging = a_key()
    client.set_faults([{"key": hanging.reveal(), "kind": "hang"}])
    began = time.monotonic()
    wait = carry(courier, sendings([1, 2], 1, hanging), sendings(range(10, 40), 2))
    eventually(lambda: len(desk.attempts) == 30)
    assert time.monotonic() - began < 1
    assert wait() == "30 delivered, 2 failed (timeout)"
    assert time.monotonic() - began < 2.1
    assert desk.slow == [1]
    assert desk.slow_at_record[-1] == [1]
    attempt = desk.attempts[1]
    assert attempt.answer.reason is FailureReason.TIMEOUT
    assert 1.6 <= attempt.duration.total_seconds() < 1.6 + 0.5


def test_a_body_that_drips_ends_at_the_deadline(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "drip", "delay": 0.2}])
    assert carry(courier, sendings([1], 1))() == "1 failed (timeout)"
    assert 1.6 <= desk.attempts[1].duration.total_seconds() < 1.6 + 0.5


def test_a_slow_answer_under_the_deadline_is_delivered_and_told_to_be_slow(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "slow", "delay": 1.2}])
    assert carry(courier, sendings([1], 5))() == "1 delivered"
    assert (desk.slow, desk.slow_at_record) == ([5], [[5]])


def gated(desk: Desk) -> tuple[Courier, Gate]:
    gate = Gate()
    return Courier(gate, desk, url=lambda s: str(s.notification.integration_id), pack=packed), gate


def test_at_most_16_requests_go_to_one_integration_at_once(desk: Desk) -> None:
    courier, gate = gated(desk)
    wait = carry(courier, sendings(range(40), 1), sendings(range(100, 110), 2))
    eventually(lambda: gate.before == {"1": SAME_AT_ONCE, "2": 10})
    gate.opened.set()
    assert wait() == "50 delivered"
    assert gate.most == {"1": 16, "2": 10}


def test_what_waits_for_one_that_begins_to_hang_goes_behind_its_lane(desk: Desk) -> None:
    courier, gate = gated(desk)
    wait = carry(courier, sendings(range(20), 1))
    assert wait() == "4 waiting for a slow integration, 16 still under way"
    assert sorted(desk.given_back) == [(n, True) for n in range(16, 20)]
    assert desk.slow == [1]
    gate.opened.set()
    assert courier.drain(5)
    assert len(desk.attempts) == 16


def test_what_is_not_begun_within_2_s_of_its_claim_is_put_back(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    assert carry(courier, sendings([1, 2], 1), late=1.95)() == "2 put back"
    assert sorted(desk.given_back) == [(1, False), (2, False)]
    assert desk.records == []
    assert client.requests() == []


@pytest.mark.parametrize("error", [Unavailable, RuntimeError])
def test_the_clerk_hands_in_again_where_the_desk_was_away(
    courier: Courier, desk: Desk, error: type[Exception]
) -> None:
    desk.away, desk.errors = 2, error
    carry(courier, sendings([1, 2], 1))
    assert courier.drain(5)
    assert sorted(a.notification_id for batch in desk.records for a in batch) == [1, 2]


def test_an_outcome_that_is_refused_does_not_keep_others_from_being_recorded(
    courier: Courier, desk: Desk
) -> None:
    desk.refused = {3}
    assert carry(courier, sendings(range(6), 1))() == "5 delivered, 1 not recorded"
    assert sorted(desk.attempts) == [0, 1, 2, 4, 5]
    assert courier.drain(1)


def test_putting_back_is_tried_again_too(courier: Courier, desk: Desk) -> None:
    desk.away = 1
    carry(courier, sendings([1], 1), late=3)
    assert courier.drain(5)
    assert desk.given_back == [(1, False)]


def test_what_cannot_be_packed_is_settled_without_an_attempt(
    sandbox: Sandbox, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def pack(sending: Sending) -> bytes:
        if sending.notification.id == 1:
            raise ZeroDivisionError
        return packed(sending)

    poster = Poster(connect_timeout=1, request_timeout=2)
    courier = Courier(poster, desk, url=lambda _: sandbox.url, pack=pack)
    assert carry(courier, sendings([1, 2], 1))() == "1 delivered, 1 not sent"
    assert list(desk.attempts) == [2]
    assert [r.message for r in caplog.records] == ["delivery.not_sent"]
    assert courier.drain(1)


def test_a_sender_that_breaks_is_no_attempt_and_sends_on(desk: Desk) -> None:
    class Broken(Poster):
        def post(self, *_: Any) -> Answer:
            raise ZeroDivisionError

    poster = Broken(connect_timeout=0.3, request_timeout=0.5)
    courier = Courier(poster, desk, url=lambda _: "", pack=packed)
    assert carry(courier, sendings([1], 1))() == "1 not sent"
    assert courier.drain(1)


def test_once_its_time_is_up_it_is_a_timeout_whatever_the_socket_says_then(desk: Desk) -> None:
    ended, landed = threading.Event(), threading.Event()

    class Lingering(Flight):
        def abort(self) -> None:
            super().abort()
            ended.set()
            eventually(landed.is_set)

    class Late(Poster):
        def flight(self) -> Flight:
            flight = Lingering(connect_timeout=0.4, request_timeout=0.4)
            flight.connected(None)
            return flight

        def post(self, *_: Any) -> Answer:
            ended.wait(10)
            return Answer(202)

    class Told(Courier):
        def _fly(self, trip: Trip) -> None:
            super()._fly(trip)
            landed.set()

    late = Late(connect_timeout=1, request_timeout=1)
    courier = Told(late, desk, url=lambda _: "", pack=packed)
    assert carry(courier, sendings([1], 1))() == "1 failed (timeout)"


def test_draining_waits_for_what_is_under_way(desk: Desk) -> None:
    courier, gate = gated(desk)
    assert courier.drain(0)
    carry(courier, sendings([1, 2], 1))
    assert not courier.drain(0.05)
    gate.opened.set()
    assert courier.drain(5)
    assert len(desk.attempts) == 2
    assert desk.rung[-1]


def test_a_claim_with_nothing_to_send_is_over_at_once(courier: Courier) -> None:
    tour = courier.carry(a_claim(), time.monotonic())
    assert tour.wait(0) == ""


def test_a_hang_of_one_claim_does_not_hold_up_the_next(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    hanging = a_key()
    client.set_faults([{"key": hanging.reveal(), "kind": "hang"}])
    carry(courier, sendings([1], 1, hanging))
    began = time.monotonic()
    assert carry(courier, sendings([2], 2))() == "1 delivered"
    assert time.monotonic() - began < 1
    assert courier.drain(5)
    assert sorted(desk.attempts) == [1, 2]
