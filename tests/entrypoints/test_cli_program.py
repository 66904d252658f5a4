"""The program around the commands: help, settings, signals, pipes, exit statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import click
import pytest

from entrypoints.command_line import COMMAND
from wallarm_notify.entrypoints.cli import cli
from wallarm_notify.sandbox.client import SandboxClient
from wallarm_notify.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.server import Sandbox


def every_command(group: click.Group = cli, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from every_command(command, *path, name)


IMPORTS = """
import sys
from wallarm_notify.entrypoints import cli
try:
    cli.cli({words!r})
finally:
    print(*sorted({modules!r} & sys.modules.keys()), file=sys.stderr)
"""


MODULES: Final = {
    *("aiohttp", "alembic", "celery", "certifi", "cryptography", "fastapi", "flower", "kombu"),
    *("pycurl", "redis", "requests", "rich", "sqlalchemy", "tornado", "urllib3"),
}
"""What takes long to import."""


def imported_by(words: Sequence[str], status: int, environment: Mapping[str, str]) -> set[str]:
    """Run a command in a process of its own, which ends with ``status``; return which of MODULES it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS.format(words=list(words), modules=MODULES)],
        env={n: v for n, v in os.environ.items() if not n.startswith("WALLARM_NOTIFY_")}
        | dict(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--version"], 0),
        (["cloud-ips"], 0),
        (["ledger", "--help"], 0),
        (["integrations", "list"], 1),
    ],
    ids=str,
)
def test_a_command_waits_for_no_package_that_it_does_not_use(words: list[str], status: int) -> None:
    assert imported_by(words, status, {}) == {"rich"}


@pytest.mark.parametrize(
    "words",
    [
        "activity list",
        "clients list",
        "clients set 1 --name x",
        "events list",
        "events rejected",
        "events undecodable",
        "events set-aside",
        "events ahead",
        "integrations list",
        "ledger",
        "notifications list",
        "tokens list",
        "triggers list",
        "users create --email a@example.com --name A --role developer --client 1",
        "users list",
    ],
)
def test_a_command_that_asks_the_database_waits_for_the_driver_alone(
    line: CommandLine, words: str
) -> None:
    assert imported_by(words.split(), 0, line.environment) == {"rich"}


@pytest.mark.parametrize("path", [(), *every_command()], ids=" ".join)
def test_the_help_of_every_command_shows_an_example(
    bare: CommandLine, path: tuple[str, ...]
) -> None:
    output = bare.ok(*path, "--help")
    example = output.split("Example:")[1]
    assert " ".join(["wallarm-notify", *path]) in example


def test_the_version_is_the_packages(bare: CommandLine) -> None:
    assert bare.ok("--version") == "wallarm-notify 1.0.0\n"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("ledger", "DATABASE_URL"),
        ("db upgrade", "DATABASE_URL"),
        ("integrations test 1", "SECRET_KEYS"),
        ("integrations disable 1", "BROKER_URL"),
        ("notifications replay 1", "BROKER_URL"),
        ("events resubmit 1", "BROKER_URL"),
        ("events emit -", "BROKER_URL"),
    ],
)
def test_a_setting_that_is_missing_is_named(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, words: str, name: str
) -> None:
    monkeypatch.delenv(f"WALLARM_NOTIFY_{name}")
    settings.cache_clear()
    assert line.refusal(*words.split()).startswith(f"WALLARM_NOTIFY_{name} is not set")


def test_a_bad_or_unknown_setting_is_named(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_DATABSE_URL", "x")
    settings.cache_clear()
    result = line("ledger", "--json")
    assert result.exit_code == 0
    assert "did you mean WALLARM_NOTIFY_DATABASE_URL?" in result.stderr
    monkeypatch.delenv("WALLARM_NOTIFY_DATABSE_URL")
    monkeypatch.setenv("WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE", "many")
    settings.cache_clear()
    assert line.refusal("ledger").startswith("WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE: ")


def test_a_database_that_is_down_is_reported_in_one_sentence(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WALLARM_NOTIFY_DATABASE_URL", "postgresql://u:hidden@127.0.0.1:1/x")
    settings.cache_clear()
    for words in (("ledger",), ("db", "upgrade"), ("integrations", "list", "--json")):
        output = line.refusal(*words)
        assert output.startswith("The database does not answer")
        assert "hidden" not in output


def test_a_broker_that_is_down_is_one_sentence_and_the_command_done(line: CommandLine) -> None:
    number = line.integration("--subscribe", "system")
    done = line.process(
        "integrations", "disable", str(number), WALLARM_NOTIFY_BROKER_URL="redis://127.0.0.1:1/0"
    )
    assert (done.returncode, "is disabled" in done.stdout) == (0, True), done.stderr
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(
        "wallarm-notify: warning: the broker did not take what is to be sent ("
    )
    assert "111" in sentence
    assert sentence.endswith("It is stored: the workers send it once the broker takes it.")


def test_the_real_program_prints_only_json_on_standard_output(line: CommandLine) -> None:
    done = line.process("notifications", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"items": [], "next": None, "searched_back_to": None}
    assert line.process("no-such-command").returncode == 2


def test_a_terminal_that_cannot_show_a_character_gets_its_number(line: CommandLine) -> None:
    line.integration()
    done = line.process("integrations", "list", PYTHONIOENCODING="ascii")
    assert (done.returncode, r"\u2026efXY" in done.stdout) == (0, True)


@pytest.mark.parametrize("words", ["events types", "events schema", "cloud-ips --json"])
def test_a_pipe_that_closes_is_quiet(bare: CommandLine, words: str) -> None:
    process = subprocess.Popen(
        [COMMAND, *words.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(20) == 1


def test_a_full_disk_is_reported_in_one_sentence(bare: CommandLine) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [COMMAND, "events", "schema"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode != 0
    assert b"No space left on device [errno 28]: output" in done.stderr
    assert b"Traceback" not in done.stderr


def test_ctrl_c_is_quiet_and_status_130(line: CommandLine) -> None:
    process = subprocess.Popen(
        [COMMAND, "events", "emit", "-"],
        env={**os.environ, **line.environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stderr is not None
    # A refused line is reported once its batch is full, so by then the command is at work.
    process.stdin.write(b"x\n" * 100)
    process.stdin.flush()
    for _ in range(100):
        process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr.read().strip() == b""
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def test_the_sandbox_runs_without_settings_until_ctrl_c(bare: CommandLine) -> None:
    process = subprocess.Popen(
        [COMMAND, "sandbox", "--port", "0", "--rate-limit", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    url = process.stdout.readline().strip()
    assert SandboxClient(url).requests() == []
    assert f"{url}/sandbox/alerts" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.stderr.read() == ""
    process.stdout.close()
    process.stderr.close()


def test_a_port_that_is_taken_is_refused(bare: CommandLine, pagerduty: Sandbox) -> None:
    port = pagerduty.url.rpartition(":")[2]
    assert "cannot listen on 127.0.0.1" in bare.refusal("sandbox", "--port", port)
    assert bare("sandbox", "--port", "70000").exit_code == 2
    assert bare("sandbox", "--rate-limit", "-1").exit_code == 2
