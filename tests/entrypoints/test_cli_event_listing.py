"""``wallarm-notify events list`` on a real database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from build import a_user_event, an_attack, an_event, an_event_for

from wallarm_notify.domain import page
from wallarm_notify.entrypoints.cli.output import time_of
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from datetime import datetime

    from entrypoints.command_line import CommandLine
    from wallarm_notify.domain.event import Event

LONG = "Deserialization of untrusted data in a component that is as old as it is long " * 3


def came(line: CommandLine, *events: Event) -> list[str]:
    """Take events in one after the other; return their ids, the newest first."""
    for event in events:
        ingest(line.wiring.context, [event], ())
    return [str(event.id) for event in events][::-1]


def test_events_are_found_by_what_people_have(line: CommandLine) -> None:
    line.integration()
    issue, attack, user = came(
        line,
        a_user_event(user_email="ana@example.com", client_id=2),
        an_attack(ip="203.0.113.7"),
        an_event(issue_id="WLRM-7", host="shop.example.com"),
    )
    key = line.json("notifications", "show", 1)["dedup_key"]
    for words, ids in (
        ([], [issue, attack, user]),
        (["WLRM-7"], [issue]),
        (["203.0.113.7", "--client", 1], [attack]),
        (["203.0.113.7", "--client", 2], []),
        ([" SHOP.example.com "], [issue]),
        (["ana@example.com"], [user]),
        ([key], [issue]),
        ([issue], [issue]),
        (["--notification", 1], [issue]),
        (["--client", 1], [issue, attack]),
        (["--type", "attack.detected"], [attack]),
        (["--since", "1h"], [issue, attack, user]),
        (["--until", "1h"], []),
    ):
        listed = line.json("events", "list", *words)
        assert [one["id"] for one in listed["items"]] == ids, words


def test_a_page_goes_on_by_its_cursor(line: CommandLine) -> None:
    ids = came(line, *(an_attack() for _ in range(3)))
    first = line.json("events", "list", "--limit", 2)
    second = line.json("events", "list", "--limit", 2, "--cursor", first["next"])
    assert [one["id"] for one in (*first["items"], *second["items"])] == ids
    assert (second["next"], second["around"]) == (None, None)
    assert line("events", "list", "--limit", 2).stderr.startswith("There is more: --cursor ")


def test_a_page_that_searched_enough_says_so_and_nothing_of_what_is_around(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    came(line, *(an_attack(ip=f"192.0.2.{n}") for n in range(5)))
    monkeypatch.setattr(page, "SLICE", 2)
    monkeypatch.setattr(page, "READ", 4)
    result = line("events", "list", "192.0.2.0")
    assert (result.exit_code, result.stdout) == (0, "Nothing found so far.\n")
    assert re.match(r"Searched back to .*Z; what is older: --cursor \d+\n", result.stderr)
    assert line.json("events", "list", "192.0.2.0")["around"] is None


def test_where_nothing_is_found_a_sentence_says_what_there_is(line: CommandLine) -> None:
    assert line.ok("events", "list") == "No events are stored.\n"
    assert line.ok("events", "list", "x", "--client", 3) == "No events of client 3 are stored.\n"
    came(line, an_attack(), an_attack(), an_attack(client_id=2))
    line.sql("UPDATE events SET received_at = '2026-03-01 12:00:00Z' WHERE no <= 2")
    newest: datetime = line.wiring.store.transact(lambda tx: tx.now)
    line.sql("UPDATE events SET received_at = '2026-03-02 12:00:00Z' WHERE no = 2")
    stored = "those stored came from 2026-03-01 12:00:00Z to 2026-03-02 12:00:00Z"
    assert line.ok("events", "list", "192.0.2.1", "--client", 1) == (
        f"Nothing found among 2 events of client 1; {stored}.\n"
    )
    assert line.ok("events", "list", "--client", 1, "--since", "2026-03-03") == (
        f"No events of client 1 came in since 2026-03-03 00:00:00Z; {stored}.\n"
    )
    between = ("--since", "2026-03-01", "--until", "2026-03-02")
    assert line.ok("events", "list", "192.0.2.1", "--client", 1, *between) == (
        "Nothing found among 1 event of client 1 since 2026-03-01 00:00:00Z before 2026-03-02 "
        f"00:00:00Z; {stored}.\n"
    )
    everybody = line.ok("events", "list", "192.0.2.1")
    assert everybody.startswith("Nothing found among 3 events; those stored came from 2026-03-01")
    assert time_of(newest)[:10] in everybody


@pytest.mark.parametrize("width", [60, 80, 140])
def test_one_sees_when_what_about_what_and_how_many_were_notified(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    to = line.integration()
    rule = (
        "--condition",
        "attacks_exceeded",
        "--threshold",
        "0 in 1h",
        "--integration",
        to,
        "--name",
        "T",
    )
    line.ok("triggers", "create", "--client", 1, *rule)
    ids = came(
        line,
        an_event(title=LONG, host="shop.example.com", path="/api/v1/" + "login/" * 20),
        an_event_for("attacks_exceeded", ip="203.0.113.7"),
    )
    monkeypatch.setenv("COLUMNS", str(width))
    for options in ((), ("--client", 1)):
        output = line.ok("events", "list", *options)
        assert max(map(len, output.splitlines())) <= width
        words = output.split()
        assert {*ids, "203.0.113.7,", "attack", "counted"} <= set(words)
        assert {"security_issue.detected", "attack.detected", "component"} <= set(words)
        notified = re.findall(r"(?:Notified|detected|created)\b.*?(\d) *$", output, re.MULTILINE)
        assert notified == ["1", "1", "0"]
        assert len(re.findall(r"\d{4}-\d\d-\d\d", output)) == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--type", "attack"], "type: there is no «attack»; permitted are"),
        (["--since", "1h", "--until", "2h"], "is not before"),
        (["--cursor", "x"], "cursor: «x» is none"),
        (["--notification", "9"], "There is no notification 9."),
    ],
)
def test_wrong_values_are_refused(line: CommandLine, options: list[str], sentence: str) -> None:
    assert sentence in line.refusal("events", "list", *options)


@pytest.mark.parametrize("words", [["x", "--notification", "1"], ["  "]])
def test_wrong_usage_is_status_2(line: CommandLine, words: list[str]) -> None:
    assert line("events", "list", *words).exit_code == 2


def test_text_of_events_is_shown_without_control_characters(line: CommandLine) -> None:
    came(line, an_attack(ip="\x1b]52;c;\x07", host="\u202e"))
    for output in (line.ok("events", "list"), line.ok("events", "list", "--json")):
        assert all(c == "\n" or c.isprintable() for c in output)
