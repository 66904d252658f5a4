"""The PostgreSQL that comes in a wheel is a real one, survives a crash, and leaves nothing behind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from chaos.killable import KillablePostgres, is_alive

from devstack.families import connection, family
from wallarm_notify.devstack.postgres import EmbeddedPostgres
from wallarm_notify.devstack.processes import CannotStart

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE = "wallarm-notify-*"


def shared_memory() -> set[str]:
    segments = Path("/proc/sysvipc/shm")
    lines = segments.read_text().splitlines()[1:] if segments.exists() else []
    return {line.split()[1] for line in lines}


def segment_of(postgres: EmbeddedPostgres, temporary: Path) -> str:
    (pid_file,) = temporary.glob(f"{MADE}/data/postmaster.pid")
    return pid_file.read_text().splitlines()[6].split()[-1]


@pytest.fixture(scope="module")
def served() -> Iterator[EmbeddedPostgres]:
    """One with settings, where the temporary directory is closed to others and its path is long."""
    postgres = EmbeddedPostgres(settings={"fsync": "off", "max_connections": "20"})
    with tempfile.TemporaryDirectory(prefix="wn-" + 60 * "x") as directory:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", directory)
            postgres.start()
        yield postgres
        # Root needs to open no closed folder for PostgreSQL, which runs as nobody then.
        assert Path(directory).stat().st_mode & 0o777 == 0o700
        postgres.stop()
        assert not list(Path(directory).iterdir())


def test_postgres_answers_at_its_url_and_leaves_nothing(temporary: Path) -> None:
    with EmbeddedPostgres() as postgres:
        processes = family(postgres.pid)
        assert len(processes) > 1
        with connection(postgres.url) as opened:
            assert opened.scalar(sa.text("SELECT current_user")) == "postgres"
            assert opened.scalar(sa.text("SHOW server_version_num")) >= "180000"
            assert opened.scalar(sa.text("SHOW max_connections")) == "200"
            assert opened.scalar(sa.text("SHOW listen_addresses")) == ""
        assert list(temporary.glob(MADE))
    assert not any(map(is_alive, processes))
    assert not list(temporary.iterdir())


def test_the_sockets_folder_is_its_own_accounts_and_the_path_short_enough(
    served: EmbeddedPostgres,
) -> None:
    host = sa.make_url(served.url).query["host"]
    assert isinstance(host, str)
    assert len(f"{host}/.s.PGSQL.5432.lock") < 100
    # Its superuser needs no password: no other account must reach the socket.
    assert Path(host).stat().st_mode & 0o777 == 0o700


def test_postgres_takes_settings(served: EmbeddedPostgres) -> None:
    with connection(served.url) as opened:
        assert opened.scalar(sa.text("SHOW fsync")) == "off"
        assert opened.scalar(sa.text("SHOW max_connections")) == "20"


def test_a_database_can_be_created(served: EmbeddedPostgres) -> None:
    url = served.create_database("some Name")
    with connection(url) as opened:
        assert opened.scalar(sa.text("SELECT current_database()")) == "some Name"


def test_a_setting_postgres_refuses_is_reported_with_its_words(temporary: Path) -> None:
    with (
        pytest.raises(CannotStart, match='unrecognized configuration parameter "no_such"'),
        EmbeddedPostgres(settings={"no_such": "1"}),
    ):
        pytest.fail("it came up")
    assert not list(temporary.iterdir())


def test_a_killed_postgres_comes_back_with_its_committed_rows(temporary: Path) -> None:
    with KillablePostgres() as postgres:
        url = postgres.url
        with connection(url) as opened:
            opened.execute(sa.text("CREATE TABLE kept AS SELECT 42 AS number"))
        processes = family(postgres.pid)

        postgres.kill()

        assert not any(map(is_alive, processes))
        with pytest.raises(sa.exc.OperationalError), connection(url):
            pytest.fail("it answered")
        postgres.start()
        assert postgres.url == url
        with connection(url) as opened:
            assert opened.scalar(sa.text("SELECT number FROM kept")) == 42
    assert not list(temporary.iterdir())


def test_a_killed_postgres_that_is_stopped_leaves_nothing(temporary: Path) -> None:
    postgres = KillablePostgres()
    postgres.start()
    segment = segment_of(postgres, temporary)
    postgres.kill()
    postgres.stop()
    assert segment not in shared_memory()
    assert not list(temporary.iterdir())


def test_a_given_directory_keeps_postgres_data(temporary: Path) -> None:
    kept = temporary / "kept"
    with EmbeddedPostgres(kept) as postgres, connection(postgres.url) as opened:
        opened.execute(sa.text("CREATE TABLE kept AS SELECT 42 AS number"))
    with EmbeddedPostgres(kept) as postgres, connection(postgres.url) as opened:
        assert opened.scalar(sa.text("SELECT number FROM kept")) == 42
    assert list(temporary.iterdir()) == [kept]


def test_what_a_start_left_half_made_is_made_anew(temporary: Path) -> None:
    kept = temporary / "kept"
    half = temporary / "kept.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("16\n")
    with EmbeddedPostgres(kept) as postgres, connection(postgres.url) as opened:
        assert opened.scalar(sa.text("SELECT 42")) == 42
    assert list(temporary.iterdir()) == [kept]


def test_a_directory_of_something_else_is_refused_and_stays_as_it_is(temporary: Path) -> None:
    kept = temporary / "kept"
    kept.mkdir()
    (kept / "thesis.txt").write_text("mine")
    with pytest.raises(CannotStart, match="something else than a database"):
        EmbeddedPostgres(kept).start()
    assert [one.name for one in kept.iterdir()] == ["thesis.txt"]


def test_ctrl_c_at_a_terminal_does_not_reach_postgres(served: EmbeddedPostgres) -> None:
    assert os.getsid(served.pid) != os.getsid(0)
    assert os.getpgid(served.pid) != os.getpgrp()


def test_a_postgres_that_does_not_run_says_so(served: EmbeddedPostgres) -> None:
    postgres = KillablePostgres()
    for ask in (lambda: postgres.url, lambda: postgres.pid, postgres.kill):
        with pytest.raises(CannotStart, match="start it first"):
            ask()
    postgres.stop()
    with pytest.raises(CannotStart, match="stop it first"):
        served.start()
    with connection(served.url) as opened:
        assert opened.scalar(sa.text("SELECT 1")) == 1
