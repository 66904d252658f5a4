"""Commands on databases that they cannot use, or only read."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import click
import pytest
import sqlalchemy as sa

from entrypoints.command_line import KEY
from wallarm_notify.domain.errors import Unavailable
from wallarm_notify.entrypoints.cli import cli
from wallarm_notify.settings import settings
from wallarm_notify.store.encryption import generate
from wallarm_notify.store.schema_check import newest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


NEEDS_NO_DATABASE = {
    "cloud-ips", "console", "db upgrade", "demo", "events check", "events emit", "events schema", "events types",
    "flower", "policy show", "sandbox", "secrets generate", "triggers conditions", "up",
}  # fmt: skip
"""Commands that look at no row, and those that change the schema."""

OPTIONS = {
    "clients set": "--name x",
    "integrations create": "--key -",
    "integrations test": "1",
    "integrations update": "--name x",
    "notifications replay": "1",
    "tokens create": "--client 1 --role admin",
    "triggers create": "--condition user_created --integration 1",
    "triggers simulate": "1",
    "triggers update": "--name x",
    "users create": "--client 1 --email a@example.com --role admin",
}
"""What these need besides their arguments and the options that have to be given."""


ARGUMENTS = {
    "events show": "7b0c6a52-0001-4000-8000-00000000000a",
    "users sign-in": "a@example.com",
    "events preview": str(files("wallarm_notify").joinpath("samples/events.jsonl")),
}
"""What a command is called with that takes no number."""


def commands_of(group: click.Group, before: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield every command, and words with which it gets as far as the database."""
    for name in group.commands:
        command, path = group.commands[name], f"{before} {name}".strip()
        if isinstance(command, click.Group):
            yield from commands_of(command, path)
        elif path not in NEEDS_NO_DATABASE:
            values = [(p, ARGUMENTS.get(path, "1")) for p in command.params if p.required]
            given = [w for p, value in values for w in _words_of(p, value)]
            yield path, [*path.split(), *given, *OPTIONS.get(path, "").split()]


def _words_of(parameter: click.Parameter, value: str) -> tuple[str, ...]:
    is_option = isinstance(parameter, click.Option)
    return (parameter.opts[0], "1") if is_option else (value,)


@pytest.mark.parametrize(
    ("revision", "serves_from", "sentence"),
    [
        ("0001", None, "The database is at version 0001, this program needs version "),
        (
            "9999",
            "9998",
            "The database is at version 9999, which serves programs from version 9998",
        ),
    ],
    ids=["an older schema", "a newer schema"],
)
def test_every_command_refuses_a_schema_that_does_not_serve_it(
    line: CommandLine,
    subtests: pytest.Subtests,
    revision: str,
    serves_from: str | None,
    sentence: str,
) -> None:
    line.sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    if serves_from is not None:
        line.sql(f"UPDATE compatibility SET serves_from = '{serves_from}'")
    commands = dict(commands_of(cli))
    assert {"integrations list", "integrations delete", "ledger", "metrics"} < set(commands)
    # What it finds out is no refusal.
    examined = line(*commands.pop("doctor"), "--json")
    assert (examined.exit_code, sentence in examined.output) == (1, True)
    for name, words in commands.items():
        with subtests.test(name):
            assert line.refusal(*words, stdin=KEY).startswith(sentence)


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
           "triggers list", "metrics", "integrations explain 1", "integrations hours 1"]  # fmt: skip

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
