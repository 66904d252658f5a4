"""Figures in words, for people."""

from __future__ import annotations

import pytest

from wallarm_notify.domain.words import attempt_words, counted, duration_of


def test_words_count() -> None:
    assert [counted(n, "event") for n in (0, 1, 2)] == ["0 events", "1 event", "2 events"]
    assert attempt_words([3]) == "attempt 3"
    assert attempt_words([4, 1]) == "attempts 1 to 4"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (0.999, "1.00 s"),
        (1, "1 s"),
        (1.4, "1 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3068, "51 min 8 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (43_200, "12 h"),
        (86_399, "23 h 59 min 59 s"),
        (86_400, "1 d"),
        (90_061, "1 d 1 h 1 min 1 s"),
        (604_800, "7 d"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration_of(seconds) == words
