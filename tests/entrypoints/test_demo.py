"""The demo: what it calls broken, and one whole run of it."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from build import an_event_for, criteria_of

from wallarm_notify.domain.ledger import Ledger
from wallarm_notify.domain.notification import OPEN, State
from wallarm_notify.domain.retry import ATTEMPTS
from wallarm_notify.domain.triggers.cells import Window
from wallarm_notify.domain.triggers.firing import fired
from wallarm_notify.domain.triggers.trigger import Trigger
from wallarm_notify.domain.views import (
    FiringNotification,
    ShownAttempt,
    ShownFiring,
    ShownNotification,
)
from wallarm_notify.entrypoints.demo.checks import Ending, check_endings, check_trigger
from wallarm_notify.entrypoints.demo.progress import most_relevant, words_of
from wallarm_notify.entrypoints.demo.scenario import (
    ATTACKS,
    ROLES,
    Expected,
    Part,
    attack_events,
    expected_of,
    sample_events,
    with_trigger,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EXPECTED = Expected(
    events=3,
    unmatched=1,
    notifications={Part.HEALTHY: 2, Part.HEALS: 2, Part.WRONG_KEY: 1},
    missing=(),
)


def an_attempt(number: int, status: int | None, response: str = "", **other: Any) -> ShownAttempt:
    values = {"run": 1, "at": NOON, "duration_ms": 5, "error": None, **other}
    return ShownAttempt(number=number, status_code=status, response=response, **values)


def a_notification(state: State, attempts: list[ShownAttempt], **other: Any) -> ShownNotification:
    last = attempts[-1] if attempts else None
    made = ShownNotification(
        id=1,
        client_id=1,
        event_id=uuid4(),
        firing_id=None,
        event_type="user.created",
        origin="card",
        integration_id=1,
        state=state,
        run=1,
        attempts_made=len(attempts),
        next_attempt_at=None,
        created_at=NOON,
        finished_at=None if state in OPEN else NOON,
        end_reason=None,
        last_status_code=last.status_code if last else None,
        last_error=None,
        attempts=attempts,
    )
    return dataclasses.replace(made, **other)


def delivered(*failures: int) -> ShownNotification:
    statuses = [*failures, 202]
    return a_notification(State.DELIVERED, [an_attempt(n, s) for n, s in enumerate(statuses, 1)])


def refused(attempts: int = ATTEMPTS, says: str = "Invalid routing key") -> ShownNotification:
    made = [an_attempt(number, 400, says) for number in range(1, attempts + 1)]
    return a_notification(State.FAILED, made)


def an_alert(dedup_key: str, notifications: int = 1, triggers: int = 1) -> dict[str, Any]:
    return {"dedup_key": dedup_key, "notifications": notifications, "triggers": triggers}


def an_ending(part: Part, *notifications: ShownNotification) -> Ending:
    taken = [n.dedup_key for n in notifications if n.state is State.DELIVERED]
    return Ending(part, part.value, notifications, [an_alert(key) for key in taken])


def all_well() -> dict[Part, Ending]:
    return {
        Part.HEALTHY: an_ending(Part.HEALTHY, delivered(), delivered()),
        Part.HEALS: an_ending(Part.HEALS, delivered(503), delivered(503, 503)),
        Part.WRONG_KEY: an_ending(Part.WRONG_KEY, refused()),
    }


def a_ledger(**other: Any) -> Ledger:
    values: dict[str, Any] = {
        "received": 3,
        "rejected": 0,
        "unmatched": 1,
        "matched": 2,
        "notifications": {State.DELIVERED: 4, State.FAILED: 1},
        "findings": (),
        **other,
    }
    return Ledger(**values)


def with_alerts(part: Part, change: Callable[[list[Any]], list[Any]]) -> Ending:
    ending = all_well()[part]
    return dataclasses.replace(ending, alerts=change(list(ending.alerts)))


def test_all_well_has_no_findings() -> None:
    assert check_endings(all_well().values(), a_ledger(), EXPECTED) == []


@pytest.mark.parametrize(
    ("ending", "finding"),
    [
        pytest.param(
            an_ending(Part.HEALTHY, delivered()),
            "healthy: 1 notification made, not 2.",
            id="one is missing",
        ),
        pytest.param(
            an_ending(Part.HEALTHY, delivered(), a_notification(State.PENDING, [])),
            "healthy: 1 of 2 did not end delivered: 1 pending.",
            id="one is still open",
        ),
        pytest.param(
            an_ending(Part.HEALS, delivered(503), refused()),
            "heals: 1 of 2 did not end delivered: 1 failed.",
            id="one failed",
        ),
        pytest.param(
            an_ending(Part.HEALS, delivered(), delivered()),
            "heals: no attempt failed with HTTP 503, so nothing was shown to heal.",
            id="nothing healed",
        ),
        pytest.param(
            with_alerts(Part.HEALTHY, lambda alerts: alerts[1:]),
            "healthy: 1 delivered notification opened no alert.",
            id="an alert is missing",
        ),
        pytest.param(
            with_alerts(Part.HEALTHY, lambda alerts: [*alerts, an_alert("other")]),
            "healthy: 1 alert of no delivered notification.",
            id="an alert too many",
        ),
        pytest.param(
            with_alerts(Part.HEALS, lambda alerts: [*alerts, alerts[0]]),
            "heals: 1 alert paged more than once.",
            id="two alerts of one notification",
        ),
        pytest.param(
            with_alerts(
                Part.HEALTHY, lambda alerts: [an_alert(alerts[0]["dedup_key"], 2), alerts[1]]
            ),
            "healthy: 1 alert paged more than once.",
            id="one alert told twice",
        ),
        pytest.param(
            with_alerts(
                Part.HEALTHY, lambda alerts: [an_alert(alerts[0]["dedup_key"], 1, 2), alerts[1]]
            ),
            "healthy: 1 alert sent again after PagerDuty had taken it.",
            id="sent again after it was taken",
        ),
        pytest.param(
            an_ending(Part.WRONG_KEY, delivered()),
            "wrong key: 1 of 1 did not end failed: 1 delivered.",
            id="the wrong key was delivered",
        ),
        pytest.param(
            an_ending(Part.WRONG_KEY, refused(attempts=16)),
            "wrong key: 1 notification with 16 attempts, not 17.",
            id="given up too early",
        ),
        pytest.param(
            an_ending(Part.WRONG_KEY, refused(says="invalid event")),
            "wrong key: 17 attempts not answered with HTTP 400 “Invalid routing key”, the first "
            "with HTTP 400 “invalid event”.",
            id="refused for another reason",
        ),
    ],
)
def test_a_broken_expectation_of_an_integration_is_named(ending: Ending, finding: str) -> None:
    endings = all_well() | {ending.part: ending}
    assert finding in check_endings(endings.values(), a_ledger(), EXPECTED)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"received": 2}, "Ledger: received 2, not 3."),
        ({"rejected": 1}, "Ledger: rejected 1, not 0."),
        ({"unmatched": 0}, "Ledger: unmatched 0, not 1."),
        ({"matched": 3}, "Ledger: matched 3, not 2."),
        ({"notifications": {State.RETRYING: 1}}, "Ledger: 1 notification still open."),
        ({"findings": ("1 row too many",)}, "Ledger does not balance: 1 row too many."),
    ],
)
def test_a_broken_expectation_of_the_ledger_is_named(change: dict[str, Any], finding: str) -> None:
    assert check_endings(all_well().values(), a_ledger(**change), EXPECTED) == [finding]


def test_an_event_type_without_a_sample_is_named() -> None:
    expected = dataclasses.replace(EXPECTED, missing=("rule.created",))
    findings = check_endings(all_well().values(), a_ledger(), expected)
    assert findings == ["No sample event is of type rule.created."]


def test_the_samples_show_every_event_type_to_somebody_or_to_triggers() -> None:
    expected = expected_of(sample_events())
    assert expected.missing == ()
    assert expected.notifications[Part.HEALTHY] == expected.events - expected.unmatched
    assert min(expected.notifications[role.part] for role in ROLES) > 0


A_TRIGGER = Trigger(
    id=1,
    client_id=1,
    name="SQL injections",
    comment="",
    enabled=True,
    criteria=criteria_of("attacks_exceeded", threshold="4 in 1h"),
    integration_ids=(1,),
    version=1,
    created_at=NOON,
    created_by="Ann",
)


def a_firing(count: int = ATTACKS, state: State = State.DELIVERED) -> ShownFiring:
    event = an_event_for("attacks_exceeded")
    made = fired(
        A_TRIGGER,
        event,
        count=count,
        window=Window(NOON, NOON),
        event_ids=(event.id,),
    )
    return ShownFiring(1, made, NOON, (FiringNotification(1, 1, state),))


@pytest.mark.parametrize(
    ("firings", "findings"),
    [
        ([a_firing()], []),
        ([], ["The trigger made 0 firings, not 1."]),
        ([a_firing()] * 2, ["The trigger made 2 firings, not 1."]),
        ([a_firing(count=4)], ["The trigger fired at 4 attacks, not at 5."]),
        (
            [a_firing(state=State.FAILED)],
            ["The firing's notifications are failed, not one delivered."],
        ),
    ],
)
def test_a_broken_expectation_of_the_trigger_is_named(
    firings: list[ShownFiring], findings: list[str]
) -> None:
    assert check_trigger(firings) == findings


def test_the_trigger_adds_its_creation_its_attacks_and_one_firing() -> None:
    added = with_trigger(EXPECTED)
    assert (added.events, added.unmatched) == (EXPECTED.events + 6, EXPECTED.unmatched + 4)
    assert added.notifications == {Part.HEALTHY: 4, Part.HEALS: 3, Part.WRONG_KEY: 1}
    assert len(attack_events(NOON)) == 5


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (None, "not tried yet"),
        (delivered(), "HTTP 202 at the first attempt"),
        (delivered(503, 503), "HTTP 202 at attempt 3"),
        (refused(), "HTTP 400 “Invalid routing key”; given up after 17 attempts"),
        (
            a_notification(
                State.RETRYING,
                [an_attempt(1, None, error="connect_timeout")],
                next_attempt_at=NOON.replace(second=2),
            ),
            "could not connect in time; attempt 2 of 17 in 2.0 s",
        ),
    ],
    ids=["nothing", "at once", "later", "failed", "retrying"],
)
def test_what_happens_is_shown_in_words(shown: ShownNotification | None, words: str) -> None:
    assert words_of(shown, NOON) == words


def test_a_failing_notification_is_more_relevant_than_others() -> None:
    retrying = a_notification(State.RETRYING, [an_attempt(1, 503)], event_id=UUID(int=1))
    assert most_relevant([delivered(), refused(), retrying]) is retrying
    assert most_relevant([]) is None


DEMO = [str(Path(sys.executable).parent / "wallarm-notify"), "demo"]


def start_demo(folder: Path, command: Sequence[str] = DEMO) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        cwd=folder,
    )


@pytest.mark.demo
def test_the_demo_ends_well_shows_no_key_and_leaves_nothing(
    tmp_path: Path, stray: Callable[[], list[str]]
) -> None:
    began = time.monotonic()
    with start_demo(tmp_path, ["make", "--directory", str(ROOT), "demo"]) as demo:
        output, _ = demo.communicate(timeout=120)
    sys.stdout.write(output)
    assert demo.returncode == 0, output
    assert time.monotonic() - began < 90
    assert "shortened 120 times by WALLARM_NOTIFY_RETRY_TIME_SCALE" in output
    for shown in (
        "Summary",
        "Ledger",
        "Notification type: ",
        "$ wallarm-notify triggers create --client 1 --condition attacks_exceeded",
        "Trigger 1, “SQL injections”: attacks_exceeded, more than 4 in 1 hour",
        'This notification was triggered by the "SQL injections" trigger.',
        "All as it should be",
    ):
        assert shown in output
    assert not re.search(r"(?<![A-Za-z0-9])[A-Za-z0-9]{32}(?![A-Za-z0-9])", output)
    assert stray() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_leaves_nothing(
    tmp_path: Path, stray: Callable[[], list[str]], number: signal.Signals, status: int
) -> None:
    with start_demo(tmp_path) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "notifications ended" in line:
                demo.send_signal(number)
                break
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == status, output
    assert "Traceback" not in output
    assert stray() == []
    assert list(tmp_path.iterdir()) == []
