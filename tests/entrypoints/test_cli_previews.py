"""``wallarm-notify events check`` and ``preview``: what they show, and that they leave nothing behind."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from build import an_event_for, an_event_object

from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.client import SandboxClient


def lines_of(*objects: Any) -> str:
    return "\n".join(one if isinstance(one, str) else json.dumps(one) for one in objects)


def test_check_prints_every_fault_and_needs_no_setting(bare: CommandLine) -> None:
    wrong = {"type": "specification.update_failed", "client_id": 0, "used_for": "?", "url": 3}
    result = bare("events", "check", "-", stdin=lines_of(an_event_object(), "", "{", wrong))
    assert result.exit_code == 1
    *faults, last = result.stdout.splitlines()
    assert faults[0].startswith("-:3: This is no JSON")
    assert sorted(one.removeprefix("-:4: ").split(" ")[0] for one in faults[1:]) == sorted(
        [
            *("id", "client_id", "occurred_at", "specification_id", "specification_title"),
            *("error", "url", "used_for"),
        ]
    )
    assert last == "1 valid event, 9 faults in 2 lines."


def test_check_of_valid_events_is_status_0(bare: CommandLine) -> None:
    assert bare.ok(
        "events", "check", "-", stdin=lines_of(an_event_object(), an_event_object())
    ) == ("2 valid events, 0 faults in 0 lines.\n")


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"title": "another"}, "Its id is that of line 1, which has another body: a conflict."),
        ({"title": "x" * 300_000}, "bytes; permitted are 256000."),
    ],
)
def test_check_finds_what_only_ingest_would(
    bare: CommandLine, fields: dict[str, Any], fault: str
) -> None:
    first = an_event_object()
    found = bare("events", "check", "-", "--json", stdin=lines_of(first, {**first, **fields}))
    document = json.loads(found.stdout)
    assert (document["valid"], document["faulty"]) == (1, 1)
    ((one),) = document["faults"]
    assert one["line"] == 2
    assert one["fault"].endswith(fault)


def test_check_takes_an_event_twice_for_one_and_refuses_the_far_future(bare: CommandLine) -> None:
    twice = an_event_object()
    assert bare.json("events", "check", "-", stdin=lines_of(twice, twice))["faulty"] == 0
    far = (datetime.now(UTC) + timedelta(hours=25)).isoformat()
    result = bare("events", "check", "-", stdin=lines_of(an_event_object(occurred_at=far)))
    assert "more than 24 hours ahead" in result.stdout


def counts(line: CommandLine) -> list[Any]:
    """Return how many rows every table has that a taken event would touch."""

    def work(tx: Any) -> list[Any]:
        return [tx._rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in TABLES]

    found: list[Any] = line.wiring.context.store.transact(work)
    return found


TABLES = ("events", "notifications", "rejected", "firings", "activity", "rules_versions")


def test_preview_shows_who_would_be_notified_and_the_alerts_and_keeps_nothing(
    line: CommandLine, sandbox: SandboxClient
) -> None:
    line.integration("--name", "SOC", "--subscribe", "security_issue_high")
    line.integration("--name", "Night", "--subscribe", "security_issue_high", "--disabled")
    before = counts(line)
    issue = {n: v for n, v in an_event_object().items() if n not in ("id", "occurred_at")}
    output = line.ok("events", "preview", "-", stdin=lines_of(issue))
    assert output.startswith("-:1: security_issue.detected of client 1. SOC (1) would be told.\n")
    assert "SOC (1) is told: it subscribes to security_issue_high." in output
    assert "Night (2) is not told: the integration is disabled" in output
    for what in ("Incident list", "Push", "SMS", "Details"):
        assert f"  {what} " in output
    assert "Nothing was stored and nothing sent." in output
    assert counts(line) == before
    assert sandbox.requests() == []


def test_the_alert_of_a_preview_is_the_one_that_is_sent(line: CommandLine) -> None:
    line.ok("clients", "set", 1, "--name", "Shop", "--partner", "Reseller")
    line.integration("--subscribe", "security_issue,system", "--name", "SOC")
    users = ("--condition", "user_created", "--integration", 1, "--name", "Users")
    line.ok("triggers", "create", "--client", 1, *users)
    event = an_event_for("user_created")
    (found,) = line.json("events", "preview", "-", stdin=lines_of(event.body))["items"]
    ingest(line.wiring.context, [event], ())
    for way in found["ways"]:
        number = 1 if way["trigger_id"] is None else 2
        sent = line.json("notifications", "show", number)["alert"]
        assert way["end"] == "notified"
        assert way["alert"] == {name: sent[name] for name in sent if name != "routing_key"}
        assert "routing_key" not in way["alert"]
    assert found["ways"][0]["sms"].startswith("[Reseller] ")


def test_what_a_threshold_counts_shows_the_alert_of_its_firing(line: CommandLine) -> None:
    line.integration("--subscribe", "none", "--name", "SOC")
    rule = ("--condition", "attacks_exceeded", "--threshold", "30 in 1h", "--integration", 1)
    line.ok("triggers", "create", "--client", 1, *rule, "--name", "Flood")
    event = an_event_for("attacks_exceeded")
    (found,) = line.json("events", "preview", "-", stdin=lines_of(event.body))["items"]
    assert found["sentence"] == "Nobody would be told. It counts towards telling SOC (1)."
    (way,) = found["ways"]
    assert way["end"] == "counted"
    details = way["alert"]["payload"]["custom_details"]
    assert (details["count"], details["trigger_name"]) == (31, "Flood")


def test_an_event_that_no_rule_is_for_says_where_to_look(line: CommandLine) -> None:
    output = line.ok("events", "preview", "-", stdin=lines_of(an_event_object(client_id=7)))
    assert "Nobody would be told." in output
    assert "wallarm-notify coverage --client 7" in output


def test_faults_of_a_preview_are_status_1_and_the_others_are_shown(line: CommandLine) -> None:
    given = lines_of({"type": "?"}, an_event_object())
    result = line("events", "preview", "-", stdin=given)
    assert result.exit_code == 1
    assert "-:1: type must be one of" in result.stdout
    assert "-:2: security_issue.detected of client 1." in result.stdout


def test_a_preview_of_more_than_a_person_reads_is_refused(line: CommandLine) -> None:
    many = lines_of(*(an_event_object(id=str(uuid4())) for _ in range(101)))
    assert "at most 100 events" in line.refusal("events", "preview", "-", stdin=many)


def test_control_characters_of_an_event_do_not_reach_the_terminal(line: CommandLine) -> None:
    line.integration("--subscribe", "security_issue")
    event = an_event_object(title="\x1b[31mred\x07", host="a\u202eb")
    output = line.ok("events", "preview", "-", stdin=lines_of(event))
    assert all(c.isprintable() or c == "\n" for c in output)
