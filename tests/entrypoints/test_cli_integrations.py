"""``wallarm-notify integrations`` on a real database and a real sandbox."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from build import an_event, eventually

from entrypoints.command_line import COMMAND, KEY, MASKED
from wallarm_notify.services.ingest import ingest

if TYPE_CHECKING:
    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.client import SandboxClient

FIELDS = {
    "id", "client_id", "name", "region", "key", "subscriptions", "enabled", "disabled_by",
    "disabled_at", "disabled_reason", "failed_24h", "created_by", "created_at",
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
    assert line.json("integrations", "list", "--client", 2) == {"items": [], "next": None}


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


def test_update_sets_the_given_options_and_none_subscribes_to_nothing(line: CommandLine) -> None:
    number = line.integration("--subscribe", "system", "--region", "us")
    changed = line.json("integrations", "update", number, "--name", "New", "--region", "eu")
    assert (changed["name"], changed["region"], changed["subscriptions"]) == (
        "New",
        "eu",
        ["system"],
    )
    for none in ("none", ""):
        line.ok("integrations", "update", number, "--subscribe", "system")
        changed = line.json("integrations", "update", number, "--subscribe", none)
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
    assert f"wallarm-notify notifications replay --integration {number} --state skipped" in output
    assert "2 notifications cancelled" in output


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
    assert set(on) == FIELDS | {"unsent", "unsent_since"}


def test_disabling_a_disabled_and_enabling_an_enabled_integration_are_refused(
    line: CommandLine,
) -> None:
    number = line.integration()
    assert "is enabled already" in line.refusal("integrations", "enable", number)
    line.ok("integrations", "disable", number)
    assert "is disabled already" in line.refusal("integrations", "disable", number)


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
    assert f"Integration {line.integration()} is deleted" in line.ok("integrations", "delete", 2)


def has_ended(process: subprocess.Popen[bytes], terminal: int, answer: str) -> bool:
    """Answer a prompt, and again where Ctrl-C came just before the program read: the next key shows it."""
    os.write(terminal, answer.encode())
    with suppress(subprocess.TimeoutExpired):
        process.wait(2)
    return process.poll() is not None


@pytest.mark.parametrize(("answer", "status"), [("n\n", 1), ("y\n", 0), ("\x04", 1), ("\x03", 130)])
def test_delete_asks_on_a_terminal(line: CommandLine, answer: str, status: int) -> None:
    number = line.integration()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "integrations", "delete", str(number)],
        env={**os.environ, **line.environment},
        stdin=theirs, stdout=theirs, stderr=theirs,
        preexec_fn=lambda: os.login_tty(theirs),  # noqa: PLW1509 - no threads of ours hold locks
    )  # fmt: skip
    output = ""
    while "[y/N]" not in output:
        output += os.read(ours, 1000).decode()
    eventually(lambda: has_ended(process, ours, answer), 30)
    assert process.returncode == status
    os.close(ours)
    os.close(theirs)
    left = line.json("integrations", "list")["items"]
    assert len(left) == (0 if status == 0 else 1)


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
