"""The failure ratio on the command line: explain, policy, enable and replay, metrics."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from build import REFUSED, TAKEN, a_user_event, an_answer, an_event, moved, spread
from freezegun import freeze_time
from prometheus_client.parser import text_string_to_metric_families

from entrypoints.command_line import COMMAND, KEY
from wallarm_notify.domain.errors import Refused, Unavailable
from wallarm_notify.domain.lateness import counted_lateness
from wallarm_notify.entrypoints.cli.options import read_duration, read_since
from wallarm_notify.entrypoints.cli.output import percent_of
from wallarm_notify.entrypoints.metrics import exposition
from wallarm_notify.services.claim import claim
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.record import record
from wallarm_notify.services.review import review
from wallarm_notify.settings import settings
from wallarm_notify.worker_parts import sender_of

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine
    from wallarm_notify.domain.outcome import Answer
    from wallarm_notify.domain.sending import Claim
    from wallarm_notify.sandbox.client import SandboxClient
    from wallarm_notify.sandbox.server import Sandbox
    from wallarm_notify.services.measure import Measurements

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
POLICY = {"ratio", "window_seconds", "min_attempts", "min_span_seconds", "outage_guard"}
EVIDENCE = {
    "from", "until", "attempts", "failed", "ratio", "left_out", "outage", "failures", "answers",
    "first_failed_at", "last_failed_at", "last_answer", "guards", "failures_to_limit", "disables",
    "over_time",
}  # fmt: skip
FAILURES = {"network", "server", "throttled", "client", "other"}
LAST_ANSWER = {"notification_id", "at", "status_code", "error", "response"}
DECISION = {
    "integration_id", "client_id", "name", "at", "attempts", "failed", "ratio", "healed_at",
    "healed_soon",
}  # fmt: skip


@pytest.fixture(autouse=True)
def unlimited(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn off the rate limit: all integrations here have one key."""
    set_to("RATE_LIMIT_PER_MINUTE", "0", monkeypatch)


def set_to(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"WALLARM_NOTIFY_{name}", value)
    settings.cache_clear()


def claimed(line: CommandLine, integration: int, number: int = 1) -> Claim:
    """Claim new notifications for sending."""
    client = line.json("integrations", "show", integration)["client_id"]
    events = [an_event(client_id=client) for _ in range(number)]
    (routed,) = ingest(line.wiring.context, events, ())
    mine = [n.id for n in routed.pending if n.integration_id == integration]
    return claim(line.wiring.context, mine)


def attempted(line: CommandLine, integration: int, *history: tuple[timedelta, Answer]) -> None:
    record(line.wiring.context, moved(claimed(line, integration, len(history)), *history))


def failing(line: CommandLine) -> int:
    """Create an integration of client 1 that is over the limit."""
    integration = line.integration()
    attempted(line, integration, *spread(17, REFUSED))
    return integration


def reviewed(line: CommandLine) -> tuple[int, ...]:
    """Run a review, as if a minute after the last one; return the integrations that it disabled."""
    line.sql("DELETE FROM upkeep_runs")
    return tuple(review(line.wiring.context).disabled)


def explained(line: CommandLine, integration: int) -> Any:
    return line.json("integrations", "explain", integration)


def explanation_of(line: CommandLine, integration: int) -> str:
    return line.ok("integrations", "explain", integration)


def simulated(line: CommandLine, *options: object) -> Any:
    return line.json("policy", "simulate", "--since", "6h", *options)


def test_an_integration_without_attempts_has_no_ratio(line: CommandLine) -> None:
    number = line.integration()
    shown = explained(line, number)
    evidence = shown["evidence"]
    assert (shown["automatic"], evidence["disables"], evidence["attempts"]) == (False, False, 0)
    assert (evidence["ratio"], evidence["last_answer"], evidence["answers"]) == (None, None, [])
    assert [slot["ratio"] for slot in evidence["over_time"]] == [None] * 48
    output = line.ok("integrations", "explain", number)
    assert "No failures." in output
    assert not set("▁▂▃▄▅▆▇█") & set(output)


@pytest.mark.parametrize(
    ("guard", "words", "history"),
    [
        ("attempts", "17 attempts", spread(16, REFUSED)),
        (
            "span",
            "51 min 8 s from the first failure to the last",
            spread(17, REFUSED, over=51 * MINUTE),
        ),
        ("last_attempt", "a last attempt that failed", [*spread(17, REFUSED), (MINUTE, TAKEN)]),
    ],
)
def test_each_guard_that_holds_is_named_and_keeps_the_integration_enabled(
    line: CommandLine, guard: str, words: str, history: list[tuple[timedelta, Answer]]
) -> None:
    number = line.integration()
    attempted(line, number, *history)
    evidence = explained(line, number)["evidence"]
    assert [g["guard"] for g in evidence["guards"] if g["holds"]] == [guard]
    assert (evidence["failures_to_limit"], evidence["disables"]) == (0, False)
    output = line.ok("integrations", "explain", number)
    assert len(re.findall(r" yes *$", output, re.MULTILINE)) == 1
    assert output.splitlines()[-1].endswith(f"it stays enabled: the rule asks for {words}.")
    assert reviewed(line) == ()


def test_failures_left_out_for_an_outage_are_shown(line: CommandLine) -> None:
    number = line.integration()
    attempted(line, number, *spread(5, an_answer(503)))
    asked = "INSERT INTO outages (region, began_at, seen_at, ended_at) VALUES ('us', now() - interval '2 h', now(), {})"
    line.sql(asked.format("now()"))
    assert re.search(
        r"Left out +5 failures in an outage of PagerDuty in US *$",
        explanation_of(line, number),
        re.MULTILINE,
    )
    assert "nothing was attempted that counts" in explanation_of(line, number)
    line.sql(asked.format("NULL"))
    assert "5 failures in an outage of PagerDuty in US that goes on" in explanation_of(line, number)


def test_the_last_automatic_disabling_can_be_shown_after_enabling(line: CommandLine) -> None:
    number = failing(line)
    output = line.refusal("integrations", "explain", number, "--last-disabling")
    assert "was not disabled automatically" in output
    reviewed(line)
    then = explained(line, number)
    line.ok("integrations", "enable", number)
    assert explained(line, number)["automatic"] is False
    again = line.json("integrations", "explain", number, "--last-disabling")
    assert (again["evidence"], again["automatic"]) == (then["evidence"], True)
    output = line.ok("integrations", "explain", number, "--last-disabling")
    assert output.splitlines()[-1].endswith("and enabled again since.")


@pytest.mark.parametrize(
    ("failed", "attempts", "shown"), [(3, 5, "60.0 %"), (59, 100, "59.0 %"), (599, 1000, "59.9 %")]
)
def test_a_ratio_is_rounded_down(failed: int, attempts: int, shown: str) -> None:
    assert percent_of(10_000 * failed // attempts / 10_000) == shown
    assert percent_of(10_000 * 59_999 // 100_000 / 10_000) == "59.9 %"


@freeze_time("2026-12-31T23:59:59Z")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", datetime(2026, 12, 31, 21, 59, 59, tzinfo=UTC)),
        ("1d30m", datetime(2026, 12, 30, 23, 29, 59, tzinfo=UTC)),
        ("0s", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T02:30", datetime(2026, 10, 25, 2, 30, tzinfo=UTC)),
        ("2026-10-25", datetime(2026, 10, 25, tzinfo=UTC)),
        ("2 hours", datetime(2026, 12, 31, 21, 59, 59, tzinfo=UTC)),
    ],
)
def test_how_long_ago_is_counted_from_the_programs_own_clock(text: str, moment: datetime) -> None:
    assert read_since(text) == moment


def test_a_simulation_begins_within_the_retention_and_before_now(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with freeze_time("2026-12-31T23:59:59Z"):
        ahead = "2027-01-01T00:00:00Z"
        assert "lies ahead" in line.refusal("policy", "simulate", "--since", ahead)
        assert "attempts are kept 90 days" in line.refusal("policy", "simulate", "--since", "91d")


@pytest.mark.parametrize(
    ("text", "long"),
    [
        ("0", timedelta()),
        ("51m8s", timedelta(minutes=51, seconds=8)),
        ("1d2h", timedelta(hours=26)),
        ("1 hour", timedelta(hours=1)),
        ("2 days 3 hours", timedelta(hours=51)),
        ("90 min", timedelta(minutes=90)),
        ("1minute30seconds", timedelta(seconds=90)),
        ("2weeks", timedelta(weeks=2)),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, long: timedelta) -> None:
    assert read_duration(text, "window") == long


@pytest.mark.parametrize(
    "text", ["", "h", "1.5h", "-1h", "1h ", "999999999w", "1y", "1 month", "hour", "1  h"]
)
def test_a_wrong_duration_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(Refused, match=r"^window: "):
        read_duration(text, "window")


def test_over_the_limit_the_next_review_disables_it(line: CommandLine) -> None:
    number = failing(line)
    evidence = explained(line, number)["evidence"]
    assert (evidence["disables"], evidence["failed"], evidence["ratio"]) == (True, 17, 1.0)
    assert evidence["answers"] == [{"error": "http_4xx", "status_code": 400, "count": 17}]
    output = line.ok("integrations", "explain", number)
    assert output.splitlines()[-1] == "The next review disables it."
    assert "17, 17 of them failed" in output
    assert "400 Event object is invalid: bad key" in output
    assert reviewed(line) == (number,)


def test_as_many_more_failures_as_it_shows_reach_the_limit(line: CommandLine) -> None:
    number = line.integration()
    attempted(line, number, *spread(10, TAKEN, until=2 * HOUR), *spread(10, REFUSED))
    assert explained(line, number)["evidence"]["failures_to_limit"] == 5
    output = line.ok("integrations", "explain", number)
    assert "5 more failures in a row would reach the limit" in output
    attempted(line, number, *[(MINUTE, REFUSED)] * 4)
    assert explained(line, number)["evidence"]["disables"] is False
    attempted(line, number, (MINUTE, REFUSED))
    assert explained(line, number)["evidence"]["disables"] is True


def test_after_an_automatic_disabling_the_evidence_stays_as_it_was(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = failing(line)
    late, later = claimed(line, number), claimed(line, number)
    assert reviewed(line) == (number,)
    shown = explained(line, number)
    assert (shown["automatic"], shown["at"]) == (True, shown["integration"]["disabled_at"])
    assert (shown["evidence"]["attempts"], shown["evidence"]["failed"]) == (17, 17)
    record(line.wiring.context, moved(late, (timedelta(), TAKEN)))
    line.sql("UPDATE attempts SET at = at - interval '2 days'")
    set_to("FAILURE_RATIO", "90", monkeypatch)
    assert explained(line, number) == shown
    output = line.ok("integrations", "explain", number)
    assert "(limit 60 %)" in output
    assert "It was disabled automatically at " in output.splitlines()[-1]
    on = line.json("integrations", "enable", number)
    assert on["unsent"] == {"skipped": 0, "cancelled": 17, "failed": 0}
    assert on["unsent_since"] == shown["evidence"]["first_failed_at"]
    record(line.wiring.context, moved(later, (timedelta(), REFUSED)))
    clean = explained(line, number)
    assert (clean["automatic"], clean["policy"]["ratio"]) == (False, 90)
    assert (clean["evidence"]["attempts"], clean["evidence"]["last_answer"]) == (0, None)


def test_an_integration_disabled_by_hand_shows_its_window_up_to_then(line: CommandLine) -> None:
    number = failing(line)
    reviewed(line)
    line.ok("integrations", "enable", number)
    attempted(line, number, (MINUTE, REFUSED), (MINUTE, TAKEN))
    line.ok("integrations", "disable", number, "--user", "ann")
    shown = explained(line, number)
    assert (shown["automatic"], shown["at"]) == (False, shown["integration"]["disabled_at"])
    assert shown["evidence"]["until"] == shown["at"]
    assert (shown["evidence"]["attempts"], shown["evidence"]["ratio"]) == (2, 0.5)
    last = line.ok("integrations", "explain", number).splitlines()[-1]
    assert last.startswith("It was disabled by ann at ")


def test_an_integration_that_does_not_exist_is_not_explained(line: CommandLine) -> None:
    assert line.refusal("integrations", "explain", 9) == "There is no integration 9."
    line.ok("integrations", "delete", line.integration(), "--yes")
    assert line.refusal("integrations", "explain", 1) == "There is no integration 1."
    assert line("integrations", "explain", "x").exit_code == 2


def test_an_explanation_has_stable_keys_before_a_disabling_and_after(line: CommandLine) -> None:
    number = failing(line)
    before = explained(line, number)
    reviewed(line)
    for shown in (before, explained(line, number)):
        assert set(shown) == {"integration", "at", "automatic", "policy", "evidence", "advice"}
        assert set(shown["integration"]) == set(line.json("integrations", "show", number))
        evidence = shown["evidence"]
        assert (set(shown["policy"]), set(evidence)) == (POLICY, EVIDENCE)
        assert set(evidence["failures"]) == FAILURES
        assert set(evidence["last_answer"]) == LAST_ANSWER
        assert [g["guard"] for g in evidence["guards"]] == ["attempts", "span", "last_attempt"]
        for rows, keys in (
            (evidence["guards"], {"guard", "needed", "found", "holds"}),
            (evidence["answers"], {"error", "status_code", "count"}),
            (evidence["over_time"], {"at", "attempts", "failed", "ratio"}),
        ):
            assert [set(row) for row in rows] == [keys] * len(rows)
        for name in ("from", "until", "first_failed_at", "last_failed_at"):
            assert evidence[name].endswith("+00:00")


def test_the_ratio_over_time_has_48_points_up_to_now_and_bars_for_people(line: CommandLine) -> None:
    number = line.integration()
    attempted(line, number, *spread(10, TAKEN, until=6 * HOUR), *spread(17, REFUSED))
    evidence = explained(line, number)["evidence"]
    slots = evidence["over_time"]
    at = [datetime.fromisoformat(slot["at"]) for slot in slots]
    assert (len(slots), slots[-1]["at"]) == (48, evidence["until"])
    assert {b - a for a, b in pairwise(at)} == {15 * MINUTE}
    assert sum(slot["attempts"] for slot in slots) == evidence["attempts"] == 27
    ratios = [slot["ratio"] for slot in slots]
    assert (ratios[0], ratios[30], ratios[-1]) == (None, 0.0, evidence["ratio"])
    assert "▁▁▁▁▁▁▁▁▁▁" in line.ok("integrations", "explain", number)
    done = line.process("integrations", "explain", str(number), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout.isascii()) == (0, True)
    assert re.search(r"Over time, 0-100 % +_+[-:.=+*#]+", done.stdout)


def test_pagerdutys_answer_is_shown_without_the_key_and_control_characters(
    line: CommandLine, sandbox: SandboxClient
) -> None:
    number = line.integration()
    message = f"no such key {KEY} \\u001b[31m\\u0007 \u202e\u009b"
    body = f'{{"message": "{message}", "errors": ["{KEY.lower()}"]}}'
    sandbox.set_faults([{"kind": "status", "status": 400, "body": body}])
    dispatcher = sender_of(line.wiring.context, line.wiring.settings)
    dispatcher.dispatch(claimed(line, number))
    assert dispatcher.drain(10)
    for words in ((), ("--json",)):
        output = line.ok("integrations", "explain", number, *words)
        assert "no such key" in output
        assert not {"\x1b", "\x07", "\u202e", "\u009b"} & set(output)
        assert not re.search(r"[A-Za-z0-9]{32}", output)


def test_policy_show_prints_the_rule_of_the_settings(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line.json("policy", "show") == {
        "ratio": 60, "window_seconds": 12 * 3600, "min_attempts": 17,
        "min_span_seconds": 51 * 60 + 8, "outage_guard": True,
    }  # fmt: skip
    output = line.ok("policy", "show")
    for words in ("60 % or more", "12 h", "17 attempts", "51 min 8 s"):
        assert words in output
    set_to("FAILURE_RATIO", "12.5", monkeypatch)
    set_to("FAILURE_MIN_SPAN", "0", monkeypatch)
    output = line.ok("policy", "show")
    assert "12.5 % or more" in output
    assert output.count("no guard") == 1


def test_a_simulation_shows_which_integrations_when_by_which_figures_and_when_they_healed(
    line: CommandLine,
) -> None:
    number = line.integration("--subscribe", "security_issue", "--name", "Ops")
    healed = (5 * MINUTE, TAKEN)
    attempted(line, number, *spread(17, REFUSED, until=20 * MINUTE), healed)
    line.integration("--client", 2, "--subscribe", "security_issue")
    attempted(line, 2, *spread(17, TAKEN))
    last_failure = datetime.fromisoformat(explained(line, number)["evidence"]["last_failed_at"])
    found = simulated(line)
    assert set(found) == {"policy", "since", "until", "integrations", "attempts", "items"}
    assert (found["policy"], found["integrations"]) == (line.json("policy", "show"), 2)
    (item,) = found["items"]
    assert set(item) == DECISION
    assert (item["integration_id"], item["client_id"], item["name"]) == (number, 1, "Ops")
    assert (item["attempts"], item["failed"], item["ratio"]) == (17, 17, 1.0)
    at = datetime.fromisoformat(item["at"])
    assert at == last_failure.replace(second=0, microsecond=0) + MINUTE
    assert timedelta() < datetime.fromisoformat(item["healed_at"]) - at <= 15 * MINUTE
    assert item["healed_soon"] is True
    output = line.ok("policy", "simulate", "--since", "6h")
    assert re.search(rf" Ops +{at:%Y-%m-%d %H:%M:%S}Z +100\.0 % +17 of 17 +14 min", output)
    assert "2 integrations made 35 attempts in this time." in output
    assert "1 disabling in all; after 1 of them the next success came within" in output
    line.ok("integrations", "delete", number, "--yes")
    assert simulated(line)["items"] == [{**item, "name": None}]


def test_an_integration_that_would_break_twice_counts_as_one(line: CommandLine) -> None:
    number = line.integration()
    attempted(line, number, *spread(17, REFUSED, until=4 * HOUR))
    line.ok("integrations", "disable", number)
    line.ok("integrations", "enable", number)
    attempted(line, number, *spread(17, REFUSED))
    assert [v["integration_id"] for v in simulated(line)["items"]] == [number] * 2
    output = line.ok("policy", "simulate", "--since", "6h")
    assert "1 integration made 34 attempts" in output
    assert "2 disablings in all; after 0 of them" in output


def test_another_policy_comes_to_other_disablings(line: CommandLine) -> None:
    attempted(line, line.integration(), *spread(10, TAKEN, until=4 * HOUR), *spread(17, REFUSED))
    for options, off, policy in (
        ("--ratio 62.9", 1, {"ratio": 62.9}),
        ("--ratio 63", 0, {"ratio": 63}),
        ("--ratio 100% --window 3h", 1, {"ratio": 100, "window_seconds": 3 * 3600}),
        ("--window 30m --min-span 0", 0, {"window_seconds": 1800}),
        ("--min-attempts 27", 1, {"min_attempts": 27}),
        ("--min-attempts 28", 0, {"min_attempts": 28}),
        ("--min-span 1h", 1, {"min_span_seconds": 3600}),
        ("--min-span 1h1s", 0, {"min_span_seconds": 3601}),
        ("--window 90m --min-attempts 0 --min-span 0", 1, {"min_attempts": 0}),
        ("--no-outage-guard", 1, {"outage_guard": False}),
    ):
        found = simulated(line, *options.split())
        assert len(found["items"]) == off, options
        assert {name: found["policy"][name] for name in policy} == policy
    assert "Nobody would have been disabled." in line.ok("policy", "simulate", "--ratio", 63)


def test_an_impossible_policy_is_refused_in_one_sentence(line: CommandLine) -> None:
    for option, values in (
        ("ratio", ["0", "-1", "101", "abc", "nan", "inf", ""]),
        ("window", ["90s", "0", "8d", "abc", "999999999w"]),
        ("min-span", ["abc", "-1m", "999999999w"]),
        ("since", ["2999-01-01T00:00:00Z", "200d", "nonsense", "2026-03-01T09:30:00", ""]),
    ):
        for value in values:
            output = line.refusal("policy", "simulate", f"--{option}={value}")
            assert output.startswith(f"{option}: ")
    for value in ("-1", "abc", "1.5", "9999999"):
        assert line("policy", "simulate", f"--min-attempts={value}").exit_code == 2


def test_enable_counts_what_ended_since_the_failures_began_and_its_command_replays_it(
    line: CommandLine,
) -> None:
    number = line.integration()
    ingest(line.wiring.context, [an_event() for _ in range(3)], ())
    line.sql("""UPDATE notifications SET
        state = (CAST(ARRAY['failed', 'skipped', 'cancelled'] AS notification_state[]))[id],
        finished_at = now() - interval '2 hours', recheck_at = NULL""")
    attempted(line, number, *spread(17, REFUSED))
    line.sql("""UPDATE notifications SET state = 'failed', finished_at = now(), recheck_at = NULL
        WHERE id IN (4, 5)""")
    assert reviewed(line) == (number,)
    ingest(line.wiring.context, [an_event() for _ in range(4)], ())
    output = line.ok("integrations", "enable", number)
    assert re.search(
        r"21 notifications not delivered since .*: 2 failed, 4 skipped, 15 cancelled", output
    )
    (command,) = re.findall(r"To send all of it: (.+)", output)
    program, *words = shlex.split(command)
    assert program == "wallarm-notify"
    assert line.json(*words, "--state", "failed", "--yes") == {"replayed": 2}
    assert line.json(*words, "--yes") == {"replayed": 19}
    assert line.json(*words, "--yes") == {"replayed": 0}
    left = line.json("notifications", "list")["items"]
    assert {n["id"] for n in left if n["state"] != "pending"} == {1, 2, 3}


def test_replay_is_limited_by_age_type_and_severity(line: CommandLine) -> None:
    many = ("--integration", line.integration("--subscribe", "security_issue,system"))
    for event in (an_event(), a_user_event(), an_event(), a_user_event()):
        ingest(line.wiring.context, [event], ())
    hours_ago = (datetime.now(UTC) - 3 * HOUR).isoformat()
    for options, ids in (
        ((), {1, 2, 3, 4}),
        (("--since", "3h"), {3, 4}),
        (("--since", hours_ago), {3, 4}),
        (("--ended-since", "3h"), {2, 3, 4}),
        (("--ended-since", hours_ago, "--since", "3h"), {3, 4}),
        (("--type", "user.created"), {2, 4}),
        (("--type", "user.created", "--since", "3h"), {4}),
        (("--type", "rule.created"), set()),
        (("--severity", "error"), {1, 3}),
        (("--severity", "critical", "--severity", "error", "--since", "3h"), {3}),
        (("--severity", "info"), {2, 4}),
    ):
        line.sql("""UPDATE notifications SET state = 'skipped', recheck_at = NULL,
            created_at = now() - interval '1 hour' * CASE WHEN id < 3 THEN 8 ELSE 2 END,
            finished_at = now() - interval '1 hour' * CASE WHEN id < 2 THEN 6 ELSE 1 END""")
        done = line.json("notifications", "replay", *many, "--state", "skipped", *options, "--yes")
        again = line.json("notifications", "list", "--state", "pending")["items"]
        assert (done["replayed"], {n["id"] for n in again}) == (len(ids), ids), options


def test_replay_refuses_types_that_are_none_and_limits_beside_ids(line: CommandLine) -> None:
    many = ("--integration", line.integration(), "--state", "failed")
    output = line.refusal("notifications", "replay", *many, "--type", "user.invented")
    assert "there is no «user.invented»; permitted are user.created, " in output
    output = line.refusal("notifications", "replay", *many, "--ended-since", "yesterday")
    assert output.startswith("ended-since: «yesterday» is no time")
    for option in (
        "--integration=1", "--state=failed", "--since=2h", "--ended-since=2h", "--type=user.created",
        "--severity=error",
    ):  # fmt: skip
        assert line("notifications", "replay", 1, option).exit_code == 2
        if not option.startswith("--integration"):
            assert line("notifications", "replay", option).exit_code == 2


def measured(text: str) -> dict[str, float]:
    """The samples of a page of metrics, by name and label."""
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    names = ["_".join([s.name, *s.labels.values()]) for s in samples]
    return {n.removeprefix("wallarm_notify_"): s.value for n, s in zip(names, samples, strict=True)}


def test_metrics_have_how_late_attempts_began_and_what_waits_in_queues(line: CommandLine) -> None:
    store = line.wiring.store
    store.transact(lambda tx: tx.count(counted_lateness(1, timedelta(seconds=0.3))))
    store.transact(lambda tx: tx.count(counted_lateness(12, timedelta(minutes=5))))
    store.transact(lambda tx: tx.note_queue_lengths({"events": 7, "retries": 0}))
    line.sql(
        "UPDATE queue_lengths SET waiting_since = measured_at - interval '1 minute' WHERE messages > 0"
    )
    found = measured(line.ok("metrics"))
    late = "attempt_lateness_seconds"
    assert [found[f"{late}_bucket_0_{bound}"] for bound in ("0.1", "0.25", "0.5", "+Inf")] == [
        0,
        0,
        1,
        1,
    ]
    assert [found[f"{late}_bucket_3_{bound}"] for bound in ("240.0", "+Inf")] == [0, 1]
    assert (found[f"{late}_count_1"], found[f"{late}_count_3"]) == (0, 1)
    assert (found[f"{late}_sum_0"], found[f"{late}_sum_3"]) == (0.3, 300)
    assert (found["queue_messages_events"], found["queue_messages_retries"]) == (7, 0)
    assert (found["queue_waiting_seconds_events"], found["queue_waiting_seconds_retries"]) == (
        60,
        0,
    )


def test_metrics_count_warnings_and_automatic_disablings(line: CommandLine) -> None:
    number = failing(line)
    warned = line.integration("--client", 2, "--subscribe", "security_issue")
    attempted(line, warned, *spread(10, TAKEN, until=2 * HOUR), *spread(10, REFUSED))
    zero = {
        "up": 1, "failure_ratio_warnings_total_30": 0, "failure_ratio_warnings_total_45": 0,
        "failure_ratio_warnings_total_55": 0, "integrations_auto_disabled_total": 0,
        "integrations_enabled": 2, "integrations_disabled": 0, "pagerduty_outage": 0, "prune_lag_seconds": 0,
        "trigger_firings_total": 0, "drills_failed": 0,
    }  # fmt: skip
    assert {n: v for n, v in measured(line.ok("metrics")).items() if n in zero} == zero
    assert (reviewed(line), reviewed(line)) == ((number,), ())
    assert {n: v for n, v in measured(line.ok("metrics")).items() if n in zero} == {
        **zero,
        "failure_ratio_warnings_total_30": 1, "failure_ratio_warnings_total_45": 1,
        "integrations_auto_disabled_total": 1,
        "integrations_enabled": 1, "integrations_disabled": 1,
    }  # fmt: skip
    line.ok("integrations", "enable", number)
    assert measured(line.ok("metrics"))["integrations_auto_disabled_total"] == 1


def test_metrics_without_a_database_are_refused_and_served_as_down(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to("DATABASE_URL", "postgresql://u:hidden@127.0.0.1:1/x", monkeypatch)
    assert "The database does not answer" in line.refusal("metrics")

    def away() -> Measurements:
        raise Unavailable("the database is away")

    page = exposition(away)
    assert measured(page) == {"up": 0}
    assert "wallarm_notify_up 0.0\n" in page


def test_metrics_are_served_on_the_printed_port_until_ctrl_c(line: CommandLine) -> None:
    with subprocess.Popen(
        [COMMAND, "metrics", "--port", "0"],
        env={**os.environ, **line.environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+/metrics", process.stderr.readline())
            for enabled in (0, 1):
                with urlopen(url, timeout=10) as answer:
                    assert measured(answer.read().decode())["integrations_enabled"] == enabled
                line.integration()
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, *output) == (0, "", "")


def test_metrics_refuse_a_port_that_is_taken_or_none(line: CommandLine, pagerduty: Sandbox) -> None:
    port = pagerduty.url.rpartition(":")[2]
    output = line.refusal("metrics", "--port", port)
    assert output.startswith(f"Cannot serve at 127.0.0.1, port {port}: ")
    elsewhere = line.refusal("metrics", "--port", 0, "--address", "203.0.113.1")
    assert elsewhere.startswith("Cannot serve at 203.0.113.1, port 0: ")
    for wrong in ("--port=-1", "--port=65536", "--port=http", "--address=127.0.0.1"):
        assert line("metrics", wrong).exit_code == 2
