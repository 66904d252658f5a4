from __future__ import annotations

import json
import threading
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import NOON, a_key, a_notification, an_event, eventually

from wallarm_notify.domain.clock import since_boot
from wallarm_notify.domain.errors import BadRow, Unavailable
from wallarm_notify.domain.outcome import Answer, Attempt, FailureReason
from wallarm_notify.domain.sending import Cargo, Claim, Sending
from wallarm_notify.pagerduty.client import Landed, Poster
from wallarm_notify.sender.dispatcher import (
    AHEAD,
    CLIENT_AT_ONCE,
    FAST_AT_ONCE,
    SAME_AT_ONCE,
    SLOW_AT_ONCE,
    Courier,
    Trip,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wallarm_notify.domain.integration import IntegrationKey
    from wallarm_notify.sandbox.client import SandboxClient
    from wallarm_notify.sandbox.server import Sandbox


pytestmark = pytest.mark.timing


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


class Gate(Poster[Trip]):
    """Lets nobody through till it is opened, and counts who stands before it."""

    def __init__(self) -> None:
        super().__init__(connect_timeout=5, request_timeout=10)
        self._is_open = False
        self._standing: list[tuple[Trip, str, float]] = []
        self.before: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def open(self) -> None:
        self._is_open = True
        self.wake()

    def begin(self, ticket: Trip, base_url: str, body: bytes, key: IntegrationKey) -> None:
        self._standing.append((ticket, base_url, since_boot()))
        self.before[base_url] += 1
        self.most |= self.before

    def wait(self, seconds: float | None = None) -> list[Landed[Trip]]:
        super().wait(0 if self._is_open and self._standing else seconds)
        if not self._is_open:
            return []
        through, self._standing = self._standing, []
        self.before.clear()
        return [Landed(one, Answer(202), began, since_boot()) for one, _, began in through]


def sendings(
    ids: Iterable[int],
    integration: int,
    key: IntegrationKey | None = None,
    *,
    slow: bool = False,
    client: int = 1,
) -> tuple[Sending, ...]:
    key = key or a_key()
    cargo = Cargo(an_event(client_id=client), None, "card", "us", key, None, None, None)
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


def a_claim(*groups: tuple[Sending, ...], late: float = 0) -> Claim:
    sendings = tuple(s for group in groups for s in group)
    return Claim(now=NOON, began=since_boot() - late, sendings=sendings)


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
    poster = Poster[Trip](connect_timeout=1, request_timeout=1.6)
    return Courier(poster, desk, url=lambda _: sandbox.url, pack=packed)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(desk: Desk, gate: Gate) -> Courier:
    """One whose requests stand before the gate, each integration's by its number."""
    return Courier(gate, desk, url=lambda s: str(s.notification.integration_id), pack=packed)


def carry(courier: Courier, *groups: tuple[Sending, ...], late: float = 0) -> None:
    """Hands a claim over that was made so long ago."""
    courier.carry(a_claim(*groups, late=late))


def one_each(
    number: int, first: int = 1, *, slow: bool = False, client: int = 1
) -> list[tuple[Sending, ...]]:
    """So many notifications of a client, each for an integration of its own."""
    return [sendings([n], n, slow=slow, client=client) for n in range(first, first + number)]


# From the claim to the record.


def test_every_outcome_is_recorded_in_few_records(courier: Courier, desk: Desk) -> None:
    carry(courier, *(sendings(range(n * 10, n * 10 + 10), n) for n in range(6)))
    assert courier.drain(5)
    assert {a.answer.status for a in desk.attempts.values()} == {202}
    assert sorted(desk.attempts) == list(range(60))
    assert sum(len(batch) for batch in desk.records) == 60
    assert len(desk.records) <= 20
    assert (desk.given_back, desk.slow) == ([], [])


def test_what_is_handed_over_is_sent_at_once_and_nobody_waits_for_it(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "slow", "delay": 0.5}])
    for number in range(3):
        began = time.monotonic()
        carry(courier, sendings([number], number))
        assert courier.wait_for_room(2)
        assert time.monotonic() - began < 0.1
        eventually(lambda: len(client.requests(brief=True)) == number + 1, 0.4)  # noqa: B023 - called at once
    assert desk.records == []
    assert courier.drain(5)
    assert sorted(desk.attempts) == [0, 1, 2]


def test_an_attempt_is_dated_by_the_databases_clock(courier: Courier, desk: Desk) -> None:
    carry(courier, sendings([7], 1), late=1)
    assert courier.drain(5)
    attempt = desk.attempts[7]
    assert (attempt.claim, attempt.run, attempt.number) == (1, 1, 3)
    assert 1 <= (attempt.at - NOON).total_seconds() < 1.5
    assert 0 <= attempt.duration.total_seconds() < 0.5
    assert attempt.answer.status == 202


def test_each_outcome_is_that_of_its_own_notification(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    bad, throttled, broken = a_key(), a_key(), a_key()
    client.set_faults(
        [
            {"key": bad.reveal(), "kind": "status", "status": 400},
            {"key": throttled.reveal(), "kind": "status", "status": 429, "retry_after": 7},
            {"key": broken.reveal(), "kind": "reset"},
        ]
    )
    carry(
        courier,
        sendings([1], 1),
        sendings([2], 2, bad),
        sendings([3], 3, throttled),
        sendings([4], 4, broken),
    )
    assert courier.drain(5)
    came = {n: (a.answer.status, a.answer.reason) for n, a in desk.attempts.items()}
    assert came == {
        1: (202, None),
        2: (400, FailureReason.CLIENT),
        3: (429, FailureReason.THROTTLED),
        4: (None, FailureReason.RESET),
    }
    assert desk.attempts[3].answer.retry_after == timedelta(seconds=7)


def test_what_many_hand_over_at_once_is_each_sent_and_recorded_once(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    slow = a_key()
    client.set_faults([{"key": slow.reveal(), "kind": "slow", "delay": 1.1}], rate_limit=0)

    def hand_over(first: int) -> None:
        for n in range(first, first + 50):
            carry(courier, sendings([n], n % 25, slow if n % 25 == 0 else None))
            courier.wait_for_room(2)

    threads = [threading.Thread(target=hand_over, args=(n * 50,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert courier.drain(10)
    settled = [a.notification_id for batch in desk.records for a in batch]
    settled += [number for number, _ in desk.given_back]
    assert sorted(settled) == list(range(400))
    assert len(client.requests(brief=True)) == len(desk.attempts)
    assert (courier._here, courier._slow_here, courier._flying) == (0, 0, {})


# How many at once, and who waits.


def test_without_room_nothing_begins_and_nothing_is_recorded_as_a_failure(
    gated: Courier, gate: Gate, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallarm_notify.sender.dispatcher.FAST_AT_ONCE", 2)
    monkeypatch.setattr("wallarm_notify.sender.dispatcher.SLOW_AT_ONCE", 0)
    # Those that begin are slow after a second, and there is room for two more.
    carry(gated, *one_each(4), late=1)
    eventually(lambda: len(desk.given_back) == 2)
    assert desk.given_back == [(3, False), (4, False)]
    gate.open()
    assert gated.drain(5)
    assert sorted(desk.attempts) == [1, 2]
    assert {a.answer.status for a in desk.attempts.values()} == {202}


def test_at_most_80_are_under_way_at_once_and_192_of_slow_integrations_beside_them(
    gated: Courier, gate: Gate, desk: Desk
) -> None:
    carry(gated, *one_each(45), *one_each(45, 100, client=2), *one_each(200, 1000, slow=True))
    eventually(lambda: gate.before.total() == FAST_AT_ONCE + SLOW_AT_ONCE)
    assert sum(int(one) < 1000 for one in gate.before) == FAST_AT_ONCE == 80
    gate.open()
    assert gated.drain(5)
    assert len(desk.attempts) == 290


def test_one_client_has_64_under_way_at_most_and_another_passes_what_waits(
    gated: Courier, gate: Gate, desk: Desk
) -> None:
    carry(gated, *one_each(100))
    carry(gated, *one_each(20, 1000, client=2))
    eventually(lambda: gate.before.total() == FAST_AT_ONCE)
    assert sum(int(one) < 1000 for one in gate.before) == CLIENT_AT_ONCE == 64
    gate.open()
    assert gated.drain(5)
    assert len(desk.attempts) == 120


def test_slow_integrations_of_a_client_take_nothing_from_its_others(
    gated: Courier, gate: Gate, desk: Desk
) -> None:
    carry(gated, *one_each(100, 1000, slow=True), *one_each(64))
    eventually(lambda: gate.before.total() == 164)
    gate.open()
    assert gated.drain(5)
    assert len(desk.attempts) == 164


def test_at_most_16_requests_go_to_one_integration_at_once(
    gated: Courier, gate: Gate, desk: Desk
) -> None:
    carry(gated, sendings(range(40), 1), sendings(range(100, 110), 2))
    eventually(lambda: gate.before == {"1": SAME_AT_ONCE, "2": 10})
    gate.open()
    assert gated.drain(5)
    assert len(desk.attempts) == 50
    assert gate.most == {"1": 16, "2": 10}


@pytest.mark.parametrize(("lie_here", "welcome"), [(64, True), (65, False)])
def test_the_next_claim_is_welcome_once_every_request_has_been_begun(
    gated: Courier, gate: Gate, lie_here: int, *, welcome: bool
) -> None:
    assert gated.wait_for_room(0)
    carry(gated, *one_each(lie_here))
    began = time.monotonic()
    assert gated.wait_for_room(0.1) is welcome
    assert (time.monotonic() - began >= 0.1) is not welcome
    gate.open()
    assert gated.wait_for_room(5)
    assert gated.drain(5)


def test_who_waits_for_room_goes_on_as_soon_as_there_is_some(gated: Courier, gate: Gate) -> None:
    carry(gated, *one_each(101))
    threading.Timer(0.2, gate.open).start()
    began = time.monotonic()
    assert gated.wait_for_room(5)
    assert time.monotonic() - began < 0.8


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
    gated: Courier, gate: Gate, lie_here: int, room: int, others: int
) -> None:
    carry(gated, *one_each(lie_here))
    eventually(lambda: gate.before.total() == min(lie_here, CLIENT_AT_ONCE))
    eventually(lambda: gated.room([1, 2]) == {1: room, 2: others})
    gate.open()
    assert gated.drain(5)
    assert gated.room([1]) == {1: 128}


def test_of_many_clients_there_is_room_for_two_rounds_too(gated: Courier, gate: Gate) -> None:
    for client in range(1, 23):
        carry(gated, *one_each(10, client * 100, client=client))
    eventually(lambda: gate.before.total() == FAST_AT_ONCE)
    eventually(lambda: gated.room([1, 99]) == {1: 20, 99: 20})
    gate.open()
    assert gated.drain(5)


def test_there_is_no_room_while_too_many_outcomes_are_to_be_recorded(
    gated: Courier, gate: Gate, desk: Desk
) -> None:
    desk.away = 10_000
    carry(gated, *one_each(AHEAD + 1))
    gate.open()
    eventually(lambda: not gated._unbegun)
    assert gated.room([1, 2]) == {1: 0, 2: 0}
    desk.away = 0
    assert gated.drain(5)
    assert gated.room([1]) == {1: 128}


def test_those_of_slow_integrations_leave_room_for_others(gated: Courier, gate: Gate) -> None:
    carry(gated, *one_each(300, slow=True))
    assert gated.wait_for_room(0)
    carry(gated, *one_each(101, 1000))
    assert not gated.wait_for_room(0)
    # Whose answers are outstanding for a second are slow too.
    assert gated.wait_for_room(1.5)
    gate.open()
    assert gated.drain(5)
    assert (gated._here, gated._slow_here) == (0, 0)


# What hangs.


def test_an_integration_that_hangs_does_not_delay_others_and_is_recorded_in_the_end(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    hanging = a_key()
    client.set_faults([{"key": hanging.reveal(), "kind": "hang"}])
    began = time.monotonic()
    carry(courier, sendings([1, 2], 1, hanging), sendings(range(10, 40), 2))
    eventually(lambda: len(desk.attempts) == 30)
    assert time.monotonic() - began < 1
    assert courier.drain(5)
    assert time.monotonic() - began < 2.1
    assert desk.slow == [1]
    assert desk.slow_at_record[-1] == [1]
    for number in (1, 2):
        attempt = desk.attempts[number]
        assert attempt.answer.reason is FailureReason.TIMEOUT
        assert 1.6 <= attempt.duration.total_seconds() < 1.6 + 0.5


def test_a_hang_of_one_claim_does_not_hold_up_the_next(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    hanging = a_key()
    client.set_faults([{"key": hanging.reveal(), "kind": "hang"}])
    carry(courier, sendings([1], 1, hanging))
    began = time.monotonic()
    carry(courier, sendings([2], 2))
    eventually(lambda: list(desk.attempts) == [2])
    assert time.monotonic() - began < 1
    assert courier.drain(5)
    assert sorted(desk.attempts) == [1, 2]


def test_a_body_that_drips_ends_at_the_deadline(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "drip", "delay": 0.2}])
    carry(courier, sendings([1], 1))
    assert courier.drain(5)
    assert desk.attempts[1].answer.reason is FailureReason.TIMEOUT
    assert 1.6 <= desk.attempts[1].duration.total_seconds() < 1.6 + 0.5


def test_a_slow_answer_under_the_deadline_is_delivered_and_told_to_be_slow(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    client.set_faults([{"kind": "slow", "delay": 1.2}])
    carry(courier, sendings([1], 5))
    assert courier.drain(5)
    assert desk.attempts[1].answer.status == 202
    assert (desk.slow, desk.slow_at_record) == ([5], [[5]])


def test_what_waits_for_one_that_begins_to_hang_goes_behind_its_lane(
    gated: Courier, gate: Gate, desk: Desk
) -> None:
    carry(gated, sendings(range(20), 1))
    eventually(lambda: len(desk.given_back) == 4)
    assert sorted(desk.given_back) == [(n, True) for n in range(16, 20)]
    assert desk.slow == [1]
    assert desk.records == []
    gate.open()
    assert gated.drain(5)
    assert len(desk.attempts) == 16


def test_what_a_machine_was_to_begin_when_it_fell_asleep_is_put_back(
    courier: Courier, desk: Desk, client: SandboxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = a_claim(sendings([1, 2], 1))
    # Asleep for a minute: only one of its clocks has gone on.
    monkeypatch.setattr(
        "wallarm_notify.sender.dispatcher.since_boot",
        lambda: time.clock_gettime(time.CLOCK_BOOTTIME) + 60,
    )
    courier.carry(claimed)
    assert courier.drain(5)
    assert sorted(desk.given_back) == [(1, False), (2, False)]
    assert client.requests(brief=True) == []


def test_what_is_not_begun_within_2_s_of_its_claim_is_put_back(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    carry(courier, sendings([1, 2], 1), late=1.95)
    assert courier.drain(5)
    assert sorted(desk.given_back) == [(1, False), (2, False)]
    assert desk.records == []
    assert client.requests() == []


# Where the desk is away.


@pytest.mark.parametrize("error", [Unavailable, RuntimeError])
def test_the_clerk_hands_in_again_where_the_desk_was_away(
    courier: Courier, desk: Desk, error: type[Exception]
) -> None:
    desk.away, desk.errors = 2, error
    carry(courier, sendings([1, 2], 1))
    assert courier.drain(5)
    assert sorted(a.notification_id for batch in desk.records for a in batch) == [1, 2]


def test_while_the_desk_is_away_sending_goes_on_and_the_next_claim_waits_in_the_end(
    courier: Courier, desk: Desk, client: SandboxClient
) -> None:
    client.set_faults(rate_limit=0)
    desk.away = 10**9
    try:
        carry(courier, *one_each(AHEAD))
        assert courier.wait_for_room(5)
        carry(courier, *one_each(1, AHEAD + 1))
        eventually(lambda: len(client.requests(brief=True)) == AHEAD + 1)
        assert not courier.wait_for_room(0.2)
        assert not courier.drain(0)
    finally:
        desk.away = 0
    assert courier.drain(5)
    assert len(desk.attempts) == AHEAD + 1


def test_an_outcome_that_is_refused_does_not_keep_others_from_being_recorded(
    courier: Courier, desk: Desk
) -> None:
    desk.refused = {3}
    carry(courier, sendings(range(6), 1))
    assert courier.drain(5)
    assert sorted(desk.attempts) == [0, 1, 2, 4, 5]


def test_putting_back_is_tried_again_too(courier: Courier, desk: Desk) -> None:
    desk.away = 1
    carry(courier, sendings([1], 1), late=3)
    assert courier.drain(5)
    assert desk.given_back == [(1, False)]


# What goes wrong here.


@pytest.mark.parametrize("where", ["url", "pack", "begin"])
def test_what_cannot_be_begun_is_settled_without_an_attempt(
    sandbox: Sandbox, desk: Desk, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    def stumble(at: str, sending: Sending) -> None:
        if at == where and sending.notification.id == 1:
            raise ZeroDivisionError

    class Stumbling(Poster[Trip]):
        def begin(self, ticket: Trip, base_url: str, body: bytes, key: IntegrationKey) -> None:
            stumble("begin", ticket.sending)
            super().begin(ticket, base_url, body, key)

    def url(sending: Sending) -> str:
        stumble("url", sending)
        return sandbox.url

    def pack(sending: Sending) -> bytes:
        stumble("pack", sending)
        return packed(sending)

    poster = Stumbling(connect_timeout=1, request_timeout=2)
    courier = Courier(poster, desk, url=url, pack=pack)
    carry(courier, sendings([1, 2], 1), sendings([1], 2, slow=True))
    assert courier.drain(5)
    assert list(desk.attempts) == [2]
    assert [r.message for r in caplog.records] == ["delivery.not_sent"] * 2
    assert (courier._here, courier._slow_here) == (0, 0)


def test_a_round_that_goes_wrong_loses_nothing_that_has_landed(
    desk: Desk, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    class Stumbling(Courier):
        stumbles = 3

        def _mark_slow(self, papers: Any, now: float) -> None:
            if papers.answered and self.stumbles:
                self.stumbles -= 1
                raise ZeroDivisionError
            super()._mark_slow(papers, now)

    poster = Poster[Trip](connect_timeout=1, request_timeout=2)
    courier = Stumbling(poster, desk, url=lambda _: sandbox.url, pack=packed)
    for n in range(6):
        carry(courier, sendings([n], n))
        eventually(lambda: n in desk.attempts)  # noqa: B023 - called at once
    assert [r.message for r in caplog.records] == ["courier.carrier"] * 3
    assert courier.drain(5)


def test_who_packs_for_long_does_not_hold_up_what_is_under_way(
    desk: Desk, sandbox: Sandbox
) -> None:
    rest = threading.Event()

    def pack(sending: Sending) -> bytes:
        rest.wait(0.1 if sending.notification.id > 1 else 0)
        return packed(sending)

    poster = Poster[Trip](connect_timeout=1, request_timeout=2)
    courier = Courier(poster, desk, url=lambda _: sandbox.url, pack=pack)
    carry(courier, *one_each(15))
    assert courier.drain(5)
    assert sorted(desk.attempts) == list(range(1, 16))
    assert max(a.duration.total_seconds() for a in desk.attempts.values()) < 0.7
    assert desk.slow == []


# The end.


def test_draining_waits_for_what_is_under_way(gated: Courier, gate: Gate, desk: Desk) -> None:
    assert gated.drain(0)
    carry(gated, sendings([1, 2], 1), sendings([3], 2, slow=True))
    assert not gated.drain(0.05)
    gate.open()
    assert gated.drain(5)
    assert len(desk.attempts) == 3
    assert desk.rung[-1]


def test_a_claim_with_nothing_to_send_is_over_at_once(courier: Courier, desk: Desk) -> None:
    carry(courier)
    assert courier.wait_for_room(0)
    assert courier.drain(0)
    assert desk.records == []
