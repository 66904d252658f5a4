"""``wallarm-notify coverage`` as people and programs use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine


def test_holes_come_first_and_each_kind_says_who_is_notified(line: CommandLine) -> None:
    line.integration("--name", "SOC", "--subscribe", "system,rules_and_triggers,security_issue")
    rule = ("--condition", "attacks_exceeded", "--threshold", "30 in 1h", "--integration", 1)
    narrow = ("--filter", "domain=shop.example.com", "--name", "Flood")
    line.ok("triggers", "create", "--client", 1, *rule, *narrow)
    output = line.ok("coverage", "--client", 1)
    first, second, *_ = output.splitlines()
    assert first.startswith("Nobody is told of hits, incidents, ")
    assert second == "Only some are told: attacks."
    assert "NOBODY" in output
    flat = " ".join(output.split())
    assert (
        "attack.detected SOC (1): more than 30 in 1 hour, by trigger Flood (1), only where domain is "
        "shop.example.com" in flat
    )


def test_without_an_integration_nobody_is_notified_of_anything(line: CommandLine) -> None:
    assert line.ok("coverage", "--client", 7) == (
        "Nobody is told of anything: client 7 has no integration.\n"
    )


def test_where_every_kind_reaches_somebody_it_says_so(line: CommandLine) -> None:
    line.integration("--subscribe", "system,rules_and_triggers,security_issue")
    for one in line.json("triggers", "conditions")["items"]:
        counted = ("--threshold", "0 in 1h") if one["fires"] == "threshold" else ()
        rule = ("--condition", one["condition"], "--integration", 1, *counted)
        line.ok("triggers", "create", "--client", 1, *rule)
    lines = line.ok("coverage", "--client", 1).splitlines()
    assert lines[0] == "Of every type of event somebody is told."
    assert lines[1] == "Only some are told: attacks, hits, incidents and rogue APIs."
    assert line.json("coverage", "--client", 1)["holes"] == []


@pytest.mark.parametrize("width", ["60", "80", "140"])
def test_no_name_of_an_event_type_is_broken_at_any_width(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    line.integration("--name", "A long name of a team that is on call", "--subscribe", "system")
    words = line.ok("coverage", "--client", 1).split()
    document = line.json("coverage", "--client", 1)
    assert {one["type"] for one in document["items"]} <= set(words)


def test_a_client_is_asked_for(line: CommandLine) -> None:
    result = line("coverage")
    assert result.exit_code == 2
    assert "Missing option '--client'" in result.output
