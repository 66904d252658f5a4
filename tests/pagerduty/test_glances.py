"""What people see first of an alert."""

from __future__ import annotations

import pytest

from wallarm_notify.pagerduty.glances import LONGEST_IN_LIST, LONGEST_PUSH, LONGEST_SMS, glances_of


@pytest.mark.parametrize("length", [1, 99, 100, 101, 159, 160, 161, 178, 179, 1024])
def test_each_glance_is_cut_to_its_room_and_says_so(length: int) -> None:
    summary = "x" * length
    found = glances_of({"payload": {"summary": summary, "severity": "error", "source": "Wallarm"}})
    for text, most in ((found.sms, LONGEST_SMS), (found.push, LONGEST_PUSH)):
        assert len(text) == min(length, most)
        assert text.endswith("…") is (length > most)
    title = summary if length <= LONGEST_IN_LIST else "x" * (LONGEST_IN_LIST - 1) + "…"
    assert found.incident == f"Error · {title} · Wallarm"


def test_an_sms_has_160_characters() -> None:
    assert LONGEST_SMS == 160
