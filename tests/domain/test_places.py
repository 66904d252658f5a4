"""Places: seventeen of them on three cycles, whatever was made of a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from wallarm_notify.domain.notification import State
from wallarm_notify.domain.places import Place, PlaceState, answer_words, cycles_of, totals_words
from wallarm_notify.domain.retry import SCHEDULE
from wallarm_notify.domain.views import ShownAttempt, ShownNotification

AT = datetime(2026, 3, 1, 2, 9, 11, tzinfo=UTC)


def an_attempt(number: int, after: float = 0, error: str | None = "http_5xx") -> ShownAttempt:
    status = None if error == "timeout" else 202 if error is None else 503
    return ShownAttempt(1, number, AT + timedelta(seconds=after), 400, status, error, "")


def a_notification(
    state: State, *attempts: ShownAttempt, due: datetime | None = None, closing: bool = False
) -> ShownNotification:
    return ShownNotification(
        *(7, 1, UUID(int=1), None, "user.created", "card", 3, state, 1, len(attempts), due, AT),
        *(None, None, None, None),
        attempts=attempts,
        closing=closing,
    )


def places_of(shown: ShownNotification) -> list[Place]:
    return [place for cycle in cycles_of(shown) for place in cycle.places]


def test_a_run_has_three_cycles_of_six_five_and_six_attempts() -> None:
    cycles = cycles_of(a_notification(State.PENDING, due=AT))
    assert [len(cycle.places) for cycle in cycles] == [6, 5, 6]
    assert [place.number for cycle in cycles for place in cycle.places] == list(range(1, 18))


def test_a_closing_notification_has_the_first_cycle_alone() -> None:
    assert len(places_of(a_notification(State.PENDING, due=AT, closing=True))) == 6


def test_what_is_to_come_is_at_the_earliest_as_the_cycles_say() -> None:
    places = places_of(a_notification(State.PENDING, due=AT))
    assert places[0].state is PlaceState.NEXT
    assert {place.state for place in places[1:]} == {PlaceState.TO_COME}
    assert places[-1].at == AT + SCHEDULE


def test_nothing_is_to_come_of_what_has_ended() -> None:
    shown = a_notification(State.DELIVERED, an_attempt(1), an_attempt(2, 2, None))
    states = [place.state for place in places_of(shown)]
    assert states == [PlaceState.FAILED, PlaceState.ACCEPTED, *[PlaceState.UNUSED] * 15]
    assert totals_words(shown, cycles_of(shown)) == "2 made, 15 not needed"


def test_an_attempt_that_came_later_than_its_wait_shows_how_long_it_waited() -> None:
    shown = a_notification(State.RETRYING, an_attempt(1), an_attempt(2, 120), due=AT)
    second = places_of(shown)[1]
    assert (second.is_delayed, second.wait_words) == (True, "after 2 min")


def test_attempts_that_are_not_kept_any_more_have_places_of_their_own() -> None:
    shown = a_notification(State.RETRYING, an_attempt(1), an_attempt(2, 2), due=AT)
    kept = ShownNotification(
        **{name: getattr(shown, name) for name in shown.__slots__} | {"attempts": ()}
    )
    states = [place.state for place in places_of(kept)[:3]]
    assert states == [PlaceState.UNKNOWN, PlaceState.UNKNOWN, PlaceState.NEXT]


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (an_attempt(1), ("503", "Service Unavailable")),
        (an_attempt(1, error="timeout"), ("No answer", "within 0.40 s; may have arrived")),
        (an_attempt(1, error=None), ("202", "Accepted")),
        (
            ShownAttempt(1, 1, AT, 5, 400, "http_4xx", '{"message": "wrong", "errors": ["key"]}'),
            ("400", "Bad Request: wrong: key"),
        ),
        (
            ShownAttempt(1, 1, AT, 5, None, "dns", ""),
            ("No answer", "within 0.01 s: the host could not be looked up"),
        ),
    ],
)
def test_an_answer_is_shown_by_its_code_and_in_words(
    attempt: ShownAttempt, words: tuple[str, str]
) -> None:
    assert answer_words(attempt) == words
