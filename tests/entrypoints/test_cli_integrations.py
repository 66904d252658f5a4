"""``wallarm-notify integrations`` on a real database and a real sandbox."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from build import an_answer, an_attempt, an_event, eventually

from entrypoints.command_line import COMMAND, KEY, MASKED
from entrypoints.test_cli_failure_ratio import set_to
from wallarm_notify.domain.advice import NEW_KEY
from wallarm_notify.services.claim import claim
from wallarm_notify.services.ingest import ingest
from wallarm_notify.services.record import record

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.client import SandboxClient

DAY = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
"""The day after tomorrow."""

FIELDS = {
    "id", "client_id", "name", "region", "key", "subscriptions", "enabled", "disabled_by",
    "disabled_at", "disabled_reason", "disabled_until", "failed_24h", "created_by", "created_at",
    "summary", "proven_at", "last_drill", "state",
}  # fmt: skip


def test_create_answers_with_the_stable_keys_and_a_masked_key(line: CommandLine) -> None:
    made = line.json(
        "integrations", "create", "--client", 7, "--key", KEY, "--name", "Ops", "--region", "eu",
        "--subscribe", "system,security_issue", "--user", "ann",
    )  # fmt: skip
    assert set(made) == FIELDS
    assert (made["client_id"], made["name"], made["region"], made["key"]) == (
        7,
        "Ops",
        "eu",
        MASKED,
    )
    assert made["subscriptions"][0] == "system"
    assert len(made["subscriptions"]) == 6
    assert (made["enabled"], made["created_by"], made["failed_24h"]) == (True, "ann", 0)
    assert made["created_at"].endswith("+00:00")


def test_create_for_people_shows_a_masked_key(line: CommandLine) -> None:
    output = line.ok("integrations", "create", "--client", 7, "--key", f" {KEY} ", "--user", "ann")
    assert MASKED in output
    assert "PagerDuty integration by ann" in output
    assert "enabled" in output


def test_warnings_go_to_standard_error(line: CommandLine) -> None:
    line.integration()
    result = line("integrations", "create", "--client", 1, "--key", "-", "--json", stdin=KEY)
    assert result.exit_code == 0
    assert "integration 1 has the same key" in result.stderr
    assert "it subscribes to nothing" in result.stderr
    assert result.stdout.startswith("{")


def test_an_integration_that_is_created_disabled_is_not_sent_to(line: CommandLine) -> None:
    number = line.integration("--disabled", "--user", "ann")
    shown = line.json("integrations", "show", number)
    assert (shown["enabled"], shown["disabled_by"]) == (False, "ann")


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (KEY + "9", "33 characters"),
        (KEY[:31] + "!", "not all of them letters or digits"),
        (KEY[:20], "REST API key"),
        ("", "0 characters"),
    ],
    ids=["too long", "with a mark", "a REST key", "empty"],
)
@pytest.mark.parametrize("given", ["option", "stdin"])
def test_a_wrong_key_is_refused_and_never_repeated(
    line: CommandLine, key: str, sentence: str, given: str
) -> None:
    word = "-" if given == "stdin" else key
    result = line("integrations", "create", "--client", 1, "--key", word, stdin=key)
    assert (result.exit_code, result.stdout) == (1, "")
    *warning, output = result.stderr.splitlines()
    assert len(warning) == (given == "option" and key != "")
    assert output.startswith("wallarm-notify: key: ")
    assert sentence in output
    assert not key or key not in result.stderr


SEEN = "a key that follows --key is seen by others in the list of processes"


@pytest.mark.parametrize(
    "words",
    [
        ("create", "--client", 1, "--key", KEY),
        ("create", "--client", 1, f"--key={KEY}"),
        ("update", 1, "--key", KEY),
        ("test", "--client", 1, "--key", KEY, "--region", "us"),
        ("create", "--key", KEY),
    ],
    ids=["create", "in one word", "update", "test", "a wrong use"],
)
def test_a_key_that_others_can_see_is_warned_of(
    line: CommandLine, words: tuple[object, ...]
) -> None:
    line.integration()
    result = line("integrations", *words)
    assert result.exit_code in (0, 2)
    assert result.stderr.count(SEEN) == 1
    assert "give --key - and type it when asked" in result.stderr
    assert SEEN not in result.stdout


def test_a_key_from_standard_input_is_not_warned_of(line: CommandLine) -> None:
    for words in (("create", "--client", 1), ("update", 1)):
        result = line("integrations", *words, "--key", "-", stdin=KEY)
        assert result.exit_code == 0
        assert SEEN not in result.stderr
    assert SEEN not in line("integrations", "update", 1, "--name", "x").stderr


def test_a_key_in_the_wrong_place_is_not_repeated_either(line: CommandLine) -> None:
    for words in (
        ("integrations", "create", "--client", "1", KEY),
        ("integrations", "show", KEY),
        ("integrations", "create", f"--client={KEY}"),
        (KEY,),
    ):
        result = line(*words)
        assert (result.exit_code, KEY in result.output) == (2, False), result.output
        assert MASKED in result.stderr
    for option in ("--subscribe=system,", "--region="):
        refused = ("create", "--client", 1, "--key", "-", f"{option}{KEY}")
        assert MASKED in line.refusal("integrations", *refused)


def test_a_key_that_is_no_text_is_refused(line: CommandLine) -> None:
    output = line.refusal("integrations", "create", "--client", 1, "--key", "-", stdin=b"\xff" * 32)
    assert "not all of them letters or digits" in output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--subscribe", "sistem"],
            "there is no «sistem»; permitted are system, rules_and_triggers",
        ),
        (["--region", "mars"], "PagerDuty's service regions are us and eu"),
        (["--region", ""], "PagerDuty's service regions are us and eu"),
        (["--subscribe", ""], "or 'none' for no subscription"),
        (["--name", " "], "name: give 1 to 200"),
        (["--user", ""], "user: give a name"),
    ],
)
def test_wrong_values_are_refused_with_the_permitted_ones(
    line: CommandLine, options: list[str], sentence: str
) -> None:
    output = line.refusal(
        "integrations", "create", "--client", 1, "--key", "-", *options, stdin=KEY
    )
    assert sentence in output


@pytest.mark.parametrize(
    "words",
    [
        ["create"],
        ["create", "--client", "1"],
        ["create", "--client", "0", "--key", "-"],
        ["create", "--client", "99999999999999999999", "--key", "-"],
        ["create", "--client", "1", "--key", "-", "--name", "\udcff"],
        ["show", "one"],
        ["update", "1"],
        ["test"],
        ["test", "1", "--client", "1"],
        ["list", "--limit", "0"],
        ["frobnicate"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(line: CommandLine, words: list[str]) -> None:
    result = line("integrations", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: wallarm-notify integrations" in result.stderr


def test_list_pages_by_cursor(line: CommandLine) -> None:
    ids = [line.integration("--subscribe", "system") for _ in range(3)]
    first = line.json("integrations", "list", "--limit", 2)
    assert ([i["id"] for i in first["items"]], first["next"]) == (ids[:2], "2")
    assert set(first["items"][0]) == FIELDS
    second = line.json("integrations", "list", "--limit", 2, "--cursor", first["next"])
    assert ([i["id"] for i in second["items"]], second["next"]) == (ids[2:], None)
    assert line.json("integrations", "list", "--client", 2) == {
        "items": [],
        "next": None,
        "searched_back_to": None,
    }


def test_list_says_which_were_disabled_automatically(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    on, off, broken = (line.integration("--subscribe", "system") for _ in range(3))
    for number in (off, broken):
        line.ok("integrations", "disable", number)
    line.sql(f"UPDATE integrations SET disabled_by = 'failure ratio' WHERE id = {broken}")
    for options, ids in (
        (["enabled"], [on]),
        (["disabled"], [off]),
        (["disabled-automatically"], [broken]),
        (["disabled", "--state", "disabled-automatically"], [off, broken]),
    ):
        listed = line.json("integrations", "list", "--state", *options)["items"]
        assert [i["id"] for i in listed] == ids
    assert [i["state"] for i in line.json("integrations", "list")["items"]] == [
        *("enabled", "disabled", "disabled_automatically"),
    ]
    assert "disabled automatically" in line.ok("integrations", "show", broken)
    for width in (80, 140):
        monkeypatch.setenv("COLUMNS", str(width))
        output = line.ok("integrations", "list")
        assert re.search(r"^ *3 .* disabled +0 *$", output, re.MULTILINE), output
        assert re.search(r" automatically *$", output, re.MULTILINE), output
    assert "No integrations." in line.ok(
        "integrations", "list", "--client", 2, "--state", "enabled"
    )
    assert line("integrations", "list", "--state", "broken").exit_code == 2


def test_list_for_people_counts_failed_notifications_of_24_hours(line: CommandLine) -> None:
    line.integration()
    ingest(line.wiring.context, [an_event(), an_event()], ())
    line.end_all("failed")
    output = line.ok("integrations", "list")
    assert "security_issue" in output
    assert MASKED in output
    assert re.search(r"enabled +2 *$", output, re.MULTILINE)


def test_list_without_integrations_says_so(line: CommandLine) -> None:
    assert line.ok("integrations", "list") == "No integrations.\n"


def test_a_cursor_that_is_none_is_refused(line: CommandLine) -> None:
    assert "cursor: «x» is none" in line.refusal("integrations", "list", "--cursor", "x")


def test_show_refuses_an_id_that_does_not_exist(line: CommandLine) -> None:
    assert line.refusal("integrations", "show", 5) == "There is no integration 5."


def test_new_integrations_have_brief_summaries_and_another_form_can_be_chosen(
    line: CommandLine,
) -> None:
    number = line.integration()
    assert line.json("integrations", "show", number)["summary"] == "brief"
    assert line.json("integrations", "update", number, "--summary", "full")["summary"] == "full"
    assert "Summary" in line.ok("integrations", "show", number)
    other = line.integration("--summary", "original")
    assert line.json("integrations", "show", other)["summary"] == "original"
    refused = line.refusal("integrations", "update", number, "--summary", "short")
    assert refused.startswith("summary: there is no «short»; permitted are original, brief, full.")


def test_the_form_of_new_integrations_is_a_setting(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to("SUMMARY", "full", monkeypatch)
    assert line.json("integrations", "show", line.integration())["summary"] == "full"


def test_update_sets_the_given_options_and_none_subscribes_to_nothing(line: CommandLine) -> None:
    number = line.integration("--subscribe", "system", "--region", "us")
    changed = line.json("integrations", "update", number, "--name", "New", "--region", "eu")
    assert (changed["name"], changed["region"], changed["subscriptions"]) == (
        "New",
        "eu",
        ["system"],
    )
    for empty in ("", " ", ","):  # as of a shell variable that is not set
        assert "or 'none' for no subscription" in line.refusal(
            "integrations", "update", number, "--subscribe", empty
        )
    assert line.json("integrations", "show", number)["subscriptions"] == ["system"]
    changed = line.json("integrations", "update", number, "--subscribe", "none")
    assert changed["subscriptions"] == []
    other = "b" * 28 + "wxyz"
    assert "…wxyz" in line.ok("integrations", "update", number, "--key", "-", stdin=other)


def test_test_shows_what_pagerduty_answers_to_each_alert(
    line: CommandLine, sandbox: SandboxClient
) -> None:
    number = line.integration()
    output = line.ok("integrations", "test", number)
    assert output.count("passed") == 3
    assert "3 of 3 test alerts were taken." in output
    tested = line.json("integrations", "test", "--client", 9, "--key", KEY, "--region", "eu")
    assert tested["passed"] is True
    assert [t["status_code"] for t in tested["tests"]] == [202] * 3
    assert all(t["summary"].startswith("[Test message] ") for t in tested["tests"])
    assert len(sandbox.requests(KEY)) == 6


def test_a_test_alert_that_fails_is_status_1_with_the_reason(
    line: CommandLine, sandbox: SandboxClient
) -> None:
    number = line.integration()
    sandbox.set_faults(
        [{"kind": "status", "status": 400, "body": f'{{"message": "bad key {KEY}"}}'}]
    )
    result = line("integrations", "test", number)
    assert (result.exit_code, result.stdout.count("400")) == (1, 3)
    assert "bad key" in result.stdout
    sandbox.set_faults([{"kind": "reset"}])
    result = line("integrations", "test", "--client", 9, "--key", KEY)
    assert result.exit_code == 1
    assert "reset" in result.stdout
    assert "0 of 3 test alerts were taken." in result.stdout


def test_a_test_of_a_wrong_key_shows_pagerdutys_errors(
    line: CommandLine, sandbox: SandboxClient
) -> None:
    sandbox.set_keys([])
    result = line("integrations", "test", "--client", 9, "--key", KEY, "--json")
    assert result.exit_code == 1
    assert '"status_code": 400' in result.stdout
    assert '"error": "http_4xx"' in result.stdout


def test_an_answer_comes_with_what_to_do_wherever_it_is_shown(
    line: CommandLine, sandbox: SandboxClient
) -> None:
    sandbox.set_keys([])
    number = line.integration()
    ingest(line.wiring.context, [an_event()], ())
    sending = claim(line.wiring.context, [1])
    refusal = an_answer(400, response="Invalid routing key")
    record(line.wiring.context, [an_attempt(sending.sendings[0], sending, refusal)])
    for words in (("notifications", "show", 1), ("integrations", "explain", number)):
        assert line(*words).stdout.count(f"What to do: {NEW_KEY}") == 1, words
    # A test knows more: it has tried the other region.
    tested = line("integrations", "test", number).stdout
    assert "No region knows this key. It has to be the Integration Key" in tested
    assert {t["advice"] for t in answers_of(line, number)} == {NEW_KEY}
    assert line.json("notifications", "show", 1)["advice"] == NEW_KEY
    assert line.json("integrations", "explain", number)["advice"] == NEW_KEY
    shown = line.ok("integrations", "explain", number)
    assert f"To see whether it is mended: wallarm-notify integrations test {number}\n" in shown
    line.ok("integrations", "disable", number)
    assert f"{number}; then: wallarm-notify integrations enable {number}\n" in line.ok(
        "integrations", "explain", number
    )


def test_what_was_taken_needs_no_advice(line: CommandLine) -> None:
    number = line.integration()
    assert "What to do" not in line.ok("integrations", "test", number)
    assert "What to do" not in line.ok("integrations", "explain", number)
    assert {t["advice"] for t in answers_of(line, number)} == {None}


def answers_of(line: CommandLine, number: int) -> list[dict[str, Any]]:
    tests: list[dict[str, Any]] = json.loads(line("integrations", "test", number, "--json").stdout)[
        "tests"
    ]
    return tests


def test_a_test_counts_the_seconds_on_a_terminal_and_nowhere_else(
    line: CommandLine, sandbox: SandboxClient
) -> None:
    number = str(line.integration())
    sandbox.set_faults([{"kind": "status", "status": 202, "delay": 1.6}])
    waits = "Waiting for PagerDuty's answers, at most 15 s: 1 s"
    assert waits in on_a_terminal(line, "integrations", "test", number)
    done = line.process("integrations", "test", number)
    assert done.returncode == 0
    (announced,) = done.stderr.splitlines()
    assert announced.startswith("Sends 3 alerts to PagerDuty (US) by the key ")
    assert "Waiting" not in done.stdout


def on_a_terminal(line: CommandLine, *words: str) -> str:
    """Run the real program with standard error on a terminal; return what that shows."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, **line.environment, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [COMMAND, *words], env=environment, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # what Linux says at the end of a terminal
            while chunk := os.read(ours, 4096):
                shown += chunk
        assert process.wait(60) == 0
    os.close(ours)
    return shown.decode()


def test_disable_and_enable_show_what_was_not_sent_and_how_to_send_it(line: CommandLine) -> None:
    number = line.integration("--subscribe", "security_issue,system")
    ingest(line.wiring.context, [an_event(), an_event()], ())
    output = line.ok("integrations", "disable", number, "--user", "ann", "--reason", "holiday")
    assert "2 waiting notifications cancelled, 1 system subscriber told, itself last" in output
    shown = line.json("integrations", "show", number)
    assert (shown["enabled"], shown["disabled_by"], shown["disabled_reason"]) == (
        False,
        "ann",
        "holiday",
    )
    ingest(line.wiring.context, [an_event()], ())
    output = line.ok("integrations", "enable", number)
    assert f"wallarm-notify notifications replay --integration {number} --ended-since" in output
    assert "3 notifications not delivered since" in output
    assert "1 skipped, 2 cancelled" in output


def test_disable_and_enable_in_json(line: CommandLine) -> None:
    number = line.integration()
    off = line.json("integrations", "disable", number)
    assert (off["enabled"], off["told"], off["cancelled"], off["last_notification"]) == (
        False,
        0,
        0,
        False,
    )
    on = line.json("integrations", "enable", number)
    assert (on["enabled"], on["unsent"]) == (True, {"skipped": 0, "cancelled": 0, "failed": 0})
    assert set(on) == FIELDS | {"unsent", "unsent_by_severity", "unsent_since"}


def test_disabling_a_disabled_and_enabling_an_enabled_integration_are_refused(
    line: CommandLine,
) -> None:
    number = line.integration()
    assert "is enabled already" in line.refusal("integrations", "enable", number)
    line.ok("integrations", "disable", number)
    assert "is disabled already" in line.refusal("integrations", "disable", number)


def test_an_end_of_a_disabling_is_shown_wherever_the_state_is(line: CommandLine) -> None:
    number = line.integration("--name", "Nights", "--subscribe", "system")
    output = line.ok("integrations", "disable", number, "--until", DAY)
    end = f"{DAY} 00:00:00Z"
    assert output.startswith(f"Integration {number} is disabled until {end}; 0 waiting")
    assert re.search(
        rf"^State +disabled until {end} *$", line.ok("integrations", "show", number), re.MULTILINE
    )
    explained = line.ok("integrations", "explain", number)
    assert re.search(rf"^State +disabled until {end} *$", explained, re.MULTILINE)
    assert re.search(rf"^It was disabled by .*Z, until {end}\.$", explained, re.MULTILINE)
    listed = re.sub(r" +", " ", line.ok("integrations", "list"))
    assert all(word in listed for word in ("disabled", "until", DAY, "00:00:00Z"))
    (one,) = line.json("integrations", "list")["items"]
    assert one["disabled_until"] == f"{DAY}T00:00:00+00:00"
    assert line.json("integrations", "show", number)["disabled_until"] == one["disabled_until"]
    assert line.json("integrations", "enable", number)["disabled_until"] is None


def test_a_disabling_is_given_another_end_or_none(line: CommandLine) -> None:
    number = line.integration()
    first = line.json("integrations", "disable", number, "--until", "2h")["disabled_until"]
    ahead = datetime.fromisoformat(first) - datetime.now(UTC)
    assert timedelta(hours=2) - timedelta(minutes=2) < ahead <= timedelta(hours=2)
    zoned = line.json("integrations", "disable", number, "--until", f"{DAY}T03:00+03:00")
    assert zoned["disabled_until"] == f"{DAY}T00:00:00+00:00"
    assert line.json("integrations", "disable", number)["disabled_until"] is None
    assert "is disabled already" in line.refusal("integrations", "disable", number)


@pytest.mark.parametrize(
    ("until", "sentence"),
    [
        ("09:30", "until: «09:30» is no time with a date; give one as 2026-03-01T09:30, in UTC"),
        ("tomorrow", "until: «tomorrow» is no time with a date; "),
        ("", "until: «» is no time with a date; "),
        ("9999-12-31T23:00-05:00", "until: «9999-12-31T23:00-05:00» is no time with a date; "),
        ("999999999w", "until: «999999999w» is no time with a date; "),
        ("2020-01-01", "until: 2020-01-01 00:00 UTC is past; it is 20"),
        ("9999-12-31", "until: 9999-12-31 00:00 UTC is more than a year ahead; "),
        ("0s", "is past; it is 20"),
    ],
)
@pytest.mark.parametrize("things", ["integrations", "triggers"])
def test_an_end_that_is_no_time_to_come_is_refused_with_a_sentence(
    line: CommandLine, things: str, until: str, sentence: str
) -> None:
    number = line.integration()
    rule = ("--condition", "user_created", "--integration", number)
    line.ok("triggers", "create", "--client", 1, *rule)
    assert sentence in line.refusal(things, "disable", 1, "--until", until)
    assert line.json(things, "show", 1)["enabled"] is True


def test_delete_cannot_be_undone(line: CommandLine) -> None:
    number = line.integration("--subscribe", "system")
    deleted = line.json("integrations", "delete", number, "--yes")
    assert deleted == {
        "id": number,
        "deleted": True,
        "told": 1,
        "cancelled": 0,
        "last_notification": True,
        "triggers": [],
    }
    for command in ("show", "enable", "disable", "delete", "test"):
        assert "There is no integration" in line.refusal("integrations", command, number)
    assert f"Integration {line.integration()} is deleted" in line.ok(
        "integrations", "delete", 2, "--yes"
    )


@pytest.mark.parametrize("piped", ["", "n\n", "y\n"], ids=repr)
@pytest.mark.parametrize(
    "words",
    [
        "integrations delete 1",
        "triggers delete 1",
        "notifications replay --integration 1 --state failed",
    ],
)
def test_what_cannot_be_undone_is_refused_where_nobody_can_be_asked(
    line: CommandLine, words: str, piped: str
) -> None:
    integration = line.integration()
    line.ok(
        "triggers", "create", "--client", 1, "--condition", "user_created",
        "--integration", integration,
    )  # fmt: skip
    ingest(line.wiring.context, [an_event()], [])
    line.end_all("failed")
    result = line(*words.split(" "), stdin=piped)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Nobody can be asked here. To do it, add --yes." in result.stderr
    assert len(line.json("integrations", "list")["items"]) == 1
    assert len(line.json("triggers", "list")["items"]) == 1
    states = {n["state"] for n in line.json("notifications", "list")["items"]}
    assert states == {"failed"}


def has_ended(process: subprocess.Popen[bytes], terminal: int, answer: bytes) -> bool:
    """Wait for the program, and answer again where it goes on to wait, as people do.

    Python sees a Ctrl-C that came just before it read only with the next key, and one within a destructor never. It is
    not pressed again soon: it would kill a program that is about to end.
    """
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
        return True
    os.write(terminal, answer)
    return False


def asked_on_a_terminal(line: CommandLine, answer: str, *words: str) -> tuple[str, int]:
    """Run the real program on a terminal, answer once it asks; return what it showed until then, and its status."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *words],
        env={**os.environ, **line.environment, "COLUMNS": "100"},
        stdin=theirs, stdout=theirs, stderr=theirs,
        preexec_fn=lambda: os.login_tty(theirs),  # noqa: PLW1509 - no threads of ours hold locks
    )  # fmt: skip
    output = ""
    while "[y/N]" not in output:
        output += os.read(ours, 1000).decode()
    os.write(ours, answer.encode())
    eventually(lambda: has_ended(process, ours, answer.encode()), 60)
    os.close(ours)
    os.close(theirs)
    return output, process.returncode


@pytest.mark.parametrize(("answer", "status"), [("n\n", 1), ("y\n", 0), ("\x04", 1), ("\x03", 130)])
def test_delete_asks_on_a_terminal(line: CommandLine, answer: str, status: int) -> None:
    number = line.integration()
    _, ended = asked_on_a_terminal(line, answer, "integrations", "delete", str(number))
    assert ended == status
    left = line.json("integrations", "list")["items"]
    assert len(left) == (0 if status == 0 else 1)


@pytest.mark.parametrize(
    ("answer", "replayed"), [("\n", set()), ("n\n", set()), ("y\n", {1, 2, 6})]
)
def test_enable_offers_on_a_terminal_what_is_severe_and_at_most_a_day_old(
    line: CommandLine, answer: str, replayed: set[int]
) -> None:
    number = line.integration("--subscribe", "security_issue")
    line.ok("integrations", "disable", number)
    risks = ["critical", "high", "medium", "low", "critical", "high", "info"]
    for risk in risks:
        ingest(line.wiring.context, [an_event(risk=risk)], ())
    line.sql("UPDATE notifications SET created_at = now() - interval '23 hours' WHERE id = 6")
    line.sql("UPDATE notifications SET created_at = now() - interval '25 hours' WHERE id = 5")
    output, status = asked_on_a_terminal(line, answer, "integrations", "enable", str(number))
    assert status == 0
    assert "Send the 3 critical and error ones of the last 24 h now? [y/N]" in output
    rows = [row.split() for row in output.splitlines()]
    assert ["critical", "1", "0", "1"] in rows
    assert ["error", "1", "1", "0"] in rows
    assert ["info", "2", "0", "0"] in rows
    pending = line.json("notifications", "list", "--state", "pending")["items"]
    assert {n["id"] for n in pending} == replayed


def test_enable_offers_nothing_on_a_terminal_where_nothing_severe_was_missed(
    line: CommandLine,
) -> None:
    number = line.integration("--subscribe", "security_issue")
    line.ok("integrations", "disable", number)
    ingest(line.wiring.context, [an_event(risk="low")], ())
    output = on_a_terminal(line, "integrations", "enable", str(number))
    assert "[y/N]" not in output


def test_a_hidden_prompt_takes_the_key_on_a_terminal(line: CommandLine) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "integrations", "create", "--client", "1", "--key", "-", "--user", "ann"],
        env={**os.environ, **line.environment},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    output = ""
    while "Integration key:" not in output:
        output += os.read(ours, 1000).decode()
    os.write(ours, f"{KEY}\n".encode())
    assert process.wait(20) == 0
    output += eventually(lambda: os.read(ours, 10_000)).decode()
    os.close(ours)
    os.close(theirs)
    line.outputs.append(output)
    assert MASKED in output


def test_stored_text_is_shown_as_text_without_control_characters(line: CommandLine) -> None:
    name = "[bold red]x[/] :smile: \x1b[31m\u202e\u009b"
    number = line.integration()
    line.sql(f"UPDATE integrations SET name = '{name}'".replace(":", r"\:"))
    for words in (("list",), ("show", number)):
        output = line.ok("integrations", *words)
        assert "[bold" in output
        assert ":smile:" in output
        assert not {"\x1b", "\u202e", "\u009b"} & set(output)
    raw = line.ok("integrations", "show", number, "--json")
    assert not {"\x1b", "\u202e", "\u009b"} & set(raw)
    assert line.json("integrations", "show", number)["name"] == name


def test_hours_count_what_became_of_its_notifications(line: CommandLine) -> None:
    integration = line.integration()
    line("integrations", "disable", integration)
    ingest(line.wiring.context, [an_event(), an_event()], ())
    document = line.json("integrations", "hours", integration, "--since", "3h")
    assert document["next"] is None
    assert len(document["items"]) == 4
    *before, last = document["items"]
    assert sum(hour["skipped"] for hour in (before[-1], last)) == 2
    assert list(last) == ["hour", "delivered", "failed", "skipped", "cancelled"]
    shown = line.ok("integrations", "hours", integration, "--since", "3h")
    assert [word in shown for word in ("Hour", "Delivered", "Failed", "Skipped", "Cancelled")]
    assert len([row for row in shown.splitlines() if ":00:00Z" in row]) == 4
