"""``wallarm-notify notifications`` on a real database and broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from build import an_event, an_event_for

from entrypoints.command_line import KEY, MASKED
from wallarm_notify.domain import page
from wallarm_notify.entrypoints.cli.options import read_since
from wallarm_notify.entrypoints.cli.output import time_of
from wallarm_notify.services.claim import claim
from wallarm_notify.services.ingest import ingest
from wallarm_notify.settings import settings

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine

FIELDS = {
    "id", "client_id", "event_id", "firing_id", "event_type", "origin", "integration_id", "state",
    "run", "attempts", "next_attempt_at", "grant_at", "advice", "dedup_key", "created_at", "alert",
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
    assert set(second["items"][0]) > FIELDS - {"attempts", "advice", "alert"}
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


def test_list_finds_by_event_type_origin_time_and_answer(line: CommandLine) -> None:
    made(line, 3)
    attempted(line)
    line.sql("UPDATE notifications SET created_at = now() - interval '3 hours' WHERE id = 1")
    event = line.json("notifications", "show", 3)["event_id"]
    for options, ids in (
        (["--event", event], [3]),
        (["--type", "security_issue.detected"], [3, 2, 1]),
        (["--type", "user.created"], []),
        (["--origin", "card"], [3, 2, 1]),
        (["--origin", "trigger:1"], []),
        (["--since", "2h"], [3, 2]),
        (["--until", "2h"], [1]),
        (["--since", "1d", "--until", "1h", "--client", 1], [1]),
        (["--code", "none"], [1]),
        (["--code", "4xx"], []),
        (["--state", "retrying", "--state", "failed"], [1]),
        (["--state", "retrying", "--state", "pending"], [3, 2, 1]),
    ):
        listed = line.json("notifications", "list", *options)
        assert [n["id"] for n in listed["items"]] == ids, options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--type", "user"], "type: there is no «user»; permitted are user.created"),
        (["--origin", "trigger:"], "give card, for what an integration subscribes to, or trigger:"),
        (["--origin", "trigger:0"], "as trigger:3"),
        (["--since", "yesterday"], "«yesterday» is no time"),
        (["--until", "3 moons"], "until: «3 moons» is no time"),
        (["--since", "1h", "--until", "2h"], "is not before"),
        (["--dedup-key", "0a"], "give all 64 hexadecimal digits of it"),
        (["--code", "600"], "a status from 100 to 599, a class of them from 1xx to 5xx, or none"),
    ],
)
def test_list_refuses_what_nothing_can_have(
    line: CommandLine, options: list[str], sentence: str
) -> None:
    assert sentence in line.refusal("notifications", "list", *options)


def test_where_an_event_made_nothing_the_listing_says_where_to_look(line: CommandLine) -> None:
    unmatched = an_event()
    ingest(line.wiring.context, [unmatched], ())
    nothing = line.ok("notifications", "list", "--event", unmatched.id)
    assert nothing == f"No notifications of it; see: wallarm-notify events list {unmatched.id}\n"
    assert str(unmatched.id) in line.ok(*nothing.split("wallarm-notify ")[1].split())


def test_list_of_what_is_no_event_is_wrong_usage(line: CommandLine) -> None:
    result = line("notifications", "list", "--event", "7")
    assert result.exit_code == 2
    assert "'7' is no UUID" in result.stderr


def test_list_for_people_shows_state_and_last_answer(line: CommandLine) -> None:
    made(line, 1)
    attempted(line)
    output = line.ok("notifications", "list")
    assert "Retrying" in output
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


def test_show_for_people_has_the_task_of_the_last_attempt_that_flower_saw(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(line, 1)
    attempted(line)
    monkeypatch.setenv("WALLARM_NOTIFY_FLOWER_URL", "https://example.com/flower")
    settings.cache_clear()
    assert "Flower" not in line.ok("notifications", "show", 1)
    task = "7b0c6a52-0001-4000-8000-0000000000a5"
    line.sql(f"UPDATE attempts SET task_id = '{task}'")
    output = line.ok("notifications", "show", 1)
    assert f"https://example.com/flower/task/{task}" in output.replace("\n", "").replace(" ", "")
    assert "task" not in line.json("notifications", "show", 1)["attempts"][0]


def test_what_waits_for_its_turn_says_so_wherever_its_state_is_shown(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE", "1")
    monkeypatch.setenv("COLUMNS", "140")
    settings.cache_clear()
    line.integration("--subscribe", "system")
    rule = ("--condition", "user_created", "--integration", 1)
    line.ok("triggers", "create", "--client", 1, *rule)
    line.sql("DELETE FROM notifications")
    (routed,) = ingest(line.wiring.context, [an_event_for("user_created")], ())
    waiting, fired = (n.id for n in routed.pending)
    assert "turn" not in line.ok("notifications", "list")
    claim(line.wiring.context, [waiting, fired])  # it grants one of two
    listed = {n["id"]: n for n in line.json("notifications", "list")["items"]}
    (ahead,) = (number for number, n in listed.items() if n["grant_at"] is not None)
    assert listed[ahead]["grant_at"] == listed[ahead]["next_attempt_at"]
    about = datetime.fromisoformat(listed[ahead]["grant_at"])
    assert line.ok("notifications", "list").count("Waiting for its turn") == 1
    shown = f"Waiting for its turn, about {time_of(about)}"
    assert shown in line.ok("notifications", "show", ahead)
    assert line.json("notifications", "show", ahead)["grant_at"] == listed[ahead]["grant_at"]
    line.sql(f"UPDATE notifications SET due_at = '{about}' WHERE id = {fired}")
    assert f"{fired} Waiting for its turn" in line.ok("triggers", "show", 1)
    (firing,) = line.json("triggers", "show", 1)["firings"]
    assert [n["grant_at"] for n in firing["notifications"]] == [about.isoformat()]


def test_show_has_the_alert_as_it_is_sent_with_the_key_masked(line: CommandLine) -> None:
    made(line, 1)
    alert = line.json("notifications", "show", 1)["alert"]
    assert alert["routing_key"] == MASKED
    output = " ".join(line.ok("notifications", "show", 1).split())
    assert f"Summary {alert['payload']['summary']}" in output
    assert f"Key {MASKED}" in output
    assert "Notification type: security_issue" in output
    assert KEY not in "".join(line.outputs)


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
    result = line("notifications", "replay", *options, "--since", "2h", "--yes")
    assert (result.exit_code, result.stdout) == (0, "2 notifications replayed.\n")
    assert (
        result.stderr == f"2 skipped notifications of integration {integration} can be replayed.\n"
    )
    assert line.json("notifications", "replay", *options, "--yes") == {"replayed": 1}
    assert line.json("notifications", "replay", *options, "--yes") == {"replayed": 0}


def test_replay_of_more_than_a_slice_reaches_all(line: CommandLine) -> None:
    integration = made(line, 1001)
    line.end_all("cancelled")
    options = ("--integration", integration, "--state", "cancelled")
    assert line.json("notifications", "replay", *options, "--yes") == {"replayed": 1001}


def test_replay_refuses_notifications_that_cannot_be_replayed(line: CommandLine) -> None:
    integration = made(line, 2)
    many = ("--integration", integration, "--state", "failed")
    assert "Notification 1 is pending" in line.refusal("notifications", "replay", 1)
    assert line.refusal("notifications", "replay", 7) == "There is no notification 7."
    line.ok("integrations", "disable", integration)
    assert "enable it first" in line.refusal("notifications", "replay", 1)
    assert "enable it first" in line.refusal("notifications", "replay", *many)
    line.ok("integrations", "delete", integration, "--yes")
    assert "does not exist any more" in line.refusal("notifications", "replay", 1)


@pytest.mark.parametrize(
    "words",
    [
        ["replay"],
        ["replay", "1", "--state", "failed"],
        ["replay", "--state", "failed"],
        ["replay", "--integration", "1", "--severity", "high"],
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
    "since", ["2026-02-30", "yesterday", "2x", "999999999w", "0001-01-01T00:00:00+09:00"]
)
def test_a_time_that_there_is_not_is_refused(line: CommandLine, since: str) -> None:
    output = line.refusal(
        "notifications", "replay", "--integration", 1, "--state", "failed", "--since", since
    )
    assert f"since: «{since}» is no time; give one as 2026-03-01 or" in output


def test_since_is_a_time_with_zone_or_a_duration_back() -> None:
    assert read_since("2026-03-01T09:30:00+02:00") == datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
    assert read_since("2026-03-01T09:30:00Z") == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    before = datetime.now(UTC)
    assert before <= read_since("7d") + timedelta(days=7) <= datetime.now(UTC)


def test_a_cursor_that_is_none_is_refused(line: CommandLine) -> None:
    assert "cursor: «abc» is none" in line.refusal("notifications", "list", "--cursor", "abc")


def test_a_page_that_searched_enough_says_how_far_back_and_what_goes_on(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "READ", 2)
    monkeypatch.setattr(page, "SLICE", 2)
    made(line, 3)
    wanted = ("notifications", "list", "--state", "delivered")
    document = line.json(*wanted)
    at = datetime.fromisoformat(line.json("notifications", "show", 2)["created_at"])
    assert (document["items"], document["next"]) == ([], "2")
    assert datetime.fromisoformat(document["searched_back_to"]) == at
    shown = line(*wanted)
    assert shown.stdout == "Nothing found so far.\n"
    assert shown.stderr == f"Searched back to {time_of(at)}; what is older: --cursor 2\n"
    last = line(*wanted, "--cursor", 2)
    assert (last.stdout, last.stderr) == ("No notifications.\n", "")
