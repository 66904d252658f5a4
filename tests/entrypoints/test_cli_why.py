"""``wallarm-notify events show``: the answer first, then a line for each integration and trigger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from build import a_rejection, an_event, an_event_for

from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine
    from wallarm_notify.domain.event import Event

ANA = ("--user", "ana@example.com")


def taken_in(line: CommandLine, *events: Event) -> Event:
    ingest(line.wiring.context, events, ())
    return events[0]


def flat(text: str) -> str:
    """Return the words of a text, however it was wrapped."""
    return " ".join(text.split())


def test_the_first_line_answers_and_a_line_for_each_follows(line: CommandLine) -> None:
    line.integration("--subscribe", "system", "--name", "SOC")
    line.integration("--subscribe", "security_issue_low", "--name", "Night")
    line.ok("integrations", "disable", 2, "--reason", "maintenance", *ANA)
    trigger = ("--condition", "attacks_exceeded", "--threshold", "30 in 1h", "--name", "Flood")
    line.ok("triggers", "create", "--client", 1, *trigger, "--integration", 1)
    event = taken_in(line, an_event(risk="low"))
    text = line.ok("events", "show", event.id, "--client", 1)
    first = text.splitlines()[0]
    assert first.startswith("Nobody was paged: Night was disabled by ana@example.com at ")
    assert first.endswith(" (maintenance), SOC does not subscribe to Low risk.")
    assert "Not sent" in text
    for words in ("SOC", "Night", "trigger Flood", "looks at attacks"):
        assert words in text
    assert "version 4, by which it was routed" in text


def test_after_an_acceptance_the_last_line_says_what_cannot_be_known(line: CommandLine) -> None:
    line.integration("--name", "SOC", "--subscribe", "security_issue")
    event = taken_in(line, an_event())
    line.end_all("delivered")
    text = line.ok("events", "show", event.id, "--client", 1)
    (part,) = line.json("events", "show", event.id, "--client", 1)["lines"]
    assert text.startswith("PagerDuty accepted it for SOC at ")
    assert "Accepted by PagerDuty" in flat(text)
    last = text.splitlines()[-1]
    assert last.startswith("PagerDuty accepted it at ")
    assert f"look there for dedup key {part['dedup_key']}: nobody on call, low urgency" in last


def test_what_waits_for_its_turn_says_by_which_limit(line: CommandLine) -> None:
    line.integration()
    event = taken_in(line, an_event())
    text = line.ok("events", "show", event.id, "--client", 1)
    assert text.splitlines()[-1] == (
        "At most 100 a minute are sent for one key, by the setting of now."
    )


def test_an_event_from_before_rules_were_kept_says_that_it_goes_by_those_of_now(
    line: CommandLine,
) -> None:
    line.integration()
    event = taken_in(line, an_event())
    line.sql("UPDATE events SET rules_version = NULL")
    text = flat(line.ok("events", "show", event.id, "--client", 1))
    assert "version 1, that of now: the event came before earlier ones were kept" in text
    assert line.json("events", "show", event.id, "--client", 1)["rules_as_they_were"] is False


def test_a_conflict_is_shown_below_the_event_that_stands(line: CommandLine) -> None:
    line.integration()
    event = taken_in(line, an_event())
    taken_in(line, an_event(id=str(event.id), title="another"))
    text = line.ok("events", "show", event.id, "--client", 1)
    assert "Of another event under this id: it was rejected at " in text
    (known,) = line.json("events", "show", event.id, "--client", 1)["known"]
    assert known["reason"] == "conflict"


def test_an_id_of_which_nothing_is_known_is_answered_with_status_1(line: CommandLine) -> None:
    done = line("events", "show", uuid4(), "--client", 1)
    assert done.exit_code == 1
    answer, kept = done.stdout.splitlines()
    assert answer.endswith("or is not kept any more; nor was it rejected.")
    assert kept.startswith("By the settings of now, events are kept until 90 d after")
    assert "for 7 d" in kept
    done = line("events", "show", uuid4(), "--client", 1, "--json")
    assert done.exit_code == 1
    assert '"reason": "not_here"' in done.stdout


def test_an_event_of_another_client_is_named(line: CommandLine) -> None:
    line.integration()
    event = taken_in(line, an_event())
    text = line.ok("events", "show", event.id, "--client", 2)
    assert text == "No event of this id is client 2's, but client 1 has one.\n"


def test_a_rejected_event_is_shown_with_what_is_wrong_with_it(line: CommandLine) -> None:
    number = uuid4()
    ingest(line.wiring.context, (), [a_rejection(id=str(number))])
    text = line.ok("events", "show", number, "--client", 1)
    assert text.startswith("Nobody was paged: it was rejected at ")
    assert "as number 1: title" in text


@pytest.mark.parametrize("given", ["7", "7b0c6a52", "x" * 36, ""])
def test_what_is_no_id_is_a_sentence(line: CommandLine, given: str) -> None:
    done = line("events", "show", given, "--client", 1)
    assert done.exit_code == 2
    assert "is not a valid UUID" in done.stderr


def test_what_an_event_brings_along_is_escaped(line: CommandLine) -> None:
    line.integration("--subscribe", "system")
    rule = ("--condition", "incidents_exceeded", "--threshold", "0 in 1h", "--integration", 1)
    line.ok("triggers", "create", "--client", 1, *rule, "--filter", "domain=a.b")
    at = datetime.now(UTC)
    event = taken_in(line, an_event_for("incidents_exceeded", at, host="\x1b[31mshop"))
    text = line.ok("events", "show", event.id, "--client", 1)
    assert "\x1b[31m" not in text
    assert "[31mshop" in text
