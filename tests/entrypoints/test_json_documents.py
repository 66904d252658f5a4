"""The JSON documents of all commands: keys, their order, and the form of values are frozen.

In the golden files ids and times, which differ from run to run, stand as words. Any other change in a golden file is
a change that programs of users may see.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from build import REFUSED, TAKEN, a_rejection, an_event, an_event_for, an_event_object

from entrypoints import test_cli_events, test_cli_failure_ratio, test_cli_notifications
from entrypoints.command_line import KEY
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine

GOLDEN: Final = Path(__file__).parent / "golden_documents"

EVENT_ID: Final = "7b0c6a52-0001-4000-8000-00000000000a"
OTHER_ID: Final = "7b0c6a52-0002-4000-8000-00000000000a"

VARIES: Final = (
    (re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00"'), '"a time"'),
    (re.compile(r'"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"'), '"a UUID"'),
    (re.compile(r'"[0-9a-f]{64}"'), '"64 hexadecimal digits"'),
    (re.compile(r'"[\w-]{43}="'), '"a secret key"'),
    (re.compile(r'(?<="token": )"[A-Za-z0-9+/]{64}"'), '"a token"'),
    (re.compile(r'(?<="secret": )"[\w-]{64}"'), '"a secret"'),
    (re.compile(r'(?<="first_characters": )"[A-Za-z0-9+/]{5}"'), '"five characters"'),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "a time for people"),
    (re.compile(r'(?<=dedup_key\\":\\")[0-9a-f]{32}'), "a key of PagerDuty's"),
)

MINUTE: Final = timedelta(minutes=1)


def check(line: CommandLine, name: str, *words: object, stdin: str | bytes = "") -> None:
    """Check that a command prints what its golden file has."""
    text = line.ok(*words, "--json", stdin=stdin)
    json.loads(text)
    for pattern, what in VARIES:
        text = pattern.sub(what, text)
    assert text == (GOLDEN / f"{name}.json").read_text(encoding="utf-8")


@pytest.fixture
def unlimited(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn off the rate limit: all integrations here have one key."""
    test_cli_failure_ratio.set_to("RATE_LIMIT_PER_MINUTE", "0", monkeypatch)


def test_clients(line: CommandLine) -> None:
    check(line, "clients_set", "clients", "set", 1, "--name", "Größe 7 GmbH", "--cloud", "eu")
    line.ok("clients", "set", 2, "--partner", "Another")
    check(line, "clients_list", "clients", "list")
    check(line, "clients_list_goes_on", "clients", "list", "--limit", 1)


def test_users_and_tokens(line: CommandLine) -> None:
    by = ("--by", "Ops")
    ana = ("--email", "Ana@example.com", "--name", "Ana", "--role", "admin")
    check(line, "users_create", "users", "create", "--client", 1, *ana, *by)
    check(line, "users_disable", "users", "disable", 1, *by)
    check(line, "users_enable", "users", "enable", 1, *by)
    owned = ("--client", 1, "--role", "analytic", "--user", "ana@example.com", "--name", "CI")
    check(line, "tokens_create", "tokens", "create", *owned, "--with-uuid", *by)
    check(line, "tokens_renew", "tokens", "renew", 1, "--expires", "90d", *by)
    shared = ("--all-clients", "--role", "producer", "--name", "billing")
    line.ok("tokens", "create", *shared, *by)
    check(line, "tokens_disable", "tokens", "disable", 1, *by)
    line.ok(
        "users",
        "create",
        "--all-clients",
        "--email",
        "o@example.com",
        "--name",
        "O",
        "--role",
        "operator",
        *by,
    )
    check(line, "users_list", "users", "list")
    check(line, "tokens_list", "tokens", "list")


def test_integrations(line: CommandLine) -> None:
    check(
        *(line, "integrations_create", "integrations", "create", "--client", 1, "--key", "-"),
        *("--name", "On-call", "--subscribe", "security_issue,system", "--user", "Ann"),
        stdin=KEY,
    )
    line.integration("--name", "Second", "--user", "Ann", "--region", "eu", "--disabled")
    check(line, "integrations_list", "integrations", "list")
    check(line, "integrations_show", "integrations", "show", 2)
    check(line, "integrations_update", "integrations", "update", 2, "--name", "Other")
    check(line, "integrations_test", "integrations", "test", 1)
    check(line, "integrations_drill", "integrations", "drill", 1)
    check(line, "integrations_show_drilled", "integrations", "show", 1)
    ingest(line.wiring.context, [an_event()], ())
    check(line, "db_restored", "db", "restored")
    why = ("--user", "Ann", "--reason", "maintenance")
    check(line, "integrations_disable", "integrations", "disable", 1, *why)
    check(line, "integrations_enable", "integrations", "enable", 1)
    line.integration("--name", "Third", "--user", "Ann", "--subscribe", "system")
    trigger = ("--condition", "user_created", "--integration", "1", "--name", "Users")
    line.ok("triggers", "create", "--client", 1, *trigger)
    check(line, "integrations_delete", "integrations", "delete", 1, "--yes", *why)


def test_activity(line: CommandLine) -> None:
    line.integration("--name", "On-call", "--user", "Ann")
    ann = ("--user", "Ann")
    line.ok("integrations", "update", 1, "--name", "Nights", "--subscribe", "system", *ann)
    trigger = ("--condition", "user_created", "--integration", "1", "--name", "Users")
    line.ok("triggers", "create", "--client", 1, *trigger, *ann)
    line.ok("integrations", "disable", 1, "--reason", "maintenance", *ann)
    line.ok("clients", "set", 1, "--name", "Größe 7 GmbH", *ann)
    line.ok("integrations", "delete", 1, "--yes", *ann)
    line.ok("secrets", "rotate", *ann)
    check(line, "activity_list", "activity", "list")
    check(line, "activity_list_goes_on", "activity", "list", "--limit", 1)


@pytest.mark.usefixtures("unlimited")
def test_explanations_and_policies(line: CommandLine) -> None:
    number = line.integration("--name", "On-call", "--user", "Ann", "--subscribe", "security_issue")
    check(line, "integrations_explain_unused", "integrations", "explain", number)
    test_cli_failure_ratio.attempted(line, number, (10 * MINUTE, REFUSED), (8 * MINUTE, TAKEN))
    check(line, "integrations_explain", "integrations", "explain", number)
    check(line, "policy_show", "policy", "show")
    tried = ("--min-attempts", 1, "--min-span", 0, "--since", "6h")
    check(line, "policy_simulate", "policy", "simulate", *tried)


def test_triggers(line: CommandLine) -> None:
    line.integration("--subscribe", "system", "--name", "On-call", "--user", "Ann")
    check(
        *(line, "triggers_create", "triggers", "create", "--client", 1, "--user", "Ann"),
        *("--condition", "attacks_exceeded", "--threshold", "1 in 1h", "--name", "Injections"),
        *("--filter", "attack_type=sqli,xss", "--filter", "pool!=3", "--integration", 1),
        *("--comment", "by request"),
    )
    ingest(line.wiring.context, [an_event_for("attacks_exceeded") for _ in range(2)], [])
    check(line, "triggers_list", "triggers", "list")
    check(line, "triggers_show", "triggers", "show", 1)
    check(line, "triggers_simulate", "triggers", "simulate", 1, "--since", "1h")
    new = ("--client", 1, "--condition", "user_created")
    check(line, "triggers_simulate_unsaved", "triggers", "simulate", *new)
    check(line, "triggers_update", "triggers", "update", 1, "--no-filters")
    check(line, "triggers_disable", "triggers", "disable", 1)
    check(line, "triggers_enable", "triggers", "enable", 1)
    check(line, "triggers_duplicate", "triggers", "duplicate", 1, "--user", "Ann")
    check(line, "triggers_delete", "triggers", "delete", 1, "--yes")


def test_coverage(line: CommandLine) -> None:
    line.integration("--name", "On-call", "--subscribe", "system,security_issue_high")
    rule = ("--condition", "attacks_exceeded", "--threshold", "30 in 1h", "--integration", 1)
    line.ok("triggers", "create", "--client", 1, *rule, "--filter", "pool!=3", "--name", "Flood")
    off = ("--condition", "user_created", "--integration", 1, "--disabled", "--name", "Users")
    line.ok("triggers", "create", "--client", 1, *off)
    check(line, "coverage", "coverage", "--client", 1)
    check(line, "coverage_of_no_rules", "coverage", "--client", 2)


def test_a_firing_of_a_trigger_without_a_threshold(line: CommandLine) -> None:
    line.integration("--subscribe", "system")
    rule = ("--condition", "user_created", "--integration", 1, "--name", "Users", "--user", "Ann")
    line.ok("triggers", "create", "--client", 1, *rule)
    ingest(line.wiring.context, [an_event_for("user_created")], [])
    check(line, "triggers_show_each_event", "triggers", "show", 1)
    check(line, "notifications_list_of_a_firing", "notifications", "list")


def test_notifications(line: CommandLine) -> None:
    line.integration()
    ingest(line.wiring.context, [an_event(), an_event()], ())
    test_cli_notifications.attempted(line)
    check(line, "notifications_list", "notifications", "list")
    check(line, "notifications_show", "notifications", "show", 1)
    line.end_all("failed")
    check(line, "notifications_list_failed", "notifications", "list", "--limit", 1)
    check(line, "notifications_replay", "notifications", "replay", 1, 2)


def test_events_that_could_not_be_taken_in(line: CommandLine) -> None:
    line.integration()
    first = replace(a_rejection(id=EVENT_ID), sent_by="gen4711@web-1")
    rejected = [first, a_rejection(client_id="?", id=3, note="<b>\x9b</b>")]
    for rejection in rejected:  # so that each is the newest once
        ingest(line.wiring.context, [], [rejection])
    check(line, "events_rejected", "events", "rejected")
    check(line, "events_rejected_one", "events", "rejected", 2)
    mended = json.dumps(an_event_object(id=EVENT_ID))
    check(line, "events_resubmit", "events", "resubmit", 1, "--file", "-", stdin=mended)
    check(line, "events_rejected_one_resubmitted", "events", "rejected", 1)
    body = json.dumps([[], {"events": [an_event_object(), {"type": "?"}]}, {}]).encode()
    test_cli_events.kept(line, b"\xff" * 300)
    test_cli_events.kept(line, b"y", size=70_000)
    check(line, "events_undecodable", "events", "undecodable")
    check(line, "events_undecodable_one", "events", "undecodable", 1)
    again = ("events", "resubmit", "--undecodable", 1, "--file", "-")
    check(line, "events_resubmit_undecodable", *again, stdin=body)
    test_cli_events.aside(line, b"x" * 300)
    check(line, "events_set_aside", "events", "set-aside")
    check(line, "events_set_aside_one", "events", "set-aside", 1)
    check(line, "ledger", "ledger")


def test_events(line: CommandLine) -> None:
    check(line, "events_emit", "events", "emit", "-", stdin=json.dumps(an_event_object()))
    ahead = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    ingest(line.wiring.context, [an_event(occurred_at=ahead)], ())
    check(line, "events_ahead", "events", "ahead")
    line.integration()
    issue = an_event(id=EVENT_ID, host="shop.example.com", actor={"name": "Ana"})
    ingest(line.wiring.context, [issue], ())
    ingest(line.wiring.context, [an_event(issue_id="8", client_id=2)], ())
    check(line, "events_list", "events", "list", "shop.example.com", "--client", 1)
    check(line, "events_list_goes_on", "events", "list", "--limit", 1)
    check(line, "events_list_nothing", "events", "list", "x", "--since", "1h")
    check(line, "events_types", "events", "types")
    check(line, "events_schema", "events", "schema")


def test_why_an_event_was_notified_or_not(line: CommandLine) -> None:
    line.integration("--subscribe", "security_issue_high", "--name", "On-call", "--user", "Ann")
    line.integration("--subscribe", "system", "--name", "Nights", "--user", "Ann")
    rule = ("--condition", "user_created", "--integration", 1, "--name", "Users", "--user", "Ann")
    line.ok("triggers", "create", "--client", 1, *rule)
    ingest(line.wiring.context, [an_event(id=EVENT_ID)], [a_rejection(id=OTHER_ID)])
    check(line, "events_show", "events", "show", EVENT_ID, "--client", 1)
    check(line, "events_show_rejected", "events", "show", OTHER_ID, "--client", 1)


def test_previews(line: CommandLine) -> None:
    line.integration("--name", "On-call", "--subscribe", "system")
    rule = ("--condition", "attacks_exceeded", "--threshold", "30 in 1h", "--integration", 1)
    line.ok("triggers", "create", "--client", 1, *rule, "--name", "Flood")
    events = [an_event_for(c, id=EVENT_ID) for c in ("user_created",)]
    events += [an_event(type="attack.detected", attack_id="a", attack_type="xss")]
    given = "\n".join(json.dumps(dict(event.body)) for event in events)
    check(line, "events_preview", "events", "preview", "-", stdin=given)
    check(line, "events_check", "events", "check", "-", stdin=given)


def test_documents_that_need_no_event(line: CommandLine) -> None:
    check(line, "triggers_conditions", "triggers", "conditions")
    check(line, "cloud_ips", "cloud-ips", "--cloud", "me")
    check(line, "secrets_generate", "secrets", "generate")
    line.integration()
    check(line, "secrets_rotate", "secrets", "rotate")
    check(line, "nothing_is_listed", "notifications", "list")
