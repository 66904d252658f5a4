"""The checks at a worker's start: where it could not work later it ends with one sentence and status 1."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # publishes no types
import pytest
from build import a_key
from conftest import execute
from sqlalchemy import make_url

from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.processes import celery, run
from wallarm_notify.store import migrations
from wallarm_notify.store.encryption import generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from e2e.system import System

pytestmark = pytest.mark.faults

DATABASE_URL = "WALLARM_NOTIFY_DATABASE_URL"
COMMAND = Path(sys.executable).with_name("wallarm-notify")
CELERY = tuple(celery())

LIMITED = "import os, resource, sys\n{}\nos.execvp(sys.argv[1], sys.argv[1:])"


def limited(limits: Mapping[str, tuple[int, int]], program: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line that runs ``program`` under ``limits`` of the operating system."""
    lines = "\n".join(
        f"resource.setrlimit(resource.RLIMIT_{name}, {both})" for name, both in limits.items()
    )
    return (sys.executable, "-c", LIMITED.format(lines), *program)


def refusal(
    system: System,
    *words: str,
    program: tuple[str, ...] = CELERY,
    limits: Mapping[str, tuple[int, int]] | None = None,
    **environment: str,
) -> str:
    """Return the one sentence of a program that must not start."""
    done = run([*limited(limits or {}, program), *words], system.environ(**environment))
    output = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in output) == (1, False), output
    sentence = output.splitlines()[-1]
    assert sentence.startswith("wallarm-notify: "), output
    assert output.count("wallarm-notify: ") == 1, output
    return sentence.removeprefix("wallarm-notify: ")


def set_for_database(system: System, setting: str) -> None:
    url = system.environment[DATABASE_URL]
    execute(url, f"ALTER DATABASE {make_url(url).database} SET {setting}")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_on_a_database_that_is_not_in_utf_8(
    system: System, make_database: Callable[[str], str], encoding: str
) -> None:
    output = refusal(system, "worker", WALLARM_NOTIFY_DATABASE_URL=make_database(encoding))
    assert output.startswith(f"The database is in the encoding {encoding}, ")


def test_on_a_database_that_is_set_to_be_read_only(system: System) -> None:
    set_for_database(system, "default_transaction_read_only = on")
    output = refusal(system, "worker")
    assert output.startswith("The database takes no changes: default_transaction_read_only is on.")


@pytest.fixture
def replica() -> Iterator[str]:
    """The URL of a migrated database on a server in recovery, as a standby is."""
    settings = {"fsync": "off"}
    with tempfile.TemporaryDirectory(prefix="wn-") as folder:
        Path(folder).chmod(0o755)
        primary, standby = Path(folder) / "primary", Path(folder) / "standby"
        with EmbeddedPostgres(primary, settings=settings) as server:
            migrations.upgrade(server.create_database("notify"))
        shutil.copytree(primary, standby)
        (standby / "standby.signal").touch()
        owner = primary.stat()
        for path in (standby, *standby.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        with EmbeddedPostgres(standby, settings=settings) as server:
            url = make_url(server.url).set(database="notify")
            yield url.render_as_string(hide_password=False)


def test_on_a_read_replica_which_is_good_for_listings_alone(system: System, replica: str) -> None:
    output = refusal(system, "worker", WALLARM_NOTIFY_DATABASE_URL=replica)
    assert output == (
        "The database is a read replica, which takes no changes; WALLARM_NOTIFY_DATABASE_URL has to name the primary; "
        "of several hosts target_session_attrs=read-write finds it."
    )
    assert (
        refusal(
            system, "db", "upgrade", program=(str(COMMAND),), WALLARM_NOTIFY_DATABASE_URL=replica
        )
        == output
    )
    changes = ("clients", "set", "1", "--name", "x")
    output = refusal(system, *changes, program=(str(COMMAND),), WALLARM_NOTIFY_DATABASE_URL=replica)
    assert output.startswith("The database takes no changes: it is a read replica")
    for words in ("ledger", "integrations list", "metrics"):
        done = run([str(COMMAND), *words.split()], system.environ(**{DATABASE_URL: replica}))
        assert done.returncode == 0, done.stderr


def test_on_a_newer_schema_only_if_that_serves_the_program(system: System) -> None:
    url = system.environment[DATABASE_URL]
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    worker = system.start_worker(concurrency=1)
    assert worker.stop() == 0
    execute(url, "UPDATE compatibility SET serves_from = '9999'")
    output = refusal(system, "worker")
    assert "which serves programs from version 9999 on, " in output
    assert output.endswith("install the newer program.")


def test_with_a_secret_key_that_does_not_open_what_is_stored(system: System) -> None:
    integration = system.integration(a_key())
    used, other = system.environment["WALLARM_NOTIFY_SECRET_KEYS"], generate()
    for queues in ("notifications", "retries", "events,notifications,celery,upkeep"):
        output = refusal(system, "worker", "-Q", queues, WALLARM_NOTIFY_SECRET_KEYS=other)
        assert (
            f"WALLARM_NOTIFY_SECRET_KEYS lacks the key under which the key of integration {integration} "
            in output
        )
        assert used not in output
        assert other not in output
    both = f"{other},{used}"
    assert system.start_worker(concurrency=1, WALLARM_NOTIFY_SECRET_KEYS=both).stop() == 0


def test_a_worker_that_sends_nothing_opens_no_key(system: System) -> None:
    system.integration(a_key())
    worker = system.start_worker(
        "-Q", "events,celery,upkeep", concurrency=1, WALLARM_NOTIFY_SECRET_KEYS=generate()
    )
    assert worker.stop() == 0


STAND_INS = {
    "eventlet/__init__.py": "def monkey_patch(): pass",
    "eventlet/debug.py": "",
    "greenlet.py": "class GreenletExit(BaseException): pass",
    "gevent/__init__.py": "",
    "gevent/monkey.py": "def patch_all(): pass",
    "gevent/signal.py": "",
}


@pytest.mark.parametrize("pool", ["eventlet", "gevent"])
def test_with_green_threads_where_their_library_is_installed(
    system: System, tmp_path: Path, pool: str
) -> None:
    """The libraries are as much of them as Celery needs before it makes a worker."""
    for name, text in STAND_INS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    output = refusal(system, "worker", "-P", pool, PYTHONPATH=path)
    assert output.startswith(f"-P {pool}: ")
    assert "Use -P prefork, threads, solo;" in output


def test_without_a_temporary_folder_that_can_be_written_to(system: System) -> None:
    output = refusal(system, "worker", limits={"FSIZE": (0, 0)})
    assert output.startswith(
        "No temporary folder can be written to (No usable temporary directory found in "
    )
    assert "[errno 2]" in output


IN_A_CONTAINER = (
    "unshare",
    *(() if os.geteuid() == 0 else ("--user", "--map-root-user")),
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs -o ro none /dev/shm && exec "$@"',
    "sh",
)
"""The beginning of a command that runs with a read-only /dev/shm: as root, or in a user namespace."""


def test_without_semaphores_but_only_where_processes_need_them(system: System) -> None:
    output = refusal(system, "worker", program=(*IN_A_CONTAINER, *CELERY))
    assert output.startswith(
        "No semaphore can be made (Read-only file system [errno 30]); /dev/shm "
    )
    output = refusal(
        system,
        "worker",
        "-P",
        "threads",
        program=(*IN_A_CONTAINER, *CELERY),
        limits={"FSIZE": (0, 0)},
    )
    assert output.startswith("No temporary folder ")


@pytest.mark.parametrize("words", [("-c", "2"), ("--autoscale", "2,1")])
def test_with_too_few_open_files_allowed(system: System, words: tuple[str, ...]) -> None:
    output = refusal(system, "worker", *words, limits={"NOFILE": (256, 900)})
    assert output.startswith(
        "A process of this worker may need 948 open files, and at most 900 are allowed."
    )


def test_the_limit_of_open_files_is_raised_where_that_is_allowed(system: System) -> None:
    command = (*CELERY, "worker", "-c", "2", "-l", "INFO", "-n", "limited@test")
    worker = system.start("limited", limited({"NOFILE": (256, 2000)}, command))
    worker.wait_for(" ready.")
    parent = psutil.Process(worker.popen.pid)
    family = [parent, *parent.children()]
    assert len(family) == 3
    for process in family:
        assert process.rlimit(psutil.RLIMIT_NOFILE) == (948, 2000)
    assert worker.stop() == 0


def test_few_open_files_are_enough_for_a_worker_that_does_not_send(system: System) -> None:
    words = ("worker", "-c", "1", "-l", "INFO", "-n", "limited@test", "-Q", "events,upkeep")
    worker = system.start("limited", limited({"NOFILE": (120, 120)}, (*CELERY, *words)))
    worker.wait_for(" ready.")
    assert worker.stop() == 0
