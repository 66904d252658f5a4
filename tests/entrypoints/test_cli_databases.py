"""Commands on databases that they cannot use, or only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from entrypoints.command_line import KEY
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.settings import settings
from wallarm_notify.store.encryption import generate
from wallarm_notify.store.migrations import newest

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.command_line import CommandLine


@pytest.mark.parametrize("words", ["db upgrade", "ledger", "clients set 1 --name x"])
def test_a_newer_database_that_serves_this_program_is_used_and_left_as_it_is(
    line: CommandLine, words: str
) -> None:
    line.sql("UPDATE alembic_version SET version_num = '9999'")
    line.ok(*words.split())
    assert line.json("db", "upgrade") == {"from": "9999", "to": "9999"}


@pytest.mark.parametrize("words", ["db upgrade", "ledger", "clients set 1 --name x"])
def test_a_newer_database_that_serves_only_newer_programs_is_refused(
    line: CommandLine, words: str
) -> None:
    line.sql("UPDATE alembic_version SET version_num = '9999'")
    line.sql("UPDATE compatibility SET serves_from = '9998'")
    output = line.refusal(*words.split())
    assert output == (
        "The database is at version 9999, which serves programs from version 9998 on, and this one is of "
        f"version {newest()}; install the newer program."
    )


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
@pytest.mark.parametrize(
    "words", ["db upgrade", "ledger", "integrations create --client 1 --key - --name 🚀"]
)
def test_a_database_that_cannot_hold_every_text_is_refused(
    line: CommandLine, make_database: Callable[[str], str], encoding: str, words: str
) -> None:
    done = line.process(
        *words.split(), stdin=KEY.encode(), WALLARM_NOTIFY_DATABASE_URL=make_database(encoding)
    )
    assert done.returncode == 1
    (output,) = done.stderr.splitlines()
    assert output.startswith(f"wallarm-notify: The database is in the encoding {encoding}, ")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_every_text_is_stored_in_any_encoding_of_the_environment(
    line: CommandLine, encoding: str
) -> None:
    name = sa.make_url(line.environment["WALLARM_NOTIFY_DATABASE_URL"]).database
    line.sql(f"ALTER DATABASE {name} SET client_encoding = {encoding}")
    line.process("clients", "set", "1", "--name", "José 🚀", PGCLIENTENCODING=encoding)
    assert line.json("clients", "list")["items"][0]["name"] == "José 🚀"


READING = ["ledger", "clients list", "integrations list", "notifications list", "events rejected",
           "triggers list", "metrics", "integrations explain 1"]  # fmt: skip

WRITING = ["clients set 1 --name x", "integrations disable 1", "notifications replay 1",
           "integrations create --client 1 --key -", "secrets rotate", "db upgrade"]  # fmt: skip


def test_listings_work_on_a_database_that_takes_no_changes(
    line: CommandLine, subtests: pytest.Subtests
) -> None:
    line.integration()
    name = sa.make_url(line.environment["WALLARM_NOTIFY_DATABASE_URL"]).database
    line.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    for words in READING:
        with subtests.test(words):
            line.ok(*words.split())
    for words in WRITING:
        with subtests.test(words):
            output = line.refusal(*words.split(), stdin=KEY)
            assert output.startswith("The database takes no changes: ")


def test_after_the_loss_of_the_secret_keys_new_keys_can_be_given_as_documented(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.integration()
    line.integration()
    monkeypatch.setenv("WALLARM_NOTIFY_SECRET_KEYS", generate())
    settings.cache_clear()
    words = ("integrations", "update", 1, "--key", "-")
    assert "WALLARM_NOTIFY_SECRET_KEYS lacks the key" in line.refusal(*words, stdin=KEY)
    line.sql("DELETE FROM installation")
    line.ok(*words, stdin=KEY)
    with pytest.raises(Unavailable, match="the key of integration 2 is stored"):
        line.wiring.store.check_keys()
    line.ok("integrations", "disable", 2)
    line.wiring.store.check_keys()
