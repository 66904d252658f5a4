"""``wallarm-notify up``: all of it is there, works, ends in order, and comes again with what it had."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # publishes no types
import pytest
import redis
import requests
from build import a_key, eventually
from rich.console import Console

from entrypoints.command_line import COMMAND
from wallarm_notify.bootstrap import context_of
from wallarm_notify.devstack.kept_servers import CONTENTS, kept_servers
from wallarm_notify.devstack.processes import CannotStart
from wallarm_notify.devstack.stack import quietly
from wallarm_notify.entrypoints import local_installation
from wallarm_notify.entrypoints.cli.up import print_of
from wallarm_notify.entrypoints.local_installation import RESTARTS_AFTER, is_started_again
from wallarm_notify.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from entrypoints.command_line import CommandLine
    from wallarm_notify.sandbox.client import SandboxClient
    from wallarm_notify.sandbox.server import Sandbox

EVENT = '{"type": "rule.created", "client_id": 1, "rule_id": 7, "name": "Block admin"}'
ADDRESSES = re.compile(r"WALLARM_NOTIFY_BROKER_URL='(.*)'")


@pytest.fixture
def folder(pagerduty: Sandbox) -> Iterator[Path]:
    """A folder that PostgreSQL reaches, with a file of settings that names the sandbox and nothing else."""
    with tempfile.TemporaryDirectory(prefix="wallarm-notify-up-") as made:
        path = Path(made)
        path.chmod(0o711)
        (path / ".env").write_text(
            f"WALLARM_NOTIFY_PAGERDUTY_US_URL={pagerduty.url}\nWALLARM_NOTIFY_PAGERDUTY_EU_URL={pagerduty.url}"
        )
        yield path


def environment(**more: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("WALLARM_")}
    return {**kept, "PYTHONUNBUFFERED": "1", "TERM": "dumb", **more}


@dataclass
class Running:
    """An installation that runs in a folder: its process, and what it has printed so far."""

    process: subprocess.Popen[str]
    folder: Path
    printed: list[str] = field(default_factory=list)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line)

    @property
    def text(self) -> str:
        return "".join(self.printed)

    def says(self, words: str, times: int = 1) -> None:
        """Wait until it has said something so often."""

        def has_printed() -> bool:
            assert self.process.poll() is None, self.text
            return self.text.count(words) >= times

        eventually(has_printed, 120, f"{words} {times} times in:\n{self.text}")

    def command(self, *words: str, stdin: str = "") -> str:
        """Run a command in another terminal, as the first lines say it."""
        (file,) = re.findall(r"export WALLARM_NOTIFY_ENV_FILE=(\S+)", self.text)
        done = subprocess.run(
            [COMMAND, *words],
            env=environment(WALLARM_NOTIFY_ENV_FILE=file),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done
        return done.stdout

    def node(self, name: str) -> psutil.Process:
        """Return the process of a worker's node, which is a child of the installation's."""
        children = psutil.Process(self.process.pid).children()
        (found,) = [one for one in children if f"{name}@%h" in one.cmdline()]
        return found

    def end(self, number: signal.Signals) -> str:
        """End it by a signal; return all that it printed."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> str:
        self.process.wait(120)
        eventually(lambda: self.process.stdout is None or not self.reader.is_alive(), 60, "its end")
        return self.text

    def __post_init__(self) -> None:
        self.reader = Thread(target=self.read, daemon=True)
        self.reader.start()


@contextmanager
def installation(folder: Path) -> Iterator[Running]:
    """Yield one that has begun, in a folder whose path is given relative to the current one."""
    with subprocess.Popen(
        [COMMAND, "up", "--port", "0", "--flower-port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(TMPDIR=str(folder)),
    ) as process:
        try:
            yield Running(process, folder)
        finally:
            process.kill()


@pytest.mark.timeout(600)
@pytest.mark.faults
def test_one_command_runs_all_of_it_and_the_next_time_with_what_there_was(
    folder: Path, sandbox: SandboxClient, stray: Callable[[], list[str]]
) -> None:
    with installation(folder) as first:
        first.says("All parts run.")
        settings = folder / ".env"
        assert settings.stat().st_mode & 0o777 == 0o600
        assert settings.read_text().count("\nWALLARM_NOTIFY_SECRET_KEYS='") == 1
        made = settings.read_text()
        # Its output is kept by others: a link is made by a command.
        assert "/sign-in/" not in first.text
        made_link = first.command("users", "sign-in", "operator@localhost")
        (link,) = re.findall(r"http://\S+/sign-in/\S+", made_link)
        assert "Sign in" in requests.get(link, timeout=30).text
        (flower,) = re.findall(r"^Flower: (\S+)", first.text, re.MULTILINE)
        assert requests.get(f"{flower}/workers", timeout=30).status_code == 200

        refused = subprocess.run(
            [COMMAND, "up", "--port", "0"],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "Another installation uses" in refused.stderr

        create = (
            "integrations",
            "create",
            "--client",
            "1",
            "--key",
            "-",
            "--subscribe",
            "rules_and_triggers",
        )
        first.command(*create, stdin=f"{a_key().reveal()}\n")
        first.command("events", "emit", "-", stdin=EVENT)
        eventually(sandbox.alerts, 60, "an alert")

        first.node("retries").kill()
        first.says("retries ended, killed by signal 9; it is started again.")
        first.says("retries@", 4)
        text = first.end(signal.SIGTERM)
    assert first.process.returncode == 0, text
    assert "Stopped; nothing is left running." in text
    assert "Traceback" not in text
    assert "\x1b" not in text
    eventually(lambda: stray() == [], 60, "nothing is left running")
    assert sorted(one.name for one in folder.iterdir()) == [".env", ".up"]
    (url,) = ADDRESSES.findall((folder / ".up" / "broker.env").read_text())

    with installation(folder) as second:
        second.says("All parts run.")
        assert settings.read_text() == made
        assert ADDRESSES.findall((folder / ".up" / "broker.env").read_text()) == [url]
        assert "Accepted" in second.command("notifications", "list", "--client", "1")
        second.node("first").kill()
        second.says("first ended, killed by signal 9; it is started again.")
        # Soon, or it would count as one that ran.
        second.node("first").kill()
        text = second.wait()
    assert second.process.returncode == 1
    assert "The last lines of first:\n" in text
    assert text.endswith(
        "wallarm-notify: first ended, killed by signal 9, and all else was ended.\n"
    )
    eventually(lambda: stray() == [], 60, "nothing is left running")


@pytest.mark.timeout(300)
@pytest.mark.faults
def test_where_the_database_ends_all_ends_with_its_last_lines(
    folder: Path, stray: Callable[[], list[str]]
) -> None:
    with installation(folder) as running:
        running.says("All parts run.")
        postmaster = int((folder / ".up" / "database" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        text = running.wait()
    assert running.process.returncode == 1
    assert "The last lines of PostgreSQL:\n" in text
    assert text.endswith("PostgreSQL ended, killed by signal 9, and all else was ended.\n")
    eventually(lambda: stray() == [], 60, "nothing is left running")


@pytest.mark.parametrize(
    ("was_ready", "since_restart", "expected"),
    [
        (True, None, True),
        (False, None, False),
        (True, RESTARTS_AFTER, False),
        (True, RESTARTS_AFTER + timedelta(milliseconds=1), True),
        (False, RESTARTS_AFTER * 2, False),
    ],
)
def test_a_part_is_started_again_if_it_was_ready_and_not_just_started_again(
    was_ready: bool, since_restart: timedelta | None, expected: bool
) -> None:
    assert is_started_again(was_ready=was_ready, since_restart=since_restart) is expected


def test_settings_that_do_not_fit_the_broker_that_is_started_are_named_without_any_value() -> None:
    settings = {
        "WALLARM_NOTIFY_DATABASE_URL": "postgresql://notify:Hidden1@db.example/notify",
        "WALLARM_NOTIFY_BROKER_URL": "redis://:Hidden2@127.0.0.1:6379/0",
        "WALLARM_NOTIFY_EVENTS_QUEUE_TYPE": "quorum",
    }
    with pytest.raises(CannotStart, match="EVENTS_QUEUE_TYPE is quorum") as refused:
        local_installation._settings_of(settings)
    assert "Hidden" not in str(refused.value)


def test_servers_that_settings_name_are_used_and_no_other_is_started(tmp_path: Path) -> None:
    named = {
        "WALLARM_NOTIFY_DATABASE_URL": "postgresql://notify@db.example/notify",
        "WALLARM_NOTIFY_BROKER_URL": "redis://broker.example/0",
    }
    with kept_servers(tmp_path, named, quietly) as servers:
        assert [servers.database_url, servers.broker_url] == list(named.values())
        assert servers.ended() is None
    assert not [name for name in CONTENTS if (tmp_path / name).exists()]


def test_a_broker_keeps_its_messages_its_port_and_its_password_from_one_start_to_the_next(
    folder: Path, database_url: str
) -> None:
    given = {"WALLARM_NOTIFY_DATABASE_URL": database_url}
    urls = []
    for _ in range(2):
        with kept_servers(folder, given, quietly) as servers:
            urls.append(servers.broker_url)
            with redis.Redis.from_url(servers.broker_url) as client:
                client.rpush("events", "one")
                length = client.llen("events")
    assert urls[0] == urls[1]
    assert length == 2


def test_secret_keys_that_were_lost_are_not_replaced_by_others(
    line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.ok("integrations", "create", "--client", 1, "--key", "-", stdin=f"{a_key().reveal()}\n")
    keyless = context_of(read_settings(), keyless=True)
    path = tmp_path / "settings"
    monkeypatch.setenv("WALLARM_NOTIFY_ENV_FILE", str(path))
    with pytest.raises(CannotStart, match="put it back into"):
        local_installation._new_secret_keys(keyless, quietly)
    assert not path.exists()


def test_secret_keys_are_not_made_where_no_file_could_have_them(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyless = context_of(read_settings(), keyless=True)
    monkeypatch.setenv("WALLARM_NOTIFY_ENV_FILE", "none")
    with pytest.raises(CannotStart, match="secrets generate"):
        local_installation._new_secret_keys(keyless, quietly)


@pytest.mark.parametrize(
    ("is_terminal", "no_color", "has_color"),
    [(True, "", True), (True, "1", False), (False, "", False)],
)
def test_each_part_has_a_color_on_a_terminal_that_is_not_asked_to_have_none(
    is_terminal: bool, no_color: str, has_color: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("NO_COLOR", no_color)
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=is_terminal, highlight=False)
    print_of(console, "beat", "\x1b[2Jone [red]line[/red]")
    assert ("\x1b[" in shown.getvalue()) is has_color
    assert r"\x1b[2Jone [red]line[/red]" in shown.getvalue()
