"""``wallarm-notify activity`` and who commands say makes a change."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import pytest
from build import a_rejection, an_event

from entrypoints.command_line import KEY, MASKED
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine

ANN = ("--user", "Ann")


def who(line: CommandLine) -> list[tuple[str, str]]:
    """What was done by whom, the oldest first."""
    items = line.json("activity", "list")["items"]
    assert {(one["actor"]["role"], one["actor"]["source"]) for one in items} == {
        ("operator", "command_line")
    }
    return [
        (one["actor"]["name"], f"{one['action']} {one['object_type']}") for one in reversed(items)
    ]


@pytest.mark.parametrize("user", [ANN, ()], ids=["named", "the account"])
def test_every_command_that_changes_something_says_who_does_it(
    line: CommandLine, user: tuple[str, ...]
) -> None:
    line.integration("--subscribe", "security_issue", *user)
    trigger = ("--condition", "user_created", "--integration", "1")
    ingest(line.wiring.context, [an_event()], [a_rejection()])
    line.end_all("failed")
    for words in (
        ("integrations", "update", 1, "--name", "x"),
        ("integrations", "disable", 1),
        ("integrations", "enable", 1),
        ("triggers", "create", "--client", 1, *trigger),
        ("triggers", "update", 1, "--name", "x"),
        ("triggers", "disable", 1),
        ("triggers", "enable", 1),
        ("triggers", "duplicate", 1),
        ("triggers", "delete", 1, "--yes"),
        ("notifications", "replay", 1),
        ("clients", "set", 1, "--name", "x"),
        ("secrets", "rotate"),
        ("integrations", "delete", 1, "--yes"),
    ):
        line.ok(*words, *user)
    name = user[1] if user else getpass.getuser()
    assert who(line) == [
        (name, done)
        for done in (
            "created integration",
            "updated integration",
            "disabled integration",
            "enabled integration",
            "created trigger",
            "updated trigger",
            "disabled trigger",
            "enabled trigger",
            "created trigger",
            "deleted trigger",
            "replayed integration",
            "updated client",
            "rotated encryption_keys",
            "deleted integration",
            "updated trigger",
        )
    ]


def test_a_replay_by_filter_and_re_submissions_say_who_does_them(line: CommandLine) -> None:
    line.integration("--subscribe", "security_issue", *ANN)
    ingest(line.wiring.context, [an_event()], [a_rejection()])
    line.end_all("failed")
    line.ok("notifications", "replay", "--integration", 1, "--state", "failed", "--yes", *ANN)
    mended = '{"type": "rule.created", "client_id": 1, "rule_id": 7}'
    full = (
        '{"id": "7b0c6a52-0001-4000-8000-00000000000a", "occurred_at": "2026-03-01T12:00:00Z", '
        + mended[1:]
    )
    line.ok("events", "resubmit", 1, "--file", "-", *ANN, stdin=full)
    assert who(line)[1:] == [("Ann", "replayed integration"), ("Ann", "resubmitted rejected_event")]


def test_a_name_that_cannot_be_kept_is_refused_before_anything_is_done(line: CommandLine) -> None:
    line.integration()
    for words in (
        ("integrations", "update", 1, "--name", "x"),
        ("integrations", "enable", 1),
        ("notifications", "replay", 1),
        ("events", "resubmit", 1),
        ("clients", "set", 1, "--name", "x"),
        ("secrets", "rotate"),
    ):
        assert line.refusal(*words, "--user", " ") == "user: give a name."
        assert line.refusal(*words, "--user", "a\nb").startswith("user: give at most 500")
    assert len(who(line)) == 1


def test_what_was_changed_is_shown_with_the_values_before_and_after(line: CommandLine) -> None:
    line.integration("--name", "On call", "--subscribe", "system", *ANN)
    line.ok(
        *(
            "integrations",
            "update",
            1,
            "--name",
            "Nights",
            "--subscribe",
            "none",
            "--key",
            "-",
            *ANN,
        ),
        stdin="z" * 32,
    )
    filters = ("--filter", "attack_type=xss,sqli", "--filter", "pool!=3")
    criteria = ("--condition", "attacks_exceeded", "--threshold", "2 in 1h", *filters)
    line.ok("triggers", "create", "--client", 1, "--integration", 1, *criteria, *ANN)
    line.ok("triggers", "update", 1, "--threshold", "3 in 1h", *ANN)
    said = line.ok("activity", "list")
    for words in (
        "name: On call → Nights",
        f"key: {MASKED} → …zzzz",
        "subscriptions: system → none",
        "threshold: more than 2 in 1 h → more than 3 in 1 h",
        "filters: attack_type=xss,sqli; pool!=3",
        "Ann (operator, command line)",
        "updated integration 1",
        "enabled: yes",
    ):
        assert words in " ".join(said.split()), words
    assert "comment" not in said
    assert KEY not in said
    assert "z" * 32 not in said


@pytest.mark.parametrize(("columns", "is_table"), [(60, False), (140, True)])
def test_the_log_is_readable_in_a_narrow_and_in_a_wide_terminal(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, columns: int, is_table: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    line.integration("--name", "On call", *ANN)
    line.ok("integrations", "update", 1, "--name", "Nights", *ANN)
    said = line.ok("activity", "list")
    assert max(map(len, said.splitlines())) <= columns
    assert "name: On call → Nights" in said
    assert ("───" in said) == is_table
    assert said.count("Changes") == (1 if is_table else 2)


def test_the_log_is_listed_by_client_and_page_by_page(line: CommandLine) -> None:
    assert line.ok("activity", "list") == "No changes.\n"
    for client in (1, 2, 1):
        line.ok("clients", "set", client, "--name", f"C{client}-{len(line.said)}", *ANN)
    page = line.json("activity", "list", "--limit", 2)
    assert ([one["id"] for one in page["items"]], page["next"]) == ([3, 2], "2")
    rest = line.json("activity", "list", "--limit", 2, "--cursor", page["next"])
    assert ([one["id"] for one in rest["items"]], rest["next"]) == ([1], None)
    mine = line.json("activity", "list", "--client", 2)
    assert [one["id"] for one in mine["items"]] == [2]
    result = line("activity", "list", "--limit", 1)
    assert result.stderr == "There is more: --cursor 3\n"


def test_control_characters_in_a_value_reach_no_terminal(line: CommandLine) -> None:
    line.integration(*ANN)
    line.sql("UPDATE activity SET after = jsonb_build_object('name', E'a\\u001b[31mb')")
    said = line.ok("activity", "list")
    assert "\x1b" not in said
    assert "name: a\\x1b[31mb" in said
