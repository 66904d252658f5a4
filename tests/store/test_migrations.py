from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.store import Store, migrations
from wallarm_notify.store.connection import make_engine
from wallarm_notify.store.migrations.compatibility import fault_of
from wallarm_notify.store.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Callable


def shape(url: str) -> tuple[object, ...]:
    """Everything the catalogue says of columns, indexes and constraints."""
    engine = make_engine(url, pool_size=0)
    with engine.connect() as connection:
        return tuple(
            tuple(connection.exec_driver_sql(question).fetchall())
            for question in (
                """SELECT table_name, column_name, data_type, is_nullable, column_default
                   FROM information_schema.columns WHERE table_schema = 'public'
                     AND table_name <> 'alembic_version' ORDER BY 1, 2""",
                """SELECT tablename, indexname, indexdef FROM pg_indexes
                   WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2""",
                """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
                   FROM pg_constraint WHERE connamespace = 'public'::regnamespace
                     AND conrelid::regclass::text <> 'alembic_version' ORDER BY 1, 2""",
                "SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL ORDER BY 1",
            )
        )


def test_migrations_make_the_tables(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=0)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_migrated_or_made_from_the_tables_the_catalogue_says_the_same(
    database_url: str, empty_database: str
) -> None:
    engine = make_engine(empty_database, pool_size=0)
    metadata.create_all(engine)
    assert shape(empty_database) == shape(database_url)


def test_upgrading_twice_is_upgrading_once(empty_database: str) -> None:
    newest = migrations.newest()
    assert migrations.upgrade(empty_database) == (None, newest)
    before = shape(empty_database)
    assert migrations.upgrade(empty_database) == (newest, newest)
    assert shape(empty_database) == before


def test_attempts_recorded_before_the_failure_ratio_are_kept_and_outside_of_it(
    empty_database: str,
) -> None:
    engine = make_engine(empty_database, pool_size=0)
    with engine.begin() as connection:
        command.upgrade(migrations._config(connection), "0001")
        connection.exec_driver_sql(
            """INSERT INTO notifications (client_id, integration_id, event_id, origin, severity, state,
                   disablings, due_at) VALUES (1, 7, gen_random_uuid(), 'card', 0, 'delivered', 0, now())"""
        )
        connection.exec_driver_sql(
            """INSERT INTO attempts (notification_id, claim, run, number, at, duration_ms, response)
               SELECT n, 1, 1, 1, now(), 1, '' FROM (VALUES (1), (4711)) v (n)"""
        )
    assert migrations.upgrade(empty_database) == ("0001", migrations.newest())
    with engine.connect() as connection:
        asked = "SELECT notification_id, integration_id, generation FROM attempts ORDER BY 1"
        rows = connection.exec_driver_sql(asked).fetchall()
    assert [tuple(row) for row in rows] == [(1, 7, None), (4711, 0, None)]


REVISIONS = [
    script.revision
    for script in reversed(list(ScriptDirectory.from_config(migrations._config()).walk_revisions()))
]


def test_revisions_are_numbers_that_grow_from_each_to_the_next() -> None:
    assert [int(revision) for revision in REVISIONS] == sorted({int(r) for r in REVISIONS})


@pytest.mark.parametrize("older", REVISIONS[:-1])
def test_an_upgrade_from_any_older_revision_makes_the_same_and_says_whom_it_serves(
    empty_database: str, database_url: str, older: str
) -> None:
    engine = make_engine(empty_database, pool_size=0)
    with engine.begin() as connection:
        command.upgrade(migrations._config(connection), older)
    store = Store(engine)
    with pytest.raises(
        Unavailable, match=f"is at version {older}, .* run: wallarm-notify db upgrade"
    ):
        store.check()
    assert migrations.upgrade(empty_database) == (older, migrations.newest())
    assert shape(empty_database) == shape(database_url)
    store.check()
    with engine.connect() as connection:
        (oldest,) = connection.exec_driver_sql("SELECT serves_from FROM compatibility").scalars()
    assert oldest in REVISIONS


NEXT = """
from alembic import op

revision = "9000"
down_revision = "{newest}"


def upgrade() -> None:
    op.execute("CREATE TABLE of_tomorrow ()")
    op.execute("{breaks}")
"""


def upgrade_as_a_newer_program(url: str, folder: Path, breaks: str) -> None:
    """By all our migrations, and one more that does ``breaks`` too."""
    newest = migrations.newest()
    (folder / "9000_next.py").write_text(NEXT.format(newest=newest, breaks=breaks))
    ours = Path(migrations.__file__).parent / "versions"
    with make_engine(url, pool_size=0, bounded=False).begin() as connection:
        config = migrations._config(connection)
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", f"{ours}\n{folder}")
        command.upgrade(config, "head")


def test_a_newer_schema_that_serves_this_program_is_worked_with(
    empty_database: str, tmp_path: Path
) -> None:
    upgrade_as_a_newer_program(empty_database, tmp_path, "SELECT")
    store = Store(make_engine(empty_database, pool_size=0))
    store.check()
    assert store.transact(lambda tx: tx.undecodable_count()) == 0
    assert migrations.upgrade(empty_database) == ("9000", "9000")


def test_a_newer_schema_that_does_not_is_refused_and_the_newer_program_named(
    empty_database: str, tmp_path: Path
) -> None:
    breaks = "UPDATE compatibility SET serves_from = '9000'"
    upgrade_as_a_newer_program(empty_database, tmp_path, breaks)
    said = (
        "The database is at version 9000, which serves programs from version 9000 on, and this one is of "
        f"version {migrations.newest()}; install the newer program."
    )
    with pytest.raises(Unavailable, match=f"^{re.escape(said)}$"):
        Store(make_engine(empty_database, pool_size=0)).check()
    with pytest.raises(Unavailable, match=f"^{re.escape(said)}$"):
        migrations.upgrade(empty_database)


@pytest.mark.parametrize(
    ("revision", "serves_from", "words"),
    [
        ("0012", "0012", None),
        ("0012", "9999", None),
        (None, None, "is empty, this program needs version 0012; run: wallarm-notify db upgrade"),
        ("0011", "0001", "is at version 0011, this program needs version 0012; run: "),
        ("0013", "0012", None),
        ("0013", "0001", None),
        ("10000", "0012", None),
        ("0013", "0013", "serves programs from version 0013 on, and this one is of version 0012; "),
        ("10000", "9999", "serves programs from version 9999 on"),
        ("0013", None, "does not know; install the program that upgraded it"),
        ("0013", "nonsense", "does not know; install the program that upgraded it"),
        ("8f3b", "0001", "does not know; install the program that upgraded it"),
        ("", "", "does not know; install the program that upgraded it"),
    ],
)
def test_what_a_schema_says_is_held_against_what_the_program_knows(
    revision: str | None, serves_from: str | None, words: str | None
) -> None:
    fault = fault_of(revision, serves_from, "0012")
    assert (fault is None) == (words is None)
    assert words is None or words in str(fault)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
def test_only_a_database_in_utf_8_is_upgraded(
    make_database: Callable[[str], str], encoding: str
) -> None:
    url = make_database(encoding)
    with pytest.raises(Unavailable, match=f"is in the encoding {encoding}, .* has to be UTF8"):
        migrations.upgrade(url)
    with make_engine(url, pool_size=0).connect() as connection:
        assert migrations.current(connection) is None


def test_an_outage_from_before_there_were_regions_was_one_of_both(empty_database: str) -> None:
    engine = make_engine(empty_database, pool_size=0)
    with engine.begin() as connection:
        command.upgrade(migrations._config(connection), "0004")
        connection.exec_driver_sql(
            """INSERT INTO outages (began_at, seen_at, ended_at)
               VALUES ('2026-01-01Z', '2026-01-01Z', '2026-01-02Z'), ('2026-02-01Z', '2026-02-01Z', NULL)"""
        )
    migrations.upgrade(empty_database)
    with engine.connect() as connection:
        asked = "SELECT region, began_at::date::text, ended_at IS NULL FROM outages ORDER BY 1, 2"
        rows = [tuple(row) for row in connection.exec_driver_sql(asked).fetchall()]
    assert rows == [
        ("eu", "2026-01-01", False),
        ("eu", "2026-02-01", True),
        ("us", "2026-01-01", False),
        ("us", "2026-02-01", True),
    ]


def test_two_upgrades_at_once_wait_for_each_other(empty_database: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        befores = [before for before, _ in pool.map(migrations.upgrade, [empty_database] * 2)]
    assert sorted(befores, key=str) == sorted([None, migrations.newest()], key=str)


def test_a_database_that_is_not_migrated_is_told_from_one_that_is(
    empty_database: str, database_url: str
) -> None:
    empty, ready = (Store(make_engine(url, pool_size=0)) for url in (empty_database, database_url))
    with pytest.raises(
        Unavailable, match=r"The database is empty, .* run: wallarm-notify db upgrade"
    ):
        empty.check()
    with pytest.raises(Unavailable, match="has not been migrated to this version"):
        empty.transact(lambda tx: tx.undecodable_count())
    ready.check()
    with make_engine(database_url, pool_size=0).begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(Unavailable, match="The database is at version 0000"):
        ready.check()


def test_a_server_that_is_away_cannot_be_migrated() -> None:
    with pytest.raises(Unavailable, match="The database does not answer"):
        migrations.upgrade("postgresql://127.0.0.1:1/nothing")
