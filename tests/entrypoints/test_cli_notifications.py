"""``wallarm-notify notifications`` on a real database and broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from build import an_event

from wallarm_notify.entrypoints.cli.options import read_since
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine

FIELDS = {
    "id", "client_id", "event_id", "firing_id", "event_type", "origin", "integration_id", "state",
    "run", "attempts", "next_attempt_at", "dedup_key", "created_at",
}  # fmt: skip


def made(line: CommandLine, number: int) -> int:
    """Create an integration with ``number`` waiting notifications; return its id."""
    integration = line.integration()
    ingest(line.wiring.context, [an_event() for _ in range(number)], ())
    return integration


def attempted(line: CommandLine) -> None:
    """Store two failed attempts of notification 1: one that PagerDuty refused, one that timed out."""
    line.sql("""INSERT INTO attempts
        (notification_id, fence, integration_id, run, number, at, duration_ms, status_code, error,
         response) VALUES
        (1, 1, 1, 1, 1, '2026-03-01 12:00:00+00', 31, 400, 'http_4xx',
         '{"status"\\: "invalid event", "message"\\: "Event object is invalid", "errors"\\: ["too long"]}'),
        (1, 2, 1, 1, 2, '2026-03-01 12:00:01+00', 5000, NULL, 'connect_timeout', 'no [bold]answer')""")
    line.sql("UPDATE notifications SET attempts_made = 2, state = 'retrying' WHERE id = 1")


def test_list_is_newest_first_and_pages_by_cursor(line: CommandLine) -> None:
    made(line, 3)
    first = line.json("notifications", "list", "--limit", 2)
    assert ([n["id"] for n in first["items"]], first["next"]) == ([3, 2], "2")
    second = line.json("notifications", "list", "--cursor", first["next"])
    assert ([n["id"] for n in second["items"]], second["next"]) == ([1], None)
    assert set(second["items"][0]) > FIELDS - {"attempts"}
    result = line("notifications", "list", "--limit", 2)
    assert result.stderr == "There is more: --cursor 2\n"


def test_list_filters(line: CommandLine) -> None:
    integration = made(line, 2)
    line.sql("UPDATE notifications SET state = 'failed', finished_at = now() WHERE id = 1")
    for options, ids in (
        (["--state", "failed"], [1]),
        (["--state", "pending", "--client", 1, "--integration", integration], [2]),
        (["--client", 2], []),
        (["--integration", integration + 1], []),
    ):
        listed = line.json("notifications", "list", *options)
        assert [n["id"] for n in listed["items"]] == ids


def test_list_for_people_shows_state_and_last_answer(line: CommandLine) -> None:
    made(line, 1)
    attempted(line)
    output = line.ok("notifications", "list")
    assert "retrying" in output
    assert "connect" in output
    assert line.ok("notifications", "list", "--client", 5) == "No notifications.\n"


def test_show_has_the_stable_keys_and_every_attempt(line: CommandLine) -> None:
    integration = made(line, 1)
    attempted(line)
    shown = line.json("notifications", "show", 1)
    assert set(shown) == FIELDS
    assert (shown["firing_id"], shown["origin"], shown["event_type"], shown["integration_id"]) == (
        None,
        "card",
        "security_issue.detected",
        integration,
    )
    assert shown["attempts"][1] == {
        "run": 1,
        "number": 2,
        "at": "2026-03-01T12:00:01+00:00",
        "duration_ms": 5000,
        "status_code": None,
        "error": "connect_timeout",
        "response": "no [bold]answer",
    }
    assert shown["next_attempt_at"].endswith("+00:00")


def test_show_for_people_is_a_table_of_attempts_with_pagerdutys_words(line: CommandLine) -> None:
    made(line, 1)
    attempted(line)
    output = " ".join(line.ok("notifications", "show", 1).split())
    assert "1 of 17 2026-03-01 12:00:00Z 31 400" in output
    assert "Event object is invalid: too long" in " ".join(output.replace("http_4xx:", "").split())
    assert "[bold]answer" in output


def test_show_refuses_an_id_that_does_not_exist(line: CommandLine) -> None:
    assert line.refusal("notifications", "show", 9) == "There is no notification 9."


def test_replay_by_id_makes_them_pending_again_and_publishes(line: CommandLine) -> None:
    made(line, 2)
    line.end_all("failed")
    assert line.json("notifications", "replay", 1, 2) == {"replayed": 2}
    shown = line.json("notifications", "show", 1)
    assert (shown["state"], shown["run"]) == ("pending", 2)
    assert line.messages("notifications")[-1] == {"ids": [1, 2], "links": [1, 1]}


def test_replay_of_many_counts_first(line: CommandLine) -> None:
    integration = made(line, 3)
    line.end_all("skipped")
    line.sql("UPDATE notifications SET created_at = now() - interval '3 hours' WHERE id = 1")
    options = ("--integration", integration, "--state", "skipped")
    result = line("notifications", "replay", *options, "--since", "2h")
    assert (result.exit_code, result.stdout) == (0, "2 notifications replayed.\n")
    assert (
        result.stderr == f"2 skipped notifications of integration {integration} can be replayed.\n"
    )
    assert line.json("notifications", "replay", *options, "--yes") == {"replayed": 1}
    assert line.json("notifications", "replay", *options) == {"replayed": 0}


def test_replay_of_more_than_a_slice_reaches_all(line: CommandLine) -> None:
    integration = made(line, 1001)
    line.end_all("cancelled")
    options = ("--integration", integration, "--state", "cancelled")
    assert line.json("notifications", "replay", *options) == {"replayed": 1001}


def test_replay_refuses_notifications_that_cannot_be_replayed(line: CommandLine) -> None:
    integration = made(line, 2)
    many = ("--integration", integration, "--state", "failed")
    assert "Notification 1 is pending" in line.refusal("notifications", "replay", 1)
    assert line.refusal("notifications", "replay", 7) == "There is no notification 7."
    line.ok("integrations", "disable", integration)
    assert "enable it first" in line.refusal("notifications", "replay", 1)
    assert "enable it first" in line.refusal("notifications", "replay", *many)
    line.ok("integrations", "delete", integration)
    assert "does not exist any more" in line.refusal("notifications", "replay", 1)


@pytest.mark.parametrize(
    "words",
    [
        ["replay"],
        ["replay", "1", "--state", "failed"],
        ["replay", "--integration", "1"],
        ["replay", "--integration", "1", "--state", "pending"],
        ["replay", "one"],
        ["list", "--state", "lost"],
        ["list", "--limit", "1001"],
        ["show"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(line: CommandLine, words: list[str]) -> None:
    result = line("notifications", *words)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(
    "since", ["2026-03-01T12:00:00", "yesterday", "2x", "999999999w", "0001-01-01T00:00:00+09:00"]
)
def test_a_naive_or_absurd_time_is_refused(line: CommandLine, since: str) -> None:
    output = line.refusal(
        "notifications", "replay", "--integration", 1, "--state", "failed", "--since", since
    )
    assert f"since: «{since}» is no time; give one with its zone" in output


def test_since_is_a_time_with_zone_or_a_duration_back() -> None:
    assert read_since("2026-03-01T09:30:00+02:00") == datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
    assert read_since("2026-03-01T09:30:00Z") == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    before = datetime.now(UTC)
    assert before <= read_since("7d") + timedelta(days=7) <= datetime.now(UTC)


def test_a_cursor_that_is_none_is_refused(line: CommandLine) -> None:
    assert "cursor: «abc» is none" in line.refusal("notifications", "list", "--cursor", "abc")
