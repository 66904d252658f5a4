"""``wallarm-notify integrations drill`` against the sandbox, and what lists show of it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entrypoints.command_line import KEY, MASKED
from entrypoints.test_cli_failure_ratio import measured
from wallarm_notify.domain.drill import LastDrill
from wallarm_notify.domain.integration import Integration
from wallarm_notify.entrypoints.cli.drills import proof_words
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.sandbox.server import Sandbox
from wallarm_notify.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrypoints.command_line import CommandLine


@pytest.fixture
def eu(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxClient]:
    """Another PagerDuty, that of the EU region."""
    with Sandbox() as server:
        monkeypatch.setenv("WALLARM_NOTIFY_PAGERDUTY_EU_URL", server.url)
        settings.cache_clear()
        yield SandboxClient(server.url)


def test_a_drill_proves_key_and_way_and_opens_nothing(
    line: CommandLine, sandbox: SandboxClient
) -> None:
    number = line.integration()
    output = line.ok("integrations", "drill", number)
    assert output.startswith(
        "Proven: PagerDuty (US) took a resolve by the key of integration 1 (202)."
    )
    assert "It does not prove that somebody is on call." in output
    (request,) = sandbox.requests(KEY)
    assert request["body"]["event_action"] == "resolve"
    assert (sandbox.alerts(), sandbox.counts()["dropped"]) == ([], 1)
    assert line.json("ledger")["balanced"]


def test_a_wrong_key_is_shown_with_the_region_that_knows_it(
    line: CommandLine, sandbox: SandboxClient, eu: SandboxClient
) -> None:
    sandbox.set_keys([])
    number = line.integration()
    result = line("integrations", "drill", number)
    assert result.exit_code == 1
    assert "Not proven: PagerDuty (US) took no resolve" in result.stdout
    assert "400 Invalid routing key" in result.stdout
    assert (
        f"This key works in the EU region: wallarm-notify integrations update {number} --region eu"
        in (result.stdout)
    )
    assert (sandbox.alerts(), eu.alerts()) == ([], [])
    line.ok("integrations", "update", number, "--region", "eu")
    assert line.json("integrations", "drill", number)["passed"]


def test_a_key_that_no_region_knows_is_no_reason_to_change_the_region(
    line: CommandLine, sandbox: SandboxClient, eu: SandboxClient
) -> None:
    for region in (sandbox, eu):
        region.set_keys([])
    result = line("integrations", "drill", line.integration())
    assert result.exit_code == 1
    assert "works in" not in result.stdout
    assert "Use our API directly" in result.stdout


def test_a_test_says_before_it_sends_that_it_may_page_and_how_to_close(
    line: CommandLine, sandbox: SandboxClient
) -> None:
    number = line.integration()
    result = line("integrations", "test", number)
    assert result.stderr == (
        f"Sends 3 alerts to PagerDuty (US) by the key {MASKED}; may page whoever is on call; --resolve closes them at "
        "once.\n"
    )
    assert {alert["status"] for alert in sandbox.alerts()} == {"triggered"}
    result = line("integrations", "test", number, "--resolve")
    assert "may page whoever is on call; they are closed at once." in result.stderr
    assert result.stdout.endswith("3 of 3 were closed again.\n")
    assert [alert["status"] for alert in sandbox.alerts()] == ["triggered"] * 3 + ["resolved"] * 3
    assert line.json("integrations", "test", number, "--resolve")["closed"] == 3


def test_a_test_that_does_not_begin_announces_nothing(line: CommandLine) -> None:
    assert line.refusal("integrations", "test", 99) == "There is no integration 99."


def test_a_test_of_an_unknown_key_says_which_region_knows_it_or_what_kind_it_has_to_be(
    line: CommandLine, sandbox: SandboxClient, eu: SandboxClient
) -> None:
    sandbox.set_keys([])
    unsaved = ("integrations", "test", "--client", 9, "--key", KEY)
    result = line(*unsaved)
    assert result.exit_code == 1
    assert "This key works in the EU region: --region eu\n" in result.stdout
    assert (
        "integrations update 1 --region eu"
        in line("integrations", "test", line.integration()).stdout
    )
    assert eu.alerts() == []
    eu.set_keys([])
    assert "Use our API directly" in line(*unsaved).stdout
    failed = line(*unsaved, "--json")
    assert '"works_in_region": null' in failed.stdout


def test_lists_have_a_column_for_proofs_once_something_was_drilled(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = line.integration(), line.integration()
    monkeypatch.setenv("COLUMNS", "80")
    assert "proven" not in line.ok("integrations", "list")
    line.ok("integrations", "drill", first)
    listed = line.ok("integrations", "list")
    assert "───" in listed
    assert [w for w in listed.split() if w in ("just", "now")] == ["just", "now"]
    assert "Last proven" in line.ok("integrations", "show", first)
    assert "Last proven" not in line.ok("integrations", "show", second)
    one, other = line.json("integrations", "list")["items"]
    assert one["last_drill"]["passed"]
    assert one["proven_at"]
    assert (other["last_drill"], other["proven_at"]) == (None, None)


def test_metrics_have_proofs(line: CommandLine, sandbox: SandboxClient) -> None:
    assert "oldest_proof_seconds" not in measured(line.ok("metrics"))
    line.ok("integrations", "drill", line.integration())
    sandbox.set_faults([{"kind": "status", "status": 500}])
    line("integrations", "drill", line.integration())
    found = measured(line.ok("metrics"))
    assert 0 <= found["oldest_proof_seconds"] < 60
    assert found["drills_failed"] == 1


TASK = "from tasks import upkeep; print(upkeep.drill.run())"


@pytest.mark.parametrize(
    ("hours", "words"),
    [("6", "1 integration proven, 0 failed"), ("0", "0 integrations proven, 0 failed")],
)
def test_the_task_of_beat_drills_what_is_due_where_an_interval_is_set(
    line: CommandLine, sandbox: SandboxClient, hours: str, words: str
) -> None:
    line.integration()
    done = subprocess.run(
        [sys.executable, "-c", TASK],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **line.environment, "WALLARM_NOTIFY_DRILL_HOURS": hours},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"{words}\n"
    assert [r["body"]["event_action"] for r in sandbox.requests(KEY)] == ["resolve"] * (
        hours == "6"
    )


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("proven", "error", "words"),
    [
        (None, "http_4xx", "never; the last drill failed"),
        (timedelta(seconds=59), None, "just now"),
        (timedelta(minutes=1), None, "1 min ago"),
        (timedelta(hours=3, minutes=59), None, "3 h ago"),
        (timedelta(days=2, hours=5), "timeout", "2 d ago; the last drill failed"),
    ],
)
def test_how_long_ago_something_was_proven_is_shown_in_its_greatest_unit(
    proven: timedelta | None, error: str | None, words: str
) -> None:
    shown = Integration(
        1, 1, "SOC", "us", "efXY", (), True, "Ann", NOW,
        proven_at=None if proven is None else NOW - proven,
        last_drill=LastDrill(NOW, None if error else 202, error),
    )  # fmt: skip
    assert proof_words(shown, NOW) == words
